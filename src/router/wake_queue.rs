//! The logs whose listeners are to be woken: now, or once their pause is over
//! ([`wake_pacing`](super::wake_pacing) says how long it is).

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Instant;

use super::log::ChannelLog;

/// The logs with new events.
#[derive(Default)]
pub(super) struct WakeQueue {
    /// Logs with new events since the last [`WakeQueue::wake_due`].
    fresh: Vec<Arc<ChannelLog>>,
    /// Logs whose listeners were woken a moment ago, the first due on top. A log is here once for
    /// each time that it was scheduled, and leaves within one pause.
    delayed: BinaryHeap<DelayedWake>,
}

/// A log whose listeners are woken at a time; the earliest is the greatest, as the heap wants it.
#[derive(Debug)]
struct DelayedWake {
    at: Instant,
    log: Arc<ChannelLog>,
}

impl WakeQueue {
    /// Adds a log with new events.
    pub fn push(&mut self, log: Arc<ChannelLog>) {
        self.fresh.push(log);
    }

    /// Wakes the listeners of every log that has new events, each log once, and of those whose
    /// pause is over.
    pub fn wake_due(&mut self, now: Instant) {
        while let Some(first) = self.delayed.peek()
            && first.at <= now
        {
            self.fresh.extend(self.delayed.pop().map(|wake| wake.log));
        }
        self.fresh
            .sort_unstable_by_key(|log| Arc::as_ptr(log).addr());
        self.fresh.dedup_by(|a, b| Arc::ptr_eq(a, b));
        for log in self.fresh.drain(..) {
            if let Some(at) = log.wake_paced(now) {
                self.delayed.push(DelayedWake { at, log });
            }
        }
    }

    /// Sleeps until the first delayed wake is due; forever where there is none.
    pub async fn sleep_until_first(&self) {
        match self.delayed.peek() {
            Some(first) => tokio::time::sleep_until(first.at.into()).await,
            None => std::future::pending().await,
        }
    }
}

impl PartialEq for DelayedWake {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for DelayedWake {}

impl PartialOrd for DelayedWake {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for DelayedWake {
    fn cmp(&self, other: &Self) -> Ordering {
        other.at.cmp(&self.at)
    }
}
