//! The gRPC front door: thin services that decode, check, call the bridge and encode.
//!
//! [`service`] makes the one HTTP/2 service that answers everything: `Network`, `Api`, `Daemon`, reflection (v1 and v1alpha) and
//! health. `Listen` alone has a handler of its own (in `stream.rs`), so that broadcasts are encoded once for all streams.

mod access;
mod api;
#[doc(hidden)]
pub mod bench;
mod bounds;
mod convert;
mod daemon;
mod deadline;
mod error;
pub mod frame;
mod gate;
mod health;
mod network;
mod page;
mod permission;
mod pull;
mod reflection;
pub mod server;
mod stream;
mod structured;
mod unary;
mod watching;

use std::sync::Arc;
use std::time::SystemTime;

use axum::extract::State;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::post;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::{Code, Status};

pub use health::Health;
pub use pull::PullListeners;

use crate::access::{AccessPolicy, Caller, Verb};
use crate::bridge::{Bridge, Bridges};
use crate::router::RouterHandle;
use expd_domain::Quoted;
use expd_proto as proto;
use expd_proto::api_server::ApiServer;
use expd_proto::daemon_server::DaemonServer;
use expd_proto::health::health_server::HealthServer;
use expd_proto::network_server::NetworkServer;

/// What the services work with.
#[derive(Clone)]
pub struct Door {
    /// The configured identities.
    pub bridges: Bridges,
    /// Their channels and listeners.
    pub router: RouterHandle,
    /// The listeners in pull form.
    pub pulls: PullListeners,
    /// The largest payload that is taken, in bytes of JSON text.
    pub max_payload: usize,
    /// Who may do what; a reload changes it.
    pub access: watch::Receiver<Arc<AccessPolicy>>,
    /// When the daemon started.
    pub started_at: SystemTime,
    /// The daemon stops: nobody new is served.
    pub stop: CancellationToken,
}

/// The largest message of a stream's request: to watch, to reflect, to ask for the health.
const STREAM_REQUEST: usize = 16 << 10;

impl Door {
    /// The instance that a request names; none any more once the daemon stops. A caller whom no rule gives anything there hears
    /// the same of one that is there and one that is not, and of none that it did not name.
    async fn bridge(
        &self,
        caller: &Caller,
        verb: Verb,
        instance: &str,
    ) -> Result<&Arc<Bridge>, Status> {
        if self.stop.is_cancelled() {
            // A connection that was open before may bring one more call.
            return Err(error::stopping());
        }
        self.allow_instance(caller, verb, instance).await?;
        self.bridges.get(instance).ok_or_else(|| {
            let names = self.instances_for(caller);
            let why = format_args!(
                "no instance is named {}; configured for this caller are: {names}",
                Quoted(instance)
            );
            error::new(Code::NotFound, why)
        })
    }
}

/// The whole service, and its health.
pub fn service(door: Door) -> (axum::Router, Health) {
    let network = network::NetworkService(door.clone());
    let api = api::ApiService(door.clone());
    let daemon = daemon::DaemonService(door.clone());

    let (health, health_service) = health::health();

    // Streams, and the answer to methods that are not known.
    let streams = Routes::new(NetworkServer::new(network.clone()))
        .add_service(ApiServer::new(api.clone()))
        .add_service(DaemonServer::new(daemon.clone()).max_decoding_message_size(STREAM_REQUEST))
        .add_service(HealthServer::new(health_service).max_decoding_message_size(STREAM_REQUEST))
        .into_axum_router();
    let listen = axum::Router::new()
        .route("/expd.v1.Network/Listen", post(listen))
        .with_state(door.clone());
    let router = streams
        .merge(unary_routes(door.max_payload, &network, &api, &daemon))
        .merge(reflection::routes())
        .merge(listen)
        .layer(from_fn(deadline::keep))
        .layer(from_fn_with_state(door, gate::check));
    (router, health)
}

/// The methods of one message and one answer.
fn unary_routes(
    most: usize,
    network: &network::NetworkService,
    api: &api::ApiService,
    daemon: &daemon::DaemonService,
) -> axum::Router {
    use expd_proto::api_server::Api as _;
    use expd_proto::daemon_server::Daemon as _;
    use expd_proto::network_server::Network as _;
    macro_rules! routes {
        ($($path:literal => $service:expr, $method:ident;)*) => {
            axum::Router::new()$(.route(
                $path,
                unary::route($service.clone(), most, |service, request| async move {
                    service.$method(request).await
                }),
            ))*
        };
    }
    routes! {
        "/expd.v1.Network/Broadcast" => network, broadcast;
        "/expd.v1.Network/Respond" => network, respond;
        "/expd.v1.Network/OpenListener" => network, open_listener;
        "/expd.v1.Network/NextEvent" => network, next_event;
        "/expd.v1.Network/CancelListener" => network, cancel_listener;
        "/expd.v1.Network/ClearContext" => network, clear_context;
        "/expd.v1.Api/Request" => api, request;
        "/expd.v1.Api/GetIdentity" => api, get_identity;
        "/expd.v1.Daemon/GetStatus" => daemon, get_status;
    }
}

/// `Network.Listen`.
async fn listen(
    State(door): State<Door>,
    request: http::Request<axum::body::Body>,
) -> http::Response<axum::body::Body> {
    match open_stream(&door, request).await {
        Ok(body) => unary::grpc(axum::body::Body::new(body)),
        Err(status) => error::clamped(status).into_http(),
    }
}

async fn open_stream(
    door: &Door,
    request: http::Request<axum::body::Body>,
) -> Result<stream::ListenBody, Status> {
    let caller = access::caller_of(request.extensions());
    let call = unary::call_of(request.extensions())?;
    let request = unary::read::<proto::ListenRequest>(request.into_body(), &call, 0).await?;
    let memory = call.connection().memory().clone();
    let opened = network::open(door, request, &caller, Some(memory)).await?;
    call.stays_open();
    Ok(stream::ListenBody::new(opened, Some(call)))
}
