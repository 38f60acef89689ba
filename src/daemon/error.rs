//! Errors of a daemon that does not start, or ends by itself.

use std::io;
use std::net::SocketAddr;

use crate::ipc::IpcError;
use expd_hub::HubError;

/// Reason why the daemon did not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    #[error(transparent)]
    Ipc(#[from] IpcError),
    #[error(transparent)]
    Hub(#[from] HubError),
    #[error(
        "cannot listen on {address} (daemon.listen): {source}; choose another port, or stop what \
         uses it"
    )]
    Listen {
        address: SocketAddr,
        source: io::Error,
    },
    #[error(
        "cannot serve metrics on {address} (daemon.metrics): {source}; choose another port, or stop \
         what uses it"
    )]
    Metrics {
        address: SocketAddr,
        source: io::Error,
    },
    #[error(
        "cannot serve pages on {address} (web.listen): {source}; choose another port, or stop what \
         uses it"
    )]
    Web {
        address: SocketAddr,
        source: io::Error,
    },
    /// The Unix socket of the metrics failed after it was bound.
    #[error("cannot serve metrics on the Unix socket daemon.metrics_socket: {0}")]
    MetricsSocket(io::Error),
    /// An instance cannot be started.
    #[error("instance {instance:?}: {reason}")]
    Instance {
        instance: String,
        /// Fault and remedy.
        reason: String,
    },
    /// A part of the daemon ended by itself.
    #[error(
        "{0} ended unexpectedly, which is a defect of expd; the daemon exits so that it is restarted"
    )]
    Task(&'static str),
    #[error(
        "a task panicked: {0}, which is a defect of expd; the daemon exits so that it is restarted"
    )]
    Panicked(String),
}
