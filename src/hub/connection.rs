//! The TCP side: how many connections there are, how much each has taken, and cutting those that must end.
//!
//! Socket.IO's library shows neither how much a client has yet to take nor a way to close a WebSocket whose client does
//! not listen. Both are known here: every stream counts what the kernel took from it, and ends when it is told to.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use socketioxide::socket::Sid;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::state::lock;

/// How many connections are open at once; the next waits in the kernel's queue. Where the process may open fewer files than
/// that, axum waits for one to close.
const MAX_CONNECTIONS: usize = 4096;

/// How many upgraded and dismissed sockets are remembered before those that are gone are swept out.
const SWEEP_AT: usize = 2 * MAX_CONNECTIONS;

/// What is known of one open connection.
pub(super) struct Connection {
    pub peer: SocketAddr,
    written: AtomicU64,
    cut: CancellationToken,
}

impl Connection {
    /// One that is nowhere, for fuzzing.
    #[cfg(fuzzing)]
    pub(super) fn without_a_stream(peer: SocketAddr) -> Self {
        Self {
            peer,
            written: AtomicU64::new(0),
            cut: CancellationToken::new(),
        }
    }

    /// How many bytes the kernel has taken from us.
    pub(super) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Ends the connection without ceremony.
    pub(super) fn cut(&self) {
        self.cut.cancel();
    }
}

/// The connection of a request, as axum hands it to handlers.
#[derive(Clone)]
pub(super) struct Peer(pub Arc<Connection>);

impl Connected<IncomingStream<'_, HubListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, HubListener>) -> Self {
        Self(stream.io().connection.clone())
    }
}

/// Accepts connections up to the bound and keeps count of those that are open.
pub(super) struct HubListener {
    inner: TcpListener,
    slots: Arc<Semaphore>,
    open: TaskTracker,
    cut: CancellationToken,
}

impl HubListener {
    /// `open` is left by each connection when it ends; `cut` ends all of them.
    pub(super) fn new(inner: TcpListener, open: TaskTracker, cut: CancellationToken) -> Self {
        Self {
            inner,
            slots: Arc::new(Semaphore::new(MAX_CONNECTIONS)),
            open,
            cut,
        }
    }
}

impl Listener for HubListener {
    type Io = HubStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (HubStream, SocketAddr) {
        loop {
            let Ok(slot) = self.slots.clone().acquire_owned().await else {
                // The semaphore is never closed.
                std::future::pending::<()>().await;
                continue;
            };
            // Axum's own way of accepting waits where the process is out of descriptors.
            let (inner, peer) = Listener::accept(&mut self.inner).await;
            if let Err(error) = inner.set_nodelay(true) {
                log::debug!("a connection from {peer} ended before it began: {error}");
                continue;
            }
            let cut = self.cut.child_token();
            let stream = HubStream {
                inner,
                read_end: Box::pin(cut.clone().cancelled_owned()),
                write_end: Box::pin(cut.clone().cancelled_owned()),
                connection: Arc::new(Connection {
                    peer,
                    written: AtomicU64::new(0),
                    cut,
                }),
                _open: self.open.token(),
                _slot: slot,
            };
            return (stream, peer);
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }
}

/// One open TCP connection.
pub(super) struct HubStream {
    inner: TcpStream,
    connection: Arc<Connection>,
    // Two, since the reading and the writing half of a WebSocket are polled by different tasks.
    read_end: Pin<Box<WaitForCancellationFutureOwned>>,
    write_end: Pin<Box<WaitForCancellationFutureOwned>>,
    _open: TaskTrackerToken,
    _slot: OwnedSemaphorePermit,
}

impl HubStream {
    fn poll_writable(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        match self.write_end.as_mut().poll(cx) {
            Poll::Ready(()) => Err(io::ErrorKind::ConnectionAborted.into()),
            Poll::Pending => Ok(()),
        }
    }

    fn count(&self, written: usize) -> usize {
        self.connection
            .written
            .fetch_add(written as u64, Ordering::Relaxed);
        written
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
        Pin::new(&mut self.inner).poll_read(cx, buffer)
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

/// Which connection carries which Socket.IO session, where a request told, and which sessions are no longer welcome.
#[derive(Default)]
pub(super) struct Connections {
    upgraded: Mutex<HashMap<Sid, Weak<Connection>>>,
    dismissed: Mutex<HashMap<Sid, Instant>>,
    /// Wakes the polls that are held open, for them to see whether it was their session.
    dismissal: Notify,
}

impl Connections {
    /// A session that began with long polling asks to go on over this connection.
    pub(super) fn upgrade(&self, sid: Sid, connection: &Arc<Connection>) {
        let mut upgraded = lock(&self.upgraded);
        if upgraded.len() >= SWEEP_AT {
            upgraded.retain(|_, connection| connection.strong_count() > 0);
        }
        // Each entry is an open connection, of which there are MAX_CONNECTIONS at most, or one that is swept out.
        upgraded.insert(sid, Arc::downgrade(connection));
    }

    pub(super) fn upgraded(&self, sid: Sid) -> Option<Arc<Connection>> {
        lock(&self.upgraded).get(&sid)?.upgrade()
    }

    /// From now on requests of this session are refused, for at least `memory`: long enough for the session itself to
    /// end, since a session whose requests are refused misses its heartbeat.
    pub(super) fn dismiss(&self, sid: Sid, memory: Duration) {
        let mut dismissed = lock(&self.dismissed);
        let now = Instant::now();
        if dismissed.len() >= SWEEP_AT {
            dismissed.retain(|_, until| *until > now);
        }
        if dismissed.len() < SWEEP_AT {
            dismissed.insert(sid, now + memory);
        }
        drop(dismissed);
        self.dismissal.notify_waiters();
        if let Some(connection) = self.upgraded(sid) {
            connection.cut();
        }
    }

    /// Waits until this session is dismissed.
    pub(super) async fn dismissed(&self, sid: Sid) {
        loop {
            // Made before the look at the map, so that no dismissal falls in between.
            let next = self.dismissal.notified();
            if self.is_dismissed(sid) {
                return;
            }
            next.await;
        }
    }

    fn is_dismissed(&self, sid: Sid) -> bool {
        lock(&self.dismissed).contains_key(&sid)
    }
}
