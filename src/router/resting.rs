//! Logs that wait for their turn to wake their listeners ([`wakes`](super::wakes) says how long).

use std::sync::Arc;
use std::time::Instant;

use super::log::ChannelLog;

/// A log whose listeners are woken at a time; the earliest is the greatest, as the heap wants it.
#[derive(Debug)]
pub(super) struct Resting {
    pub until: Instant,
    pub log: Arc<ChannelLog>,
}

impl PartialEq for Resting {
    fn eq(&self, other: &Self) -> bool {
        self.until == other.until
    }
}

impl Eq for Resting {}

impl PartialOrd for Resting {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Resting {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        other.until.cmp(&self.until)
    }
}

/// Waits until the first rest is over; for ever where nobody rests.
pub(super) async fn rest(first: Option<&Resting>) {
    match first {
        Some(resting) => tokio::time::sleep_until(resting.until.into()).await,
        None => std::future::pending().await,
    }
}
