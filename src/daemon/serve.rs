//! Serving: starts the parts of the daemon, waits, and stops them in order.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::error::DaemonError;
use super::instances;
use super::listeners::Listeners;
use super::metrics::{Metrics, MetricsServer};
use super::running::RunningDaemon;
use super::task_group::TaskGroup;
use crate::access::AccessPolicy;
use crate::bridge::Bridges;
use crate::config::{Settings, WebApp};
use crate::metrics::DaemonCounters;
use crate::moment::BootTime;
use crate::pages::Pages;
use crate::router::{Router, RouterHandle, RouterSettings};
use crate::rpc::server::Server;
use crate::rpc::{self, PullListeners, ReloadHandle, ServiceContext};
use crate::shares::LimitHits;
use crate::upstream::session::LAST_SAVE;
use crate::web::{WebParts, WebServer};
use expd_hub::Hub;

/// Time that router, links and network each have to end, once open calls are finished or aborted.
const STOP_TIMEOUT: Duration = Duration::from_millis(250);

/// Parts that a daemon serves with.
pub struct ServeParts<'a> {
    pub settings: &'a Settings,
    /// Folder for persistent state; `None`: nothing persists.
    pub state_dir: Option<&'a Path>,
    pub listeners: Listeners,
    pub hub: Option<Hub>,
    pub counters: Arc<DaemonCounters>,
    /// The access policy, which a reload may replace.
    pub access: watch::Receiver<Arc<AccessPolicy>>,
    /// The apps whose pages may log in, which a reload may replace.
    pub web_apps: watch::Receiver<Arc<[WebApp]>>,
    pub reload: ReloadHandle,
    /// Stops the daemon.
    pub shutdown: CancellationToken,
}

impl<'a> ServeParts<'a> {
    /// Parts of a daemon without state, embedded network or reload, whose access policy is that of
    /// the settings.
    pub fn new(settings: &'a Settings, listeners: Listeners, shutdown: CancellationToken) -> Self {
        let policy = AccessPolicy::new(&settings.access).with_tokens(&settings.daemon.tokens);
        let policy = watch::Sender::new(Arc::new(policy));
        let apps = watch::Sender::new(settings.web.apps.as_slice().into());
        Self {
            settings,
            state_dir: None,
            listeners,
            hub: None,
            counters: Arc::new(rpc::daemon_counters()),
            access: policy.subscribe(),
            web_apps: apps.subscribe(),
            reload: rpc::reloads().0,
            shutdown,
        }
    }
}

/// The running parts, in the order in which they stop.
#[derive(Default)]
struct Groups {
    servers: TaskGroup,
    router: TaskGroup,
    links: TaskGroup,
    hub: TaskGroup,
}

impl Groups {
    /// Waits for the shutdown, or for a part that fails.
    async fn ended(&mut self, shutdown: &CancellationToken) -> Result<(), DaemonError> {
        tokio::select! {
            () = shutdown.cancelled() => Ok(()),
            error = self.servers.failed() => Err(error),
            error = self.router.failed() => Err(error),
            error = self.links.failed() => Err(error),
            error = self.hub.failed() => Err(error),
        }
    }
}

