//! Counters of an instance since the daemon started.

use std::sync::atomic::{AtomicU64, Ordering};

/// A counter that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds one.
    pub fn inc(&self) {
        self.add(1);
    }

    /// Adds `count`.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// The present value.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Counters of an instance's session, link and calls. `Counters` in `proto/expd/v1/daemon.proto`
/// defines each.
#[derive(Debug, Default)]
pub struct Counters {
    pub connects: Counter,
    pub disconnects: Counter,
    pub logins: Counter,
    pub refreshes: Counter,
    pub broadcasts_received: Counter,
    pub duplicates: Counter,
    pub broadcasts_sent: Counter,
    pub broadcasts_failed: Counter,
    pub responses_sent: Counter,
    pub responses_failed: Counter,
    pub unexpected_messages: Counter,
}
