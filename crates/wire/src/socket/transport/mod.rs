//! The transports of packets: WebSocket and HTTP long polling.
//!
//! A [`Transport`] belongs to one task, which polls it. It keeps outgoing packets until they are
//! sent, and of incoming data only the body or frame that is being read.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Context, Poll};

use tokio::sync::oneshot;

mod address;
mod cookies;
mod dial;
mod framing;
mod pace;
mod polling;
mod refusal;
mod websocket;

pub(super) use address::Address;
#[cfg(fuzzing)]
pub(super) use framing::{Packets, join};
pub(super) use polling::Polling;
pub(super) use refusal::{Rejection, error_message, redact};
pub(super) use websocket::WebSocket;

use super::SocketError;

/// Text of a packet, shared with the buffer it arrived in.
pub(super) use tokio_tungstenite::tungstenite::Utf8Bytes as Text;

/// Bound on packets that wait to be sent. A client that only subscribes and pings approaches it
/// where the server has stopped reading.
pub(super) const OUTBOX: usize = 256;

/// A packet that was received.
#[derive(Debug)]
pub(super) enum Received {
    Text(Text),
    /// A binary message of this many bytes, which EXP never sends.
    Binary(usize),
}

impl Received {
    /// True where it carries a Socket.IO packet, and is more than a sign of life.
    fn is_message(&self) -> bool {
        match self {
            Self::Text(text) => text.starts_with('4'),
            Self::Binary(_) => true,
        }
    }
}

/// The connection is lost, for this reason.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct ConnectionLost(pub String);

/// Reason why a transport did not open.
#[derive(Debug)]
pub(super) enum OpenFailure {
    /// The server, or a proxy, answered the handshake with something else.
    Rejected(Rejection),
    /// There was no answer.
    Broken(SocketError),
}

impl OpenFailure {
    /// The error of [`open`](super::open::open).
    pub fn into_error(self, address: &Address<'_>) -> SocketError {
        match self {
            Self::Rejected(Rejection::Token(words)) => address.refused(words),
            Self::Rejected(Rejection::Busy(words, retry_after)) => address.busy(words, retry_after),
            Self::Rejected(rejection) => address.failed(rejection.message()),
            Self::Broken(error) => error,
        }
    }
}

/// A packet to be sent.
#[derive(Debug)]
pub(super) struct ToSend {
    pub text: String,
    /// Completed when the packet was sent; dropped when it could not be.
    pub sent: Option<oneshot::Sender<()>>,
}

/// An open transport.
#[derive(Debug)]
pub(super) enum Transport {
    /// WebSocket frames on a connection that was dialled here.
    WebSocket(Box<WebSocket>),
    /// One pending request for receiving, one at a time for sending.
    Polling(Box<Polling>),
}

impl Transport {
    /// Appends a packet to the outbox; [`Transport::poll`] sends it.
    pub fn send(&mut self, packet: ToSend) -> Result<(), ConnectionLost> {
        let outbox = self.outbox();
        if outbox.len() >= OUTBOX {
            return Err(ConnectionLost(format!(
                "the server accepted none of the last {OUTBOX} packets"
            )));
        }
        outbox.push_back(packet);
        Ok(())
    }

    fn outbox(&mut self) -> &mut VecDeque<ToSend> {
        match self {
            Self::WebSocket(websocket) => websocket.outbox(),
            Self::Polling(polling) => polling.outbox(),
        }
    }

    /// Sends from the outbox, and receives where `read` is set. Cancel-safe.
    pub fn poll(
        &mut self,
        cx: &mut Context<'_>,
        read: bool,
    ) -> Poll<Result<Received, ConnectionLost>> {
        match self {
            Self::WebSocket(websocket) => websocket.poll(cx, read),
            Self::Polling(polling) => polling.poll(cx, read),
        }
    }

    /// Waits for the next packet. Cancel-safe.
    pub async fn receive(&mut self, read: bool) -> Result<Received, ConnectionLost> {
        poll_fn(|cx| self.poll(cx, read)).await
    }

    /// Sends the outbox, then closes. Takes as long as the server lets it; the caller sets the
    /// bound.
    pub async fn close(self) {
        match self {
            Self::WebSocket(websocket) => websocket.close().await,
            Self::Polling(polling) => polling.close().await,
        }
    }
}
