//! Engine.IO 3 with Socket.IO 1 and 2: the client pings, and the server opens the root namespace by
//! itself.

use tokio::time::Instant;

use super::engine_session::{Dialect, NamespaceStep, open as open_session};
use super::heartbeat::Heartbeat;
use super::packet::{Handshake, Message};
use super::transport::{Address, Transport, error_message};
use super::{Socket, SocketError};
use expd_domain::Generation;

/// Opens a connection of generation 3 on a transport.
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

    fn opening_packet(&self) -> Option<&'static str> {
        None
    }

    fn namespace_step(&self, message: &Message<'_>) -> NamespaceStep {
        match message {
            Message::Connect(_) => NamespaceStep::Joined,
            Message::Refused(json) => NamespaceStep::Refused(error_message(json)),
            Message::Disconnect => {
                NamespaceStep::Refused("it disconnects during the handshake".into())
            }
            Message::Event(_) | Message::Other(_) => NamespaceStep::Wait,
        }
    }
}
