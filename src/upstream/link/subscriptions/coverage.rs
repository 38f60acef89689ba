//! Comparison with the subscriptions of another connection, which this one replaces or is replaced
//! by.

use std::sync::Arc;

use tokio::time::Instant;

use super::Subscriptions;
use super::ask::Ask;
use expd_domain::{Channel, ChannelId};

impl Subscriptions {
    /// True if every wanted channel that `other` has confirmed is confirmed here.
    pub fn covers(&self, other: &Self) -> bool {
        let mut confirmed = other.wanted().filter(|(c, _)| !other.pending.contains(*c));
        confirmed.all(|(channel, _)| self.is_confirmed(channel))
    }

    /// As `covers`, for channels that `other` had confirmed before `moment`.
    pub fn covers_since(&self, other: &Self, moment: Instant) -> bool {
        let mut confirmed = other.wanted().filter(|(channel, ask)| {
            let before = ask.confirmed_at.is_some_and(|at| at <= moment);
            before && !other.pending.contains(*channel)
        });
        confirmed.all(|(channel, _)| self.is_confirmed(channel))
    }

    /// True if every spelling is confirmed here that `other` has confirmed of a wanted channel.
    pub fn covers_spellings(&self, other: &Self) -> bool {
        let mut confirmed = other.wanted().filter(|(c, _)| !other.pending.contains(*c));
        confirmed.all(|(channel, ask)| self.has_spellings(channel, ask))
    }

    /// Wanted channels that `other` was asked for and that are not confirmed here, or not in every
    /// spelling that it has confirmed.
    pub fn lacking(&self, other: &Self) -> Vec<Arc<Channel>> {
        let lacking = other.wanted().filter(|(channel, ask)| {
            !self.is_confirmed(channel)
                || !other.pending.contains(*channel) && !self.has_spellings(channel, ask)
        });
        lacking.map(|(channel, _)| channel.clone()).collect()
    }

    fn has_spellings(&self, channel: &Arc<Channel>, other: &Ask) -> bool {
        self.asks.get(channel).is_some_and(|ask| {
            let here = |id: &ChannelId| ask.confirmed().any(|spelling| spelling.id == *id);
            !ask.has_rest() || other.confirmed().all(|spelling| here(&spelling.id))
        })
    }

    fn is_confirmed(&self, channel: &Arc<Channel>) -> bool {
        let wanted = self.asks.get(channel).is_some_and(|ask| !ask.abandoned());
        wanted && !self.pending.contains(channel)
    }
}
