//! Waits after refused credentials.
//!
//! Credentials that EXP has never accepted are wrong until an operator corrects them, and wait
//! long. Credentials that it accepted before, in this process's life, are more likely refused by a
//! network in trouble (a restarting directory, a proxy that answers in its place), which passes:
//! they are tried again soon, a few times at growing intervals, and then wait as long as any
//! others.

use std::time::Duration;

use super::timings::SessionTimings;
use crate::upstream::backoff::{Backoff, jittered};

/// Waits between refused logins.
pub(super) struct Refusals {
    /// Added to every long wait: the minimum is a promise to the network.
    least: Duration,
    backoff: Backoff,
    first_short_wait: Duration,
    /// The next short wait of credentials that were accepted before; `None` if they never were, or
    /// if the short waits are used up.
    next_short_wait: Option<Duration>,
}

impl Refusals {
    pub(super) fn new(timings: &SessionTimings) -> Self {
        let (least, most) = timings.refused;
        Self {
            least,
            backoff: Backoff::new(least, most),
            first_short_wait: timings.accepted_before,
            next_short_wait: None,
        }
    }

    /// EXP accepted the credentials.
    pub(super) fn accepted(&mut self) {
        self.backoff.reset();
        self.next_short_wait = Some(self.first_short_wait);
    }

    /// The credentials were replaced by unknown ones.
    pub(super) fn replaced(&mut self) {
        self.backoff.reset();
        self.next_short_wait = None;
    }

    /// EXP refused the credentials; returns the wait until the next try.
    pub(super) fn wait(&mut self) -> Duration {
        // Jittered upwards, so that the minimum holds.
        self.short_wait()
            .unwrap_or_else(|| self.least + self.backoff.wait())
    }

    /// Takes the next short wait, if one is left.
    pub(super) fn short_wait(&mut self) -> Option<Duration> {
        let next_short_wait = self.next_short_wait.take()?;
        let next = next_short_wait * 2;
        self.next_short_wait = (next < self.least).then_some(next);
        Some(next_short_wait + jittered(next_short_wait, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn within(wait: Duration, least: u32, most: u32) {
        assert!(wait >= SECOND * least && wait <= SECOND * most, "{wait:?}");
    }

    #[test]
    fn one_that_was_never_taken_waits_long() {
        let mut refusals = Refusals::new(&SessionTimings::default());
        within(refusals.wait(), 60, 120);
        within(refusals.wait(), 60, 180);
    }

    #[test]
    fn one_that_was_taken_before_is_tried_soon_and_not_for_long() {
        let mut refusals = Refusals::new(&SessionTimings::default());
        // A second outage is as short as the first.
        for _ in 0..2 {
            refusals.accepted();
            for (least, most) in [(5, 10), (10, 20), (20, 40), (40, 80), (60, 120), (60, 180)] {
                within(refusals.wait(), least, most);
            }
        }
    }

    #[test]
    fn another_credential_has_to_prove_itself() {
        let mut refusals = Refusals::new(&SessionTimings::default());
        refusals.accepted();
        refusals.replaced();
        within(refusals.wait(), 60, 120);
    }
}
