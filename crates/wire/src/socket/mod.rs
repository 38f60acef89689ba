//! The live socket to the EXP network: the one room that knows Socket.IO.
//!
//! A [`Socket`] is one open connection. It subscribes, hands over what arrives in command, and says once that it is closed. It
//! does not reconnect and does not remember what was subscribed; the link does.
//!
//! [`open()`] chooses the way: which generation of the protocol, which transport. The wire is our own: `session.rs` drives a
//! connection, `legacy.rs` and `modern.rs` are what differs between generations 3 and 4, `transport` moves packets.
//! `library.rs` is the other way to speak generation 4, for those who choose it.

use std::path::PathBuf;
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::choice::SocketLibrary;
use expd_domain::{Broadcast, ChannelId, Secret};

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

/// How many events a socket holds that the link has not taken yet. Past that the socket stops reading, so that TCP slows the
/// server down; the link never waits for a listener, so this fills for moments only.
pub const EVENT_QUEUE: usize = 1024;

/// Where and how a socket is opened.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// The base URL, `http(s)://host[:port][/path]`, without a query.
    pub url: String,
    /// Travels as the query parameter `token` of the handshake.
    pub token: Secret,
    /// The HTTP proxy that was configured.
    pub proxy: Option<String>,
    /// Certificate authorities that are trusted besides the system's.
    pub ca_file: Option<PathBuf>,
    /// What carries generation 4 over a direct WebSocket.
    pub library: SocketLibrary,
    /// How long opening may take, handshake included.
    pub timeout: Duration,
}

/// The generation of the Engine.IO protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generation {
    /// Engine.IO 3: Socket.IO 1 and 2.
    V3,
    /// Engine.IO 4: Socket.IO 3 and later.
    V4,
}

impl Generation {
    /// The number as Engine.IO counts it.
    #[must_use]
    pub fn number(self) -> u32 {
        match self {
            Self::V3 => 3,
            Self::V4 => 4,
        }
    }
}

/// What a socket hands over.
#[derive(Debug)]
pub enum SocketEvent {
    /// The server confirmed subscriptions to these channels.
    Subscribed(Vec<ChannelId>),
    /// The server refuses subscriptions.
    Refused {
        /// To these channels; empty where it does not say which.
        channels: Vec<ChannelId>,
        /// Its words, bounded.
        reason: String,
    },
    /// Something was broadcast.
    Broadcast(Broadcast),
    /// Something arrived that is neither; it is counted and passed over. The text says what, without payloads.
    Unexpected(String),
    /// The connection is gone, with the reason. Nothing comes after it.
    Closed(String),
}

/// One open connection to the network.
pub trait Socket: Send {
    /// The protocol generation that it speaks.
    fn generation(&self) -> Generation;

    /// Asks for subscriptions. Success means that the request left, not that the server confirmed.
    fn subscribe(&mut self, channels: Vec<ChannelId>) -> BoxFuture<'_, Result<(), SocketError>>;

    /// Waits for at least one event and moves all that are there (up to a bound) to the end of `events`. Cancel-safe: what was
    /// not moved comes with the next call.
    fn next_events<'a>(&'a mut self, events: &'a mut Vec<SocketEvent>) -> BoxFuture<'a, ()>;

    /// Closes the connection politely, within a bounded time. Dropping a socket closes it without ceremony; either way every
    /// task and descriptor of it ends.
    fn close(self: Box<Self>) -> BoxFuture<'static, ()>;
}

/// Why a socket could not be opened or used.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Nothing usable at the other end: DNS, TCP, TLS or HTTP failed, as the text says.
    #[error("opening the socket to {url} failed: {reason}")]
    Connect {
        /// The base URL, without the token.
        url: String,
        /// The cause and, where there is one, the remedy.
        reason: String,
    },
    /// The server refuses the token.
    #[error("{url} refuses the session's token: {reason}")]
    Refused {
        /// The base URL, without the token.
        url: String,
        /// The server's words.
        reason: String,
    },
    /// The server is too busy, and says when it wants to be asked again.
    #[error("{url} asks to be left alone for {}: {reason}", humantime(*.retry_after))]
    Busy {
        /// The base URL, without the token.
        url: String,
        /// The server's words.
        reason: String,
        /// How long.
        retry_after: Duration,
    },
    /// Opening took longer than [`Endpoint::timeout`].
    #[error("{url} did not complete the socket's handshake within {}", humantime(*.after))]
    Timeout {
        /// The base URL, without the token.
        url: String,
        /// How long it was waited for.
        after: Duration,
    },
    /// The connection broke while sending.
    #[error("the socket broke while sending: {0}")]
    Send(String),
}

impl SocketError {
    /// How long the server wants to be left alone, where it said so.
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
