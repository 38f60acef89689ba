//! Points in time that stay right when the wall clock is set.
//!
//! A machine without a battery for its clock boots in 1970, and the network sets the clock later.
//! Elapsed time is therefore measured on clocks that are never set, and turned into a date when it
//! is shown: by the clock as it is then.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub use expd_domain::clock::is_unset;
use nix::time::{ClockId, clock_gettime};

/// Difference up to which two measurements of the wall clock count as equal, since reading two
/// clocks takes a moment. A date that is shown twice is the same date.
const SAME: u64 = 1_000_000;

/// Duration of a measurement in nanoseconds that is good enough; a longer one was interrupted.
const UNDISTURBED: u64 = 20_000;

/// The last measurement of the wall clock; see [`WallClock`].
static KNOWN: AtomicI64 = AtomicI64::new(i64::MIN);

/// Nanoseconds since the machine booted, its sleep included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BootTime(u64);

impl BootTime {
    /// The present.
    #[must_use]
    pub fn now() -> Self {
        // Every Linux that runs this program has the clock.
        let since = clock_gettime(ClockId::CLOCK_BOOTTIME).map(Duration::from);
        Self(nanos(since.unwrap_or_default()))
    }

    /// A time from its [number](Self::nanos).
    #[must_use]
    pub fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Its number of nanoseconds.
    #[must_use]
    pub fn nanos(self) -> u64 {
        self.0
    }

    /// Its date, by the wall clock as it is now.
    #[must_use]
    pub fn date(self) -> SystemTime {
        WallClock::now().date(self)
    }

    /// Time from `earlier` to this one; zero if it is not earlier.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// A point in time: on the clock of timers, and since boot for its date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    /// The clock of timers, which stands still while the machine sleeps.
    pub at: Instant,
    /// Time since boot.
    pub boot: BootTime,
}

impl Moment {
    /// The present.
    #[must_use]
    pub fn now() -> Self {
        Self {
            at: tokio::time::Instant::now().into_std(),
            boot: BootTime::now(),
        }
    }

    /// Its date, by the wall clock as it is now.
    #[must_use]
    pub fn date(self) -> SystemTime {
        self.boot.date()
    }

    /// The moment `wait` later.
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        Self {
            at: self.at + wait,
            boot: BootTime(self.boot.0.saturating_add(nanos(wait))),
        }
    }
}

/// The wall clock: the time that it would have shown at boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WallClock(i64);

impl WallClock {
    /// The clock as it is now.
    #[must_use]
    pub fn now() -> Self {
        let measured = measured();
        let known = KNOWN.load(Ordering::Relaxed);
        if known.abs_diff(measured) <= SAME {
            return Self(known);
        }
        KNOWN.store(measured, Ordering::Relaxed);
        Self(measured)
    }

    /// The date of a time since boot.
    #[must_use]
    pub fn date(self, time: BootTime) -> SystemTime {
        let since_boot = i64::try_from(time.0).unwrap_or(i64::MAX);
        let since_epoch = self.0.saturating_add(since_boot);
        let distance = Duration::from_nanos(since_epoch.unsigned_abs());
        let date = if since_epoch < 0 {
            UNIX_EPOCH.checked_sub(distance)
        } else {
            UNIX_EPOCH.checked_add(distance)
        };
        date.unwrap_or(UNIX_EPOCH)
    }
}

/// Nanoseconds from the epoch to the boot, by the wall clock; the best of a few measurements.
fn measured() -> i64 {
    let mut best = (u64::MAX, 0);
    for _ in 0..3 {
        let before = BootTime::now().0;
        let wall = wall_nanos(SystemTime::now());
        let took = BootTime::now().0.saturating_sub(before);
        if took < best.0 {
            let read_at = i64::try_from(before + took / 2).unwrap_or(i64::MAX);
            best = (took, wall.saturating_sub(read_at));
        }
        if took <= UNDISTURBED {
            break;
        }
    }
    best.1
}

fn wall_nanos(time: SystemTime) -> i64 {
    let whole = |duration| i64::try_from(nanos(duration)).unwrap_or(i64::MAX);
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => whole(since),
        Err(before) => -whole(before.duration()),
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn a_date_is_the_clocks_and_the_same_each_time() {
        let before = SystemTime::now();
        let moment = Moment::now();
        let after = SystemTime::now();
        let date = moment.date();
        let slack = Duration::from_nanos(SAME + UNDISTURBED);
        assert!(date + slack >= before && date <= after + slack);
        std::thread::yield_now();
        assert_eq!(moment.date(), date);
    }

    #[test]
    fn a_clock_that_is_set_moves_dates_and_no_distance_between_them() {
        let (start, end) = (Moment::now(), Moment::now().after(2 * DAY));
        let in_1970 = WallClock(-i64::try_from(start.boot.nanos()).unwrap());
        assert_eq!(in_1970.date(start.boot), UNIX_EPOCH);
        assert_eq!(
            in_1970.date(end.boot) - DAY,
            UNIX_EPOCH + end.boot.since(start.boot) - DAY
        );
        let later = WallClock(in_1970.0 + wall_nanos(UNIX_EPOCH + 20_000 * DAY));
        assert_eq!(later.date(start.boot), UNIX_EPOCH + 20_000 * DAY);
        let span = later.date(end.boot).duration_since(later.date(start.boot));
        assert_eq!(span.unwrap(), end.boot.since(start.boot));
    }

    #[test]
    fn before_1970_and_beyond_all_time_are_dates_too() {
        let before = WallClock(-1_000_000_000).date(BootTime(0));
        assert_eq!(before, UNIX_EPOCH - Duration::from_secs(1));
        assert!(WallClock(i64::MAX).date(BootTime(u64::MAX)) > UNIX_EPOCH);
        assert_eq!(BootTime(5).since(BootTime(9)), Duration::ZERO);
    }
}
