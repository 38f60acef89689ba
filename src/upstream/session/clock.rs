//! EXP's clock, for a machine whose own clock may be years off.
//!
//! Login tokens are dated by EXP's clock, and session tokens end by it. Each answer tells the time
//! to the second; between answers it is this machine's clock plus the measured offset. Durations
//! derived from it (a token's life) run on the monotonic clock.

use std::ops::RangeInclusive;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Offsets in milliseconds that count as no offset. The server tells whole seconds, so up to one
/// second has passed since, and the time on the wire; within that, this machine's clock is the
/// finer one.
const AGREEING: RangeInclusive<i64> = -1500..=500;

/// Added to other offsets: a token must not be taken to live longer than it does.
const REST_OF_THE_SECOND: i64 = 1000;

/// Offsets further apart than this are not of the same clock.
const REDATED: Duration = Duration::from_secs(5);

/// Offset that an operator is warned of: certificates and logs depend on the clock as well.
const WARN_FROM: Duration = Duration::from_secs(60);

/// Bound on a token's plausible life. An expiry beyond it, or in the past, is dated by an unknown
/// clock.
const LONGEST_LIFE: Duration = Duration::from_secs(10 * 365 * 86_400);

/// Assumed life of a token with an implausible expiry. The next 401 corrects a wrong guess.
const UNKNOWN_LIFE: Duration = Duration::from_secs(600);

/// EXP's clock, as far as it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ServerClock {
    /// Milliseconds by which it is ahead of this machine's clock.
    offset: i64,
}

impl ServerClock {
    /// Learns from an answer's `Date`, received when this machine's clock said `local`.
    pub(super) fn update(&mut self, date: Option<SystemTime>, local: SystemTime) {
        if let Some(date) = date {
            let offset = millis(date).saturating_sub(millis(local));
            self.offset = if AGREEING.contains(&offset) {
                0
            } else {
                offset.saturating_add(REST_OF_THE_SECOND)
            };
        }
    }

    /// EXP's time in milliseconds since the epoch.
    pub(super) fn now(self, local: SystemTime) -> i64 {
        millis(local).saturating_add(self.offset)
    }

    /// True where the two clocks give different dates.
    pub(super) fn disagrees_with(self, other: Self) -> bool {
        !within(self.offset.saturating_sub(other.offset), REDATED)
    }

    /// Seconds by which EXP's clock is ahead, where an operator should be warned.
    pub(super) fn offset_to_warn_of(self) -> Option<i64> {
        (!within(self.offset, WARN_FROM)).then_some(self.offset / 1000)
    }

    /// Life of a token that ends at `expiration` (milliseconds since the epoch); `None` where
    /// implausible.
    fn life(self, expiration: i64, local: SystemTime) -> Option<Duration> {
        let left = expiration.saturating_sub(self.now(local));
        let life = Duration::from_millis(u64::try_from(left).ok()?);
        (!life.is_zero() && life <= LONGEST_LIFE).then_some(life)
    }

    /// As `life`; by this machine's clock where EXP's gives an implausible life, and else a guess.
    pub(super) fn life_or_guess(self, expiration: i64, local: SystemTime) -> Duration {
        self.life(expiration, local)
            .or_else(|| Self::default().life(expiration, local))
            .unwrap_or(UNKNOWN_LIFE)
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

    fn at(millis: i64) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(millis.try_into().unwrap())
    }

    fn clock_after(date: i64) -> ServerClock {
        let mut clock = ServerClock::default();
        clock.update(Some(at(date)), at(NOW));
        clock
    }

    #[test]
    fn a_token_lives_by_the_servers_clock() {
        let day = 86_400_000;
        for date in [NOW, NOW - 20_000 * day, NOW + 3 * day, NOW - 3_600_000] {
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
        assert!(clock_after(NOW - 999).offset_to_warn_of().is_none());
        assert_eq!(clock_after(NOW - 120_000).offset_to_warn_of(), Some(-119));
    }

    #[test]
    fn what_makes_no_sense_is_guessed() {
        // The answer has no date, and this machine's clock is in 1970, or a year ahead.
        let unknown = ServerClock::default();
        assert_eq!(unknown.life_or_guess(NOW, at(1000)), UNKNOWN_LIFE);
        assert_eq!(
            unknown.life_or_guess(NOW - 86_400_000 * 365, at(NOW)),
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
            clock_after(NOW + 86_400_000).life_or_guess(NOW + 5000, at(NOW)),
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
        let (right, wrong) = (clock_after(NOW), clock_after(NOW - 86_400_000));
        assert!(right.disagrees_with(wrong));
        assert!(!right.disagrees_with(clock_after(NOW + 2000)));
        let mut kept = wrong;
        kept.update(None, at(NOW));
        assert_eq!(kept, wrong);
    }
}
