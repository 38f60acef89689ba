//! Engine.IO 4, with the Socket.IO of the present day. The server pings, and the root namespace is open when the server answers our
//! request for it with a session ID.

use tokio::time::Instant;

use super::heartbeat::Heartbeat;
use super::packet::{Handshake, Message};
use super::session::{Dialect, Welcome, open as open_session};
use super::transport::{Address, Transport, words};
use super::{Generation, Socket, SocketError};

/// Makes a connection in generation 4 out of a transport.
pub(super) async fn open(
    address: &Address<'_>,
    transport: Transport,
    handshake: Option<Handshake>,
) -> Result<Box<dyn Socket>, SocketError> {
    open_session(address, transport, handshake, &Modern).await
}

#[derive(Debug)]
struct Modern;

impl Dialect for Modern {
    fn generation(&self) -> Generation {
        Generation::V4
    }

    fn heartbeat(&self, handshake: &Handshake, now: Instant) -> Heartbeat {
        Heartbeat::theirs(handshake, now)
    }

    fn hello(&self) -> Option<&'static str> {
        Some("40")
    }

    fn welcome(&self, message: &Message<'_>) -> Welcome {
        match message {
            // A server of generation 3 opens the namespace unasked and gives no ID.
            Message::Connect("") => {
                Welcome::Wrong("the server speaks Engine.IO 3; set protocol to auto or 3")
            }
            Message::Connect(_) => Welcome::Joined,
            Message::Refused(json) => Welcome::Refused(words(json)),
            Message::Disconnect => Welcome::Refused("it disconnects during the handshake".into()),
            Message::Event(_) | Message::Other(_) => Welcome::Wait,
        }
    }
}
