//! Rates of users: broadcasts and bytes a second that one user's programs may send to EXP.
//!
//! A token bucket for each user and rate. A call that exceeds it is refused at once, with the time
//! after which it would be accepted: nothing waits, so one user's flood delays nobody, not even
//! that user's other calls. Root and the daemon's own user have no rate, as they have no share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::hits::{Limit, LimitHits};
use super::holder::{Asker, Holder};

/// Beyond this number of buckets, full ones are dropped, which equal absent ones.
const MANY: usize = 1024;

/// A rate and its burst.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Units a second.
    pub per_second: usize,
    /// Units at once after a pause.
    pub burst: usize,
}

/// The rates of all users. Clones share them.
#[derive(Clone, Debug)]
pub struct UserRates {
    broadcasts: Arc<Buckets>,
    bytes: Arc<Buckets>,
}

/// A rate is exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{holder} may send {per_second} {unit} a second, and {burst} at once (daemon.limits.user.{key}); try again in {} ms",
    retry_in.as_millis()
)]
pub struct TooFast {
    holder: Holder,
    per_second: usize,
    burst: usize,
    unit: &'static str,
    key: &'static str,
    /// Time after which it would be accepted.
    pub retry_in: Duration,
}

#[derive(Debug)]
struct Buckets {
    limit: Limit,
    unit: &'static str,
    /// Never locked across an await.
    rate: Mutex<Rate>,
    hits: LimitHits,
    by_holder: Mutex<HashMap<Holder, Bucket>>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl UserRates {
    /// Rates of broadcasts and of bytes.
    pub fn new(broadcasts: Rate, bytes: Rate, hits: &LimitHits) -> Self {
        let buckets = |limit, unit, rate| {
            Arc::new(Buckets {
                limit,
                unit,
                rate: Mutex::new(rate),
                hits: hits.clone(),
                by_holder: Mutex::default(),
            })
        };
        Self {
            broadcasts: buckets(Limit::Broadcasts, "broadcasts", broadcasts),
            bytes: buckets(Limit::Bytes, "bytes", bytes),
        }
    }

    /// Replaces the rates. A bucket keeps its tokens, up to the new burst.
    pub fn set(&self, broadcasts: Rate, bytes: Rate) {
        self.broadcasts.set(broadcasts);
        self.bytes.set(bytes);
    }

    /// Takes one broadcast of `bytes` bytes.
    ///
    /// # Errors
    /// One of the rates is exceeded, and nothing was taken from it.
    pub fn take_broadcast(&self, asker: impl Into<Asker>, bytes: usize) -> Result<(), TooFast> {
        let asker = asker.into();
        self.take_bytes(asker, bytes)?;
        self.broadcasts.take(asker, 1)
    }

    /// Takes the bytes of any call. The last call before the bucket is empty may exceed its rest: a
    /// payload above the burst gets through, and the calls after it pay for it.
    ///
    /// # Errors
    /// The rate is exceeded.
    pub fn take_bytes(&self, asker: impl Into<Asker>, bytes: usize) -> Result<(), TooFast> {
        self.bytes.take(asker.into(), bytes)
    }

    /// Takes bytes that have already arrived, and returns the wait before more may come: until an
    /// eighth of the burst is available, which is left to the user's other calls.
    pub fn charge_bytes(&self, asker: Asker, bytes: usize) -> Option<Duration> {
        self.bytes.charge(asker.holder, bytes, Instant::now())
    }

    /// Counts a wait for the rate of bytes as a reached limit.
    pub fn report_bytes(&self, asker: Asker) {
        self.bytes.hits.count(self.bytes.limit, asker);
    }
}

impl Buckets {
    fn rate(&self) -> Rate {
        *self.rate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, rate: Rate) {
        *self.rate.lock().unwrap_or_else(PoisonError::into_inner) = rate;
    }

    fn take(&self, asker: Asker, amount: usize) -> Result<(), TooFast> {
        if asker.holder == Holder::Owner {
            return Ok(());
        }
        let taken = self.take_at(asker.holder, amount, Instant::now());
        if taken.is_err() {
            self.hits.count(self.limit, asker);
        }
        taken
    }

    fn take_at(&self, holder: Holder, amount: usize, now: Instant) -> Result<(), TooFast> {
        let rate = self.rate();
        self.with_bucket(rate, holder, now, |bucket| {
            // Whole units, however the sums are rounded.
            if bucket.tokens < 0.999_999 {
                let wait = (1.0 - bucket.tokens) / number(rate.per_second);
                return Err(TooFast {
                    holder,
                    per_second: rate.per_second,
                    burst: rate.burst,
                    unit: self.unit,
                    key: self.limit.user_key(),
                    retry_in: Duration::from_secs_f64(wait).max(Duration::from_millis(1)),
                });
            }
            bucket.tokens -= number(amount);
            Ok(())
        })
    }

