//! TCP stream of a connection: it charges input to the connection's live socket before a message is
//! complete, and ends when the connection is cut.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_util::sync::WaitForCancellationFutureOwned;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::admission::ConnectionSlot;
use super::connection::ClientConnection;

pub struct CountedStream {
    inner: TcpStream,
    connection: Arc<ClientConnection>,
    // One for each half of a WebSocket, since different tasks poll them.
    read_end: Pin<Box<WaitForCancellationFutureOwned>>,
    write_end: Pin<Box<WaitForCancellationFutureOwned>>,
    _open: TaskTrackerToken,
    _slot: ConnectionSlot,
}

impl CountedStream {
    /// `open` and `slot` are held until the stream is dropped.
    pub fn new(
        inner: TcpStream,
        connection: Arc<ClientConnection>,
        open: TaskTrackerToken,
        slot: ConnectionSlot,
    ) -> Self {
        Self {
            inner,
            read_end: Box::pin(connection.until_cut()),
            write_end: Box::pin(connection.until_cut()),
            connection,
            _open: open,
            _slot: slot,
        }
    }

    fn poll_writable(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        match self.write_end.as_mut().poll(cx) {
            Poll::Ready(()) => Err(io::ErrorKind::ConnectionAborted.into()),
            Poll::Pending => Ok(()),
        }
    }
}

impl AsyncRead for CountedStream {
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
        let received = buffer.filled().len() - before;
        if self.connection.read(received).is_err() {
            log::warn!(
                "disconnected a socket: incomplete messages of its identity exceed the memory limit"
            );
            self.connection.cut();
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        Poll::Ready(read)
    }
}

impl AsyncWrite for CountedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_writable(cx)?;
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_writable(cx)?;
        Pin::new(&mut self.inner).poll_write_vectored(cx, bytes)
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
