//! The local doors: where clients connect, and the one gRPC server behind all of them.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::SelectAll;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::transport::Server;

use super::DaemonError;
use crate::ipc::{Incoming, Listener};

/// How many calls one connection may have under way: a thousand streams of one program must not keep its broadcasts waiting.
const CALLS_PER_CONNECTION: u32 = 16_384;

/// How much a client may send on one call before the daemon has taken it in, and on one connection.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;

/// How long a TCP peer may be silent before it is probed; a Unix socket's end is told by the kernel.
const TCP_KEEPALIVE: Duration = Duration::from_secs(60);

/// The open doors.
#[derive(Debug, Default)]
pub struct Doors(Vec<Listener>);

impl Doors {
    /// Adds one.
    pub fn add(&mut self, listener: Listener) {
        self.0.push(listener);
    }

    /// Serves until the shutdown: then nobody new is let in, and calls under way may finish. Socket files go with the
    /// listeners, right at the shutdown.
    pub(super) async fn serve(
        self,
        service: Routes,
        max_connections: usize,
        shutdown: CancellationToken,
    ) -> Result<(), DaemonError> {
        let connections = Arc::new(Semaphore::new(max_connections));
        let incoming: SelectAll<_> = self
            .0
            .into_iter()
            .map(|listener| {
                Incoming::new(listener, connections.clone(), shutdown.clone())
                    .into_stream()
                    .boxed()
            })
            .collect();
        Server::builder()
            .max_concurrent_streams(CALLS_PER_CONNECTION)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .tcp_keepalive(Some(TCP_KEEPALIVE))
            .add_routes(service)
            .serve_with_incoming_shutdown(incoming, shutdown.cancelled_owned())
            .await
            .map_err(|error| DaemonError::Server(with_causes(&error)))
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

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
