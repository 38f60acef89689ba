//! Types that a socket and the table of sessions share.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use tokio::sync::oneshot;

use super::packet::{ClientPacket, QueuedPacket};
use super::websocket::WebSocket;
use crate::byte_budget::Reservation;
use crate::socket_memory::SocketUse;

/// Heartbeat of Engine.IO.
#[derive(Clone, Copy, Debug)]
pub struct Heartbeat {
    /// Interval of pings.
    pub interval: Duration,
    /// Time for the answer to a ping.
    pub timeout: Duration,
}

/// Limits and options of a new socket.
pub struct SocketTerms {
    pub heartbeat: Heartbeat,
    /// Maximum size of a client's message, and of a body of long polling.
    pub max_message: usize,
    /// Maximum number of packets in one body of long polling.
    pub max_packets: usize,
    /// Memory account that incomplete messages of a WebSocket are charged to.
    pub memory: Option<Arc<SocketUse>>,
    /// Reason for refusing the client the default namespace.
    pub refusal: Option<String>,
}

/// A pending poll, by the sender of its answer.
pub(super) type WaitingPoll = oneshot::Sender<Vec<QueuedPacket>>;

/// Input to a socket from HTTP requests.
pub(super) enum Inbound {
    /// A pending poll.
    Poll(WaitingPoll),
    /// The packets of a body, and the memory that they are charged to.
    Packets(Vec<ClientPacket>, Option<Reservation<String>>),
    /// A WebSocket that the client probes.
    WebSocket(WebSocket),
}

/// A session's entry in the table, removed on drop.
pub(super) struct SessionEntry {
    pub sid: String,
    /// Set once the session has upgraded to a WebSocket.
    pub upgraded: Arc<AtomicBool>,
    pub remove: Box<dyn Fn(&str) + Send + Sync>,
}

impl Drop for SessionEntry {
    fn drop(&mut self) {
        (self.remove)(&self.sid);
    }
}
