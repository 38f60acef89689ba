//! Start of the configured instances.

use std::path::Path;
use std::sync::Arc;

use super::error::DaemonError;
use super::task_group::TaskGroup;
use crate::bridge::{Bridge, Bridges, OfflineQueue};
use crate::config::Settings;
use crate::metrics::Counters;
use crate::router::{InstanceId, RouterHandle};
use crate::shares::Shares;
use crate::upstream::api::ApiClient;
use crate::upstream::link::{Link, LinkParts, LinkTimings};
use crate::upstream::session::Session;

/// Starts session and link of every configured instance among `links`.
///
/// # Errors
/// An instance cannot be started as it is configured.
pub(super) fn start(
    settings: &Settings,
    state_dir: Option<&Path>,
    router: &RouterHandle,
    waiting: &OfflineQueue,
    links: &mut TaskGroup,
) -> Result<Bridges, DaemonError> {
    let mut bridges = Vec::new();
    for (index, (name, instance_settings)) in settings.instances.iter().enumerate() {
        let refused = |reason: String| DaemonError::Instance {
            instance: name.clone(),
            reason,
        };
        let instance = InstanceId(index);
        let counters = Arc::new(Counters::default());
        let (session, session_task) =
            Session::new(name, instance_settings, state_dir, counters.clone())
                .map_err(|error| refused(error.to_string()))?;
        let api = ApiClient::new(instance_settings, session.clone())
            .map_err(|error| refused(error.to_string()))?;
        let wanted = router
            .wanted(instance)
            .ok_or_else(|| refused("the router does not know it".to_owned()))?;
        let (link, link_status) = Link::new(LinkParts {
            name: name.clone(),
            instance,
            settings: instance_settings.clone(),
            session: session.clone(),
            router: router.clone(),
            wanted,
            counters: counters.clone(),
            timings: LinkTimings::default(),
            shutdown: links.stop.clone(),
        });
        links.spawn_infallible("a session", session_task.run(links.stop.clone()));
        links.spawn_infallible("a link", link.run());
        bridges.push(Arc::new(Bridge {
            name: name.clone(),
            instance,
            settings: instance_settings.clone(),
            session,
            api,
            router: router.clone(),
            link: link_status,
            counters,
            calls: Shares::new(settings.daemon.limits.max_calls),
            waiting: waiting.clone(),
        }));
    }
    Ok(Bridges::new(bridges))
}
