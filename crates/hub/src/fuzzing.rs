//! Entry point for `fuzz/`: the router without TCP.

use std::net::SocketAddr;

use axum::extract::ConnectInfo;
use axum::{Extension, Router};

use super::hub::Hub;
use super::router;
use expd_server::connection::RequestConnection;

impl Hub {
    /// All routes; every request counts as coming from this address.
    pub fn service(&self, peer: SocketAddr) -> Router {
        let router = router::build(&self.state);
        let connection = self.state.admission.connection(peer);
        router.layer(Extension(ConnectInfo(RequestConnection(connection))))
    }
}
