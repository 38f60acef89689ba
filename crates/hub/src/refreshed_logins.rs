//! Logins whose token was refreshed, with the life of the latest token.
//!
//! The Android and iOS SDKs reopen their socket with the token of their first login, which has
//! expired by then. Such a handshake is accepted while a refreshed token of that login is valid.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use expd_server::lock::lock;
use expd_server::token_life::{Clocks, TokenLife};

/// Maximum number of remembered logins: in total, and of one identity. Beyond it the oldest login
/// of the identity with the most is forgotten; its client then must log in to open a socket.
const MAX_LOGINS: usize = 16_384;
const MAX_LOGINS_OF_IDENTITY: usize = 1024;

/// Minimum interval of sweeps for expired logins, which visit all of them.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(super) struct RefreshedLogins(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    logins: HashMap<String, Refreshed>,
    of_identity: HashMap<String, usize>,
    last: u64,
    /// Time of the last sweep.
    swept: Option<Instant>,
}

struct Refreshed {
    owner: String,
    life: TokenLife,
    /// Order of the latest refresh.
    number: u64,
}

impl RefreshedLogins {
    /// Records that a token of this login was refreshed.
    pub(super) fn note(&self, login: &str, owner: &str, life: TokenLife) {
        let inner = &mut *lock(&self.0);
        inner.last += 1;
        let number = inner.last;
        if let Some(known) = inner.logins.get_mut(login) {
            (known.life, known.number) = (life, number);
            return;
        }
        inner.make_room(owner);
        let refreshed = Refreshed {
            owner: owner.to_owned(),
            life,
            number,
        };
        inner.logins.insert(login.to_owned(), refreshed);
        *inner.of_identity.entry(owner.to_owned()).or_default() += 1;
    }

    /// Life of the latest token of a login, if that token is still valid.
    pub(super) fn life(&self, login: &str) -> Option<TokenLife> {
        let inner = lock(&self.0);
        let refreshed = inner.logins.get(login)?;
        refreshed.holds(Clocks::now()).then_some(refreshed.life)
    }
}

impl Refreshed {
    fn holds(&self, now: Clocks) -> bool {
        // Issued by this process, so within this boot.
        !self.life.left(Duration::MAX, now).is_zero()
    }
}

impl Inner {
    fn make_room(&mut self, owner: &str) {
        let crowded = |inner: &Self| {
            let own = inner.of_identity.get(owner).copied().unwrap_or(0);
            own >= MAX_LOGINS_OF_IDENTITY || inner.logins.len() >= MAX_LOGINS
        };
        let is_due = self.swept.is_none_or(|at| at.elapsed() >= SWEEP_INTERVAL);
        if crowded(self) && is_due {
            self.swept = Some(Instant::now());
            let now = Clocks::now();
            self.logins.retain(|_, login| login.holds(now));
            self.of_identity.clear();
            for login in self.logins.values() {
                *self.of_identity.entry(login.owner.clone()).or_default() += 1;
            }
        }
        if !crowded(self) {
            return;
        }
        let own = self.of_identity.get(owner).copied().unwrap_or(0);
        let most = self.of_identity.iter().max_by_key(|(_, count)| **count);
        let whose = match most {
            Some((most, _)) if own < MAX_LOGINS_OF_IDENTITY => most.clone(),
            _ => owner.to_owned(),
        };
        let of_them = self.logins.iter().filter(|(_, login)| login.owner == whose);
        let oldest = of_them.min_by_key(|(_, login)| login.number);
        if let Some(oldest) = oldest.map(|(login, _)| login.clone()) {
            self.logins.remove(&oldest);
            if let Some(count) = self.of_identity.get_mut(&whose) {
                *count -= 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn life(seconds: u64) -> TokenLife {
        TokenLife::begin(Duration::from_secs(seconds), Clocks::now())
    }

    #[test]
    fn a_login_is_remembered_until_its_latest_token_expires() {
        let logins = RefreshedLogins::default();
        assert_eq!(logins.life("a"), None);
        logins.note("a", "device:1", life(0));
        assert_eq!(logins.life("a"), None);
        let hour = life(3600);
        logins.note("a", "device:1", hour);
        assert_eq!(logins.life("a"), Some(hour));
        assert_eq!(lock(&logins.0).of_identity["device:1"], 1);
    }

    #[test]
    fn an_identity_with_many_logins_loses_its_own_oldest() {
        let logins = RefreshedLogins::default();
        logins.note("other", "device:2", life(3600));
        for n in 0..=MAX_LOGINS_OF_IDENTITY {
            logins.note(&n.to_string(), "device:1", life(3600));
        }
        assert_eq!(logins.life("0"), None);
        assert!(logins.life("1").is_some() && logins.life("other").is_some());
        assert_eq!(lock(&logins.0).logins.len(), MAX_LOGINS_OF_IDENTITY + 1);
        for n in 0..MAX_LOGINS {
            logins.note(&format!("+{n}"), &format!("user:{n}"), life(3600));
        }
        assert_eq!(lock(&logins.0).logins.len(), MAX_LOGINS);
        assert!(logins.life("other").is_some());
        assert!(lock(&logins.0).of_identity["device:1"] < MAX_LOGINS_OF_IDENTITY);
    }
}
