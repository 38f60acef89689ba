//! What the router keeps of one instance: its channels, and what it knows of each.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::watch;

use super::log::{ChannelLog, Moment};
use super::{ChannelSnapshot, InstanceSnapshot, Wanted};
use crate::shares::{Share, Shares};
use expd_domain::{Channel, SubscriptionState};

/// One instance.
pub(super) struct Instance {
    /// What its link is to subscribe.
    pub wanted: watch::Sender<Wanted>,
    pub channels: HashMap<Arc<Channel>, ChannelState>,
    /// The places of channels.
    pub share: Shares,
    /// What listeners that are gone were handed.
    pub past: Past,
}

/// Figures that outlive their listeners.
#[derive(Default)]
pub(super) struct Past {
    pub deliveries: u64,
    pub gaps: u64,
}

/// One channel, from the first wish for it until nobody has wanted it for a while.
pub(super) struct ChannelState {
    /// What its listeners read.
    pub log: Arc<ChannelLog>,
    /// Its key among what is wanted.
    pub order: u64,
    pub wanted_since: Moment,
    pub asked_at: Option<SystemTime>,
    pub confirmed_at: Option<SystemTime>,
    pub last_broadcast_at: Option<SystemTime>,
    /// The gap that the next confirmation will tell of: since when.
    pub outage: Option<Moment>,
    /// Its place, taken by the user who wanted it first.
    pub _share: Share,
    pub _memory: Option<Share>,
}

impl ChannelState {
    fn snapshot(&self, channel: &Arc<Channel>) -> ChannelSnapshot {
        let (log_events, log_bytes, log_sequence) = self.log.size();
        ChannelSnapshot {
            order: self.order,
            channel: channel.clone(),
            wanted_since: self.wanted_since.wall,
            asked_at: self.asked_at,
            confirmed_at: self.confirmed_at,
            last_broadcast_at: self.last_broadcast_at,
            listeners: self.log.listeners(),
            log_events,
            log_bytes,
            log_sequence,
        }
    }

    /// The channel is not confirmed any more. Returns the log, where that is news.
    pub fn lose(&mut self, since: Moment, now: Moment) -> Option<Arc<ChannelLog>> {
        if self.confirmed_at.take().is_none() {
            // A channel that was given up goes on coming, and whoever wants it again hears that before the confirmation. What the
            // connection took along counts from when it last proved good, which may be before the channel was wanted again.
            self.outage = self.outage.map(|outage| outage.earlier(since));
            return None;
        }
        self.outage = Some(since);
        self.log.set_state(SubscriptionState::Pending, None, now);
        Some(self.log.clone())
    }
}

/// The `most` first ones, in order. Only those are sorted.
pub(super) fn first_by<T>(mut all: Vec<T>, most: usize, key: impl Fn(&T) -> u64) -> Vec<T> {
    if all.len() > most {
        all.select_nth_unstable_by_key(most, &key);
        all.truncate(most);
    }
    all.sort_unstable_by_key(key);
    all
}

impl Instance {
    /// Everything.
    pub fn snapshot(&self) -> InstanceSnapshot {
        let channels = self.channels.iter();
        InstanceSnapshot {
            channels: channels.map(|(c, state)| state.snapshot(c)).collect(),
            listeners: Vec::new(),
            deliveries: self.past.deliveries,
            gaps: self.past.gaps,
        }
    }

    /// The first `most` channels whose order is past `after`.
    pub fn channels_after(&self, after: u64, most: usize) -> Vec<ChannelSnapshot> {
        let later = self.channels.iter().filter(|(_, c)| c.order > after);
        let first = first_by(later.collect(), most, |(_, state)| state.order);
        first.iter().map(|(c, state)| state.snapshot(c)).collect()
    }

    /// Expires old events, forgets channels that have had no listener for `linger`, and gives back the room that a rush took.
    pub fn sweep(&mut self, now: Moment, linger: Duration) {
        let mut unwanted = Vec::new();
        self.channels.retain(|_, state| {
            let deserted = state.log.deserted_since();
            let keep =
                deserted.is_none_or(|since| now.at.saturating_duration_since(since) <= linger);
            if keep {
                state.log.expire(now);
            } else {
                unwanted.push(state.order);
            }
            keep
        });
        self.channels.shrink_to(2 * self.channels.len());
        if !unwanted.is_empty() {
            self.wanted.send_modify(|wanted| {
                wanted.shrunk += 1;
                for order in &unwanted {
                    wanted.channels.remove(order);
                }
            });
        }
    }
}
