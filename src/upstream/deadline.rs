//! Deadlines: kept on the monotonic clock, displayed on the wall clock.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// The instant at which something ends or is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

impl Deadline {
    /// A deadline `wait` from now.
    #[must_use]
    pub fn after(wait: Duration) -> Self {
        Self(Instant::now() + wait)
    }

    /// The instant, for timers.
    #[must_use]
    pub fn instant(self) -> Instant {
        self.0
    }

    /// Time left; zero if it has passed.
    #[must_use]
    pub fn left(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// Its time on the wall clock, as that clock is set now.
    #[must_use]
    pub fn wall(self) -> SystemTime {
        let now = Instant::now();
        let left = self.0.saturating_duration_since(now);
        let over = now.saturating_duration_since(self.0);
        SystemTime::now() + left - over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_comes_nearer_and_passes() {
        let (minute, second) = (Duration::from_secs(60), Duration::from_secs(1));
        let deadline = Deadline::after(minute);
        assert_eq!(deadline.left(), minute);
        let ahead = deadline.wall().duration_since(SystemTime::now()).unwrap();
        assert!(ahead + second > minute && ahead <= minute, "{ahead:?}");
        tokio::time::advance(minute * 2).await;
        assert_eq!(deadline.left(), Duration::ZERO);
        let behind = SystemTime::now().duration_since(deadline.wall()).unwrap();
        assert!(
            behind + second > minute && behind < minute + second,
            "{behind:?}"
        );
    }
}
