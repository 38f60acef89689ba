//! Errors of a daemon that does not start, or ends by itself.

use std::io;
use std::net::SocketAddr;

use crate::ipc::IpcError;
use expd_hub::HubError;

/// Reason why the daemon did not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The Unix socket.
    #[error(transparent)]
    Ipc(#[from] IpcError),
    /// The embedded network.
    #[error(transparent)]
    Hub(#[from] HubError),
    /// The TCP listener.
    #[error(
        "cannot listen on {address} (daemon.listen): {source}; choose another port, or stop what \
         uses it"
    )]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
    /// The metrics server.
    #[error(
        "cannot serve metrics on {address} (daemon.metrics): {source}; choose another port, or stop \
         what uses it"
    )]
    Metrics {
        /// The address.
        address: SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
    /// The door for pages.
    #[error(
        "cannot serve pages on {address} (web.listen): {source}; choose another port, or stop what \
         uses it"
    )]
    Web {
        /// The address.
        address: SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
    /// The Unix socket of the metrics, once it is bound.
    #[error("cannot serve metrics on the Unix socket daemon.metrics_socket: {0}")]
    MetricsSocket(io::Error),
    /// An instance that cannot be started.
    #[error("instance {instance:?}: {reason}")]
    Instance {
        /// Its name.
        instance: String,
        /// The fault and the remedy.
        reason: String,
    },
    /// A part of the daemon that ended by itself.
    #[error(
        "{0} ended unexpectedly; this is a defect of expd, and the daemon stops so that it is \
         started afresh"
    )]
    Task(&'static str),
    /// A part of the daemon that panicked.
    #[error(
        "a task panicked: {0}; this is a defect of expd, and the daemon stops so that it is started \
         afresh"
    )]
    Panicked(String),
}
