//! Packets on their way through a transport.

use tokio::sync::oneshot;

/// Text of a packet, shared with the buffer it arrived in.
pub(in crate::socket) use tokio_tungstenite::tungstenite::Utf8Bytes as Text;

/// Maximum number of packets that wait to be sent. A client that only subscribes and pings gets
/// there only if the server has stopped reading.
pub(in crate::socket) const OUTBOX: usize = 256;

#[derive(Debug)]
pub(in crate::socket) enum Received {
    Text(Text),
    /// A binary message of this many bytes, which EXP never sends.
    Binary(usize),
}

impl Received {
    /// True if it carries a Socket.IO packet, so it is more than a sign of life.
    pub fn is_message(&self) -> bool {
        match self {
            Self::Text(text) => text.starts_with('4'),
            Self::Binary(_) => true,
        }
    }
}

/// The connection is lost, for this reason.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(in crate::socket) struct ConnectionLost(pub String);

/// A packet to be sent.
#[derive(Debug)]
pub(in crate::socket) struct ToSend {
    pub text: String,
    /// Completed when the packet was sent; dropped if it could not be.
    pub sent: Option<oneshot::Sender<()>>,
}
