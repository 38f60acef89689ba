//! State of one TCP connection, and its termination.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::address::Address;
use super::lock::lock;
use super::socket_memory::{Full, SocketUse};

/// Activity of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// No byte has arrived.
    Silent,
    /// A request's head has begun.
    Head,
    /// The server waits for a request's body.
    Body,
    /// The server works on a request, or the connection carries a live socket.
    Busy,
    /// The last request has been answered.
    Idle,
}

pub struct ClientConnection {
    pub peer: SocketAddr,
    cut: CancellationToken,
    phase: Mutex<(Phase, Instant)>,
    slot: AtomicU64,
    /// Memory of the live socket that this connection carries.
    socket: OnceLock<Arc<SocketUse>>,
}

impl ClientConnection {
    pub fn new(peer: SocketAddr, cut: CancellationToken) -> Self {
        Self {
            peer,
            cut,
            phase: Mutex::new((Phase::Silent, Instant::now())),
            slot: AtomicU64::new(0),
            socket: OnceLock::new(),
        }
    }

    pub fn address(&self) -> Address {
        self.peer.into()
    }

    /// Number of its slot.
    pub(crate) fn slot(&self) -> u64 {
        self.slot.load(Ordering::Relaxed)
    }

    pub(crate) fn set_slot(&self, number: u64) {
        self.slot.store(number, Ordering::Relaxed);
    }

    /// Activity, and its start.
    pub(crate) fn phase(&self) -> (Phase, Instant) {
        *lock(&self.phase)
    }

    /// Records the first byte. The head must arrive within the rest of the timeout.
    pub(crate) fn begin_head(&self) {
        lock(&self.phase).0 = Phase::Head;
    }

    pub fn begin_request(&self) {
        self.enter(Phase::Busy);
    }

    pub fn end_request(&self) {
        self.enter(Phase::Idle);
    }

    /// Records that the server waits for the body, or for more of it.
    pub fn await_body(&self) {
        self.enter(Phase::Body);
    }

    fn received(&self) {
        let mut phase = lock(&self.phase);
        if matches!(phase.0, Phase::Idle) {
            *phase = (Phase::Head, Instant::now());
        }
    }

    fn enter(&self, phase: Phase) {
        *lock(&self.phase) = (phase, Instant::now());
    }

    /// Charges subsequent input to a live socket. A connection becomes at most one `WebSocket`.
    pub(crate) fn carry(&self, socket: Arc<SocketUse>) {
        self.socket.get_or_init(|| socket);
    }

    /// Counts bytes that arrived. Fails if the memory budget of the socket has no room.
    pub(crate) fn read(&self, bytes: usize) -> Result<(), Full> {
        self.received();
        self.socket
            .get()
            .map_or(Ok(()), |socket| socket.received(bytes as u64))
    }

    /// Completes when the connection must end.
    pub(crate) fn until_cut(&self) -> WaitForCancellationFutureOwned {
        self.cut.clone().cancelled_owned()
    }

    /// Closes the connection at once.
    pub fn cut(&self) {
        self.cut.cancel();
    }

    #[cfg(test)]
    pub(crate) fn is_cut(&self) -> bool {
        self.cut.is_cancelled()
    }
}

/// Extension of a request with its connection, for handlers.
#[derive(Clone)]
pub struct RequestConnection(pub Arc<ClientConnection>);
