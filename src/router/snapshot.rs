//! Snapshots of channels and listeners, for the status service and the metrics.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::gap_counts::GapCounts;
use super::listener::ListenerInfo;
use super::report::InstanceId;
use crate::moment::Moment;
use expd_domain::Channel;

/// The state of one channel.
#[derive(Clone, Debug)]
pub struct ChannelSnapshot {
    /// Its number among the channels of its instance, in the order of first request.
    pub order: u64,
    pub channel: Arc<Channel>,
    /// Time since when it is wanted.
    pub wanted_since: Moment,
    /// Time when it was last requested on the current connection.
    pub asked_at: Option<Moment>,
    /// Time when the network last confirmed it on the current connection.
    pub confirmed_at: Option<Moment>,
    pub last_broadcast_at: Option<Moment>,
    /// The network's message if it refuses the channel on the current connection.
    pub refusal: Option<Arc<str>>,
    pub listeners: usize,
    pub log_events: usize,
    pub log_bytes: usize,
    /// The newest sequence.
    pub log_sequence: u64,
}

/// Channels and listeners of one instance.
#[derive(Clone, Debug, Default)]
pub struct InstanceSnapshot {
    /// Its channels, in no particular order.
    pub channels: Vec<ChannelSnapshot>,
    /// Its listeners, in no particular order.
    pub listeners: Vec<Arc<ListenerInfo>>,
    /// The totals of its listeners.
    pub totals: Totals,
}

/// Totals over the listeners of one instance, including those that are gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Broadcasts handed over.
    pub deliveries: u64,
    /// Gaps reported.
    pub gaps: GapCounts,
}

impl Totals {
    /// Adds the counts of one listener.
    pub(super) fn add(&mut self, info: &ListenerInfo) {
        self.deliveries += info.delivered.load(Ordering::Relaxed);
        self.gaps.add_all(*info.gaps());
    }
}

/// A part of an instance's channels or listeners: the first `most` whose number is above `after`.
#[derive(Clone, Copy, Debug)]
pub struct Slice {
    pub instance: InstanceId,
    /// The last number that the caller has; 0 for none.
    pub after: u64,
    /// The maximum length: a few hundred at most, because the router does nothing else meanwhile.
    pub most: usize,
}

/// The `most` items with the smallest keys, in order. Only those are sorted.
pub(super) fn first_by<T>(mut all: Vec<T>, most: usize, key: impl Fn(&T) -> u64) -> Vec<T> {
    if all.len() > most {
        all.select_nth_unstable_by_key(most, &key);
        all.truncate(most);
    }
    all.sort_unstable_by_key(key);
    all
}
