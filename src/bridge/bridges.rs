//! All identities: the configured ones, and those that local programs run.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::handle::Bridge;
use crate::config::settings::DEFAULT_INSTANCE;
use crate::metrics::Counter;
use crate::router::InstanceId;
use expd_domain::LinkState;

/// All identities by name. Clones share them.
#[derive(Clone, Default)]
pub struct Bridges(Arc<Inner>);

/// The configured instances, by name.
type Configured = Arc<BTreeMap<String, Arc<Bridge>>>;

#[derive(Default)]
struct Inner {
    /// Replaced as a whole by a reload. Never locked across an await.
    configured: Mutex<Configured>,
    /// Transient ones, by user and name: as many as `daemon.limits.max_run_instances`. Never locked
    /// across an await.
    transient: Mutex<BTreeMap<(u32, String), Arc<Bridge>>>,
    /// Number of transient instances that were ever added.
    started: Counter,
    /// Notified whenever either of the two changes.
    changes: watch::Sender<()>,
}

/// An instance of that name exists already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameTaken {
    #[error("used by the settings")]
    Configured,
    #[error("already run by this user")]
    Run,
}

impl Bridges {
    /// The configured instance of that name; the empty name is the default instance.
    pub fn get(&self, name: &str) -> Option<Arc<Bridge>> {
        self.configured().get(Self::full_name(name)).cloned()
    }

    /// The instance of that name which a user may call: a configured one, or the user's own.
    /// Callers over TCP have none of their own.
    pub fn get_for(&self, user: Option<u32>, name: &str) -> Option<Arc<Bridge>> {
        if let Some(configured) = self.get(name) {
            return Some(configured);
        }
        let key = (user?, name.to_owned());
        self.transient().get(&key).cloned()
    }

    /// Resolves the empty name in a request to the default instance's.
    pub fn full_name(name: &str) -> &str {
        if name.is_empty() {
            DEFAULT_INSTANCE
        } else {
            name
        }
    }

    /// The configured instances: the default instance first, then the others by name.
    pub fn iter(&self) -> impl Iterator<Item = Arc<Bridge>> {
        let configured = self.configured();
        let mut all: Vec<Arc<Bridge>> = configured.values().cloned().collect();
        // Stable: the others keep their order.
        all.sort_by_key(|bridge| bridge.name != DEFAULT_INSTANCE);
        all.into_iter()
    }

    /// The instances that a user may call: the configured ones, then the user's own in the order in
    /// which they were run.
    pub fn for_user(&self, user: Option<u32>) -> Vec<Arc<Bridge>> {
        let mut bridges: Vec<Arc<Bridge>> = self.iter().collect();
        bridges.extend(user.map(|user| self.run_by(user)).unwrap_or_default());
        bridges
    }

    /// Number of transient instances.
    pub fn transient_count(&self) -> usize {
        self.transient().len()
    }

    /// Number of transient instances that were ever run.
    pub fn transient_started(&self) -> u64 {
        self.0.started.get()
    }

    /// States of the links of all transient instances.
    pub fn transient_states(&self) -> Vec<LinkState> {
        let transient = self.transient();
        let states = transient.values().map(|it| it.link.borrow().state);
        states.collect()
    }

    /// Notified whenever an instance begins or ends.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.0.changes.subscribe()
    }

    /// Replaces the configured instances. Transient ones whose name is now configured end: a call
    /// must not silently reach another identity than before.
    pub(super) fn replace_configured(&self, configured: BTreeMap<String, Arc<Bridge>>) {
        for ((_, name), bridge) in &*self.transient() {
            if configured.contains_key(name) {
                bridge.stop.cancel();
            }
        }
        *self.lock_configured() = Arc::new(configured);
        self.0.changes.send_replace(());
    }

    /// Adds a transient instance.
    ///
    /// # Errors
    /// Its name is taken.
    pub(super) fn add(&self, user: u32, bridge: &Arc<Bridge>) -> Result<(), NameTaken> {
        self.check_name(user, &bridge.name)?;
        let key = (user, bridge.name.clone());
        let mut transient = self.transient();
        if transient.contains_key(&key) {
            return Err(NameTaken::Run);
        }
        transient.insert(key, bridge.clone());
        drop(transient);
        self.0.started.inc();
        self.0.changes.send_replace(());
        Ok(())
    }

    /// Refuses the name of an instance that a user could call already.
    ///
    /// # Errors
    /// Such an instance exists.
    pub(super) fn check_name(&self, user: u32, name: &str) -> Result<(), NameTaken> {
        if self.configured().contains_key(name) {
            return Err(NameTaken::Configured);
        }
        let key = (user, name.to_owned());
        if self.transient().contains_key(&key) {
            return Err(NameTaken::Run);
        }
        Ok(())
    }

    /// Removes a transient instance.
    pub(super) fn remove(&self, user: u32, name: &str) {
        let key = (user, name.to_owned());
        let removed = self.transient().remove(&key);
        drop(removed);
        self.0.changes.send_replace(());
    }

    /// The instance with this ID, if this user runs it.
    pub fn run_as(&self, user: u32, instance: InstanceId) -> Option<Arc<Bridge>> {
        let transient = self.transient();
        let mut own = transient.iter().filter(|((of, _), _)| *of == user);
        let found = own.find(|(_, bridge)| bridge.instance == instance);
        found.map(|(_, bridge)| bridge.clone())
    }

    fn run_by(&self, user: u32) -> Vec<Arc<Bridge>> {
        let transient = self.transient();
        let own = transient.iter().filter(|((of, _), _)| *of == user);
        let mut own: Vec<Arc<Bridge>> = own.map(|(_, bridge)| bridge.clone()).collect();
        drop(transient);
        own.sort_unstable_by_key(|bridge| bridge.instance);
        own
    }

    fn configured(&self) -> Configured {
        self.lock_configured().clone()
    }

    fn lock_configured(&self) -> MutexGuard<'_, Configured> {
        // One value, which is replaced as a whole.
        let configured = &self.0.configured;
        configured.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn transient(&self) -> MutexGuard<'_, BTreeMap<(u32, String), Arc<Bridge>>> {
        // The map is consistent after each statement.
        let transient = &self.0.transient;
        transient.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
