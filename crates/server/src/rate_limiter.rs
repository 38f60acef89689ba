//! Rate limit per key: a burst, then a steady rate.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use super::lock::lock;

/// Maximum number of remembered keys; those that have recovered are removed first.
const MAX_KEYS: usize = 4096;

/// Allows `burst` events at once, and one more each `interval`.
pub struct RateLimiter<K> {
    burst: u32,
    interval: Duration,
    /// Time at which each key has its whole burst again.
    recovered_at: Mutex<HashMap<K, Instant>>,
}

impl<K: Eq + Hash> RateLimiter<K> {
    pub fn new(burst: u32, interval: Duration) -> Self {
        Self {
            burst,
            interval,
            recovered_at: Mutex::default(),
        }
    }

    /// Allows an event now, or returns the time to wait.
    pub fn check(&self, key: &K) -> Result<(), Duration> {
        let now = Instant::now();
        let recovered_at = lock(&self.recovered_at).get(key).copied().unwrap_or(now);
        // Allowed while part of the burst is left.
        let owed = recovered_at.saturating_duration_since(now);
        let most = self.interval * (self.burst - 1);
        match owed.checked_sub(most) {
            None | Some(Duration::ZERO) => Ok(()),
            Some(wait) => Err(wait),
        }
    }

    /// Counts an event.
    pub fn record(&self, key: K) {
        let now = Instant::now();
        let mut recovered_at = lock(&self.recovered_at);
        if recovered_at.len() >= MAX_KEYS {
            recovered_at.retain(|_, when| *when > now);
        }
        if recovered_at.len() >= MAX_KEYS && !recovered_at.contains_key(&key) {
            // The key that recovers next loses least by being forgotten.
            let soonest = recovered_at.values().min().copied();
            recovered_at.retain(|_, when| Some(*when) != soonest);
        }
        let when = recovered_at.entry(key).or_insert(now);
        *when = (*when).max(now) + self.interval;
    }

    /// Forgets the events of a key.
    pub fn reset(&self, key: &K) {
        lock(&self.recovered_at).remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_then_a_pace_for_each_key() {
        let rate = RateLimiter::new(3, Duration::from_secs(2));
        for _ in 0..3 {
            assert_eq!(rate.check(&"a"), Ok(()));
            rate.record("a");
        }
        assert_eq!(rate.check(&"a"), Err(Duration::from_secs(2)));
        assert_eq!(rate.check(&"b"), Ok(()));
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(rate.check(&"a"), Ok(()));
        rate.record("a");
        assert!(rate.check(&"a").is_err());
        rate.reset(&"a");
        assert_eq!(rate.check(&"a"), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn the_memory_of_keys_is_bounded() {
        let rate = RateLimiter::new(1, Duration::from_secs(1));
        for key in 0..=MAX_KEYS {
            tokio::time::advance(Duration::from_micros(1)).await;
            rate.record(key);
        }
        assert_eq!(lock(&rate.recovered_at).len(), MAX_KEYS);
        assert!(rate.check(&MAX_KEYS).is_err() && rate.check(&0).is_ok());
    }
}
