//! A door for `fuzz/` alone: the network's paths without TCP under them.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::ConnectInfo;
use axum::{Extension, Router};
use socketioxide::SocketIo;

use super::Hub;
use super::connection::{Connection, Peer};
use super::router;

impl Hub {
    /// All paths, and what closes the sockets; every request counts as one of this address.
    pub fn service(&self, peer: SocketAddr) -> (Router, SocketIo) {
        let (router, io) = router::build(&self.state);
        let connection = Connection::without_a_stream(peer);
        let router = router.layer(Extension(ConnectInfo(Peer(Arc::new(connection)))));
        (router, io)
    }
}
