//! Backoff: waits between tries, jittered and bounded.

use std::time::Duration;

use rand::RngExt as _;

/// Shortest wait, as a share of the step.
const LEAST: f64 = 0.1;

/// Upper bound on all steps.
const LONGEST: Duration = Duration::from_secs(86_400);

/// Duration from which a success counts as steady, in first steps: 5 s if the first step is 2 s.
const STEADY: f64 = 2.5;

/// Bound on the wait that a server may ask for: a slip in one header must not silence a kiosk for
/// days.
const LONGEST_FLOOR: Duration = Duration::from_secs(3600);

/// Exponential backoff with jitter. Each wait is drawn evenly from (nearly) the whole step, and the
/// step grows by what was waited, up to the longest. A fleet that lost its connections together
/// therefore comes back spread out from the first try on. Since no wait exceeds the sum of the
/// earlier ones and the first step, a kiosk is back soon after a short outage, whatever the draws.
/// (A step that doubles with each try outruns a row of short waits: one kiosk of a thousand was not
/// back 30 s after an outage of 12 s.)
///
/// A success resets the waits, so that a flapping line is used whenever it works. A success that
/// ends within 2.5 first steps (5 s) is a short one: the wait after the first short one is as short
/// as any first wait, and each further one in a row doubles it. A server that accepts and drops at
/// once therefore gets ever fewer tries.
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    step: Duration,
    /// Number of short successes in a row.
    short: u32,
}

impl Backoff {
    /// Waits of up to `first` at the start, and never above `longest`. The two are put in order,
    /// and clamped to between 1 ms and a day.
    #[must_use]
    pub fn new(first: Duration, longest: Duration) -> Self {
        let first = first.clamp(Duration::from_millis(1), LONGEST);
        Self {
            first,
            longest: longest.clamp(first, LONGEST),
            step: first,
            short: 0,
        }
    }

    /// The next wait.
    pub fn wait(&mut self) -> Duration {
        let wait = jittered(self.step, 1.0 - LEAST);
        self.step = (self.step + wait).min(self.longest);
        wait
    }

    /// The next wait, if the server asked for at least `floor` (capped at an hour). Other clients
    /// got the same answer, so the wait is jittered upwards by at least half of it.
    pub fn wait_after(&mut self, floor: Option<Duration>) -> Duration {
        let wait = self.wait();
        match floor.map(|floor| floor.min(LONGEST_FLOOR)) {
            Some(floor) => floor + jittered(wait.max(floor / 2).min(self.longest), 1.0),
            None => wait,
        }
    }

    /// Starts over after a success.
    pub fn reset(&mut self) {
        self.step = self.first;
        self.short = 0;
    }

    /// Starts over after a success that has ended. Short ones in a row start with the first step,
    /// twice that, and so on up to the longest.
    pub fn reset_after(&mut self, lasted: Duration) {
        if lasted >= self.first.mul_f64(STEADY) {
            self.reset();
            return;
        }
        // Sixteen doublings lead from 1 ms to a minute.
        let doublings = self.short.min(16);
        self.step = self.first.saturating_mul(1 << doublings).min(self.longest);
        self.short = self.short.saturating_add(1);
    }
}

