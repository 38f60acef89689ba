//! The daemon: puts the rooms together, starts them in order, and stops them in order.
//!
//! [`serve`] is a function of settings, doors and a shutdown, so that tests start it in process. Every task belongs to one
//! set; one that ends before the shutdown takes the daemon down with its name, since half a daemon is worse than none.

mod doors;
mod figures;
mod greeting;
mod reload;
mod run;
mod welcome;

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::future::pending;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

pub use doors::Doors;
use figures::{Figures, FiguresDoor};
pub use run::{RunError, ServeOptions, run, runtime};

use crate::access::AccessPolicy;
use crate::bridge::{Bridge, Bridges, WaitingRoom};
use crate::config::Settings;
use crate::ipc::IpcError;
use crate::metrics::Counters;
use crate::router::{InstanceId, Router, RouterHandle, RouterSettings};
use crate::rpc::server::Server;
use crate::rpc::{self, Door, PullListeners};
use crate::shares::Shares;
use crate::upstream::api::ApiClient;
use crate::upstream::link::{Link, LinkParts, LinkTimings};
use crate::upstream::session::Session;
use expd_hub::{Hub, HubError};

/// How long router, links and network each may take to end, once calls under way are finished or cut off.
const GOODBYE: Duration = Duration::from_millis(250);

/// Why the daemon did not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// A socket.
    #[error(transparent)]
    Ipc(#[from] IpcError),
    /// The embedded network.
    #[error(transparent)]
    Hub(#[from] HubError),
    /// The TCP door.
    #[error(
        "cannot listen on {address} (daemon.listen): {source}; choose another port, or stop what uses it"
    )]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// The door of the figures.
    #[error(
        "cannot serve metrics on {address} (daemon.metrics): {source}; choose another port, or stop what uses it"
    )]
    Metrics {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// An instance's way to the cloud.
    #[error("instance {instance:?}: {reason}")]
    Instance {
        /// Which.
        instance: String,
        /// What is wrong and what to do.
        reason: String,
    },
    /// A part of the daemon ended by itself.
    #[error(
        "{0} ended unexpectedly; this is a defect of expd, and the daemon stops so that it is started afresh"
    )]
    Task(&'static str),
    /// A part of the daemon panicked.
    #[error(
        "a task panicked: {0}; this is a defect of expd, and the daemon stops so that it is started afresh"
    )]
    Panicked(String),
}

