//! The HTTP/2 service that answers every method.

use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::post;
use tonic::service::Routes;

use super::context::ServiceContext;
use super::health::HealthService;
use super::{
    api, content, daemon, deadline, gate, listen, measure, network, reflection, run, unary,
};
use expd_proto::api_server::ApiServer;
use expd_proto::daemon_server::DaemonServer;
use expd_proto::health::health_server::HealthServer;
use expd_proto::network_server::NetworkServer;

/// Limit of a request's message in services that tonic decodes: status watch, reflection, health.
const MAX_STREAM_REQUEST: usize = 16 << 10;

/// Builds the service for every method.
pub fn service(context: ServiceContext) -> axum::Router {
    let network = network::NetworkService(context.clone());
    let api = api::ApiService(context.clone());
    let daemon = daemon::DaemonService(context.clone());

    // Streams, and the answer to unknown methods.
    let streams = Routes::new(NetworkServer::new(network.clone()))
        .add_service(ApiServer::new(api.clone()))
        .add_service(
            DaemonServer::new(daemon.clone()).max_decoding_message_size(MAX_STREAM_REQUEST),
        )
        .add_service(
            HealthServer::new(HealthService(context.clone()))
                .max_decoding_message_size(MAX_STREAM_REQUEST),
        )
        .into_axum_router();
    let handwritten = axum::Router::new()
        .route("/expd.v1.Network/Listen", post(listen::answer))
        .route("/expd.v1.Daemon/RunInstance", post(run::answer))
        .route("/expd.v1.Api/Fetch", post(content::answer))
        .with_state(context.clone());
    streams
        .merge(unary_routes(&context, &network, &api, &daemon))
        .merge(reflection::routes())
        .merge(handwritten)
        .layer(from_fn(deadline::enforce))
        .layer(from_fn_with_state(context.clone(), gate::check))
        .layer(from_fn_with_state(context, measure::measure))
}

/// Routes of the unary methods.
fn unary_routes(
    context: &ServiceContext,
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
                unary::route($service.clone(), context.clone(), |service, request| async move {
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
        "/expd.v1.Api/GetContentUrl" => api, get_content_url;
        "/expd.v1.Api/GetIdentity" => api, get_identity;
        "/expd.v1.Daemon/GetStatus" => daemon, get_status;
        "/expd.v1.Daemon/Explain" => daemon, explain;
        "/expd.v1.Daemon/Reload" => daemon, reload;
    }
}
