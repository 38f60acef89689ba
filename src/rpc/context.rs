//! The parts of the daemon that the services work with.

use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::pull::PullListeners;
use crate::access::AccessPolicy;
use crate::bridge::Bridges;
use crate::router::RouterHandle;

/// What the services work with.
#[derive(Clone)]
pub struct ServiceContext {
    /// The configured identities.
    pub bridges: Bridges,
    /// Their channels and listeners.
    pub router: RouterHandle,
    /// The listeners in pull form.
    pub pulls: PullListeners,
    /// The largest payload that is taken, in bytes of JSON text.
    pub max_payload: usize,
    /// Who may do what; a reload changes it.
    pub access: watch::Receiver<Arc<AccessPolicy>>,
    /// When the daemon started.
    pub started_at: SystemTime,
    /// The daemon stops: nobody new is served.
    pub stop: CancellationToken,
}
