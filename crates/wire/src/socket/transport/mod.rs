//! The two ways a packet travels: WebSocket and HTTP long polling.
//!
//! A [`Transport`] belongs to one task, which polls it. It keeps what is to be sent until it is sent, and nothing of what
//! arrived beyond the body or frame that is being read.

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

/// The text of a packet, shared with the buffer it arrived in.
pub(super) use tokio_tungstenite::tungstenite::Utf8Bytes as Text;

/// How many packets wait to be sent. A client that only subscribes and pings gets near it when the server stopped reading.
pub(super) const OUTBOX: usize = 256;

/// What arrives.
#[derive(Debug)]
pub(super) enum Received {
    /// A packet.
    Text(Text),
    /// A binary message of so many bytes, which EXP never sends.
    Binary(usize),
}

impl Received {
    /// Whether this carries a Socket.IO packet, and is no more than a sign of life otherwise.
    fn is_message(&self) -> bool {
        match self {
            Self::Text(text) => text.starts_with('4'),
            Self::Binary(_) => true,
        }
    }
}

/// The connection is gone; the text says how that showed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct ConnectionLost(pub String);

/// Why a transport did not open.
#[derive(Debug)]
pub(super) enum OpenFailure {
    /// The server, or something on the way, answered the handshake with something else.
    Rejected(Rejection),
    /// It did not come to an answer.
    Broken(SocketError),
}

impl OpenFailure {
    /// As the caller of [`open`](super::open::open) hears of it.
    pub fn into_error(self, address: &Address<'_>) -> SocketError {
        match self {
            Self::Rejected(Rejection::Token(words)) => address.refused(words),
            Self::Rejected(Rejection::Busy(words, retry_after)) => address.busy(words, retry_after),
            Self::Rejected(rejection) => address.failed(rejection.message()),
            Self::Broken(error) => error,
        }
    }
}

/// A packet on its way out.
#[derive(Debug)]
pub(super) struct ToSend {
    /// The packet.
    pub text: String,
    /// Told when the packet has left; dropped when it could not.
    pub sent: Option<oneshot::Sender<()>>,
}

/// One open route to the server.
#[derive(Debug)]
pub(super) enum Transport {
    /// Frames on a connection of our own.
    WebSocket(Box<WebSocket>),
    /// One waiting request down, one at a time up.
    Polling(Box<Polling>),
}

impl Transport {
    /// Puts a packet into the outbox; [`Transport::poll`] moves it on.
    pub fn send(&mut self, packet: ToSend) -> Result<(), ConnectionLost> {
        let outbox = self.outbox();
        if outbox.len() >= OUTBOX {
            return Err(ConnectionLost(format!(
                "the server took none of the last {OUTBOX} packets"
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

    /// Moves what is to be sent, and with `read` takes what arrived. Nothing is lost when the caller turns to something else.
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

    /// Says good-bye, after what is still to be sent. Takes as long as the server makes it; the caller sets the bound.
    pub async fn close(self) {
        match self {
            Self::WebSocket(websocket) => websocket.close().await,
            Self::Polling(polling) => polling.close().await,
        }
    }
}
