//! Fair scheduling of password checks. A check keeps a core busy and takes 19 MiB by design, so
//! only two run at once, and guesses must not delay other logins.
//!
//! Each user at each address has a lane: one check at a time, few that wait, and a rate limit after
//! some wrong passwords. Unknown names share a few lanes, so that many invented names get no more
//! turns than a few real ones. While an address guesses this way, the delay of a refusal may reveal
//! which names exist.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Semaphore;

use super::error::ApiError;
use expd_server::address::Address;
use expd_server::lock::lock;
use expd_server::rate_limiter::RateLimiter;

/// Checks that run at once.
const AT_ONCE: usize = 2;

/// Maximum number of waiting logins: in one lane, of one address, with unknown names, and in total.
const WAITING_IN_LANE: usize = 4;
const WAITING_OF_ADDRESS: usize = 24;
const WAITING_UNKNOWN: usize = 8;
const WAITING: usize = 64;

/// Wrong passwords that one lane accepts at once, and the interval of further ones.
const WRONG_AT_ONCE: u32 = 5;
const WRONG_INTERVAL: Duration = Duration::from_secs(1);

/// Lanes of an address for unknown names.
const UNKNOWN_LANES: u64 = 4;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum AccountName {
    Existing(String),
    Unknown(u64),
}

type Lane = (Address, AccountName);

pub(super) struct PasswordChecks {
    checks: Arc<Semaphore>,
    /// Lanes with waiting logins: the turn, and the number of waiters.
    lanes: Mutex<HashMap<Lane, (Arc<Semaphore>, usize)>>,
    wrong: RateLimiter<Lane>,
    unknown: RandomState,
}

impl Default for PasswordChecks {
    fn default() -> Self {
        Self {
            checks: Arc::new(Semaphore::new(AT_ONCE)),
            lanes: Mutex::default(),
            wrong: RateLimiter::new(WRONG_AT_ONCE, WRONG_INTERVAL),
            unknown: RandomState::new(),
        }
    }
}

impl PasswordChecks {
    /// Runs a check for a name, which may be unknown, when it is its turn. Returns the result of
    /// the check.
    ///
    /// # Errors
    /// Too many logins wait in the lane or in total, or the lane had too many wrong passwords.
    pub(super) async fn check(
        &self,
        address: Address,
        name: &str,
        exists: bool,
        check: impl FnOnce() -> bool + Send + 'static,
    ) -> Result<bool, ApiError> {
        let name = if exists {
            AccountName::Existing(name.to_owned())
        } else {
            AccountName::Unknown(self.unknown.hash_one(name) % UNKNOWN_LANES)
        };
        let lane = (address, name);
        self.may_try(&lane)?;
        let waiting = self.enqueue(lane)?;
        let turn = waiting.turn.clone().acquire_owned().await;
        // The preceding checks may all have failed.
        self.may_try(&waiting.lane)?;
        let permit = self.checks.clone().acquire_owned().await;
        let checked = tokio::task::spawn_blocking(move || {
            // A check continues if its client disconnects, and keeps its turn.
            let _running = (turn, permit);
            check()
        });
        let right = checked.await.unwrap_or(false);
        if right {
            self.wrong.reset(&waiting.lane);
        } else {
            self.wrong.record(waiting.lane.clone());
        }
        Ok(right)
    }

    fn may_try(&self, lane: &Lane) -> Result<(), ApiError> {
        self.wrong.check(lane).map_err(|wait| {
            ApiError::rate_limited(
                "authentication.tooMany",
                "too many logins with a wrong password; wait before the next one",
                wait,
            )
        })
    }

    fn enqueue(&self, lane: Lane) -> Result<QueuedCheck<'_>, ApiError> {
        let mut lanes = lock(&self.lanes);
        let count = |which: &dyn Fn(&Lane) -> bool| -> usize {
            let chosen = lanes.iter().filter(|(other, _)| which(other));
            chosen.map(|(_, (_, waiting))| waiting).sum()
        };
        let unknown = |lane: &Lane| matches!(lane.1, AccountName::Unknown(_));
        if count(&|other| *other == lane) >= WAITING_IN_LANE
            || count(&|other| other.0 == lane.0) >= WAITING_OF_ADDRESS
            || unknown(&lane) && count(&unknown) >= WAITING_UNKNOWN
            || count(&|_| true) >= WAITING
        {
            return Err(ApiError::rate_limited(
                "authentication.busy",
                "too many logins at once; try again in a few seconds",
                WRONG_INTERVAL,
            ));
        }
        let (turn, waiting) = lanes
            .entry(lane.clone())
            .or_insert_with(|| (Arc::new(Semaphore::new(1)), 0));
        *waiting += 1;
        Ok(QueuedCheck {
            checks: self,
            turn: turn.clone(),
            lane,
        })
    }
}

/// Login that waits in a lane or is being checked.
struct QueuedCheck<'a> {
    checks: &'a PasswordChecks,
    turn: Arc<Semaphore>,
    lane: Lane,
}

impl Drop for QueuedCheck<'_> {
    fn drop(&mut self) {
        let mut lanes = lock(&self.checks.lanes);
        if let Some((_, waiting)) = lanes.get_mut(&self.lane) {
            *waiting -= 1;
            if *waiting == 0 {
                lanes.remove(&self.lane);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::mpsc;

    use futures_util::future::join_all;

    use super::*;

    fn address(last: u8) -> Address {
        SocketAddr::from(([10, 0, 0, last], 1)).into()
    }

    #[tokio::test]
    async fn wrong_passwords_are_refused_soon_and_harm_nobody_else() {
        let checks = PasswordChecks::default();
        let (guess, other) = (address(1), address(2));
        for _ in 0..WRONG_AT_ONCE {
            assert!(!checks.check(guess, "ada", true, || false).await.unwrap());
        }
        let refused = checks.check(guess, "ada", true, || true).await.unwrap_err();
        assert_eq!(refused.code, "authentication.tooMany");
        assert!(refused.retry_after.is_some());
        assert!(checks.check(guess, "joe", true, || true).await.unwrap());
        assert!(checks.check(other, "ada", true, || true).await.unwrap());
    }

    #[tokio::test]
    async fn a_right_password_is_checked_while_many_made_up_names_wait() {
        let checks = PasswordChecks::default();
        let (go_on, held) = mpsc::channel::<()>();
        let held = Arc::new(Mutex::new(held));
        let names: Vec<String> = (0..400).map(|n| format!("nobody {n}")).collect();
        let flood = join_all(names.iter().map(|name| {
            let held = held.clone();
            let wrong = move || {
                // One at a time, each when it is released.
                held.lock().unwrap().recv().ok();
                false
            };
            checks.check(address(1), name, false, wrong)
        }));
        let right = async {
            let right = checks.check(address(1), "ada", true, || true);
            // At most one check per lane of the flood comes first.
            for _ in 0..UNKNOWN_LANES {
                go_on.send(()).unwrap();
            }
            let right = right.await;
            drop(go_on);
            right
        };
        let (refused, right) = tokio::join!(flood, right);
        assert!(right.unwrap());
        let refused = refused.into_iter().filter(Result::is_err).count();
        assert!(refused > 300, "{refused}");
        assert!(lock(&checks.lanes).is_empty());
    }
}
