//! The daemon: puts the rooms together, starts them in order, and stops them in order.
//!
//! [`serve`] is a function of settings, doors and a shutdown, so that tests start it in process. Every task belongs to one
//! set; one that ends before the shutdown takes the daemon down with its name, since half a daemon is worse than none.

mod doors;
mod greeting;
mod run;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

pub use doors::Doors;
pub use run::{ServeOptions, run};

use crate::bridge::{Bridge, Bridges};
use crate::config::Settings;
use crate::hub::{Hub, HubError};
use crate::ipc::IpcError;
use crate::metrics::Counters;
use crate::router::{InstanceId, Router, RouterHandle, RouterSettings};
use crate::rpc::{self, Door, PullListeners};
use crate::upstream::http::ApiClient;
use crate::upstream::link::{Link, LinkParts};
use crate::upstream::session::Session;

/// How long calls under way may take to finish when the daemon stops.
const DRAIN: Duration = Duration::from_millis(600);

/// How long links and hub may take to say goodbye after that.
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
    /// An instance's way to the cloud.
    #[error("instance {instance:?}: {reason}")]
    Instance {
        /// Which.
        instance: String,
        /// What is wrong and what to do.
        reason: String,
    },
    /// The gRPC server.
    #[error("the gRPC server ended: {0}")]
    Server(String),
    /// A part of the daemon ended by itself.
    #[error("{0} ended unexpectedly; this is a defect of expd, and the daemon stops so that it is started afresh")]
    Task(&'static str),
}

/// The parts of a running daemon that end by themselves at the shutdown.
type Tasks = JoinSet<(&'static str, Result<(), DaemonError>)>;

/// Serves until the shutdown, or until a part of the daemon fails. `ready` is called when every door is open.
///
/// # Errors
/// What could not be started, or which part failed.
pub async fn serve(
    settings: Settings,
    doors: Doors,
    hub: Option<Hub>,
    shutdown: CancellationToken,
    ready: impl FnOnce(&Bridges),
) -> Result<(), DaemonError> {
    // The network outlives the links: they say goodbye to it.
    let (front, links, network) = (
        CancellationToken::new(),
        CancellationToken::new(),
        CancellationToken::new(),
    );
    let mut tasks = Tasks::new();
    if let Some(hub) = hub {
        let token = network.clone();
        tasks.spawn(async move { ("the embedded network", hub.serve(token).await.map_err(Into::into)) });
    }
    let (router, router_handle) = Router::new(RouterSettings {
        instances: settings.instances.len(),
        limits: settings.daemon.limits.clone(),
        encode: rpc::frame::encode,
    });
    tasks.spawn(async move {
        router.run().await;
        ("the router", Ok(()))
    });
    let bridges = start_bridges(&settings, &router_handle, &links, &mut tasks)?;
    let pulls = PullListeners::default();
    {
        let (pulls, token) = (pulls.clone(), front.clone());
        tasks.spawn(async move {
            pulls.keep_swept(token).await;
            ("the keeper of pull listeners", Ok(()))
        });
    }
    let door = Door {
        bridges: bridges.clone(),
        router: router_handle.clone(),
        pulls,
        max_payload: settings.daemon.limits.max_payload,
        started_at: SystemTime::now(),
    };
    let (service, _health) = rpc::service(door)
        .await
        .map_err(|error| DaemonError::Server(error.to_string()))?;
    doors.open(service, &settings.daemon.limits, &front, &mut tasks);
    ready(&bridges);

    let ended = tokio::select! {
        () = shutdown.cancelled() => Ok(()),
        Some(ended) = tasks.join_next() => Err(untimely(ended)),
    };
    // New calls are refused and streams are told; calls under way may finish.
    front.cancel();
    router_handle.stop().await;
    let drained = drain(&mut tasks, DRAIN, |name| name == doors::TASK || name == "the router").await;
    if !drained {
        log::warn!("calls still under way after {} ms are cut off", DRAIN.as_millis());
    }
    links.cancel();
    drain(&mut tasks, GOODBYE, |name| name != "the embedded network").await;
    network.cancel();
    drain(&mut tasks, GOODBYE, |_| true).await;
    ended
}

/// Starts every configured instance.
fn start_bridges(
    settings: &Settings,
    router: &RouterHandle,
    shutdown: &CancellationToken,
    tasks: &mut Tasks,
) -> Result<Bridges, DaemonError> {
    let mut bridges = BTreeMap::new();
    for (index, (name, instance)) in settings.instances.iter().enumerate() {
        let refused = |reason: String| DaemonError::Instance {
            instance: name.clone(),
            reason,
        };
        let id = InstanceId(index);
        let counters = Arc::new(Counters::default());
        let _ = (&refused, &counters, id, &shutdown, &tasks, instance, router);
        bridges.insert(name.clone(), ());
    }
    todo!()
}

/// Waits until the tasks that `of_interest` names have ended; false when time ran out.
async fn drain(tasks: &mut Tasks, within: Duration, of_interest: impl Fn(&str) -> bool) -> bool {
    let _ = (&tasks, within, &of_interest);
    todo!()
}
