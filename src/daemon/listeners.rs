//! Listeners for local clients.

use std::net::SocketAddr;

use tokio::net::TcpListener;

use super::error::DaemonError;
use crate::ipc::Listener;

/// The listeners that the gRPC server accepts from.
#[derive(Debug, Default)]
pub struct Listeners(Vec<Listener>);

impl Listeners {
    pub fn add(&mut self, listener: Listener) {
        self.0.push(listener);
    }

    pub(super) fn into_vec(self) -> Vec<Listener> {
        self.0
    }
}

/// Listens on a loopback TCP address, and logs it, since port 0 takes any free port.
///
/// # Errors
/// The address cannot be bound.
pub(super) async fn tcp(address: SocketAddr) -> Result<Listener, DaemonError> {
    let failed = |source| DaemonError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    log::info!("listening on {bound} (daemon.listen)");
    Ok(Listener::tcp(listener))
}