/// Serves until the shutdown, or until a part of the daemon fails. Calls `ready` once every server
/// accepts.
///
/// # Errors
/// A part could not be started, or failed.
pub async fn serve(
    parts: ServeParts<'_>,
    ready: impl FnOnce(RunningDaemon),
) -> Result<(), DaemonError> {
    let ServeParts {
        settings,
        state_dir,
        listeners,
        hub,
        counters,
        access,
        web_apps,
        reload,
        shutdown,
    } = parts;
    let live_settings = watch::Sender::new(Arc::new(settings.daemon.clone()));
    let limit_hits = LimitHits::default();
    let mut groups = Groups::default();
    if let Some(hub) = hub {
        spawn_hub(&mut groups.hub, hub);
    }
    let (router, router_handle) = Router::new(router_settings(settings, &limit_hits));
    groups.router.spawn_infallible("the router", router.run());
    let metrics = MetricsServer::bind(&settings.daemon).await?;
    let web = bind_web(settings.web.listen)?;
    let started = instances::start(
        settings,
        state_dir,
        &router_handle,
        &limit_hits,
        groups.servers.stop.clone(),
        &mut groups.links,
    )
    .await?;
    let servers = &mut groups.servers;
    let started_at = BootTime::now();
    let pages = Pages::default();
    let figures = Metrics {
        bridges: started.bridges.clone(),
        router: router_handle.clone(),
        counters: counters.clone(),
        limit_hits: limit_hits.clone(),
        pages: pages.clone(),
        started_at,
    };
    spawn_metrics(servers, metrics, figures);
    if let Some(web) = web {
        let parts = WebParts {
            state_dir: state_dir.map(Path::to_owned),
            root: settings.web.root.clone(),
            apps: web_apps,
            bridges: started.bridges.clone(),
            access: access.clone(),
            settings: live_settings.subscribe(),
            limit_hits: limit_hits.clone(),
            counters: counters.clone(),
            pages: pages.clone(),
            decode: rpc::frame::decode_broadcast,
        };
        spawn_web(servers, web, parts);
    }
    let pulls = PullListeners::default();
    let expiry = pulls.clone().sweep_until(servers.stop.clone());
    servers.spawn_infallible("the expiry of pull listeners", expiry);
    let context = ServiceContext {
        bridges: started.bridges.clone(),
        runner: started.runner,
        router: router_handle.clone(),
        pulls: pulls.clone(),
        pages: pages.clone(),
        settings: live_settings.subscribe(),
        access: access.clone(),
        limit_hits: limit_hits.clone(),
        counters,
        started_at,
        reload,
        stop: servers.stop.clone(),
    };
    let router = rpc::service(context);
    let server = Server {
        router,
        settings: live_settings.subscribe(),
        limit_hits: limit_hits.clone(),
        access,
        gone: Arc::new(move |program| pulls.orphan(program)),
    };
    let serving = server.serve(listeners.into_vec(), servers.stop.clone());
    servers.spawn_infallible("the gRPC server", serving);
    let mut drain = live_settings.subscribe();
    ready(RunningDaemon {
        bridges: started.bridges.clone(),
        instances: started.configured,
        router: router_handle.clone(),
        rates: started.rates,
        limit_hits,
        settings: live_settings,
    });

    let ended = groups.ended(&shutdown).await;
    let drain = drain.borrow_and_update().drain_timeout;
    stop(groups, &router_handle, &started.bridges, drain).await;
    ended
}

fn router_settings(settings: &Settings, limit_hits: &LimitHits) -> RouterSettings {
    RouterSettings {
        instances: Vec::new(),
        limits: settings.daemon.limits.clone(),
        encode: rpc::frame::encode,
        limit_hits: limit_hits.clone(),
    }
}

fn spawn_hub(group: &mut TaskGroup, hub: Hub) {
    let stop = group.stop.clone();
    group.spawn(
        "the embedded network",
        async move { Ok(hub.serve(stop).await?) },
    );
}

fn spawn_metrics(servers: &mut TaskGroup, server: Option<MetricsServer>, figures: Metrics) {
    if let Some(server) = server {
        let serving = server.serve(figures, servers.stop.clone());
        servers.spawn("the metrics server", serving);
    }
}

fn bind_web(address: Option<SocketAddr>) -> Result<Option<WebServer>, DaemonError> {
    let bound = address.map(|address| {
        WebServer::bind(address).map_err(|source| DaemonError::Web { address, source })
    });
    bound.transpose()
}

fn spawn_web(servers: &mut TaskGroup, web: WebServer, parts: WebParts) {
    let address = web.local_addr();
    log::info!(listen = address.to_string(); "serving pages on http://{address}");
    let serving = web.serve(parts, servers.stop.clone());
    servers.spawn("the door for pages", async move {
        let served = serving.await;
        served.map_err(|source| DaemonError::Web { address, source })
    });
}

/// Stops the parts in order: refuses new calls, ends streams with a status, lets open calls finish,
/// closes the connections of the links, and last the embedded network, their peer.
async fn stop(mut groups: Groups, router: &RouterHandle, bridges: &Bridges, drain: Duration) {
    groups.servers.stop.cancel();
    // The router may be the part that failed, and never answer.
    timeout(STOP_TIMEOUT, router.stop()).await.ok();
    if !groups.servers.ended(drain).await {
        log::warn!(
            "aborted calls still running after {} ms (daemon.drain_timeout)",
            drain.as_millis()
        );
    }
    groups.router.ended(STOP_TIMEOUT).await;
    groups.links.stop.cancel();
    let unsaved = bridges
        .iter()
        .any(|bridge| bridge.session.unsaved().borrow().is_some());
    // The sessions bound the wait themselves.
    let limit = if unsaved {
        LAST_SAVE + STOP_TIMEOUT
    } else {
        STOP_TIMEOUT
    };
    groups.links.ended(limit).await;
    groups.hub.stop.cancel();
    groups.hub.ended(STOP_TIMEOUT).await;
}
