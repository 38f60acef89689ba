//! The network path of a connection: its two ends, and whether the host would still choose them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::TcpStream;

/// The two ends of a TCP connection: to the server, or to the proxy in front of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Path {
    local: IpAddr,
    peer: SocketAddr,
}

/// Record of the path that was dialled last. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct PathRecord(Arc<Mutex<Option<Path>>>);

impl PathRecord {
    /// The path that was dialled last, if any.
    #[must_use]
    pub fn get(&self) -> Option<Path> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records the path of a connection.
    pub(super) fn set(&self, stream: &TcpStream) {
        let ends = stream.local_addr().and_then(|local| {
            let local = local.ip();
            stream.peer_addr().map(|peer| Path { local, peer })
        });
        // A connection without addresses is broken; its reader will notice.
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = ends.ok();
    }
}

impl Path {
    /// The host's own address.
    #[must_use]
    pub fn local(&self) -> IpAddr {
        self.local
    }

    /// True if the path is gone: the host has lost the address, and would reach the peer from
    /// another one. Packets on the connection go nowhere then. False while there is no route to the
    /// peer at all: the address may come back, and the connection with it.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        let chosen = source_for(self.peer);
        chosen.is_some_and(|chosen| chosen != self.local) && !is_own(self.local)
    }
}

/// The address from which the host would reach a peer. Connecting a UDP socket looks up the route
/// and sends nothing.
fn source_for(peer: SocketAddr) -> Option<IpAddr> {
    let any: IpAddr = match peer {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect(peer).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// True if the host has the address, or the system cannot tell.
fn is_own(address: IpAddr) -> bool {
    match UdpSocket::bind((address, 0)) {
        Ok(_) => true,
        Err(error) => error.kind() != std::io::ErrorKind::AddrNotAvailable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(local: &str, peer: &str) -> Path {
        Path {
            local: local.parse().unwrap(),
            peer: peer.parse().unwrap(),
        }
    }

    #[test]
    fn a_path_is_gone_with_its_own_address_where_another_leads_there() {
        // The loopback network reaches itself from any of its addresses.
        assert!(!path("127.0.0.1", "127.0.0.1:9").is_gone());
        assert!(!path("127.0.0.9", "127.0.0.1:9").is_gone());
        // 192.0.2.0/24 is reserved for documentation.
        assert!(path("192.0.2.1", "127.0.0.1:9").is_gone());
    }
}
