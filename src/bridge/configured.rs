//! The configured instances: started at the daemon's start, and changed by reloads.
//!
//! A reload has two steps. [`ConfiguredInstances::prepare`] does everything that can fail and
//! changes nothing visible; [`ConfiguredInstances::apply`] cannot fail. An instance that stays
//! adopts its new settings while its listeners remain: its session logs in again, and its link
//! replaces the connection with one for the new token, make before break. Only another type of
//! credentials or another `network` replaces the instance, because the promises to its listeners
//! may no longer hold.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::assembly::{Assembly, AssemblyError, InstanceOrigin, InstanceParts, SharedParts};
use super::bridges::Bridges;
use super::handle::Bridge;
use super::tasks::{InstanceSpawner, InstanceTask, task_of};
use crate::config::InstanceSettings;
use crate::router::{Ended, InstanceKind, RouterError};
use crate::upstream::session::Session;
use crate::upstream::setup::InstanceSetup;

/// Time for which a reload waits for the end of an instance that is added again.
const ENDS_WITHIN: Duration = Duration::from_secs(2);

/// Starts, changes and ends the configured instances.
pub struct ConfiguredInstances {
    bridges: Bridges,
    shared: SharedParts,
    state_dir: Option<PathBuf>,
    spawner: InstanceSpawner,
    stop: CancellationToken,
    running: BTreeMap<String, Running>,
    /// Cancelled once a removed instance of this name has ended; one for each removed name whose
    /// credentials are not stored yet.
    ending: BTreeMap<String, CancellationToken>,
}

struct Running {
    bridge: Arc<Bridge>,
    /// Cancelled once its tasks have ended.
    ended: CancellationToken,
}

/// Changes that are ready to be applied. Dropping them changes nothing.
#[derive(Default)]
pub struct PreparedInstances {
    added: Vec<NewInstance>,
    replaced: Vec<NewInstance>,
    changed: Vec<(String, Arc<InstanceSetup>)>,
    removed: Vec<String>,
}

struct NewInstance {
    bridge: Arc<Bridge>,
    task: InstanceTask,
    ended: CancellationToken,
}

/// Names of the instances that a reload changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct AppliedInstances {
    pub added: Vec<String>,
    pub replaced: Vec<String>,
    pub changed: Vec<String>,
    pub removed: Vec<String>,
}

/// An instance cannot be run as configured.
#[derive(Debug, thiserror::Error)]
#[error("instances.{name}: {why}")]
pub struct InstanceError {
    pub name: String,
    pub why: InstanceFault,
}

/// The reason, and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum InstanceFault {
    #[error(transparent)]
    Assembly(#[from] AssemblyError),
    #[error("the daemon is stopping")]
    Router(#[from] RouterError),
    #[error(
        "it was removed, and is still ending (a pairing that cannot be stored waits for room on the disk); reload again"
    )]
    Ending,
}

impl ConfiguredInstances {
    /// No instances yet. Their tasks go to `spawner`, and `stop` ends all of them.
    #[must_use]
    pub fn new(
        bridges: Bridges,
        shared: SharedParts,
        state_dir: Option<PathBuf>,
        spawner: InstanceSpawner,
        stop: CancellationToken,
    ) -> Self {
        Self {
            bridges,
            shared,
            state_dir,
            spawner,
            stop,
            running: BTreeMap::new(),
            ending: BTreeMap::new(),
        }
    }

    /// Prepares the changes that lead to `wanted`. `is_other` is true for an instance with changes
    /// beyond its settings: in the content of a file that they name.
    ///
    /// # Errors
    /// An instance cannot be run as configured; nothing has changed then.
    pub async fn prepare(
        &mut self,
        wanted: &BTreeMap<String, InstanceSettings>,
        is_other: impl Fn(&str) -> bool,
    ) -> Result<PreparedInstances, InstanceError> {
        self.ending.retain(|_, ended| !ended.is_cancelled());
        let mut prepared = PreparedInstances::default();
        for (name, settings) in wanted {
            let failed = |why| InstanceError {
                name: name.clone(),
                why,
            };
            let Some(running) = self.running.get(name) else {
                let new = self.new_instance(name, settings).await;
                prepared.added.push(new.map_err(failed)?);
                continue;
            };
            let present = running.bridge.session.setup();
            if present.settings == *settings && !is_other(name) {
                continue;
            }
            if is_replaced(&present.settings, settings) {
                let new = self.new_instance(name, settings).await;
                prepared.replaced.push(new.map_err(failed)?);
            } else {
                let setup = self.setup(name, settings);
                prepared
                    .changed
                    .push((name.clone(), setup.map_err(failed)?));
            }
        }
        let gone = self.running.keys().filter(|it| !wanted.contains_key(*it));
        prepared.removed = gone.cloned().collect();
        Ok(prepared)
    }

