//! Probes and fences: requests whose answers prove that a connection delivers, and how far it has
//! come.

use std::collections::HashSet;
use std::sync::Arc;

use tokio::time::Instant;

use expd_domain::{Channel, ChannelId};

/// Confirmed channels that were asked for again, to prove that they are still delivered.
#[derive(Debug)]
pub(super) struct Probe {
    pub sent: Instant,
    /// Proof that is required of the connection.
    pub proof: Proof,
    /// Channels that were not confirmed again yet.
    pub left: HashSet<Arc<Channel>>,
}

#[derive(Debug)]
pub(super) enum Proof {
    /// The confirmation of any of the probe's channels: the server may have forgotten the others.
    Confirmed,
    /// Any message: nothing is confirmed, so the answer may be a refusal.
    Anything,
    /// The proof has been given.
    Given,
}

#[derive(Debug)]
pub(super) struct Fence {
    pub channel: Arc<Channel>,
    /// The spelling of it that was asked for.
    pub id: ChannelId,
    pub sent: Instant,
    /// True if no other request for this ID was pending, so that the answer cannot be to an older
    /// one.
    pub clean: bool,
    pub answered: bool,
}

impl Fence {
    /// Handles an answer for an ID of a channel that was `asked` for, or is the server's own
    /// spelling. `all_back`: no other answer for it is due.
    pub(super) fn on_answer(
        &mut self,
        channel: &Channel,
        id: &ChannelId,
        asked: bool,
        all_back: bool,
    ) {
        let mine = *self.channel == *channel && (self.id == *id || !asked);
        if mine && (all_back || !self.clean) {
            self.answered = true;
        }
    }
}