/// Draws a duration evenly from the part of `duration` above `1 - share`.
#[must_use]
pub fn jittered(duration: Duration, share: f64) -> Duration {
    duration.mul_f64(rand::rng().random_range(1.0 - share..=1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_bound_and_start_over() {
        let (first, longest) = (Duration::from_millis(100), Duration::from_secs(5));
        for _ in 0..100 {
            let mut backoff = Backoff::new(first, longest);
            let mut step = first;
            for _ in 0..40 {
                let wait = backoff.wait();
                assert!(
                    wait >= step.mul_f64(0.09) && wait <= step,
                    "{wait:?} of {step:?}"
                );
                step = (step + wait).min(longest);
            }
            backoff.reset_after(Duration::from_secs(5));
            assert!(backoff.wait() <= first);
        }
    }

    #[test]
    fn a_reset_soon_after_a_long_outage_is_retried_soon() {
        let (first, longest) = (Duration::from_secs(2), Duration::from_secs(60));
        for lasted in [0.0, 0.5, 3.0, 6.0, 3600.0].map(Duration::from_secs_f64) {
            let mut backoff = Backoff::new(first, longest);
            for _ in 0..50 {
                backoff.wait();
            }
            assert_eq!(backoff.step, longest);
            backoff.reset_after(lasted);
            assert!(backoff.wait() <= first, "after {lasted:?}");
        }
    }

    #[test]
    fn a_server_that_drops_at_once_is_asked_ever_more_rarely() {
        let (first, longest) = (Duration::from_secs(2), Duration::from_secs(60));
        let mut backoff = Backoff::new(first, longest);
        let mut most = Vec::new();
        for _ in 0..8 {
            backoff.reset_after(Duration::from_millis(50));
            most.push(backoff.step.as_secs());
            backoff.wait();
        }
        assert_eq!(most, [2, 4, 8, 16, 32, 60, 60, 60]);
        // In an hour it is asked as often as a server that is down, and not every second or two.
        let mut tries = 0;
        let mut passed = Duration::ZERO;
        while passed < Duration::from_secs(3600) {
            passed += backoff.wait();
            backoff.reset_after(Duration::from_millis(50));
            tries += 1;
        }
        assert!(tries < 200, "{tries} in an hour");
        backoff.reset_after(Duration::from_secs(5));
        assert_eq!(backoff.step, first, "one that holds ends the row");
    }

    /// Share of the time up in which a line is used that is down and up in turn; connecting takes
    /// 300 ms.
    fn used(down: f64, well: f64) -> f64 {
        let period = down + well;
        let mut backoff = Backoff::new(Duration::from_secs(2), Duration::from_secs(60));
        let (mut now, mut used) = (0.0_f64, 0.0);
        let whole = 10_000.0 * period;
        while now < whole {
            let connected = now + 0.3;
            if now % period >= down && connected % period >= down {
                let end = (now / period).floor().mul_add(period, period);
                let lasted = end - connected;
                used += lasted;
                now = end;
                backoff.reset_after(Duration::from_secs_f64(lasted));
            }
            now += backoff.wait().as_secs_f64();
        }
        used / whole
    }

    #[test]
    fn a_line_that_breaks_again_and_again_is_used_while_it_is_well() {
        // Down, up; the least share. Resetting only after steady connections leaves 13 % of the
        // first.
        for (down, well, least) in [(6.0, 14.0, 0.50), (20.0, 20.0, 0.28), (2.0, 30.0, 0.85)] {
            let used = used(down, well);
            eprintln!("down {down} s, well {well} s: used {:.0} %", used * 100.0);
            assert!(used >= least, "{used} of {down} s and {well} s");
        }
    }

    #[test]
    fn a_fleet_that_is_dropped_at_once_again_and_again_does_not_come_in_step() {
        const FLEET: usize = 1000;
        // A server in trouble accepts all connections and drops them at the same moment.
        let mut tries = std::collections::HashMap::<u64, usize>::new();
        for _ in 0..FLEET {
            let mut backoff = Backoff::new(Duration::from_secs(2), Duration::from_secs(60));
            let mut now = 0.0;
            while now < 120.0 {
                backoff.reset_after(Duration::from_millis(100));
                now += 0.1 + backoff.wait().as_secs_f64();
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
                let tenth = (now * 10.0) as u64;
                *tries.entry(tenth).or_default() += 1;
            }
        }
        let most = tries.values().copied().max().unwrap_or_default();
        let late: usize = (600..1200).filter_map(|tenth| tries.get(&tenth)).sum();
        eprintln!("at most {most} of {FLEET} in 100 ms; {late} in the second minute");
        assert!(most <= FLEET * 12 / 100, "{most} at once");
        assert!(late <= FLEET * 4, "{late} tries in the second minute");
    }

    #[test]
    fn what_the_server_asks_for_is_obeyed_and_spread() {
        let floor = Duration::from_secs(10);
        let mut backoff = Backoff::new(Duration::from_secs(4), Duration::from_secs(4));
        let waits: Vec<Duration> = (0..50).map(|_| backoff.wait_after(Some(floor))).collect();
        assert!(
            waits
                .iter()
                .all(|wait| *wait >= floor && *wait <= floor * 2)
        );
        assert!(waits.iter().any(|wait| *wait != waits[0]));
    }

    #[test]
    fn no_wait_is_longer_than_what_was_waited_before_and_the_first_step() {
        let (first, longest) = (Duration::from_secs(2), Duration::from_secs(60));
        for _ in 0..20_000 {
            let mut backoff = Backoff::new(first, longest);
            let mut waited = Duration::ZERO;
            for _ in 0..20 {
                let wait = backoff.wait();
                assert!(wait <= first + waited, "{wait:?} after {waited:?}");
                waited += wait;
            }
        }
    }

    #[test]
    fn odd_bounds_are_put_right() {
        let mut backoff = Backoff::new(Duration::ZERO, Duration::ZERO);
        assert!(backoff.wait() > Duration::ZERO);
        let mut backoff = Backoff::new(Duration::MAX, Duration::ZERO);
        assert!(backoff.wait() <= LONGEST);
    }

    #[test]
    fn an_absurd_request_for_patience_is_bounded() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
        let wait = backoff.wait_after(Some(Duration::MAX));
        assert!(
            wait >= LONGEST_FLOOR && wait <= LONGEST_FLOOR * 2,
            "{wait:?}"
        );
    }

    #[test]
    fn whatever_the_bounds_and_the_history_a_wait_keeps_to_its_step() {
        let mut random = rand::rng();
        for _ in 0..2000 {
            let any = |random: &mut rand::rngs::ThreadRng| {
                Duration::from_millis(1 << random.random_range(0..40_u32))
            };
            let (first, longest) = (any(&mut random), any(&mut random));
            let mut backoff = Backoff::new(first, longest);
            let mut step = backoff.first;
            for _ in 0..random.random_range(1..60) {
                if random.random_ratio(1, 10) {
                    backoff.reset();
                    step = backoff.first;
                }
                let floor = random.random_ratio(1, 3).then(|| any(&mut random));
                let wait = backoff.wait_after(floor);
                let case = format!("{wait:?} of {step:?} and {floor:?} in {first:?}..{longest:?}");
                let (least, most) = match floor.map(|floor| floor.min(LONGEST_FLOOR)) {
                    Some(floor) => (floor, floor + step.max(floor / 2)),
                    None => (step.mul_f64(0.09), step),
                };
                assert!(wait >= least, "too short: {case}");
                assert!(wait <= most, "too long: {case}");
                assert!(
                    wait <= backoff.longest + floor.unwrap_or_default(),
                    "{case}"
                );
                assert!(backoff.step >= step, "{case}");
                assert!(backoff.step <= (step * 2).min(backoff.longest), "{case}");
                step = backoff.step;
            }
        }
    }

    /// The seconds after an outage of `down` at which each of a fleet is back, and the number of
    /// tries in the busiest tenth of a second.
    fn comes_back(fleet: usize, down: f64, retry_after: Option<f64>) -> (Vec<f64>, usize) {
        let mut back = Vec::new();
        let mut tries = std::collections::HashMap::<u64, usize>::new();
        for _ in 0..fleet {
            let mut backoff = Backoff::new(Duration::from_secs(2), Duration::from_secs(60));
            let mut now = 0.0;
            loop {
                let floor = retry_after.map(Duration::from_secs_f64);
                now += backoff.wait_after(floor).as_secs_f64();
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
                let tenth = (now * 10.0) as u64;
                *tries.entry(tenth).or_default() += 1;
                if now >= down {
                    break;
                }
            }
            back.push(now - down);
        }
        back.sort_by(f64::total_cmp);
        (back, tries.values().copied().max().unwrap_or_default())
    }

    #[test]
    fn a_fleet_does_not_come_back_in_step() {
        const FLEET: usize = 1000;
        // Outage; the busiest tenth of a second, as a share of the fleet; the median and the
        // slowest return.
        for (down, busiest, median, slowest) in [
            (0.0, 0.15, 1.5, 2.0),
            (1.0, 0.15, 1.5, 3.0),
            (5.0, 0.15, 4.0, 7.0),
            (30.0, 0.15, 14.0, 32.0),
            (300.0, 0.15, 30.0, 60.0),
        ] {
            let (back, peak) = comes_back(FLEET, down, None);
            eprintln!(
                "an outage of {down} s: at most {peak} of {FLEET} in 100 ms; half are back after {:.1} s, all after {:.1} s",
                back[FLEET / 2],
                back[FLEET - 1]
            );
            #[expect(clippy::cast_precision_loss)]
            let share = peak as f64 / FLEET as f64;
            assert!(share <= busiest, "{share} after {down} s");
            assert!(
                back[FLEET / 2] <= median,
                "{} after {down} s",
                back[FLEET / 2]
            );
            assert!(
                back[FLEET - 1] <= slowest,
                "{} after {down} s",
                back[FLEET - 1]
            );
        }
        let (back, peak) = comes_back(FLEET, 5.0, Some(10.0));
        assert!(back[0] >= 5.0, "Retry-After is not obeyed");
        assert!(peak <= FLEET / 10, "{peak} at once after a Retry-After");
    }
}
