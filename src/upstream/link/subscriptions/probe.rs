//! Questions whose answers prove something: that a connection delivers, and how far it has come.

use std::collections::HashSet;
use std::sync::Arc;

use tokio::time::Instant;

use expd_domain::Channel;

/// Channels that were asked for again to prove that they are still delivered.
#[derive(Debug)]
pub(super) struct Probe {
    pub sent: Instant,
    /// What proves the connection alive.
    pub proof: Proof,
    /// Asked, and not confirmed again.
    pub left: HashSet<Arc<Channel>>,
}

#[derive(Debug)]
pub(super) enum Proof {
    /// The confirmation of any of the probe's channels: the server may have forgotten the others.
    Confirmed,
    /// Anything: nothing is confirmed, so the answer may as well be a refusal.
    Anything,
    /// It has come.
    Given,
}

#[derive(Debug)]
pub(super) struct Fence {
    pub channel: Arc<Channel>,
    pub sent: Instant,
    /// Whether nothing else was on its way for this channel, so that the answer cannot be to an older probe.
    pub clean: bool,
    pub answered: bool,
}

impl Fence {
    /// An answer came on a channel, to the last probe on its way or to one before it.
    pub(super) fn on_answer(&mut self, channel: &Arc<Channel>, all_back: bool) {
        if self.channel == *channel && (all_back || !self.clean) {
            self.answered = true;
        }
    }
}
