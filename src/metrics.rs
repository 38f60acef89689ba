//! Counters since the daemon started: of each instance, and of the daemon as a whole.

mod calls;
mod counter;
mod histogram;
mod link_changes;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::moment::BootTime;

pub use calls::{Calls, MethodCalls, OpenCall};
pub use counter::{Counter, Gauge};
pub use histogram::Histogram;
pub use link_changes::LinkChanges;

/// The time of the latest of some events; 0 before the first.
#[derive(Debug, Default)]
pub struct Latest(AtomicU64);

impl Latest {
    /// Records an event at this time.
    pub fn set(&self, time: BootTime) {
        self.0.store(time.nanos().max(1), Ordering::Relaxed);
    }

    /// The time of the latest event, if there was one.
    pub fn get(&self) -> Option<BootTime> {
        let nanos = self.0.load(Ordering::Relaxed);
        (nanos > 0).then(|| BootTime::from_nanos(nanos))
    }
}

/// A pair of labels.
pub type Labels = (&'static str, &'static str);

/// One counter for each pair of labels.
#[derive(Debug)]
pub struct Labelled(Vec<(Labels, Counter)>);

impl Labelled {
    /// Counters for these labels.
    pub fn new(labels: impl IntoIterator<Item = Labels>) -> Self {
        let counters = labels.into_iter().map(|label| (label, Counter::default()));
        Self(counters.collect())
    }

    /// Adds one to the counter of two labels.
    pub fn inc(&self, first: &str, second: &str) {
        let mut counters = self.0.iter();
        if let Some((_, counter)) = counters.find(|(known, _)| *known == (first, second)) {
            counter.inc();
        }
    }

    /// Every pair of labels with its count.
    pub fn counts(&self) -> impl Iterator<Item = (Labels, u64)> {
        self.0
            .iter()
            .map(|(label, counter)| (*label, counter.get()))
    }
}

/// Counters of an instance's session, link and calls. `Counters` in `proto/expd/v1/daemon.proto`
/// defines most of them.
#[derive(Debug, Default)]
pub struct Counters {
    pub connects: Counter,
    pub disconnects: Counter,
    pub logins: Counter,
    pub refreshes: Counter,
    pub broadcasts_received: Counter,
    pub duplicates: Counter,
    pub broadcasts_sent: Counter,
    pub broadcasts_failed: Counter,
    pub responses_sent: Counter,
    pub responses_failed: Counter,
    pub unexpected_messages: Counter,
    /// Changes of the link's state, with their causes.
    pub link_changes: LinkChanges,
    /// Arrival of the last broadcast.
    pub last_broadcast: Latest,
}

/// Counters of the daemon as a whole.
#[derive(Debug)]
pub struct DaemonCounters {
    /// The gRPC calls.
    pub calls: Calls,
    /// Calls that the access rules refuse, by what was not allowed and the kind of caller.
    pub refused: Labelled,
    /// Reloads of the settings that applied.
    pub reloads_applied: Counter,
    /// Reloads that were refused: the settings stayed as they were.
    pub reloads_refused: Counter,
    /// The last reload was refused.
    settings_refused: AtomicBool,
}

impl DaemonCounters {
    /// Counters for these calls and these kinds of refusals.
    pub fn new(calls: Calls, refused: Labelled) -> Self {
        Self {
            calls,
            refused,
            reloads_applied: Counter::default(),
            reloads_refused: Counter::default(),
            settings_refused: AtomicBool::new(false),
        }
    }

    /// Counts a reload of the settings.
    pub fn count_reload(&self, applied: bool) {
        if applied {
            self.reloads_applied.inc();
        } else {
            self.reloads_refused.inc();
        }
        self.settings_refused.store(!applied, Ordering::Relaxed);
    }

    /// True while the settings on disk are other than those that apply, because the last reload
    /// was refused.
    pub fn settings_refused(&self) -> bool {
        self.settings_refused.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_event_has_its_time() {
        let latest = Latest::default();
        assert_eq!(latest.get(), None);
        let time = BootTime::now();
        latest.set(time);
        assert_eq!(latest.get(), Some(time));
    }

    #[test]
    fn a_label_that_is_not_there_counts_nowhere() {
        let labelled = Labelled::new([("a", "x"), ("b", "x")]);
        labelled.inc("b", "x");
        labelled.inc("b", "y");
        labelled.inc("c", "x");
        let counts: Vec<_> = labelled.counts().collect();
        assert_eq!(counts, [(("a", "x"), 0), (("b", "x"), 1)]);
    }
}
