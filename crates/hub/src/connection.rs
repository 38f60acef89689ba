//! One TCP connection: what it is doing, what it carries, and cutting it where it must end.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::address::Address;
use super::lock::lock;
use super::socket_memory::{Full, SocketUse};

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing has come yet.
    Silent,
    /// A request's head has begun.
    Head,
    /// A request's body is awaited.
    Body,
    /// The network works for it, or it carries a live socket.
    Busy,
    /// It has been answered and has not asked again.
    Idle,
}

/// What is known of one open connection.
pub(super) struct ClientConnection {
    pub peer: SocketAddr,
    cut: CancellationToken,
    phase: Mutex<(Phase, Instant)>,
    slot: AtomicU64,
    ended: AtomicBool,
    /// The share of a socket that this connection carries, given back by its drop.
    share: Mutex<Option<Box<dyn Send>>>,
    /// The memory of the socket that this connection carries.
    socket: OnceLock<Arc<SocketUse>>,
}

impl ClientConnection {
    /// `cut` ends it.
    pub(super) fn new(peer: SocketAddr, cut: CancellationToken) -> Self {
        Self {
            peer,
            cut,
            phase: Mutex::new((Phase::Silent, Instant::now())),
            slot: AtomicU64::new(0),
            ended: AtomicBool::new(false),
            share: Mutex::default(),
            socket: OnceLock::new(),
        }
    }

    /// Where it comes from.
    pub(super) fn address(&self) -> Address {
        self.peer.into()
    }

    /// Its number among the places.
    pub(super) fn slot(&self) -> u64 {
        self.slot.load(Ordering::Relaxed)
    }

    pub(super) fn set_slot(&self, number: u64) {
        self.slot.store(number, Ordering::Relaxed);
    }

    /// What it is doing, and since when.
    pub(super) fn phase(&self) -> (Phase, Instant) {
        *lock(&self.phase)
    }

    /// The first byte has come. The head has the time that is left of the wait for it.
    pub(super) fn begin_head(&self) {
        lock(&self.phase).0 = Phase::Head;
    }

    /// A request's head is complete.
    pub(super) fn begin_request(&self) {
        self.enter(Phase::Busy);
    }

    /// The request has been answered.
    pub(super) fn end_request(&self) {
        self.enter(Phase::Idle);
    }

    /// The network waits for the body, or for more of it.
    pub(super) fn await_body(&self) {
        self.enter(Phase::Body);
    }

    /// Something came.
    fn received(&self) {
        let mut phase = lock(&self.phase);
        if matches!(phase.0, Phase::Idle) {
            *phase = (Phase::Head, Instant::now());
        }
    }

    fn enter(&self, phase: Phase) {
        *lock(&self.phase) = (phase, Instant::now());
    }

    /// Keeps a socket's share for as long as the connection is open.
    pub(super) fn keep(&self, share: impl Send + 'static) {
        *lock(&self.share) = Some(Box::new(share));
    }

    /// The connection carries a socket from here on. Where it does so already, the client has
    /// asked for its namespace twice, and the use stays the first one's.
    pub(super) fn carry(&self, socket: Arc<SocketUse>) -> Arc<SocketUse> {
        self.socket.get_or_init(|| socket).clone()
    }

    /// The kernel took this much from us.
    pub(super) fn wrote(&self, bytes: usize) {
        if let Some(socket) = self.socket.get() {
            socket.taken(bytes as u64);
        }
    }

    /// This much came; an error where its socket has no room for it.
    pub(super) fn read(&self, bytes: usize) -> Result<(), Full> {
        self.received();
        self.socket
            .get()
            .map_or(Ok(()), |socket| socket.received(bytes as u64))
    }

    /// The stream is gone. A session of Engine.IO may remember the connection for longer.
    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
        lock(&self.share).take();
    }

    /// Waits until it is to end.
    pub(super) fn until_cut(&self) -> WaitForCancellationFutureOwned {
        self.cut.clone().cancelled_owned()
    }

    /// Ends the connection without ceremony.
    pub(super) fn cut(&self) {
        self.cut.cancel();
    }

    /// Whether it carries nothing any more.
    pub(super) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    #[cfg(test)]
    pub(super) fn is_cut(&self) -> bool {
        self.cut.is_cancelled()
    }
}

/// The connection of a request, as handlers get it.
#[derive(Clone)]
pub(super) struct RequestConnection(pub Arc<ClientConnection>);
