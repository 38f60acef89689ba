//! Counters since the start, and current totals: `GET /hub/counters`.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

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

/// Snapshot of all counters, as `GET /hub/counters` returns it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CountersSnapshot {
    /// Open Socket.IO connections.
    pub connections: u64,
    /// Socket.IO connections accepted since the start.
    pub connections_total: u64,
    /// Socket.IO connections refused for their token or for lack of room.
    pub connections_refused: u64,
    /// Current subscriptions: one for each socket and channel, regardless of the spellings of the
    /// ID.
    pub subscriptions: u64,
    pub logins: u64,
    pub logins_refused: u64,
    pub refreshes: u64,
    pub refreshes_refused: u64,
    /// Broadcasts accepted from clients.
    pub broadcasts: u64,
    /// Messages delivered to sockets, including the server's own (`update`, `credentials`,
    /// `unpair`).
    pub deliveries: u64,
    /// Responses that reached a pending broadcast.
    pub responses: u64,
    pub pending_broadcasts: u64,
    /// Sockets disconnected because they did not read.
    pub slow_disconnects: u64,
    /// HTTP requests, including those of Socket.IO.
    pub http_requests: u64,
    /// HTTP requests answered with a status of 400 or above.
    pub http_errors: u64,
    /// Subscribers of each channel; at most 1,000 channels.
    pub channels: Vec<ChannelCount>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelCount {
    pub name: String,
    pub system: bool,
    pub consumer: bool,
    pub subscribers: u64,
}
