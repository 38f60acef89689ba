//! Listeners for local clients.

use std::net::SocketAddr;

use tokio::net::TcpListener;

use super::error::DaemonError;
use crate::ipc::Listener;

/// The listeners that the gRPC server accepts from.
#[derive(Debug, Default)]
pub struct Listeners(Vec<Listener>);

impl Listeners {
    /// Adds a listener.
    pub fn add(&mut self, listener: Listener) {
        self.0.push(listener);
    }

    pub(super) fn into_vec(self) -> Vec<Listener> {
        self.0
    }
}

/// Listens on a loopback TCP address.
///
/// # Errors
/// The address cannot be bound.
pub(super) async fn tcp(address: SocketAddr) -> Result<Listener, DaemonError> {
    let bound = TcpListener::bind(address).await;
    let listener = bound.map_err(|source| DaemonError::Listen { address, source })?;
    Ok(Listener::tcp(listener))
}
