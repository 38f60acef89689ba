//! A point in time by both clocks: the one that cannot jump, and the one that people read.

use std::time::{Instant, SystemTime};

/// A moment, by both clocks: ages go by the one that cannot jump, apps are told the other.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Never jumps.
    pub at: Instant,
    /// What people read.
    pub wall: SystemTime,
}

impl Moment {
    /// Now.
    #[must_use]
    pub fn now() -> Self {
        Self {
            at: tokio::time::Instant::now().into_std(),
            wall: SystemTime::now(),
        }
    }

    /// The earlier one of the two.
    pub(super) fn earlier(self, other: Self) -> Self {
        if other.at < self.at { other } else { self }
    }

    /// This moment as the clock showed it, for a span that ends at `end`: not after it, where the clock was set back
    /// meanwhile. It is the earlier one of the two readings, since the clock that cannot jump stands still in a machine that
    /// is asleep. A span may thus be told too long, and never too short.
    #[must_use]
    pub fn wall_before(self, end: Self) -> SystemTime {
        let passed = end.at.saturating_duration_since(self.at);
        let counted_back = end.wall.checked_sub(passed).unwrap_or(end.wall);
        self.wall.min(counted_back)
    }

    /// The later one of two.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        if other.at > self.at { other } else { self }
    }
}
