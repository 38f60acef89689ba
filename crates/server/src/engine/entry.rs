//! Shared part of a socket and of the table of sessions.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use tokio::sync::oneshot;

use super::packet::{ClientPacket, Outgoing};
use super::websocket::WebSocket;
use crate::byte_budget::Reservation;
use crate::socket_memory::SocketUse;

/// Heartbeat of Engine.IO.
#[derive(Clone, Copy, Debug)]
pub struct Heartbeat {
    /// Interval of pings.
    pub interval: Duration,
    /// Time that a ping's answer may take.
    pub timeout: Duration,
}

/// Terms on which a socket is opened.
pub struct SocketTerms {
    pub heartbeat: Heartbeat,
    /// Limit of a client's message, and of a body of long polling.
    pub max_message: usize,
    /// Limit of the packets in one body of long polling.
    pub max_packets: usize,
    /// Memory account that incomplete messages of a WebSocket are charged to.
    pub memory: Option<Arc<SocketUse>>,
    /// Reason for which the client is refused the default namespace.
    pub refusal: Option<String>,
}

/// A poll that waits for its answer.
pub(super) type WaitingPoll = oneshot::Sender<Vec<Outgoing>>;

/// Input of a socket by way of requests.
pub(super) enum Inbound {
    /// A poll waits for packets.
    Poll(WaitingPoll),
    /// The packets of a body, and the memory that they are charged to.
    Packets(Vec<ClientPacket>, Option<Reservation<String>>),
    /// A WebSocket that the client tries.
    WebSocket(WebSocket),
}

/// Entry of a session in the table, removed on drop.
pub(super) struct SessionEntry {
    pub sid: String,
    /// Set once the session goes on over a WebSocket.
    pub upgraded: Arc<AtomicBool>,
    pub remove: Box<dyn Fn(&str) + Send + Sync>,
}

impl Drop for SessionEntry {
    fn drop(&mut self) {
        (self.remove)(&self.sid);
    }
}
