//! The gRPC front door: thin services that decode, check, call the bridge and encode.
//!
//! [`service`] makes the one HTTP/2 service that answers everything: `Network`, `Api`, `Daemon`, reflection (v1 and v1alpha) and
//! health. `Listen` alone has a handler of its own (in `stream.rs`), so that broadcasts are encoded once for all streams.

mod access;
mod api;
#[doc(hidden)]
pub mod bench;
mod convert;
mod daemon;
mod deadline;
pub mod frame;
mod network;
mod pull;
mod reflection;
mod status;
mod stream;
mod watching;

use std::sync::Arc;
use std::time::SystemTime;

use axum::extract::State;
use axum::middleware::from_fn;
use axum::routing::post;
use prost::Message as _;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic::service::Routes;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

pub use pull::PullListeners;

use crate::bridge::{Bridge, Bridges};
use crate::ipc::access::AccessPolicy;
use crate::proto;
use crate::proto::api_server::{self, ApiServer};
use crate::proto::daemon_server::{self, DaemonServer};
use crate::proto::network_server::{self, NetworkServer};
use crate::router::RouterHandle;

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

/// Room for what surrounds a payload in a request: names, IDs, and the structured form's own overhead.
const ENVELOPE: usize = 1 << 20;

/// A request to listen holds names and options alone.
const LISTEN_REQUEST: usize = 256 * 1024;

impl Door {
    /// The instance that a request names; none any more once the daemon stops.
    fn bridge(&self, instance: &str) -> Result<&Arc<Bridge>, Status> {
        if self.stop.is_cancelled() {
            // A connection that was open before may bring one more call.
            return Err(status::stopping());
        }
        self.bridges.get(instance).ok_or_else(|| {
            Status::not_found(format!(
                "no instance is named {instance:?}; configured are: {}",
                self.bridges.names()
            ))
        })
    }
}

/// The services whose health is told; the empty name stands for all of them.
const HEALTHY: [&str; 4] = [
    "",
    network_server::SERVICE_NAME,
    api_server::SERVICE_NAME,
    daemon_server::SERVICE_NAME,
];

/// What is told of the health of the services.
pub struct Health(HealthReporter);

impl Health {
    /// At `stop`, tells everybody who watches that the services do not serve any more, and ends the watches.
    pub async fn until(mut self, stop: CancellationToken) {
        stop.cancelled().await;
        for name in HEALTHY {
            let status = ServingStatus::NotServing;
            self.0.set_service_status(name, status).await;
            self.0.clear_service_status(name).await;
        }
    }
}

/// The whole service, and its health.
pub async fn service(door: Door) -> (Routes, Health) {
    let most = door.max_payload.saturating_mul(2) + ENVELOPE;
    let network = NetworkServer::new(network::NetworkService(door.clone()))
        .max_decoding_message_size(most)
        .max_encoding_message_size(usize::MAX);
    let api = ApiServer::new(api::ApiService(door.clone()))
        .max_decoding_message_size(most)
        .max_encoding_message_size(usize::MAX);
    let daemon = DaemonServer::new(daemon::DaemonService(door.clone()));

    let (health, health_service) = tonic_health::server::health_reporter();
    for name in HEALTHY {
        let status = ServingStatus::Serving;
        health.set_service_status(name, status).await;
    }

    let routes = Routes::new(network)
        .add_service(api)
        .add_service(daemon)
        .add_service(health_service)
        .into_axum_router();
    let listen = axum::Router::new()
        .route("/expd.v1.Network/Listen", post(listen))
        .with_state(door);
    let routes = routes
        .merge(reflection::routes())
        .merge(listen)
        .layer(from_fn(deadline::keep));
    (Routes::from(routes), Health(health))
}

/// `Network.Listen`.
async fn listen(
    State(door): State<Door>,
    request: http::Request<axum::body::Body>,
) -> http::Response<tonic::body::Body> {
    match open_stream(&door, request).await {
        Ok(body) => {
            let mut response = http::Response::new(tonic::body::Body::new(body));
            response.headers_mut().insert(
                http::header::CONTENT_TYPE,
                http::HeaderValue::from_static("application/grpc"),
            );
            response
        }
        Err(status) => status.into_http(),
    }
}

async fn open_stream(
    door: &Door,
    request: http::Request<axum::body::Body>,
) -> Result<stream::ListenBody, Status> {
    let caller = access::caller_of(request.extensions());
    let body = axum::body::to_bytes(request.into_body(), LISTEN_REQUEST)
        .await
        .map_err(|error| {
            Status::resource_exhausted(format!(
                "the request could not be read: {error}; it may have {LISTEN_REQUEST} bytes"
            ))
        })?;
    let message = match (body.first(), body.get(5..)) {
        (Some(0), Some(message)) => message,
        (Some(_), Some(_)) => {
            return Err(Status::unimplemented(
                "the request is compressed, which is not supported; send it plain",
            ));
        }
        _ => {
            return Err(Status::invalid_argument(
                "the request is empty; send one ListenRequest",
            ));
        }
    };
    let request = proto::ListenRequest::decode(message).map_err(|error| {
        Status::invalid_argument(format!("the request is no ListenRequest: {error}"))
    })?;
    let opened = network::open(door, request, &caller).await?;
    Ok(stream::ListenBody::new(opened))
}
