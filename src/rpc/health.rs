//! `grpc.health.v1`: the daemon is SERVING until it stops; the network, while it is reachable.
//!
//! `expd.v1.Network` is SERVING while the link of the default instance is online (of every
//! configured instance, where none is named `default`), `expd.v1.Network/NAME` while that of the
//! instance NAME is. The empty name, `expd.v1.Api` and `expd.v1.Daemon` are SERVING until the
//! daemon stops: calls are answered without a network as well.
//!
//! An instance on which the caller has no permission is unknown to it. A watch of an unknown
//! service stays open, as the protocol requires, and reports the service once it exists.

use std::sync::Arc;

use futures_util::future::select_all;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use tokio::sync::watch;
use tonic::{Request, Response, Status};

use super::access::caller_of;
use super::context::ServiceContext;
use super::error;
use crate::access::Caller;
use crate::bridge::{Bridge, Bridges};
use expd_domain::{LinkState, Quoted};
use expd_proto::health::health_check_response::ServingStatus;
use expd_proto::health::health_server;
use expd_proto::health::{
    HealthCheckRequest, HealthCheckResponse, HealthListRequest, HealthListResponse,
};
use expd_proto::{api_server, daemon_server, network_server};

/// Services that need only the daemon; the empty name stands for all of them.
const DAEMON: [&str; 3] = ["", api_server::SERVICE_NAME, daemon_server::SERVICE_NAME];

/// The service that needs the network.
const NETWORK: &str = network_server::SERVICE_NAME;

#[derive(Clone)]
pub(super) struct HealthService(pub ServiceContext);

impl HealthService {
    /// The instances behind a service; none if the service is unknown to the caller.
    fn instances(&self, service: &str, caller: &Caller) -> Option<Vec<Arc<Bridge>>> {
        if DAEMON.contains(&service) {
            return Some(Vec::new());
        }
        let bridges = &self.0.bridges;
        let rest = service.strip_prefix(NETWORK)?;
        if rest.is_empty() {
            let default = bridges.get(Bridges::full_name(""));
            let all = || bridges.iter().collect();
            return Some(default.map_or_else(all, |default| vec![default]));
        }
        let name = rest.strip_prefix('/').filter(|name| !name.is_empty())?;
        let found = bridges.get_for(caller.user(), name)?;
        self.0.knows(caller, name).then(|| vec![found])
    }

    fn status(&self, service: &str, caller: &Caller) -> ServingStatus {
        match self.instances(service, caller) {
            None => ServingStatus::ServiceUnknown,
            Some(_) if self.0.stop.is_cancelled() => ServingStatus::NotServing,
            Some(instances) if instances.iter().all(|it| is_online(it)) => ServingStatus::Serving,
            Some(_) => ServingStatus::NotServing,
        }
    }

    /// The services that are known to a caller.
    fn names(&self, caller: &Caller) -> Vec<String> {
        let bridges = self.0.bridges.for_user(caller.user());
        let known = bridges.iter().map(|bridge| bridge.name.as_str());
        let known = known.filter(|name| self.0.knows(caller, name));
        let instances = known.map(|name| format!("{NETWORK}/{name}"));
        let fixed = DAEMON.into_iter().chain([NETWORK]).map(str::to_owned);
        fixed.chain(instances).collect()
    }
}

fn is_online(bridge: &Bridge) -> bool {
    bridge.link.borrow().state == LinkState::Online
}

fn answer(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse {
        status: status.into(),
    }
}

#[tonic::async_trait]
impl health_server::Health for HealthService {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let caller = caller_of(request.extensions());
        let HealthCheckRequest { service } = request.into_inner();
        match self.status(&service, &caller) {
            ServingStatus::ServiceUnknown => Err(error::not_found(format_args!(
                "no service is named {}; known services: {}",
                Quoted(&service),
                self.names(&caller)
                    .iter()
                    .map(|name| format!("{name:?}"))
                    .collect::<Vec<_>>()
                    .join(", ")
            ))),
            status => Ok(Response::new(answer(status))),
        }
    }

    async fn list(
        &self,
        request: Request<HealthListRequest>,
    ) -> Result<Response<HealthListResponse>, Status> {
        let caller = caller_of(request.extensions());
        let statuses = self.names(&caller).into_iter().map(|name| {
            let status = self.status(&name, &caller);
            (name, answer(status))
        });
        Ok(Response::new(HealthListResponse {
            statuses: statuses.collect(),
        }))
    }

    type WatchStream = BoxStream<'static, Result<HealthCheckResponse, Status>>;

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let watch = Watch {
            caller: caller_of(request.extensions()),
            service: request.into_inner().service,
            instances: self.0.bridges.changes(),
            access: self.0.access.clone(),
            health: self.clone(),
            last_reported: None,
        };
        let changes = stream::unfold(watch, |mut watch| async move {
            let status = watch.next().await?;
            Some((Ok(answer(status)), watch))
        });
        Ok(Response::new(changes.boxed()))
    }
}

/// A caller's watch of one service.
struct Watch {
    health: HealthService,
    caller: Caller,
    service: String,
    /// Changes of the set of instances.
    instances: watch::Receiver<()>,
    /// Changes of the access rules.
    access: watch::Receiver<Arc<crate::access::AccessPolicy>>,
    /// The status that was reported last.
    last_reported: Option<ServingStatus>,
}

impl Watch {
    /// The next status; none once the daemon's stop was reported.
    async fn next(&mut self) -> Option<ServingStatus> {
        loop {
            // Marked as seen before the status is read, so that no change is missed.
            self.instances.borrow_and_update();
            self.access.borrow_and_update();
            let instances = self.health.instances(&self.service, &self.caller);
            let instances = instances.into_iter().flatten();
            let mut links: Vec<_> = instances.map(|it| link(&it)).collect();
            let status = self.health.status(&self.service, &self.caller);
            if self.last_reported != Some(status) {
                self.last_reported = Some(status);
                return Some(status);
            }
            if self.health.0.stop.is_cancelled() {
                return None;
            }
            let any_link = async {
                if links.is_empty() {
                    std::future::pending::<()>().await;
                }
                let changes = links.iter_mut().map(|link| Box::pin(link.changed()));
                let (first, ..) = select_all(changes).await;
                if first.is_err() {
                    // The link has ended, and its instance is about to be removed.
                    std::future::pending::<()>().await;
                }
            };
            tokio::select! {
                () = self.health.0.stop.cancelled() => {}
                () = any_link => {}
                Ok(()) = self.instances.changed() => {}
                Ok(()) = self.access.changed() => {}
            }
        }
    }
}

/// The link of an instance, with its current state marked as seen.
fn link(bridge: &Bridge) -> watch::Receiver<crate::upstream::link::LinkStatus> {
    let mut link = bridge.link.clone();
    link.borrow_and_update();
    link
}
