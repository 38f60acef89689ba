//! What the router keeps of one instance: its channels, and what it knows of each.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::watch;

use super::log::{ChannelLog, Moment, State};
use super::{ChannelSnapshot, InstanceSnapshot, Wanted};
use crate::exp::Channel;
use crate::shares::{Share, Shares};

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
}

impl ChannelState {
    /// The channel is not confirmed any more. Returns the log, where that is news.
    pub fn lose(&mut self, since: Moment, now: Moment) -> Option<Arc<ChannelLog>> {
        if self.confirmed_at.take().is_none() {
            // A channel that was given up goes on coming, and whoever wants it again hears that before the confirmation. What the
            // connection took along counts from when it last proved good, which may be before the channel was wanted again.
            self.outage = self.outage.map(|outage| outage.earlier(since));
            return None;
        }
        self.outage = Some(since);
        self.log.set_state(State::Pending, None, now);
        Some(self.log.clone())
    }
}

impl Instance {
    /// For the status.
    pub fn snapshot(&self) -> InstanceSnapshot {
        let mut channels: Vec<ChannelSnapshot> = self
            .channels
            .iter()
            .map(|(channel, state)| {
                let (log_events, log_bytes, log_sequence) = state.log.size();
                ChannelSnapshot {
                    channel: channel.clone(),
                    wanted_since: state.wanted_since.wall,
                    asked_at: state.asked_at,
                    confirmed_at: state.confirmed_at,
                    last_broadcast_at: state.last_broadcast_at,
                    listeners: state.log.listeners(),
                    log_events,
                    log_bytes,
                    log_sequence,
                }
            })
            .collect();
        channels.sort_unstable_by(|a, b| a.channel.cmp(&b.channel));
        InstanceSnapshot {
            channels,
            listeners: Vec::new(),
            deliveries: self.past.deliveries,
            gaps: self.past.gaps,
        }
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
                for order in &unwanted {
                    wanted.channels.remove(order);
                }
            });
        }
    }
}
