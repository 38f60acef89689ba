//! The parts of the daemon that the services use.

use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::pull::PullListeners;
use super::reloading::ReloadHandle;
use crate::access::AccessPolicy;
use crate::bridge::{Bridges, InstanceRunner};
use crate::config::DaemonSettings;
use crate::metrics::DaemonCounters;
use crate::moment::BootTime;
use crate::pages::Pages;
use crate::router::RouterHandle;
use crate::shares::LimitHits;

/// The parts of the daemon that the services use. Clones share them.
#[derive(Clone)]
pub struct ServiceContext {
    /// All identities.
    pub bridges: Bridges,
    /// Runs the instances that programs bring along.
    pub runner: InstanceRunner,
    /// Channels and listeners of all identities.
    pub router: RouterHandle,
    /// Listeners in pull form.
    pub pulls: PullListeners,
    /// The open web pages.
    pub pages: Pages,
    /// The daemon's settings, which a reload replaces.
    pub settings: watch::Receiver<Arc<DaemonSettings>>,
    /// The access policy, which a reload replaces.
    pub access: watch::Receiver<Arc<AccessPolicy>>,
    /// Refusals because a limit was reached.
    pub limit_hits: LimitHits,
    /// Counters of calls and refusals.
    pub counters: Arc<DaemonCounters>,
    /// Start of the daemon.
    pub started_at: BootTime,
    /// Asks for a reload of the settings.
    pub reload: ReloadHandle,
    /// Cancelled when the daemon stops; new calls are refused from then on.
    pub stop: CancellationToken,
}

impl ServiceContext {
    /// Limit of a payload, in bytes of JSON text.
    pub fn max_payload(&self) -> usize {
        self.settings.borrow().limits.max_payload
    }
}
