//! What has happened since the start, and what is there now: `GET /hub/counters`.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

/// A number that only grows.
#[derive(Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add(&self, count: usize) {
        self.0.fetch_add(count as u64, Ordering::Relaxed);
    }

    pub(super) fn increment(&self) {
        self.add(1);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The counters of one running network.
#[derive(Default)]
pub(super) struct Counters {
    pub sockets_opened: Counter,
    pub sockets_refused: Counter,
    pub logins: Counter,
    pub logins_refused: Counter,
    pub refreshes: Counter,
    pub refreshes_refused: Counter,
    pub broadcasts: Counter,
    pub deliveries: Counter,
    pub responses: Counter,
    pub slow_disconnects: Counter,
    pub http_requests: Counter,
    pub http_errors: Counter,
}

/// All counters at one moment, as `GET /hub/counters` answers them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CountersSnapshot {
    /// Socket.IO connections that are open.
    pub connections: u64,
    /// Socket.IO connections that were accepted since the start.
    pub connections_total: u64,
    /// Socket.IO connections that were refused, for their token or for want of room.
    pub connections_refused: u64,
    /// Subscriptions that hold: one for each socket and channel, however many spellings it asked under.
    pub subscriptions: u64,
    /// Logins that succeeded.
    pub logins: u64,
    /// Logins that were refused.
    pub logins_refused: u64,
    /// Token refreshes that succeeded.
    pub refreshes: u64,
    /// Token refreshes that were refused.
    pub refreshes_refused: u64,
    /// Broadcasts that clients sent and that were accepted.
    pub broadcasts: u64,
    /// Messages handed to sockets, the network's own (`update`, `credentials`, `unpair`) included.
    pub deliveries: u64,
    /// Responses that reached a waiting broadcast.
    pub responses: u64,
    /// Broadcasts that are held open now.
    pub pending_broadcasts: u64,
    /// Sockets that were disconnected because they did not take what was sent to them.
    pub slow_disconnects: u64,
    /// HTTP requests, those of Socket.IO included.
    pub http_requests: u64,
    /// HTTP requests that were answered with a status of 400 and above.
    pub http_errors: u64,
    /// How many sockets listen on each channel; at most the first 1,000 channels.
    pub channels: Vec<ChannelCount>,
}

/// How many sockets listen on one channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelCount {
    /// The channel's name.
    pub name: String,
    /// Its system flag.
    pub system: bool,
    /// Its consumer flag.
    pub consumer: bool,
    /// Sockets that are subscribed.
    pub subscribers: u64,
}