/// A group of tasks that stops together; each task ends with its name.
type Tasks = JoinSet<(&'static str, Result<(), DaemonError>)>;

/// The running parts, in the order in which they stop.
#[derive(Default)]
struct Parts {
    doors: Group,
    router: Group,
    links: Group,
    network: Group,
}

/// Tasks with the token that stops them.
#[derive(Default)]
struct Group {
    tasks: Tasks,
    stop: CancellationToken,
}

impl Group {
    fn spawn(
        &mut self,
        name: &'static str,
        task: impl Future<Output = Result<(), DaemonError>> + Send + 'static,
    ) {
        // A bridge's takes some 10 KB, and what runs a task moves it about on the stack.
        let task = Box::pin(task);
        self.tasks.spawn(async move { (name, task.await) });
    }

    /// Waits until all tasks have ended, cutting off what takes longer; false then.
    async fn ended(&mut self, within: Duration) -> bool {
        let all = async { while self.tasks.join_next().await.is_some() {} };
        let in_time = timeout(within, all).await.is_ok();
        self.tasks.shutdown().await;
        in_time
    }

    /// Waits for a task that ends before it was told to, and says which.
    async fn failed(&mut self) -> DaemonError {
        match self.tasks.join_next().await {
            Some(Ok((_, Err(error)))) => error,
            Some(Ok((name, Ok(())))) => DaemonError::Task(name),
            Some(Err(error)) => DaemonError::Panicked(error.to_string()),
            // No tasks in this group.
            None => pending().await,
        }
    }
}

/// Serves until the shutdown, or until a part of the daemon fails. `ready` is called when every door is open.
///
/// # Errors
/// What could not be started, or which part failed.
pub async fn serve(
    settings: &Settings,
    state_dir: Option<&Path>,
    doors: Doors,
    hub: Option<Hub>,
    shutdown: CancellationToken,
    ready: impl FnOnce(&Bridges),
) -> Result<(), DaemonError> {
    let policy = watch::Sender::new(Arc::new(AccessPolicy::new(&settings.access)));
    let access = policy.subscribe();
    serve_under(settings, state_dir, doors, hub, access, shutdown, ready).await
}

/// As [`serve`], under an access policy that may change from call to call.
///
/// # Errors
/// As [`serve`].
pub async fn serve_under(
    settings: &Settings,
    state_dir: Option<&Path>,
    doors: Doors,
    hub: Option<Hub>,
    access: watch::Receiver<Arc<AccessPolicy>>,
    shutdown: CancellationToken,
    ready: impl FnOnce(&Bridges),
) -> Result<(), DaemonError> {
    let mut parts = Parts::default();
    if let Some(hub) = hub {
        let stop = parts.network.stop.clone();
        parts.network.spawn(
            "the embedded network",
            async move { Ok(hub.serve(stop).await?) },
        );
    }
    let (router, router_handle) = Router::new(RouterSettings {
        instances: settings.instances.len(),
        limits: settings.daemon.limits.clone(),
        encode: rpc::frame::encode,
    });
    parts.router.spawn("the router", async move {
        router.run().await;
        Ok(())
    });
    let metrics = match settings.daemon.metrics {
        Some(address) => Some(FiguresDoor::bind(address).await?),
        None => None,
    };
    let waiting = WaitingRoom::new(&settings.daemon.limits, parts.doors.stop.clone());
    let links = &mut parts.links;
    let bridges = start_bridges(settings, state_dir, &router_handle, &waiting, links)?;
    let started_at = SystemTime::now();
    if let Some(metrics) = metrics {
        let figures = Figures {
            bridges: bridges.clone(),
            router: router_handle.clone(),
            started_at,
        };
        let serving = metrics.serve(figures, parts.doors.stop.clone());
        parts.doors.spawn("the metrics server", serving);
    }
    let pulls = PullListeners::default();
    let swept = pulls.clone().keep_swept(parts.doors.stop.clone());
    parts
        .doors
        .spawn("the keeper of pull listeners", async move {
            swept.await;
            Ok(())
        });
    let door = Door {
        bridges: bridges.clone(),
        router: router_handle.clone(),
        pulls,
        max_payload: settings.daemon.limits.max_payload,
        access,
        started_at,
        stop: parts.doors.stop.clone(),
    };
    let server_access = door.access.clone();
    let left_behind = door.pulls.clone();
    let (router, health) = rpc::service(door);
    let told = health.until(parts.doors.stop.clone());
    parts.doors.spawn("what tells of the health", async move {
        told.await;
        Ok(())
    });
    let server = Server {
        router,
        limits: settings.daemon.limits.clone(),
        access: server_access,
        gone: Arc::new(move |program| left_behind.leave(program)),
    };
    let serving = server.serve(doors.into_listeners(), parts.doors.stop.clone());
    parts.doors.spawn("the gRPC server", async move {
        serving.await;
        Ok(())
    });
    ready(&bridges);

    let ended = tokio::select! {
        () = shutdown.cancelled() => Ok(()),
        error = parts.doors.failed() => Err(error),
        error = parts.router.failed() => Err(error),
        error = parts.links.failed() => Err(error),
        error = parts.network.failed() => Err(error),
    };
    stop(parts, &router_handle, settings.daemon.drain_timeout).await;
    ended
}

/// Stops the parts in order: new calls are refused and streams are told, calls under way may finish, links say goodbye, and
/// the network, to which they say it, goes last.
async fn stop(mut parts: Parts, router: &RouterHandle, drain: Duration) {
    parts.doors.stop.cancel();
    // Bounded like everything here, for the case that the router is what failed.
    timeout(GOODBYE, router.stop()).await.ok();
    if !parts.doors.ended(drain).await {
        log::warn!(
            "calls that were still under way after {} ms are cut off",
            drain.as_millis()
        );
    }
    parts.router.ended(GOODBYE).await;
    parts.links.stop.cancel();
    parts.links.ended(GOODBYE).await;
    parts.network.stop.cancel();
    parts.network.ended(GOODBYE).await;
}

/// Starts every configured instance.
fn start_bridges(
    settings: &Settings,
    state_dir: Option<&Path>,
    router: &RouterHandle,
    waiting: &WaitingRoom,
    links: &mut Group,
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
        let api = ApiClient::new(instance_settings, &settings.daemon.limits, session.clone())
            .map_err(refused)?;
        let wanted = router
            .wanted(instance)
            .ok_or_else(|| refused("the router does not know it".to_owned()))?;
        let (link, watcher) = Link::new(LinkParts {
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
        let stop = links.stop.clone();
        links.spawn("a session", async move {
            session_task.run(stop).await;
            Ok(())
        });
        links.spawn("a link", async move {
            link.run().await;
            Ok(())
        });
        bridges.push(Arc::new(Bridge {
            name: name.clone(),
            instance,
            settings: instance_settings.clone(),
            session,
            api,
            router: router.clone(),
            link: watcher,
            counters,
            calls: Shares::new(settings.daemon.limits.max_calls),
            waiting: waiting.clone(),
        }));
    }
    Ok(Bridges::new(bridges))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_panics_or_ends_by_itself_is_found_at_once() {
        let mut links = Group::default();
        links.spawn("a session", async { pending().await });
        links.spawn("a link", async { panic!("a defect") });
        let found = timeout(Duration::from_secs(5), links.failed()).await;
        assert!(
            matches!(&found, Ok(DaemonError::Panicked(what)) if what.contains("a defect")),
            "{found:?}"
        );
        links.spawn("a link", async { Ok(()) });
        let found = timeout(Duration::from_secs(5), links.failed()).await;
        assert!(
            matches!(found, Ok(DaemonError::Task("a link"))),
            "{found:?}"
        );
        assert!(!links.ended(Duration::from_millis(10)).await);
    }
}
