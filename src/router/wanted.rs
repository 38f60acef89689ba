//! The channels that an instance's link must subscribe to.

use std::collections::BTreeMap;
use std::sync::Arc;

use expd_domain::Channel;

/// Every channel that has listeners, or had some until recently, in the order of first request.
#[derive(Debug, Default)]
pub struct Wanted {
    channels: BTreeMap<u64, Arc<Channel>>,
    last: u64,
    /// Number of times that channels were removed.
    shrunk: u64,
}

impl Wanted {
    /// The channels added after position `seen`, and the position to ask with next time. Zero
    /// yields all of them.
    pub fn after(&self, seen: u64) -> (Vec<Arc<Channel>>, u64) {
        let channels = self.channels.range(seen + 1..).map(|(_, c)| c.clone());
        (channels.collect(), self.last)
    }

    /// Changes whenever channels were removed.
    pub fn shrunk(&self) -> u64 {
        self.shrunk
    }

    /// The number of channels.
    pub fn len(&self) -> usize {
        self.channels.len()
    }

    /// True where no channel is wanted.
    pub fn is_empty(&self) -> bool {
        self.channels.is_empty()
    }

    /// Adds a channel and returns its position.
    pub(super) fn add(&mut self, channel: Arc<Channel>) -> u64 {
        self.last += 1;
        self.channels.insert(self.last, channel);
        self.last
    }

    /// Removes the channels at these positions.
    pub(super) fn remove(&mut self, positions: &[u64]) {
        self.shrunk += 1;
        for position in positions {
            self.channels.remove(position);
        }
    }
}
