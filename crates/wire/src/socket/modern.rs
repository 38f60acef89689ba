//! Engine.IO 4 with Socket.IO 3 and later: the server pings, and the root namespace is open once
//! the server responds to the client's request for it with a session ID.

use tokio::time::Instant;

use super::engine_session::{Dialect, NamespaceStep, open as open_session};
use super::heartbeat::Heartbeat;
use super::packet::{Handshake, Message};
use super::transport::{Address, Transport, error_message};
use super::{Socket, SocketError};
use expd_domain::Generation;

/// Opens a connection of generation 4 on a transport.
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

    fn opening_packet(&self) -> Option<&'static str> {
        Some("40")
    }

    fn namespace_step(&self, message: &Message<'_>) -> NamespaceStep {
        match message {
            // A server of generation 3 opens the namespace by itself and sends no ID.
            Message::Connect("") => {
                NamespaceStep::Wrong("the server speaks Engine.IO 3; set protocol to auto or 3")
            }
            Message::Connect(_) => NamespaceStep::Joined,
            Message::Refused(json) => NamespaceStep::Refused(error_message(json)),
            Message::Disconnect => {
                NamespaceStep::Refused("it disconnects during the handshake".into())
            }
            Message::Event(_) | Message::Other(_) => NamespaceStep::Wait,
        }
    }
}
