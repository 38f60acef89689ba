//! A door for `fuzz/` alone: the network's paths without TCP under them.

use std::net::SocketAddr;

use axum::extract::ConnectInfo;
use axum::{Extension, Router};

use super::connection::RequestConnection;
use super::hub::Hub;
use super::router;

impl Hub {
    /// All paths; every request counts as one of this address.
    pub fn service(&self, peer: SocketAddr) -> Router {
        let (router, _) = router::build(&self.state);
        let connection = self.state.admission.connection(peer);
        router.layer(Extension(ConnectInfo(RequestConnection(connection))))
    }
}
