//! How long to wait before the next try: ever longer up to a bound, and never in step with others.

use std::time::Duration;

use rand::Rng as _;

/// Exponential backoff with jitter: each wait is drawn evenly from the half of the present step below it, and the step
/// doubles up to the longest. A fleet that fell together thus comes back spread out.
#[derive(Clone, Debug)]
pub struct Backoff {
    shortest: Duration,
    longest: Duration,
    step: Duration,
}

impl Backoff {
    /// Waits between `shortest` and `longest`; the two are put in order where they are not.
    #[must_use]
    pub fn new(shortest: Duration, longest: Duration) -> Self {
        let shortest = shortest.max(Duration::from_millis(1));
        Self {
            shortest,
            longest: longest.max(shortest),
            step: shortest,
        }
    }

    /// The next wait.
    pub fn wait(&mut self) -> Duration {
        let wait = jittered(self.step, 0.5);
        self.step = self.step.saturating_mul(2).min(self.longest);
        wait
    }

    /// The next wait where the server asked for at least `floor`; others were asked the same, so it is spread upwards.
    pub fn wait_after(&mut self, floor: Option<Duration>) -> Duration {
        let wait = self.wait();
        match floor {
            Some(floor) if floor > wait => floor + wait.min(floor),
            _ => wait,
        }
    }

    /// Starts over after a success.
    pub fn reset(&mut self) {
        self.step = self.shortest;
    }
}

/// A duration drawn evenly from the part of `duration` above `1 - share`.
#[must_use]
pub fn jittered(duration: Duration, share: f64) -> Duration {
    duration.mul_f64(rand::rng().random_range(1.0 - share..=1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_bound_and_start_over() {
        let (shortest, longest) = (Duration::from_millis(100), Duration::from_secs(5));
        for _ in 0..100 {
            let mut backoff = Backoff::new(shortest, longest);
            let mut step = shortest;
            for _ in 0..20 {
                let wait = backoff.wait();
                assert!(wait >= step / 2 && wait <= step, "{wait:?} of {step:?}");
                step = (step * 2).min(longest);
            }
            backoff.reset();
            assert!(backoff.wait() <= shortest);
        }
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
    fn odd_bounds_are_put_right() {
        let mut backoff = Backoff::new(Duration::ZERO, Duration::ZERO);
        assert!(backoff.wait() > Duration::ZERO);
    }
}
