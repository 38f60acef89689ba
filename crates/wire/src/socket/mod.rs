//! The live socket to the EXP network: the only module that speaks Socket.IO.
//!
//! A [`Socket`] is one open connection. It subscribes, delivers events in order, and reports once
//! that it is closed. It neither reconnects nor remembers subscriptions; the link does.
//!
//! [`open()`] chooses the protocol generation and the transport. In expd's own client
//! `engine_session.rs` drives a connection, `legacy.rs` and `modern.rs` hold the differences
//! between generations 3 and 4, and `transport` moves packets. `library.rs` is an alternative
//! client for generation 4.

use std::path::PathBuf;
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::choice::SocketLibrary;
use crate::path::PathRecord;
use expd_domain::{Broadcast, ChannelId, Generation, Secret};

mod detect;
mod engine_session;
mod event;
#[cfg(fuzzing)]
pub mod fuzzing;
mod heartbeat;
mod legacy;
#[cfg(feature = "rust-socketio")]
mod library;
mod modern;
mod open;
mod packet;
mod transport;

pub use detect::Detected;
pub use open::open;

/// Maximum number of events that the link has not taken yet. Beyond it the socket stops reading, so
/// that TCP slows the server down. The link never waits for a listener, so the queue fills only for
/// moments.
pub const EVENT_QUEUE: usize = 1024;

/// Address and options of a socket.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// The base URL, `http(s)://host[:port][/path]`, without a query.
    pub url: String,
    /// Token, sent as the query parameter `token` of the handshake.
    pub token: Secret,
    /// The configured HTTP proxy.
    pub proxy: Option<String>,
    /// Certificate authorities that are trusted in addition to the system's.
    pub ca_file: Option<PathBuf>,
    /// Client for generation 4 over a direct WebSocket.
    pub library: SocketLibrary,
    /// Record of the socket's network path, as far as it is dialled here: long polling by the HTTP
    /// library leaves none.
    pub path: PathRecord,
    /// Timeout of opening, handshake included.
    pub timeout: Duration,
    /// Maximum size of a message from the server, in bytes; at most [`MAX_MESSAGE`].
    pub max_message: usize,
}

/// Upper limit of [`Endpoint::max_message`], in bytes: above the largest payload with its envelope.
pub const MAX_MESSAGE: usize = packet::MAX_PACKET;

/// Event that a socket delivers.
#[derive(Debug)]
pub enum SocketEvent {
    /// The server confirmed subscriptions to these channels.
    Subscribed(Vec<ChannelId>),
    /// The server refuses subscriptions.
    Refused {
        /// The refused channels; empty if the server does not name them.
        channels: Vec<ChannelId>,
        /// The server's message, bounded.
        reason: String,
    },
    /// A broadcast.
    Broadcast(Broadcast),
    /// Any other message; it is counted and ignored. The text describes it, without payloads.
    Unexpected(String),
    /// The connection has ended, for this reason. No event follows.
    Closed(String),
}

/// One open connection to the network.
pub trait Socket: Send {
    /// The generation of its protocol.
    fn generation(&self) -> Generation;

    /// Requests subscriptions. Success means that the request was sent, not that the server
    /// confirmed.
    fn subscribe(&mut self, channels: Vec<ChannelId>) -> BoxFuture<'_, Result<(), SocketError>>;

    /// Waits for at least one event, and moves all available ones (up to a bound) to the end of
    /// `events`. Cancel-safe: the next call returns what was not moved.
    fn next_events<'a>(&'a mut self, events: &'a mut Vec<SocketEvent>) -> BoxFuture<'a, ()>;

    /// Closes the connection politely, within a bounded time. Dropping a socket closes it abruptly;
    /// either way all its tasks and descriptors end.
    fn close(self: Box<Self>) -> BoxFuture<'static, ()>;
}

/// Error of opening or using a socket.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// DNS, TCP, TLS or HTTP failed.
    #[error("opening the socket to {url} failed: {reason}")]
    Connect {
        /// The base URL, without the token.
        url: String,
        /// The cause, with a remedy if there is one.
        reason: String,
    },
    /// The server refuses the token.
    #[error("{url} refuses the session's token: {reason}")]
    Refused {
        /// The base URL, without the token.
        url: String,
        /// The server's message.
        reason: String,
    },
    /// The server is overloaded, and says when to try again.
    #[error("{url} asks to wait for {}: {reason}", humantime(*.retry_after))]
    Busy {
        /// The base URL, without the token.
        url: String,
        /// The server's message.
        reason: String,
        retry_after: Duration,
    },
    /// Opening took longer than [`Endpoint::timeout`].
    #[error("{url} did not complete the socket's handshake within {}", humantime(*.after))]
    Timeout {
        /// The base URL, without the token.
        url: String,
        /// The timeout.
        after: Duration,
    },
    /// The connection broke while sending.
    #[error("the socket broke while sending: {0}")]
    Send(String),
}

impl SocketError {
    /// The wait that the server requests.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Busy { retry_after, .. } => Some(*retry_after),
            _ => None,
        }
    }
}

fn humantime(duration: Duration) -> String {
    format!("{duration:?}")
}
