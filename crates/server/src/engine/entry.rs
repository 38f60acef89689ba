//! Shared part of a socket and of the table of sessions.

use std::time::Duration;

use super::carrier::{WaitingPoll, WebSocket};
use super::packet::ClientPacket;

/// Heartbeat of Engine.IO.
#[derive(Clone, Copy, Debug)]
pub struct Heartbeat {
    /// Interval of pings.
    pub interval: Duration,
    /// Time that a ping's answer may take.
    pub timeout: Duration,
}

/// Input of a socket by way of requests.
pub(super) enum Inbound {
    /// A poll waits for packets.
    Poll(WaitingPoll),
    /// The packets of a body.
    Packets(Vec<ClientPacket>),
    /// A WebSocket that the client tries.
    WebSocket(WebSocket),
}

/// Entry of a session in the table, removed on drop.
pub(super) struct SessionEntry {
    pub sid: String,
    pub remove: Box<dyn Fn(&str) + Send + Sync>,
}

impl Drop for SessionEntry {
    fn drop(&mut self) {
        (self.remove)(&self.sid);
    }
}
