//! One instance's channels, and the router's state of each.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::watch;

use super::error::RouterError;
use super::listener::ListenSpec;
use super::log::ChannelLog;
use super::ring::Bounds;
use super::snapshot::{ChannelSnapshot, InstanceSnapshot, Totals, first_by};
use super::wanted::Wanted;
use crate::config::Limits;
use crate::moment::Moment;
use crate::shares::{Limit, LimitHits, Share, Shares};
use expd_domain::{Channel, SubscriptionState};

pub(super) struct Instance {
    /// Its name, for the journal.
    pub name: Arc<str>,
    /// The channels that its link must subscribe to.
    pub wanted: watch::Sender<Wanted>,
    pub channels: HashMap<Arc<Channel>, ChannelState>,
    /// Totals of listeners that were reaped.
    pub reaped: Totals,
    /// Bytes in its logs, and in others that share its bound.
    pub log_bytes: LogBytes,
    shares: Shares,
}

/// Bytes in logs, and their bound.
#[derive(Clone, Debug)]
pub(super) struct LogBytes {
    pub total: Arc<AtomicUsize>,
    bound: Arc<AtomicUsize>,
}

impl LogBytes {
    /// No bytes yet.
    pub fn new(bound: usize) -> Self {
        let (total, bound) = (Arc::default(), Arc::new(AtomicUsize::new(bound)));
        Self { total, bound }
    }

    pub fn bound(&self) -> usize {
        self.bound.load(Ordering::Relaxed)
    }

    /// Replaces the bound, which applies from the next event on.
    pub fn set_bound(&self, bound: usize) {
        self.bound.store(bound, Ordering::Relaxed);
    }

    pub fn total(&self) -> usize {
        self.total.load(Ordering::Relaxed)
    }
}

/// One channel, from its first listener until it has had none for a while.
pub(super) struct ChannelState {
    /// The log that its listeners read.
    pub log: Arc<ChannelLog>,
    pub wanted_since: Moment,
    pub asked_at: Option<Moment>,
    pub confirmed_at: Option<Moment>,
    pub last_broadcast_at: Option<Moment>,
    /// The network's message if it refuses the channel on the current connection.
    pub refusal: Option<Arc<str>>,
    /// Start of the gap that the next confirmation reports.
    pub outage: Option<Moment>,
    /// Its position in [`Wanted`].
    order: u64,
    /// Its share of the limit, held by the user who requested it first.
    _share: Share,
    _memory: Option<Share>,
}

impl ChannelState {
    fn snapshot(&self, channel: &Arc<Channel>) -> ChannelSnapshot {
        let (log_events, log_bytes, log_sequence) = self.log.size();
        ChannelSnapshot {
            order: self.order,
            channel: channel.clone(),
            wanted_since: self.wanted_since,
            asked_at: self.asked_at,
            confirmed_at: self.confirmed_at,
            last_broadcast_at: self.last_broadcast_at,
            refusal: self.refusal.clone(),
            listeners: self.log.listeners(),
            log_events,
            log_bytes,
            log_sequence,
        }
    }

    /// Marks the channel as no longer confirmed. Returns the log if that changes its state.
    pub fn lose(&mut self, since: Moment, now: Moment) -> Option<Arc<ChannelLog>> {
        if self.confirmed_at.take().is_none() {
            // Broadcasts continue on a channel that was given up, so a new listener receives some
            // before the confirmation. The outage starts when the connection was last known to be
            // good, which may be before the channel was wanted again.
            self.outage = self.outage.map(|outage| outage.min(since));
            return None;
        }
        self.outage = Some(since);
        self.log.set_state(SubscriptionState::Pending, None, now);
        Some(self.log.clone())
    }
}

impl Instance {
    /// An instance without channels, which may have `most` of them, of which one user `user_most`.
    pub fn new(
        name: &str,
        (most, user_most): (usize, Option<usize>),
        hits: &LimitHits,
        log_bytes: LogBytes,
    ) -> Self {
        Self {
            name: name.into(),
            log_bytes,
            wanted: watch::Sender::new(Wanted::default()),
            channels: HashMap::new(),
            reaped: Totals::default(),
            shares: Shares::of(Limit::Channels, most, user_most, hits),
        }
    }

    /// The state of a listener's channel; a channel without state becomes wanted.
    pub fn channel(
        &mut self,
        spec: &ListenSpec,
        limits: &Limits,
        now: Moment,
    ) -> Result<&mut ChannelState, RouterError> {
        let channel = Arc::new(spec.channel.clone());
        Ok(match self.channels.entry(channel.clone()) {
            Entry::Occupied(occupied) => occupied.into_mut(),
            Entry::Vacant(vacant) => {
                let share = self.shares.take(spec.asker(), 1);
                let share = share.map_err(|full| RouterError::TooManyChannels {
                    most: self.shares.most(),
                    full,
                })?;
                let memory = spec.take_channel_memory()?;
                let bounds = Bounds::of(limits);
                let id = uuid::Uuid::new_v4().simple().to_string();
                let mut order = 0;
                self.wanted
                    .send_modify(|wanted| order = wanted.add(channel));
                vacant.insert(ChannelState {
                    log: Arc::new(ChannelLog::new(
                        id,
                        bounds,
                        self.log_bytes.total.clone(),
                        now,
                    )),
                    order,
                    wanted_since: now,
                    asked_at: None,
                    confirmed_at: None,
                    last_broadcast_at: None,
                    refusal: None,
                    outage: None,
                    _share: share,
                    _memory: memory,
                })
            }
        })
    }

    /// A snapshot of the channels; the registry adds the listeners.
    pub fn snapshot(&self) -> InstanceSnapshot {
        let channels = self.channels.iter();
        InstanceSnapshot {
            channels: channels.map(|(c, state)| state.snapshot(c)).collect(),
            listeners: Vec::new(),
            totals: self.reaped,
        }
    }

    /// The first `most` channels whose order is above `after`.
    pub fn channels_after(&self, after: u64, most: usize) -> Vec<ChannelSnapshot> {
        let later = self.channels.iter().filter(|(_, c)| c.order > after);
        let first = first_by(later.collect(), most, |(_, state)| state.order);
        first.iter().map(|(c, state)| state.snapshot(c)).collect()
    }

    /// Expires old events, removes channels that have had no listener for `linger`, and frees the
    /// capacity that a burst took.
    pub fn sweep(&mut self, now: Moment, linger: Duration) {
        let mut unwanted = Vec::new();
        self.channels.retain(|_, state| {
            let unused = state.log.unused_since();
            let keep = unused.is_none_or(|since| now.at.saturating_duration_since(since) <= linger);
            if keep {
                state.log.expire(now);
            } else {
                unwanted.push(state.order);
            }
            keep
        });
        self.channels.shrink_to(2 * self.channels.len());
        if !unwanted.is_empty() {
            self.wanted.send_modify(|wanted| wanted.remove(&unwanted));
        }
    }
}
