//! The tasks of instances, supervised: each instance is one task, which ends with its stop.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use super::assembly::Assembly;
use super::handle::Bridge;
use crate::router::{AddedInstance, Ended};

/// Instances whose tasks wait to be spawned: few, because the supervisor does nothing else.
const QUEUE: usize = 16;

/// An instance's task.
pub(super) type InstanceTask = BoxFuture<'static, Result<(), TaskFailure>>;

/// Sends the tasks of new instances to their supervisor, which clones share.
#[derive(Clone)]
pub struct InstanceSpawner(mpsc::Sender<InstanceTask>);

impl InstanceSpawner {
    /// Reserves room for one task, which can then be spawned without a wait; none once the daemon
    /// stops.
    pub(super) async fn reserve(&self) -> Option<mpsc::Permit<'_, InstanceTask>> {
        self.0.reserve().await.ok()
    }

    /// Spawns a task; once the daemon stops, it is dropped.
    pub(super) async fn spawn(&self, task: InstanceTask) {
        // Fails once the supervisor has ended, and all instances with it.
        self.0.send(task).await.ok();
    }
}

/// A task of an instance ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum TaskFailure {
    #[error("{0}")]
    Panicked(#[from] JoinError),
    #[error("{0} ended without being stopped")]
    Ended(&'static str),
}

/// The tasks of all instances; [`InstanceTasks::run`] supervises them.
pub struct InstanceTasks {
    spawned: mpsc::Receiver<InstanceTask>,
    stop: CancellationToken,
}

impl InstanceTasks {
    /// An empty set of tasks, and the handle that adds to it. `stop` stops the supervisor, which
    /// then waits for its tasks.
    #[must_use]
    pub fn new(stop: CancellationToken) -> (InstanceSpawner, Self) {
        let (sender, spawned) = mpsc::channel(QUEUE);
        (InstanceSpawner(sender), Self { spawned, stop })
    }

    /// Supervises the tasks until the stop, and until all of them have ended.
    ///
    /// # Errors
    /// A task panicked, or ended by itself.
    pub async fn run(mut self) -> Result<(), TaskFailure> {
        // Bounded by the configured instances and the places for transient ones.
        let mut tasks = JoinSet::new();
        loop {
            tokio::select! {
                () = self.stop.cancelled() => break,
                Some(task) = self.spawned.recv() => drop(tasks.spawn(task)),
                Some(ended) = tasks.join_next() => ended??,
            }
        }
        self.spawned.close();
        // Dropped without being started.
        while self.spawned.recv().await.is_some() {}
        while let Some(ended) = tasks.join_next().await {
            ended??;
        }
        Ok(())
    }
}

/// The task of an instance: runs session and link until `stop`, and then removes it from the
/// router. `held` is released once everything has ended.
pub(super) fn task_of<T: Send + 'static>(
    assembly: Assembly,
    added: AddedInstance,
    stop: CancellationToken,
    held: T,
) -> (Arc<Bridge>, InstanceTask) {
    let Assembly {
        bridge,
        session,
        link,
    } = assembly;
    let router = bridge.router.clone();
    let task = Box::pin(async move {
        // Captured as a whole, not by its ID: the router removes an instance whose owner was
        // dropped.
        let added = added;
        let session = async {
            session.run(stop.clone()).await;
            ended(&stop, "a session")
        };
        let link = async {
            link.run().await;
            ended(&stop, "a link")
        };
        let removal = async {
            stop.cancelled().await;
            // Fails if the router has stopped, and all instances with it.
            router.remove_instance(added.id, Ended::Instance).await.ok();
            Ok(())
        };
        let result = tokio::try_join!(session, link, removal);
        drop(held);
        result.map(drop)
    });
    (bridge, task)
}

fn ended(stop: &CancellationToken, what: &'static str) -> Result<(), TaskFailure> {
    if stop.is_cancelled() {
        Ok(())
    } else {
        Err(TaskFailure::Ended(what))
    }
}
