//! Engine.IO 3, with the Socket.IO of its time (1 and 2): the client pings, and the server opens the root namespace by itself.

use tokio::time::Instant;

use super::heartbeat::Heartbeat;
use super::packet::{Handshake, Message};
use super::session::{Dialect, Welcome, open as open_session};
use super::transport::{Address, Transport, words};
use super::{Generation, Socket, SocketError};

/// Makes a connection in generation 3 out of a transport.
pub(super) async fn open(
    address: &Address<'_>,
    transport: Transport,
    handshake: Option<Handshake>,
) -> Result<Box<dyn Socket>, SocketError> {
    open_session(address, transport, handshake, &Legacy).await
}

#[derive(Debug)]
struct Legacy;

impl Dialect for Legacy {
    fn generation(&self) -> Generation {
        Generation::V3
    }

    fn heartbeat(&self, handshake: &Handshake, now: Instant) -> Heartbeat {
        Heartbeat::ours(handshake, now)
    }

    fn hello(&self) -> Option<&'static str> {
        None
    }

    fn welcome(&self, message: &Message<'_>) -> Welcome {
        match message {
            Message::Connect(_) => Welcome::Joined,
            Message::Refused(json) => Welcome::Refused(words(json)),
            Message::Disconnect => Welcome::Refused("it disconnects during the handshake".into()),
            Message::Event(_) | Message::Other(_) => Welcome::Wait,
        }
    }
}
