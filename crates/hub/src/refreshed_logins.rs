//! Logins whose token was refreshed, with the expiry of the latest one.
//!
//! The Android and iOS SDKs open their socket anew with the token of their first login, which has
//! expired by then. Such a handshake is accepted as long as a refreshed token of that login holds.

use std::collections::HashMap;
use std::sync::Mutex;

use super::lock::lock;
use super::tokens::now_millis;

/// Limits of remembered logins: in all, and of one identity. Beyond them the oldest is forgotten,
/// of the identity that has the most; its client then has to log in to open a socket.
const MAX_LOGINS: usize = 16_384;
const MAX_LOGINS_OF_IDENTITY: usize = 1024;

#[derive(Default)]
pub(super) struct RefreshedLogins(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    logins: HashMap<String, Refreshed>,
    of_identity: HashMap<String, usize>,
    last: u64,
}

struct Refreshed {
    owner: String,
    expiration: i64,
    /// Order of the latest refresh.
    number: u64,
}

impl RefreshedLogins {
    /// Notes that a token of this login was refreshed.
    pub(super) fn note(&self, login: &str, owner: &str, expiration: i64) {
        let inner = &mut *lock(&self.0);
        inner.last += 1;
        let number = inner.last;
        if let Some(known) = inner.logins.get_mut(login) {
            (known.expiration, known.number) = (expiration, number);
            return;
        }
        inner.make_room(owner);
        let refreshed = Refreshed {
            owner: owner.to_owned(),
            expiration,
            number,
        };
        inner.logins.insert(login.to_owned(), refreshed);
        *inner.of_identity.entry(owner.to_owned()).or_default() += 1;
    }

    /// Expiry of the latest token of a login, if that token still holds.
    pub(super) fn expiration(&self, login: &str) -> Option<i64> {
        let inner = lock(&self.0);
        let expiration = inner.logins.get(login)?.expiration;
        (expiration > now_millis()).then_some(expiration)
    }
}

impl Inner {
    fn make_room(&mut self, owner: &str) {
        let crowded = |inner: &Self| {
            let own = inner.of_identity.get(owner).copied().unwrap_or(0);
            own >= MAX_LOGINS_OF_IDENTITY || inner.logins.len() >= MAX_LOGINS
        };
        if crowded(self) {
            let now = now_millis();
            self.logins.retain(|_, login| login.expiration > now);
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

    #[test]
    fn a_login_is_remembered_until_its_latest_token_expires() {
        let logins = RefreshedLogins::default();
        assert_eq!(logins.expiration("a"), None);
        logins.note("a", "device:1", now_millis() - 1);
        assert_eq!(logins.expiration("a"), None);
        logins.note("a", "device:1", i64::MAX);
        assert_eq!(logins.expiration("a"), Some(i64::MAX));
        assert_eq!(lock(&logins.0).of_identity["device:1"], 1);
    }

    #[test]
    fn an_identity_with_many_logins_loses_its_own_oldest() {
        let logins = RefreshedLogins::default();
        logins.note("other", "device:2", i64::MAX);
        for n in 0..=MAX_LOGINS_OF_IDENTITY {
            logins.note(&n.to_string(), "device:1", i64::MAX);
        }
        assert_eq!(logins.expiration("0"), None);
        assert!(logins.expiration("1").is_some() && logins.expiration("other").is_some());
        assert_eq!(lock(&logins.0).logins.len(), MAX_LOGINS_OF_IDENTITY + 1);
        for n in 0..MAX_LOGINS {
            logins.note(&format!("+{n}"), &format!("user:{n}"), i64::MAX);
        }
        assert_eq!(lock(&logins.0).logins.len(), MAX_LOGINS);
        assert!(logins.expiration("other").is_some());
        assert!(lock(&logins.0).of_identity["device:1"] < MAX_LOGINS_OF_IDENTITY);
    }
}
