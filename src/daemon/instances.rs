//! Start of the configured instances, and of the runner of all others.

use std::path::Path;

use tokio_util::sync::CancellationToken;

use super::error::DaemonError;
use super::task_group::TaskGroup;
use crate::bridge::{
    Bridges, ConfiguredInstances, InstanceRunner, InstanceSpawner, InstanceTasks, OfflineQueue,
    SharedParts,
};
use crate::config::Settings;
use crate::host_network::watch_host_network;
use crate::router::RouterHandle;
use crate::shares::{LimitHits, UserRates};

pub(super) struct Instances {
    pub bridges: Bridges,
    pub configured: ConfiguredInstances,
    /// Runs the instances that programs bring along.
    pub runner: InstanceRunner,
    pub rates: UserRates,
}

/// Starts all configured instances as tasks of `links`, and the runner of the instances that
/// programs bring along.
///
/// # Errors
/// An instance cannot be started as configured.
pub(super) async fn start(
    settings: &Settings,
    state_dir: Option<&Path>,
    router: &RouterHandle,
    limit_hits: &LimitHits,
    servers_stop: CancellationToken,
    links: &mut TaskGroup,
) -> Result<Instances, DaemonError> {
    let limits = &settings.daemon.limits;
    let (network, network_task) = watch_host_network();
    let watching = network_task.run(links.stop.clone());
    links.spawn_infallible("the watch of the host's network", watching);
    let rates = UserRates::new(limits.user.broadcasts, limits.user.bytes, limit_hits);
    let shared = SharedParts {
        router: router.clone(),
        waiting: OfflineQueue::new(limits, limit_hits, servers_stop),
        max_calls: (limits.max_calls, limits.user.max_calls),
        rates: rates.clone(),
        limit_hits: limit_hits.clone(),
        network,
    };
    let bridges = Bridges::default();
    let spawner = supervise(links);
    let mut configured = ConfiguredInstances::new(
        bridges.clone(),
        shared.clone(),
        state_dir.map(Path::to_owned),
        spawner.clone(),
        links.stop.clone(),
    );
    let prepared = configured.prepare(&settings.instances, |_| false).await;
    let prepared = prepared.map_err(|error| DaemonError::Instance {
        instance: error.name,
        reason: error.why.to_string(),
    })?;
    configured.apply(prepared).await;
    let stop = links.stop.clone();
    let runner = InstanceRunner::new(bridges.clone(), shared, limits, spawner, stop);
    Ok(Instances {
        bridges,
        configured,
        runner,
        rates,
    })
}

/// Starts the supervisor of the instances' tasks.
fn supervise(links: &mut TaskGroup) -> InstanceSpawner {
    let (spawner, tasks) = InstanceTasks::new(links.stop.clone());
    links.spawn("the supervisor of instances", async move {
        let ended = tasks.run().await;
        ended.map_err(|failure| DaemonError::Panicked(failure.to_string()))
    });
    spawner
}
