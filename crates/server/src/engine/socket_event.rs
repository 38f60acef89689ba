//! Events of a live socket, for its owner.

use serde_json::value::RawValue;

/// An event of a live socket.
#[derive(Debug)]
pub enum SocketEvent {
    /// The default namespace is open.
    Connected,
    /// The client has left the default namespace, and opened it again over the same transport: it
    /// begins anew, subscribed to nothing.
    Reopened,
    /// The client was refused the default namespace, for the reason in the socket's terms.
    Refused,
    /// An event of the client: its name, and its first argument's text.
    Event(String, Option<Box<RawValue>>),
    /// The client has received everything that was written before this mark.
    Received(u64),
    /// The transport takes packets again.
    Writable,
    /// The socket has ended.
    Closed(Closed),
}

/// Reason for the end of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Closed {
    /// The client closed it, or its transport broke.
    #[error("the client has left")]
    Left,
    /// The client does not show a sign of life.
    #[error("the client shows no sign of life")]
    Silent,
    /// The client does not open the default namespace.
    #[error("the client has not opened its namespace in time")]
    NotConnected,
    /// The client does not read what it is sent.
    #[error("the client does not read what it is sent")]
    Slow,
    /// The client broke the protocol.
    #[error("the client broke the protocol")]
    Malformed,
}
