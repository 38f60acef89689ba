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

type Uncongested = Pin<Box<dyn Future<Output = ()> + Send>>;

/// An accepted connection whose input is metered.
pub(super) struct MeteredStream {
    inner: PeerStream,
    connection: Arc<Connection>,
    meter: Meter,
    /// Bytes that were read and not passed on yet, from the frame at which the bucket was empty. At
    /// most one read.
    held: Vec<u8>,
    /// Resolves when the socket's buffer has room, where reading waits for that.
    uncongested: Option<Uncongested>,
    /// The user's turn, where reading waits for it.
    turn: Option<AbortOnDropHandle<()>>,
    first_frame: Option<tokio::sync::oneshot::Sender<()>>,
}

impl MeteredStream {
    /// Meters a connection; `first_frame` fires when the client's first frame has arrived.
    pub(super) fn new(
        inner: PeerStream,
        connection: Arc<Connection>,
        first_frame: tokio::sync::oneshot::Sender<()>,
    ) -> Self {
        Self {
            inner,
            connection,
            meter: Meter::new(),
            held: Vec::new(),
            uncongested: None,
            turn: None,
            first_frame: Some(first_frame),
        }
    }

    /// Ready when the connection may be read.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(uncongested) = &mut self.uncongested {
            ready!(uncongested.as_mut().poll(cx));
            self.uncongested = None;
        }
        if self.connection.is_congested() {
            // A client that stops reading is not read either: each call would only add to its
            // unsent answers.
            let uncongested = self
                .uncongested
                .insert(Box::pin(self.connection.uncongested()));
            ready!(uncongested.as_mut().poll(cx));
            self.uncongested = None;
        }
        if self.turn.is_none() && !self.connection.admission.user.rate_limit.is_free() {
            // A task of its own: a turn held by a connection that cannot write would block all
            // others of its user.
            let rate_limit = self.connection.admission.user.rate_limit.clone();
            let turn = self.connection.tasks.spawn(rate_limit.turn());
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
    fn count(&mut self, received: &[u8]) -> usize {
        let calls = self.connection.calls();
        let mut bucket = self.connection.admission.user.rate_limit.bucket();
        let taken = self.meter.count(received, calls, &mut bucket);
        drop(bucket);
        if self.meter.has_begun()
            && let Some(first_frame) = self.first_frame.take()
        {
            // The receiver is gone where the connection is ending.
            first_frame.send(()).ok();
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
        this.connection.charge_work();
        ready!(this.poll_ready(cx));
        if !this.held.is_empty() {
            let mut held = std::mem::take(&mut this.held);
            let fits = held.len().min(buffer.remaining());
            let taken = this.count(held.get(..fits).unwrap_or_default());
            buffer.put_slice(held.get(..taken).unwrap_or_default());
            held.drain(..taken);
            this.held = held;
            this.connection.start_work();
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.inner).poll_read(cx, buffer))?;
        let received = buffer.filled().get(before..).unwrap_or_default();
        if received.is_empty() {
            return Poll::Ready(Ok(()));
        }
        // At least one byte is passed on: an empty read would mean the end of the stream.
        let taken = this.count(received);
        this.held = received.get(taken..).unwrap_or_default().to_vec();
        buffer.set_filled(before + taken);
        this.connection.start_work();
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
        this.connection.update_congestion(this.inner.is_congested());
        written
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.inner).poll_flush(cx);
        this.connection.update_congestion(this.inner.is_congested());
        if flushed.is_ready() {
            this.connection.release_written();
        }
        flushed
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}
