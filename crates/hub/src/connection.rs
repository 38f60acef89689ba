//! One TCP connection: what it is doing, how much it has taken, and cutting it where it must end.
//!
//! Socket.IO's library shows neither how much a client has yet to take nor a way to close a WebSocket whose client does
//! not listen. Both are known here: every stream counts what the kernel took from it, and ends when it is told to.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::admission::{Address, Place};
use super::engine_sessions::Opening;
use super::socket_memory::SocketUse;
use super::state::lock;

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
pub(super) struct Connection {
    pub peer: SocketAddr,
    cut: CancellationToken,
    phase: Mutex<(Phase, Instant)>,
    place: AtomicU64,
    ended: AtomicBool,
    /// The place among the sockets of strangers that this connection takes.
    opening: Mutex<Option<Opening>>,
    /// The memory of the socket that this connection carries.
    socket: OnceLock<Arc<SocketUse>>,
}

impl Connection {
    /// `cut` ends it.
    pub(super) fn new(peer: SocketAddr, cut: CancellationToken) -> Self {
        Self {
            peer,
            cut,
            phase: Mutex::new((Phase::Silent, Instant::now())),
            place: AtomicU64::new(0),
            ended: AtomicBool::new(false),
            opening: Mutex::default(),
            socket: OnceLock::new(),
        }
    }

    /// Where it comes from.
    pub(super) fn address(&self) -> Address {
        self.peer.into()
    }

    /// Its number among the places.
    pub(super) fn place(&self) -> u64 {
        self.place.load(Ordering::Relaxed)
    }

    pub(super) fn set_place(&self, number: u64) {
        self.place.store(number, Ordering::Relaxed);
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
    pub(super) fn received(&self) {
        let mut phase = lock(&self.phase);
        if matches!(phase.0, Phase::Idle) {
            *phase = (Phase::Head, Instant::now());
        }
    }

    fn enter(&self, phase: Phase) {
        *lock(&self.phase) = (phase, Instant::now());
    }

    /// Keeps a socket's place for as long as the connection is open.
    pub(super) fn keep(&self, opening: Opening) {
        *lock(&self.opening) = Some(opening);
    }

    /// The connection carries a socket from here on. Where it does so already, the client has
    /// asked for its namespace twice, and the use stays the first one's.
    pub(super) fn carry(&self, socket: Arc<SocketUse>) -> Arc<SocketUse> {
        self.socket.get_or_init(|| socket).clone()
    }

    /// Waits until it is to end.
    pub(super) async fn is_ended(&self) {
        self.cut.cancelled().await;
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
pub(super) struct Peer(pub Arc<Connection>);

/// The stream under a connection.
pub(super) struct HubStream {
    inner: TcpStream,
    connection: Arc<Connection>,
    // Two, since the reading and the writing half of a WebSocket are polled by different tasks.
    read_end: Pin<Box<WaitForCancellationFutureOwned>>,
    write_end: Pin<Box<WaitForCancellationFutureOwned>>,
    _open: TaskTrackerToken,
    _place: Place,
}

impl HubStream {
    /// `open` counts it, and `place` is its own, until it ends.
    pub(super) fn new(
        inner: TcpStream,
        connection: Arc<Connection>,
        open: TaskTrackerToken,
        place: Place,
    ) -> Self {
        Self {
            inner,
            read_end: Box::pin(connection.cut.clone().cancelled_owned()),
            write_end: Box::pin(connection.cut.clone().cancelled_owned()),
            connection,
            _open: open,
            _place: place,
        }
    }

    fn poll_writable(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        match self.write_end.as_mut().poll(cx) {
            Poll::Ready(()) => Err(io::ErrorKind::ConnectionAborted.into()),
            Poll::Pending => Ok(()),
        }
    }

    fn count(&self, written: usize) -> usize {
        if let Some(socket) = self.connection.socket.get() {
            socket.taken(written as u64);
        }
        written
    }
}

impl Drop for HubStream {
    fn drop(&mut self) {
        self.connection.ended.store(true, Ordering::Relaxed);
        // A session of Engine.IO may remember the connection for longer.
        lock(&self.connection.opening).take();
    }
}

impl AsyncRead for HubStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.read_end.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        let before = buffer.filled().len();
        let read = ready!(Pin::new(&mut self.inner).poll_read(cx, buffer));
        self.connection.received();
        if let Some(socket) = self.connection.socket.get() {
            let received = (buffer.filled().len() - before) as u64;
            if socket.received(received).is_err() {
                log::warn!(
                    "disconnected a socket: its identity sends more unfinished messages than fit"
                );
                self.connection.cut();
                return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
            }
        }
        Poll::Ready(read)
    }
}

impl AsyncWrite for HubStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_writable(cx)?;
        let written = ready!(Pin::new(&mut self.inner).poll_write(cx, bytes))?;
        Poll::Ready(Ok(self.count(written)))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_writable(cx)?;
        let written = ready!(Pin::new(&mut self.inner).poll_write_vectored(cx, bytes))?;
        Poll::Ready(Ok(self.count(written)))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
