//! What all parts of one running network share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::HubError;
use super::connection::Connections;
use super::counters::Counters;
use super::data::DataStore;
use super::directory::Directory;
use super::network::Network;
use super::password;
use super::pending::PendingBroadcasts;
use super::resources::Resources;
use super::settings::HubSettings;
use super::tokens::Tokens;
use crate::exp::Secret;

/// How much memory request bodies may take together while they are read and parsed, in KiB: a dozen of the largest.
const BODY_BUDGET_KIB: usize = 256 * 1024;

/// How many passwords are checked at once: each takes 19 MiB and some 20 ms of a core, on purpose.
const PASSWORD_CHECKS: usize = 2;

/// One running network. Each part guards itself with a lock of its own; locks are taken in the order data or resources,
/// then network, then connections, and none is held over an await.
pub(super) struct HubState {
    pub organization: String,
    pub operator_key: Option<Secret>,
    pub directory: Directory,
    pub tokens: Tokens,
    pub network: Network,
    pub pending: PendingBroadcasts,
    pub resources: Resources,
    pub data: DataStore,
    pub connections: Connections,
    pub counters: Counters,
    pub body_budget: Arc<Semaphore>,
    pub password_checks: Semaphore,
    /// Cancelled when the network stops; what waits on behalf of a client gives up then.
    pub stopping: CancellationToken,
    /// The small tasks that belong to sockets; each ends with its socket or with `stopping`.
    pub tasks: TaskTracker,
    pub ping_interval: Duration,
    pub ping_timeout: Duration,
}

impl HubState {
    pub(super) fn new(settings: &HubSettings) -> Result<Self, HubError> {
        for user in &settings.users {
            password::check_hash(&user.password_hash).map_err(|error| HubError::PasswordHash {
                username: user.username.clone(),
                reason: error.to_string(),
            })?;
        }
        let resources = Resources::default();
        for device in &settings.devices {
            resources.add_device(&device.uuid);
        }
        Ok(Self {
            organization: settings.organization.clone(),
            operator_key: settings.operator_key.clone(),
            directory: Directory::new(settings),
            tokens: Tokens::new(settings),
            network: Network::default(),
            pending: PendingBroadcasts::default(),
            resources,
            data: DataStore::default(),
            connections: Connections::default(),
            counters: Counters::default(),
            body_budget: Arc::new(Semaphore::new(BODY_BUDGET_KIB)),
            password_checks: Semaphore::new(PASSWORD_CHECKS),
            stopping: CancellationToken::new(),
            tasks: TaskTracker::new(),
            ping_interval: settings.ping_interval,
            ping_timeout: settings.ping_timeout,
        })
    }
}

/// Locks. A panic while a lock was held is a bug in this room that has been reported; the maps behind it are whole
/// between any two statements, so the others go on.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
