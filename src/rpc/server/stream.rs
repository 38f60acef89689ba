//! A connection's bytes, read at its user's rate.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::task::AbortOnDropHandle;

use super::connection::Connection;
use super::meter::Meter;
use crate::ipc::PeerStream;

type Room = Pin<Box<dyn Future<Output = ()> + Send>>;

/// An accepted connection whose input is metered.
pub(super) struct MeteredStream {
    inner: PeerStream,
    connection: Arc<Connection>,
    meter: Meter,
    /// Bytes that were read and not passed on yet, from the frame at which the bucket was empty. At
    /// most one read.
    held: Vec<u8>,
    /// Resolves when the socket's buffer has room, where reading waits for that.
    room: Option<Room>,
    /// The user's turn, where reading waits for it.
    turn: Option<AbortOnDropHandle<()>>,
    begun: Option<tokio::sync::oneshot::Sender<()>>,
}

impl MeteredStream {
    /// Meters a connection; `begun` fires when the client's first frame has arrived.
    pub(super) fn new(
        inner: PeerStream,
        connection: Arc<Connection>,
        begun: tokio::sync::oneshot::Sender<()>,
    ) -> Self {
        Self {
            inner,
            connection,
            meter: Meter::new(),
            held: Vec::new(),
            room: None,
            turn: None,
            begun: Some(begun),
        }
    }

    /// Ready when the connection may be read.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(room) = &mut self.room {
            ready!(room.as_mut().poll(cx));
            self.room = None;
        }
        if self.connection.is_congested() {
            // A client that stops reading is not read either: each call would only add to its
            // unsent answers.
            let room = self.room.insert(Box::pin(self.connection.uncongested()));
            ready!(room.as_mut().poll(cx));
            self.room = None;
        }
        if self.turn.is_none() && !self.connection.admission.user.pace.is_free() {
            // A task of its own: a turn held by a connection that cannot write would block all
            // others of its user.
            let pace = self.connection.admission.user.pace.clone();
            let turn = self.connection.tasks.spawn(pace.turn());
            self.turn = Some(AbortOnDropHandle::new(turn));
        }
        if let Some(turn) = &mut self.turn {
            // Fails only when the runtime stops.
            ready!(Pin::new(turn).poll(cx)).ok();
            self.turn = None;
        }
        Poll::Ready(())
    }

    /// Charges the received bytes and returns how many may be passed on.
    fn count(&mut self, came: &[u8]) -> usize {
        let calls = self.connection.calls();
        let mut purse = self.connection.admission.user.pace.purse();
        let taken = self.meter.count(came, calls, &mut purse);
        drop(purse);
        if self.meter.has_begun()
            && let Some(begun) = self.begun.take()
        {
            // The receiver is gone where the connection is ending.
            begun.send(()).ok();
        }
        taken
    }
}

impl AsyncRead for MeteredStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.connection.has_worked();
        ready!(this.poll_ready(cx));
        if !this.held.is_empty() {
            let mut held = std::mem::take(&mut this.held);
            let fits = held.len().min(buffer.remaining());
            let taken = this.count(held.get(..fits).unwrap_or_default());
            buffer.put_slice(held.get(..taken).unwrap_or_default());
            held.drain(..taken);
            this.held = held;
            this.connection.works();
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.inner).poll_read(cx, buffer))?;
        let came = buffer.filled().get(before..).unwrap_or_default();
        if came.is_empty() {
            return Poll::Ready(Ok(()));
        }
        // At least one byte is passed on: an empty read would mean the end of the stream.
        let taken = this.count(came);
        this.held = came.get(taken..).unwrap_or_default().to_vec();
        buffer.set_filled(before + taken);
        this.connection.works();
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for MeteredStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.inner).poll_write(cx, bytes);
        this.connection.wrote(this.inner.is_congested());
        written
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.inner).poll_flush(cx);
        this.connection.wrote(this.inner.is_congested());
        if flushed.is_ready() {
            this.connection.wrote_all();
        }
        flushed
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}
