//! Rate limit of one user's connections, by the time that they cost the delivering thread.
//!
//! A token bucket: a user may cost [`RATE`] of the thread's time, after a [`BURST`]. A user who
//! sends more is read later, so nobody else waits longer than a burst. Part of the cost is
//! measured; the cost of frames is estimated by their kind ([`super::meter`]).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

/// Fraction of the thread's time that a user may cost.
pub(super) const RATE: f64 = 0.4;

/// Fraction for root and the daemon's own user.
pub(super) const OWNERS_RATE: f64 = 0.8;

/// Capacity of the bucket.
pub(super) const BURST: Duration = Duration::from_millis(40);

/// Rate limit of one user, over all of its connections.
#[derive(Debug)]
pub(super) struct RateLimit {
    bucket: Mutex<TokenBucket>,
    /// One permit. The connection that found the bucket empty holds it while waiting, and the
    /// others queue for it in order: a thousand connections that all wake for the next microsecond
    /// would cost more than the limit saves.
    turn: Arc<Semaphore>,
}

/// The tokens, in units of the thread's time.
#[derive(Debug)]
pub(super) struct TokenBucket {
    rate: f64,
    /// In microseconds.
    tokens: f64,
    refilled_at: Instant,
}

impl RateLimit {
    /// The limit of a user, or of the owners.
    pub(super) fn new(is_owner: bool) -> Self {
        Self {
            bucket: Mutex::new(TokenBucket {
                rate: if is_owner { OWNERS_RATE } else { RATE },
                tokens: micros(BURST),
                refilled_at: Instant::now(),
            }),
            turn: Arc::new(Semaphore::new(1)),
        }
    }

    /// True where nobody waits and tokens are left.
    pub(super) fn is_free(&self) -> bool {
        self.turn.available_permits() > 0 && self.bucket().wait_time().is_none()
    }

    /// Waits for tokens, behind those that wait already.
    pub(super) async fn turn(self: Arc<Self>) {
        // The semaphore is never closed.
        let _turn = self.turn.acquire().await;
        loop {
            let Some(wait) = self.bucket().wait_time() else {
                return;
            };
            sleep(wait).await;
        }
    }

    /// The bucket, refilled up to now.
    pub(super) fn bucket(&self) -> MutexGuard<'_, TokenBucket> {
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let passed = now.saturating_duration_since(bucket.refilled_at);
        bucket.tokens = (bucket.tokens + micros(passed) * bucket.rate).min(micros(BURST));
        bucket.refilled_at = now;
        bucket
    }

    /// Charges a measured time.
    pub(super) fn charge(&self, time: Duration) {
        self.bucket().tokens -= micros(time);
    }
}

impl TokenBucket {
    /// Charges an estimate in microseconds, even where fewer tokens are left.
    pub(super) fn charge(&mut self, micros: u32) {
        self.tokens -= f64::from(micros);
    }

    /// Time until tokens are left again; none where there are some now.
    pub(super) fn wait_time(&self) -> Option<Duration> {
        let missing = 1.0 - self.tokens;
        (missing > 0.0)
            .then(|| Duration::from_secs_f64(missing / self.rate / 1e6))
            // Timers have a resolution of a millisecond.
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
        let rate_limit = RateLimit::new(false);
        assert_eq!(rate_limit.bucket().wait_time(), None);
        rate_limit.charge(BURST + Duration::from_millis(400));
        let wait = rate_limit.bucket().wait_time().unwrap();
        assert!((0.99..1.01).contains(&wait.as_secs_f64()), "{wait:?}");
        tokio::time::advance(wait).await;
        assert_eq!(rate_limit.bucket().wait_time(), None);
        // The bucket holds no more than a burst.
        tokio::time::advance(Duration::from_secs(3600)).await;
        rate_limit.charge(BURST);
        assert!(rate_limit.bucket().wait_time().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_wait_go_on_in_the_order_in_which_they_came() {
        let rate_limit = Arc::new(RateLimit::new(false));
        rate_limit.charge(BURST * 2);
        let order = Mutex::new(Vec::new());
        let waits = (0..5).map(|n| {
            let (rate_limit, order) = (rate_limit.clone(), &order);
            async move {
                rate_limit.clone().turn().await;
                assert!(n == 4 || !rate_limit.is_free());
                rate_limit.charge(BURST);
                order.lock().unwrap().push(n);
            }
        });
        futures_util::future::join_all(waits).await;
        assert_eq!(order.into_inner().unwrap(), [0, 1, 2, 3, 4]);
    }
}
