//! EXP's clock, for a machine whose own clock may be years off.
//!
//! Login tokens are dated by EXP's clock, and session tokens end by it. Each answer has the time to
//! the second; between answers it advances with the time since boot, so that setting this machine's
//! clock changes nothing. Durations derived from it (a token's life) run on the monotonic clock.

use std::ops::RangeInclusive;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::moment::{BootTime, is_unset};

/// Offsets in milliseconds that count as none. The server sends whole seconds, so its time is up to
/// a second old, plus the time on the wire; within that, this machine's clock is more precise.
const AGREEING: RangeInclusive<i64> = -1500..=500;

/// Added to other offsets: a token must not be taken to live longer than it does.
const REST_OF_THE_SECOND: i64 = 1000;

/// Clocks further apart than this give different dates.
const REDATED: Duration = Duration::from_secs(5);

/// Offset from which an operator is warned: certificates and logs depend on the clock as well.
const WARN_FROM: Duration = Duration::from_secs(60);

/// Bound on a token's plausible life. An expiry beyond it, or in the past, is dated by an unknown
/// clock.
const LONGEST_LIFE: Duration = Duration::from_secs(10 * 365 * 86_400);

/// Assumed life of a token with an implausible expiry. The next 401 corrects a wrong guess.
const UNKNOWN_LIFE: Duration = Duration::from_secs(600);

/// This machine's two clocks at one instant.
#[derive(Clone, Copy, Debug)]
pub(super) struct LocalTime {
    wall: SystemTime,
    boot: BootTime,
}

impl LocalTime {
    /// The present.
    pub(super) fn now() -> Self {
        Self {
            wall: SystemTime::now(),
            boot: BootTime::now(),
        }
    }

    /// True if this machine's clock has certainly not been set.
    pub(super) fn is_unset(self) -> bool {
        is_unset(self.wall)
    }

    fn boot_millis(self) -> i64 {
        i64::try_from(self.boot.nanos() / 1_000_000).unwrap_or(i64::MAX)
    }
}

/// EXP's clock, as far as it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ServerClock {
    /// EXP's time at boot in ms since the epoch; `None`: use the local clock.
    at_boot: Option<i64>,
}

impl ServerClock {
    /// Sets the clock by an answer's `Date`, received at `local`.
    pub(super) fn update(&mut self, date: Option<SystemTime>, local: LocalTime) {
        if let Some(date) = date {
            let offset = millis(date).saturating_sub(millis(local.wall));
            let now = if AGREEING.contains(&offset) {
                millis(local.wall)
            } else {
                millis(date).saturating_add(REST_OF_THE_SECOND)
            };
            self.at_boot = Some(now.saturating_sub(local.boot_millis()));
        }
    }

    /// True once an answer has had a date.
    pub(super) fn is_known(self) -> bool {
        self.at_boot.is_some()
    }

    /// EXP's time in milliseconds since the epoch.
    pub(super) fn now(self, local: LocalTime) -> i64 {
        match self.at_boot {
            Some(at_boot) => at_boot.saturating_add(local.boot_millis()),
            None => millis(local.wall),
        }
    }

    /// True if the two clocks give different dates.
    pub(super) fn disagrees_with(self, other: Self, local: LocalTime) -> bool {
        !within(self.now(local).saturating_sub(other.now(local)), REDATED)
    }

    /// Seconds by which EXP's clock is ahead, where an operator should be warned.
    pub(super) fn offset_to_warn_of(self, local: LocalTime) -> Option<i64> {
        let offset = self.now(local).saturating_sub(millis(local.wall));
        (!within(offset, WARN_FROM)).then_some(offset / 1000)
    }

    /// Life of a token that ends at `expiration` (milliseconds since the epoch); `None` where
    /// implausible.
    fn life(self, expiration: i64, local: LocalTime) -> Option<Duration> {
        let left = expiration.saturating_sub(self.now(local));
        let life = Duration::from_millis(u64::try_from(left).ok()?);
        (!life.is_zero() && life <= LONGEST_LIFE).then_some(life)
    }

    /// As `life`; by this machine's clock where EXP's gives an implausible life, and else a guess.
    pub(super) fn life_or_guess(self, expiration: i64, local: LocalTime) -> Duration {
        self.life(expiration, local)
            .or_else(|| Self::default().life(expiration, local))
            .unwrap_or(UNKNOWN_LIFE)
    }
}

/// Warnings of a wrong clock: one for each difference, and a message once it is gone.
#[derive(Debug, Default)]
pub(super) struct ClockWarnings(Option<i64>);

/// A change to report to the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClockChange {
    /// EXP's clock is ahead by so many seconds.
    Wrong(i64),
    /// The clocks agree again.
    Right,
}

impl ClockWarnings {
    /// Updates the offset. Returns a change worth logging.
    pub(super) fn update(&mut self, offset: Option<i64>) -> Option<ClockChange> {
        let last_reported = std::mem::replace(&mut self.0, offset);
        match (offset, last_reported) {
            (None, None) => None,
            (None, Some(_)) => Some(ClockChange::Right),
            (Some(now), Some(last)) if now.abs_diff(last) <= REDATED.as_secs() => {
                // Small steps must not add up unnoticed.
                self.0 = Some(last);
                None
            }
            (Some(now), _) => Some(ClockChange::Wrong(now)),
        }
    }
}

