//! Events of a live socket, for its owner.

use serde_json::value::RawValue;

#[derive(Debug)]
pub enum SocketEvent {
    /// The default namespace is open.
    Connected,
    /// The client has left the default namespace, and opened it again over the same transport,
    /// without subscriptions.
    Reopened,
    /// The client was refused the default namespace, for the reason in its
    /// [`SocketTerms`](super::SocketTerms).
    Refused,
    /// An event of the client: its name, and its first argument's text.
    Event(String, Option<Box<RawValue>>),
    /// The client has received everything that was written before this fence.
    Received(u64),
    /// The transport accepts packets again.
    Writable,
    Closed(Closed),
}

/// Reason for the end of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Closed {
    /// The client closed the socket, or its transport broke.
    #[error("the client has left")]
    Left,
    /// The client missed its heartbeat.
    #[error("the client missed its heartbeat")]
    Silent,
    /// The client did not open the default namespace in time.
    #[error("the client did not open its namespace in time")]
    NotConnected,
    #[error("the client does not read")]
    Slow,
    #[error("the client violated the protocol")]
    Malformed,
}
