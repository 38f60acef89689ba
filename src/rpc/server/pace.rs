//! The pace at which one user's connections are read: by the time that they cost the thread that delivers to everybody.
//!
//! A user may cost [`RATE`] of the thread's time, after a [`BURST`]; whoever sends more is read later, and nobody else is kept
//! waiting for longer than a burst. Part of the cost is measured, part is estimated: what frames cost by their kind ([`super::meter`]).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

/// The part of the thread's time that a user may cost.
pub(super) const RATE: f64 = 0.4;

/// The part that root and the daemon's own user may cost.
pub(super) const OWNERS_RATE: f64 = 0.8;

/// What may be spent at once.
pub(super) const BURST: Duration = Duration::from_millis(40);

/// One user's pace, over all its connections.
#[derive(Debug)]
pub(super) struct Pace {
    purse: Mutex<Purse>,
    /// One permit. Whoever found the purse empty waits with it, and the others behind it, in the order in which they came: a
    /// thousand connections that all wake for the next microsecond would cost more than they are kept from.
    turn: Arc<Semaphore>,
}

/// What may be spent.
#[derive(Debug)]
pub(super) struct Purse {
    rate: f64,
    /// Microseconds.
    left: f64,
    filled: Instant,
}

impl Pace {
    /// A user's, or the owners'.
    pub(super) fn new(is_owner: bool) -> Self {
        Self {
            purse: Mutex::new(Purse {
                rate: if is_owner { OWNERS_RATE } else { RATE },
                left: micros(BURST),
                filled: Instant::now(),
            }),
            turn: Arc::new(Semaphore::new(1)),
        }
    }

    /// Whether nobody waits, and something may be spent now.
    pub(super) fn is_free(&self) -> bool {
        self.turn.available_permits() > 0 && self.purse().wait().is_none()
    }

    /// Waits until something may be spent, behind those that wait already.
    pub(super) async fn turn(self: Arc<Self>) {
        // It is never closed.
        let _turn = self.turn.acquire().await;
        loop {
            let Some(wait) = self.purse().wait() else {
                return;
            };
            sleep(wait).await;
        }
    }

    /// The purse, filled up to now.
    pub(super) fn purse(&self) -> MutexGuard<'_, Purse> {
        let mut purse = self.purse.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let passed = now.saturating_duration_since(purse.filled);
        purse.left = (purse.left + micros(passed) * purse.rate).min(micros(BURST));
        purse.filled = now;
        purse
    }

    /// Takes what was measured out of the purse.
    pub(super) fn spend(&self, time: Duration) {
        self.purse().left -= micros(time);
    }
}

impl Purse {
    /// Takes an estimate, in microseconds; the last may be more than there was.
    pub(super) fn spend(&mut self, micros: u32) {
        self.left -= f64::from(micros);
    }

    /// The time until something may be spent again; none where something may be now.
    pub(super) fn wait(&self) -> Option<Duration> {
        let missing = 1.0 - self.left;
        (missing > 0.0)
            .then(|| Duration::from_secs_f64(missing / self.rate / 1e6))
            // Timers are exact to a millisecond; sooner would be in vain.
            .map(|wait| wait.max(Duration::from_millis(1)))
    }
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn whoever_spends_too_much_waits_until_it_is_paid() {
        let pace = Pace::new(false);
        assert_eq!(pace.purse().wait(), None);
        pace.spend(BURST + Duration::from_millis(400));
        let wait = pace.purse().wait().unwrap();
        assert!((0.99..1.01).contains(&wait.as_secs_f64()), "{wait:?}");
        tokio::time::advance(wait).await;
        assert_eq!(pace.purse().wait(), None);
        // No more is saved up than a burst.
        tokio::time::advance(Duration::from_secs(3600)).await;
        pace.spend(BURST);
        assert!(pace.purse().wait().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_wait_go_on_in_the_order_in_which_they_came() {
        let pace = Arc::new(Pace::new(false));
        pace.spend(BURST * 2);
        let order = Mutex::new(Vec::new());
        let waits = (0..5).map(|n| {
            let (pace, order) = (pace.clone(), &order);
            async move {
                pace.clone().turn().await;
                assert!(n == 4 || !pace.is_free());
                pace.spend(BURST);
                order.lock().unwrap().push(n);
            }
        });
        futures_util::future::join_all(waits).await;
        assert_eq!(order.into_inner().unwrap(), [0, 1, 2, 3, 4]);
    }
}
