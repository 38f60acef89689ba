//! When the listeners of one log are woken.
//!
//! Waking a stream costs some 5 µs of processor time, nearly all of it the same for one event as for fifty: two tasks, a
//! system call, the app's own awakening. So after many were woken the next waking rests a little, and what comes meanwhile
//! goes out together. At 500 events a second to 100 streams that halves what a delivery costs; whoever has fewer than
//! [`FEW`] listeners, or a calm channel, never notices.

use std::time::{Duration, Instant};

/// How long waking rests for each listener that was woken: waking takes a tenth of a core at the most then.
const REST_EACH: Duration = Duration::from_micros(50);

/// The longest rest: less than anybody sees on a screen.
const LONGEST_REST: Duration = Duration::from_millis(10);

/// Below this many listeners there is no rest; it would be shorter than the timer's millisecond.
const FEW: usize = 20;

/// When so many bytes are waiting, resting longer would spare nothing more.
const ENOUGH_BYTES: usize = 32 * 1024;

/// What has come since the last waking, and how long it rests.
#[derive(Debug, Default)]
pub(super) struct Wakes {
    rests_until: Option<Instant>,
    bytes: usize,
    events: usize,
    /// Whether somebody has been told when the rest ends.
    promised: bool,
}

/// Whether listeners are to be woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Now,
    /// At this time, unless something else comes first.
    At(Instant),
    /// At a time that was told before.
    Promised,
}

impl Wakes {
    /// Something of this size came.
    pub fn came(&mut self, size: usize) {
        self.bytes += size;
        self.events += 1;
    }

    /// Whether it is time, for a log that holds `events` and `bytes` at the most: what waits must never fall off it.
    pub fn turn(&mut self, now: Instant, events: usize, bytes: usize) -> Turn {
        let enough = self.bytes >= ENOUGH_BYTES.min(bytes / 4) || self.events >= events / 4;
        match self.rests_until {
            Some(until) if until > now && !enough => {
                if self.promised {
                    return Turn::Promised;
                }
                self.promised = true;
                Turn::At(until)
            }
            _ => Turn::Now,
        }
    }

    /// So many were woken.
    pub fn woke(&mut self, listeners: usize, now: Instant) {
        *self = Self::default();
        if listeners >= FEW {
            let each = u32::try_from(listeners).unwrap_or(u32::MAX);
            let rest = REST_EACH.saturating_mul(each).min(LONGEST_REST);
            self.rests_until = Some(now + rest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENTS: usize = 1024;
    const BYTES: usize = 4 << 20;

    #[test]
    fn few_listeners_are_woken_at_once_always() {
        let now = Instant::now();
        let mut wakes = Wakes::default();
        for _ in 0..10 {
            wakes.came(200);
            assert_eq!(wakes.turn(now, EVENTS, BYTES), Turn::Now);
            wakes.woke(FEW - 1, now);
        }
    }

    #[test]
    fn many_rest_for_a_while_that_is_told_once() {
        let now = Instant::now();
        let mut wakes = Wakes::default();
        wakes.woke(100, now);
        wakes.came(200);
        let until = now + Duration::from_millis(5);
        assert_eq!(wakes.turn(now, EVENTS, BYTES), Turn::At(until));
        assert_eq!(wakes.turn(now, EVENTS, BYTES), Turn::Promised);
        assert_eq!(wakes.turn(until, EVENTS, BYTES), Turn::Now);
        wakes.woke(100_000, until);
        let turn = wakes.turn(until, EVENTS, BYTES);
        assert_eq!(turn, Turn::At(until + LONGEST_REST));
    }

    #[test]
    fn nothing_waits_until_it_falls_off_the_log() {
        let now = Instant::now();
        let mut wakes = Wakes::default();
        wakes.woke(100, now);
        wakes.came(ENOUGH_BYTES);
        assert_eq!(wakes.turn(now, EVENTS, BYTES), Turn::Now);
        wakes.woke(100, now);
        wakes.came(300);
        assert_eq!(wakes.turn(now, EVENTS, 1024), Turn::Now);
        assert_eq!(wakes.turn(now, 1, BYTES), Turn::Now);
    }
}