fn within(difference: i64, bound: Duration) -> bool {
    u128::from(difference.unsigned_abs()) <= bound.as_millis()
}

/// Milliseconds since the epoch.
fn millis(time: SystemTime) -> i64 {
    let whole = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => whole(since),
        Err(before) => -whole(before.duration()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000_000;

    const DAY: i64 = 86_400_000;

    fn date(millis: i64) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(millis.try_into().unwrap())
    }

    /// An hour after boot, with this machine's clock at `wall`.
    fn at(wall: i64) -> LocalTime {
        LocalTime {
            wall: date(wall),
            boot: BootTime::from_nanos(3_600_000_000_000),
        }
    }

    fn clock_after(date: i64) -> ServerClock {
        let mut clock = ServerClock::default();
        clock.update(Some(self::date(date)), at(NOW));
        clock
    }

    #[test]
    fn a_token_lives_by_the_servers_clock() {
        for date in [NOW, NOW - 20_000 * DAY, NOW + 3 * DAY, NOW - 3_600_000] {
            let life = clock_after(date).life_or_guess(date + 5000, at(NOW));
            let least = if date == NOW { 5 } else { 4 };
            assert_eq!(life, Duration::from_secs(least), "{date}");
        }
    }

    #[test]
    fn this_machines_clock_is_finer_where_the_two_agree() {
        assert_eq!(
            clock_after(NOW - 999).life_or_guess(NOW + 1500, at(NOW)),
            Duration::from_millis(1500)
        );
        assert!(clock_after(NOW - 999).offset_to_warn_of(at(NOW)).is_none());
        assert_eq!(
            clock_after(NOW - 120_000).offset_to_warn_of(at(NOW)),
            Some(-119)
        );
    }

    #[test]
    fn what_makes_no_sense_is_guessed() {
        // The answer has no date, and this machine's clock is in 1970, or a year ahead.
        let unknown = ServerClock::default();
        assert_eq!(unknown.life_or_guess(NOW, at(1000)), UNKNOWN_LIFE);
        assert_eq!(
            unknown.life_or_guess(NOW - DAY * 365, at(NOW)),
            UNKNOWN_LIFE
        );
        for expiration in [0, i64::MIN, i64::MAX] {
            assert_eq!(
                clock_after(NOW).life_or_guess(expiration, at(NOW)),
                UNKNOWN_LIFE
            );
        }
        // The date is a proxy's; the expiry fits this machine's clock.
        assert_eq!(
            clock_after(NOW + DAY).life_or_guess(NOW + 5000, at(NOW)),
            Duration::from_secs(5)
        );
    }

    #[test]
    fn a_thirty_day_token_keeps_its_thirty_days() {
        let month = 30 * 86_400;
        assert_eq!(
            clock_after(NOW).life_or_guess(NOW + month * 1000, at(NOW)),
            Duration::from_secs(month.try_into().unwrap())
        );
    }

    #[test]
    fn a_corrected_clock_shows() {
        let (right, wrong) = (clock_after(NOW), clock_after(NOW - DAY));
        assert!(right.disagrees_with(wrong, at(NOW)));
        assert!(!right.disagrees_with(clock_after(NOW + 2000), at(NOW)));
        let mut kept = wrong;
        kept.update(None, at(NOW));
        assert_eq!(kept, wrong);
    }

    #[test]
    fn what_exp_told_holds_when_this_machines_clock_is_set() {
        let mut clock = ServerClock::default();
        assert!(!clock.is_known() && at(5000).is_unset() && !at(NOW).is_unset());
        assert_eq!(clock.now(at(5000)), 5000);
        // A boot in 1970, and an answer.
        let dated_by = clock;
        clock.update(Some(date(NOW)), at(5000));
        assert!(clock.disagrees_with(dated_by, at(5000)));
        assert_eq!(clock.offset_to_warn_of(at(5000)), Some((NOW - 4000) / 1000));
        for set_to in [NOW, NOW - 3_600_000, NOW + DAY] {
            assert_eq!(clock.now(at(set_to)), NOW + 1000);
            let life = clock.life_or_guess(NOW + 61_000, at(set_to));
            assert_eq!(life, Duration::from_secs(60));
        }
    }

    #[test]
    fn a_difference_is_told_once_and_so_is_its_end() {
        let mut warnings = ClockWarnings::default();
        let mut told = |offset| warnings.update(offset);
        assert_eq!(told(None), None);
        assert_eq!(told(Some(3600)), Some(ClockChange::Wrong(3600)));
        assert_eq!(told(Some(3603)), None);
        assert_eq!(told(Some(3607)), Some(ClockChange::Wrong(3607)));
        assert_eq!(told(None), Some(ClockChange::Right));
        assert_eq!(told(None), None);
    }
}
