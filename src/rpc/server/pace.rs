//! The pace at which one user's connections are read: by the time that they cost the thread that delivers to everybody.
//!
//! A user may cost [`RATE`] of the thread's time, after a [`BURST`]; whoever sends more is read later, and nobody else is kept
//! waiting for longer than a burst. Part of the cost is measured, part is estimated: what frames cost by their kind ([`super::meter`]).

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The part of the thread's time that a user may cost.
const RATE: f64 = 0.4;

/// The part that root and the daemon's own user may cost.
const OWNERS_RATE: f64 = 0.8;

/// What may be spent at once.
const BURST: Duration = Duration::from_millis(40);

/// One user's pace, over all its connections.
#[derive(Debug)]
pub(super) struct Pace(Mutex<Purse>);

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
        Self(Mutex::new(Purse {
            rate: if is_owner { OWNERS_RATE } else { RATE },
            left: micros(BURST),
            filled: Instant::now(),
        }))
    }

    /// The purse, filled up to now.
    pub(super) fn purse(&self) -> MutexGuard<'_, Purse> {
        let mut purse = self.0.lock().unwrap_or_else(PoisonError::into_inner);
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
}