    /// Applies changes that were prepared.
    pub async fn apply(&mut self, prepared: PreparedInstances) -> AppliedInstances {
        let PreparedInstances {
            added,
            replaced,
            changed,
            removed,
        } = prepared;
        let names = |new: &[NewInstance]| new.iter().map(|it| it.bridge.name.clone()).collect();
        let applied = AppliedInstances {
            added: names(&added),
            replaced: names(&replaced),
            changed: changed.iter().map(|(name, _)| name.clone()).collect(),
            removed,
        };
        let mut gone = Vec::new();
        for (names, why) in [
            (&applied.removed, Ended::Removed),
            (&applied.replaced, Ended::Replaced),
        ] {
            let found = names.iter().filter_map(|it| self.running.remove(it));
            gone.extend(found.map(|running| (running, why)));
        }
        let mut tasks = Vec::new();
        for NewInstance {
            bridge,
            task,
            ended,
        } in added.into_iter().chain(replaced)
        {
            tasks.push(task);
            let name = bridge.name.clone();
            self.running.insert(name, Running { bridge, ended });
        }
        if !(tasks.is_empty() && gone.is_empty()) {
            // One replacement, so that no call sees a part of it.
            let running = self.running.iter();
            let bridges = running.map(|(name, it)| (name.clone(), it.bridge.clone()));
            self.bridges.replace_configured(bridges.collect());
        }
        for (running, why) in gone {
            let Running { bridge, ended } = running;
            // Fails if the daemon stops, which ends the instance's listeners as well.
            let router = &self.shared.router;
            router.remove_instance(bridge.instance, why).await.ok();
            bridge.stop.cancel();
            self.ending.insert(bridge.name.clone(), ended);
        }
        for task in tasks {
            self.spawner.spawn(task).await;
        }
        for (name, setup) in changed {
            if let Some(running) = self.running.get(&name) {
                running.bridge.session.follow(setup);
            }
        }
        applied
    }

    /// Creates an instance that does not run yet and cannot be found.
    async fn new_instance(
        &self,
        name: &str,
        settings: &InstanceSettings,
    ) -> Result<NewInstance, InstanceFault> {
        if let Some(ended) = self.ending.get(name) {
            let ended = timeout(ENDS_WITHIN, ended.cancelled()).await;
            ended.map_err(|_| InstanceFault::Ending)?;
        }
        let router = &self.shared.router;
        let added = router.add_instance(name, InstanceKind::Configured).await?;
        let stop = self.stop.child_token();
        let parts = InstanceParts {
            name,
            settings: settings.clone(),
            instance: added.id,
            wanted: added.wanted.clone(),
            origin: InstanceOrigin::Settings(self.state_dir.as_deref()),
            stop: stop.clone(),
        };
        let assembly = Assembly::new(&self.shared, parts)?;
        let ended = CancellationToken::new();
        // Also cancelled if the task is never run.
        let guard: DropGuard = ended.clone().drop_guard();
        let (bridge, task) = task_of(assembly, added, stop, guard);
        Ok(NewInstance {
            bridge,
            task,
            ended,
        })
    }

    /// The setup for an instance's wanted settings.
    fn setup(
        &self,
        name: &str,
        settings: &InstanceSettings,
    ) -> Result<Arc<InstanceSetup>, InstanceFault> {
        let check = Session::check(name, settings, self.state_dir.as_deref());
        check.map_err(AssemblyError::from)?;
        let setup = InstanceSetup::new(settings.clone());
        Ok(setup.map_err(AssemblyError::from)?)
    }
}

/// True if listeners cannot stay: the channels that they may listen to depend on the type of
/// credentials, and without a live socket there are no events.
fn is_replaced(present: &InstanceSettings, wanted: &InstanceSettings) -> bool {
    present.network != wanted.network || present.credentials.kind() != wanted.credentials.kind()
}