    /// Takes an amount that can no longer be refused.
    fn charge(&self, holder: Holder, amount: usize, now: Instant) -> Option<Duration> {
        if holder == Holder::Owner {
            return None;
        }
        let rate = self.rate();
        let kept = number(rate.burst / 8);
        self.with_bucket(rate, holder, now, |bucket| {
            bucket.tokens -= number(amount);
            let missing = kept - bucket.tokens;
            let wait = Duration::from_secs_f64(missing.max(0.0) / number(rate.per_second));
            (!wait.is_zero()).then_some(wait)
        })
    }

    /// Uses a user's bucket, refilled up to now.
    fn with_bucket<T>(
        &self,
        rate: Rate,
        holder: Holder,
        now: Instant,
        used: impl FnOnce(&mut Bucket) -> T,
    ) -> T {
        let (per_second, burst) = (number(rate.per_second), number(rate.burst));
        // Consistent after each statement.
        let mut buckets = self
            .by_holder
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MANY && !buckets.contains_key(&holder) {
            buckets.retain(|_, bucket| bucket.refilled(per_second, burst, now) < burst);
        }
        let bucket = buckets.entry(holder).or_insert(Bucket {
            tokens: burst,
            at: now,
        });
        bucket.tokens = bucket.refilled(per_second, burst, now);
        bucket.at = now;
        used(bucket)
    }
}

impl Bucket {
    fn refilled(&self, per_second: f64, burst: f64, now: Instant) -> f64 {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        per_second.mul_add(passed, self.tokens).min(burst)
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "sizes are far below 2^52, and a bucket need not be exact"
)]
fn number(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADA: Holder = Holder::User(60_001);
    const BOB: Holder = Holder::User(60_002);

    fn rates(hits: &LimitHits) -> UserRates {
        let broadcasts = Rate {
            per_second: 10,
            burst: 20,
        };
        let bytes = Rate {
            per_second: 1000,
            burst: 5000,
        };
        UserRates::new(broadcasts, bytes, hits)
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_passes_and_then_the_rate_and_each_user_has_its_own() {
        let hits = LimitHits::default();
        let rates = rates(&hits);
        for _ in 0..20 {
            rates.take_broadcast(ADA, 0).unwrap();
        }
        let refused = rates.take_broadcast(ADA, 0).unwrap_err();
        assert_eq!(refused.retry_in, Duration::from_millis(100));
        let said = refused.to_string();
        assert!(
            said.contains("uid 60001 may send 10 broadcasts a second"),
            "{said}"
        );
        assert!(
            said.contains("daemon.limits.user.broadcasts_per_second"),
            "{said}"
        );
        rates.take_broadcast(BOB, 0).unwrap();
        for _ in 0..1000 {
            rates.take_broadcast(Holder::Owner, 1_000_000).unwrap();
        }
        tokio::time::advance(refused.retry_in).await;
        rates.take_broadcast(ADA, 0).unwrap();
        rates.take_broadcast(ADA, 0).unwrap_err();
        assert_eq!(hits.list().len(), 1, "{hits:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_payload_above_the_burst_passes_and_is_paid_for_afterwards() {
        let rates = rates(&LimitHits::default());
        rates.take_bytes(ADA, 16_000).unwrap();
        let refused = rates.take_bytes(ADA, 1).unwrap_err();
        assert!(refused.retry_in > Duration::from_secs(10), "{refused:?}");
        tokio::time::advance(refused.retry_in).await;
        rates.take_bytes(ADA, 1).unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_reload_changes_the_rates_at_once() {
        let rates = rates(&LimitHits::default());
        let slow = Rate {
            per_second: 1,
            burst: 1,
        };
        rates.set(slow, slow);
        rates.take_broadcast(ADA, 1).unwrap();
        let refused = rates.take_broadcast(ADA, 1).unwrap_err();
        assert!(
            refused.to_string().contains("may send 1 bytes"),
            "{refused}"
        );
        rates.set(
            Rate {
                per_second: 1000,
                burst: 1000,
            },
            Rate {
                per_second: 1000,
                burst: 1000,
            },
        );
        tokio::time::advance(Duration::from_millis(10)).await;
        for _ in 0..5 {
            rates.take_broadcast(ADA, 1).unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_download_waits_and_leaves_room_for_other_calls() {
        let rates = rates(&LimitHits::default());
        assert_eq!(rates.charge_bytes(ADA.into(), 4000), None);
        let wait = rates.charge_bytes(ADA.into(), 1000).unwrap();
        assert_eq!(wait, Duration::from_millis(625));
        rates.take_bytes(ADA, 1).unwrap_err();
        tokio::time::advance(wait).await;
        rates.take_bytes(ADA, 1).unwrap();
        assert_eq!(rates.charge_bytes(Holder::Owner.into(), 1 << 30), None);
    }

    #[tokio::test(start_paused = true)]
    async fn users_at_rest_are_forgotten() {
        let rates = rates(&LimitHits::default());
        for uid in 0..10 * u32::try_from(MANY).unwrap() {
            rates.take_broadcast(Holder::User(uid), 1).unwrap();
            tokio::time::advance(Duration::from_millis(10)).await;
        }
        let kept = rates.broadcasts.by_holder.lock().unwrap().len();
        assert!(kept <= MANY, "{kept}");
    }
}
