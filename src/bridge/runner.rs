//! Instances that local programs run with identities of their own, each for as long as its
//! [`RunningInstance`] is kept.
//!
//! A user has at most half of the runner's places, and each instance takes [`INSTANCE_BYTES`] of
//! the user's memory. Its task belongs to the supervisor of all instances; the place, the memory
//! and its state in the router are released once the task has ended.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::assembly::{Assembly, AssemblyError, InstanceOrigin, InstanceParts, SharedParts};
use super::bridges::{Bridges, NameTaken};
use super::handle::Bridge;
use super::tasks::{InstanceSpawner, task_of};
use crate::config::{InstanceSettings, Limits};
use crate::router::{InstanceKind, RouterError};
use crate::shares::{Asker, Full, Holder, Limit, Memory, Share, Shares};
use expd_domain::Quoted;

/// Bytes accounted for an instance: its tasks, TLS and HTTP connections (100 KiB), data in flight
/// from its network (twice 1 MiB), and its logs (1 MiB).
pub const INSTANCE_BYTES: usize = 4 << 20;

/// Runs instances for programs. Clones share the places.
#[derive(Clone)]
pub struct InstanceRunner {
    bridges: Bridges,
    shared: SharedParts,
    places: Shares,
    spawner: InstanceSpawner,
    stop: CancellationToken,
}

/// An instance to run.
pub struct NewInstance {
    pub name: String,
    pub user: u32,
    pub settings: InstanceSettings,
    /// Memory budget of the user.
    pub memory: Memory,
}

/// An instance was not run.
#[derive(Debug, thiserror::Error)]
pub enum RunnerError {
    #[error(
        "the instance name {name} is taken: {taken}; choose another name",
        name = Quoted(.name)
    )]
    NameTaken { name: String, taken: NameTaken },
    #[error(
        "too many running instances: {full}, of {most} in total (daemon.limits.max_run_instances); end some, or raise it"
    )]
    TooMany { most: usize, full: Full },
    #[error(
        "no memory for another instance, which takes {INSTANCE_BYTES} bytes: {full}, of {most} in total (daemon.limits.max_call_bytes); end some calls or instances, or raise it"
    )]
    NoMemory { most: usize, full: Full },
    #[error(transparent)]
    Assembly(#[from] AssemblyError),
    #[error("the daemon is stopping, and the instance was not run; run it when the daemon is back")]
    Stopping,
}

impl From<RouterError> for RunnerError {
    fn from(_: RouterError) -> Self {
        // Adding an instance has no other error.
        Self::Stopping
    }
}

/// A running instance. It ends when this is dropped.
pub struct RunningInstance {
    bridge: Arc<Bridge>,
    user: u32,
    bridges: Bridges,
    /// Ends the tasks when dropped.
    stop: CancellationToken,
}

impl InstanceRunner {
    /// A runner whose tasks go to `spawner`. `stop` ends all instances.
    #[must_use]
    pub fn new(
        bridges: Bridges,
        shared: SharedParts,
        limits: &Limits,
        spawner: InstanceSpawner,
        stop: CancellationToken,
    ) -> Self {
        let places = Shares::of(
            Limit::RunInstances,
            limits.max_run_instances,
            None,
            &shared.limit_hits,
        );
        Self {
            bridges,
            shared,
            places,
            spawner,
            stop,
        }
    }

    /// Runs an instance. If the caller gives up in the meantime, nothing of it remains.
    ///
    /// # Errors
    /// As [`RunnerError`] says.
    pub async fn run(&self, new: NewInstance) -> Result<RunningInstance, RunnerError> {
        let NewInstance {
            name,
            user,
            settings,
            memory,
        } = new;
        let taken = |taken| RunnerError::NameTaken {
            name: name.clone(),
            taken,
        };
        self.bridges.check_name(user, &name).map_err(taken)?;
        let held = self.take_shares(user, &memory)?;
        let spawn = self.spawner.reserve().await;
        let spawn = spawn.ok_or(RunnerError::Stopping)?;
        let router = &self.shared.router;
        let added = router.add_instance(&name, InstanceKind::Transient).await?;
        let stop = self.stop.child_token();
        let parts = InstanceParts {
            name: &name,
            settings,
            instance: added.id,
            wanted: added.wanted.clone(),
            origin: InstanceOrigin::Program(user),
            stop: stop.clone(),
        };
        let assembly = Assembly::new(&self.shared, parts)?;
        self.bridges.add(user, &assembly.bridge).map_err(taken)?;
        let (bridge, task) = task_of(assembly, added, stop.clone(), held);
        spawn.send(task);
        log::info!(instance = name, uid = user; "instance {name} runs an identity of uid {user}");
        Ok(RunningInstance {
            bridge,
            user,
            bridges: self.bridges.clone(),
            stop,
        })
    }

    /// Takes one place, and the memory of an instance.
    fn take_shares(&self, user: u32, memory: &Memory) -> Result<[Share; 2], RunnerError> {
        let asker = Asker {
            holder: Holder::of(Some(user)),
            ..memory.asker()
        };
        let place = self.places.take(asker, 1);
        let place = place.map_err(|full| RunnerError::TooMany {
            most: self.places.most(),
            full,
        })?;
        let bytes = memory.take(INSTANCE_BYTES);
        let bytes = bytes.map_err(|full| RunnerError::NoMemory {
            most: memory.most(),
            full,
        })?;
        Ok([place, bytes])
    }
}

impl RunningInstance {
    pub fn bridge(&self) -> &Arc<Bridge> {
        &self.bridge
    }
}

impl Drop for RunningInstance {
    fn drop(&mut self) {
        self.bridges.remove(self.user, &self.bridge.name);
        self.stop.cancel();
    }
}
