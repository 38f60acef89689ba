//! A point in time on both clocks, the monotonic one and the wall clock.

use std::time::{Instant, SystemTime};

/// A point in time on both clocks. Ages are measured on the monotonic clock; apps are given the
/// wall clock.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Monotonic clock.
    pub at: Instant,
    /// Wall clock.
    pub wall: SystemTime,
}

impl Moment {
    /// The present.
    #[must_use]
    pub fn now() -> Self {
        Self {
            at: tokio::time::Instant::now().into_std(),
            wall: SystemTime::now(),
        }
    }

    /// The earlier of the two.
    pub(super) fn earlier(self, other: Self) -> Self {
        if other.at < self.at { other } else { self }
    }

    /// This moment in wall-clock time, as the start of a span that ends at `end`. It is never after
    /// `end`, even if the wall clock was set back in between: the earlier of two readings counts,
    /// the wall clock at the time and `end` minus the monotonic time that passed (the monotonic
    /// clock stands still while the machine sleeps). A span may be reported too long, never too
    /// short.
    #[must_use]
    pub fn wall_before(self, end: Self) -> SystemTime {
        let passed = end.at.saturating_duration_since(self.at);
        let counted_back = end.wall.checked_sub(passed).unwrap_or(end.wall);
        self.wall.min(counted_back)
    }

    /// The later of the two.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        if other.at > self.at { other } else { self }
    }
}
