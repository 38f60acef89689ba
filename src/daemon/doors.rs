//! The local doors: where clients connect.

use std::io;

use super::DaemonError;
use crate::ipc::Listener;

/// The open doors.
#[derive(Debug, Default)]
pub struct Doors(Vec<Listener>);

impl Doors {
    /// Adds one.
    pub fn add(&mut self, listener: Listener) {
        self.0.push(listener);
    }

    /// The listeners.
    pub(super) fn into_listeners(self) -> Vec<Listener> {
        self.0
    }
}

/// Opens a loopback TCP door.
///
/// # Errors
/// The address cannot be bound.
pub async fn tcp(address: std::net::SocketAddr) -> Result<Listener, DaemonError> {
    let bound = tokio::net::TcpListener::bind(address).await;
    let listener = bound.map_err(|source: io::Error| DaemonError::Listen { address, source })?;
    Ok(Listener::tcp(listener))
}
