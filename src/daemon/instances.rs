//! Start of the configured instances, and of the runner of all others.

use std::path::Path;

use tokio_util::sync::CancellationToken;

use super::error::DaemonError;
use super::task_group::TaskGroup;
use crate::bridge::{
    Assembly, Bridges, InstanceParts, InstanceRunner, OfflineQueue, Origin, SharedParts,
};
use crate::config::Settings;
use crate::host_network::watch_host_network;
use crate::router::{InstanceId, RouterHandle};
use crate::shares::{LimitHits, UserRates};

/// Starts session and link of every configured instance among `links`, and the runner of those that
/// programs bring along.
///
/// # Errors
/// An instance cannot be started as it is configured.
pub(super) fn start(
    settings: &Settings,
    state_dir: Option<&Path>,
    router: &RouterHandle,
    limit_hits: &LimitHits,
    servers_stop: CancellationToken,
    links: &mut TaskGroup,
) -> Result<(Bridges, InstanceRunner), DaemonError> {
    let limits = &settings.daemon.limits;
    let (network, network_task) = watch_host_network();
    let watching = network_task.run(links.stop.clone());
    links.spawn_infallible("the watch of the host's network", watching);
    let shared = SharedParts {
        router: router.clone(),
        waiting: OfflineQueue::new(limits, limit_hits, servers_stop),
        max_calls: (limits.max_calls, limits.user.max_calls),
        rates: UserRates::new(limits.user.broadcasts, limits.user.bytes, limit_hits),
        limit_hits: limit_hits.clone(),
        network,
    };
    let mut bridges = Vec::new();
    for (index, (name, instance_settings)) in settings.instances.iter().enumerate() {
        let refused = |reason: String| DaemonError::Instance {
            instance: name.clone(),
            reason,
        };
        let instance = InstanceId(index);
        let wanted = router
            .wanted(instance)
            .ok_or_else(|| refused("the router does not know it".to_owned()))?;
        let parts = InstanceParts {
            name,
            settings: instance_settings.clone(),
            instance,
            wanted,
            origin: Origin::Settings(state_dir),
            stop: links.stop.clone(),
        };
        let assembly = Assembly::new(&shared, parts);
        let assembly = assembly.map_err(|error| refused(error.to_string()))?;
        let session = assembly.session.run(links.stop.clone());
        links.spawn_infallible("a session", session);
        links.spawn_infallible("a link", assembly.link.run());
        bridges.push(assembly.bridge);
    }
    let bridges = Bridges::new(bridges);
    let stop = links.stop.clone();
    let (runner, tasks) = InstanceRunner::new(bridges.clone(), shared, limits, stop);
    links.spawn("the runner of instances", async move {
        let ended = tasks.run().await;
        ended.map_err(|panic| DaemonError::Panicked(panic.to_string()))
    });
    Ok((bridges, runner))
}
