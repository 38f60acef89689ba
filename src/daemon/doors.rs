//! The local doors: where clients connect, and the one gRPC server behind all of them.

use std::time::Duration;

use futures_util::stream::SelectAll;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::transport::Server;

use super::DaemonError;
use crate::ipc::{BoundSocket, Incoming};

/// How many calls one connection may have under way: a thousand streams of one program must not keep its broadcasts waiting.
const CALLS_PER_CONNECTION: u32 = 16_384;

/// How much a client may send on one call, and on one connection, before the daemon has taken it in.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;

/// How long a client may take to open HTTP/2 before an idle TCP peer is probed.
const TCP_KEEPALIVE: Duration = Duration::from_secs(60);

/// The open doors.
#[derive(Default)]
pub struct Doors {
    /// The Unix socket that the daemon made, or was given by systemd.
    pub unix: Vec<BoundSocket>,
    /// The loopback TCP door, where one is configured.
    pub tcp: Option<tokio::net::TcpListener>,
}

impl Doors {
    /// Serves until the shutdown: then nobody new is let in, and calls under way may finish. The socket files go at the end.
    pub(super) fn serve(
        self,
        service: Routes,
        max_connections: usize,
        shutdown: CancellationToken,
    ) -> impl Future<Output = Result<(), DaemonError>> + Send + 'static {
        async move {
            todo!()
        }
    }
}
