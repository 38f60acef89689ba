//! What time it is at EXP, for a machine whose own clock may be years off.
//!
//! Login tokens are dated and session tokens end by EXP's clock. Each answer tells it, to the second; between answers it is this
//! machine's clock and the difference. What has been measured out from there (a token's life) runs on the clock that
//! cannot jump.

use std::ops::RangeInclusive;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What the server tells are whole seconds, so that up to one more has passed, and the time on the wire. A difference within
/// these milliseconds may come from that alone; this machine's clock is then the finer one.
const AGREEING: RangeInclusive<i64> = -1500..=500;

/// Added to what the server tells elsewhere: a token must not be thought to live longer than it does.
const REST_OF_THE_SECOND: i64 = 1000;

/// From here on two readings of the server's clock are not of one clock.
const REDATED: Duration = Duration::from_secs(5);

/// From here on a difference is worth an operator's attention: certificates and logs depend on the clock, too.
const WARN_FROM: Duration = Duration::from_secs(60);

/// A token that is said to live longer, or to be over already, is dated by a clock that is not known.
const LONGEST_LIFE: Duration = Duration::from_secs(10 * 365 * 86_400);

/// How long a token is taken to live where nobody can tell. A wrong guess is mended by the next 401.
const UNKNOWN_LIFE: Duration = Duration::from_secs(600);

/// EXP's clock, as far as it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ServerClock {
    /// By how many milliseconds it is offset of this machine's.
    offset: i64,
}

impl ServerClock {
    /// Takes note of what an answer's `Date` said, while this machine's clock says `local`.
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

    /// The time at EXP.
    pub(super) fn now(self, local: SystemTime) -> i64 {
        millis(local).saturating_add(self.offset)
    }

    /// Whether something dated by this clock has another date by that one.
    pub(super) fn disagrees_with(self, other: Self) -> bool {
        !within(self.offset.saturating_sub(other.offset), REDATED)
    }

    /// By how many seconds EXP is offset, where that should be looked at.
    pub(super) fn offset_to_warn_of(self) -> Option<i64> {
        (!within(self.offset, WARN_FROM)).then_some(self.offset / 1000)
    }

    /// How long a token lives that ends at `expiration` (milliseconds since the epoch); `None` where that makes no sense.
    fn life(self, expiration: i64, local: SystemTime) -> Option<Duration> {
        let left = expiration.saturating_sub(self.now(local));
        let life = Duration::from_millis(u64::try_from(left).ok()?);
        (!life.is_zero() && life <= LONGEST_LIFE).then_some(life)
    }

    /// The same, by this machine's clock where EXP's makes no sense, and else a guess.
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
        // The answer names no date, and this machine lives in 1970, or a year offset.
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
        // The date comes from something on the way; the expiration fits this machine's clock.
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
