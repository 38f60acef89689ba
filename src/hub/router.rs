//! The paths, and what happens to every request.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Query, Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use socketioxide::SocketIo;
use socketioxide::socket::Sid;
use tower_http::cors::{AllowHeaders, AllowMethods, AllowOrigin, CorsLayer};

use super::connection::{Connection, Peer};
use super::error::ApiError;
use super::resources::{self, Kind};
use super::state::HubState;
use super::{auth, broadcasts, counters, data, legacy_polling, pairing, socket};

/// How long a browser may go on without asking again what is allowed; browsers cap it at two hours or less.
const PREFLIGHT_AGE: Duration = Duration::from_secs(600);

pub(super) fn build(hub: &Arc<HubState>) -> (Router, SocketIo) {
    let (socket_layer, io) = socket::layer(hub);
    let mut router = Router::new()
        .route("/api/auth/login", post(auth::log_in))
        .route("/api/auth/token", post(auth::refresh))
        .route(
            "/api/networks/current/broadcasts",
            post(broadcasts::broadcast),
        )
        .route("/api/networks/current/responses", post(broadcasts::respond))
        .route("/api/organizations/current", get(resources::organization))
        .route(
            "/api/data/{group}/{key}",
            get(data::read).put(data::put).delete(data::delete),
        )
        .route("/hub/pair", post(pairing::pair))
        .route("/hub/unpair", post(pairing::unpair))
        .route("/hub/counters", get(counters::show));
    for (kind, path) in Kind::ALL {
        router = router
            .route(
                path,
                get(move |s, a, b| async move { resources::list(kind, s, a, b) })
                    .post(move |s, a, b| async move { resources::create(kind, s, a, b) }),
            )
            .route(
                &format!("{path}/{{uuid}}"),
                get(move |s, a, b| async move { resources::read(kind, s, a, b) })
                    .patch(move |s, a, b, c| async move { resources::patch(kind, s, a, b, c) })
                    .put(move |s, a, b, c| async move { resources::put(kind, s, a, b, c) })
                    .delete(move |s, a, b| async move { resources::delete(kind, s, a, b) }),
            );
    }
    let router = router
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(not_found)
        .with_state(hub.clone())
        .layer(socket_layer)
        .layer(middleware::from_fn_with_state(hub.clone(), watch_sockets))
        .layer(middleware::from_fn(legacy_polling::put_right))
        .layer(pages())
        .layer(middleware::from_fn_with_state(hub.clone(), count));
    (router, io)
}

/// What lets programs in web pages of any origin use the network, as the SDK in a browser does. A token says who asks, and no
/// cookie is ever set, so a foreign page gains nothing by it; credentials are allowed only since the old Socket.IO client
/// asks for them. The operator's side is for no page: there the caller's address may be all the proof there is.
fn pages() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(|_, request| {
            !request.uri.path().starts_with("/hub/")
        }))
        .allow_methods(AllowMethods::list([
            Method::GET,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
        ]))
        .allow_headers(AllowHeaders::list([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
        ]))
        .allow_credentials(true)
        .max_age(PREFLIGHT_AGE)
}

async fn not_found(request: Request) -> ApiError {
    let path: String = request.uri().path().chars().take(256).collect();
    ApiError::not_found(
        "request.path.unknown",
        format!("there is nothing at {path}"),
    )
}

async fn method_not_allowed(request: Request) -> ApiError {
    let path: String = request.uri().path().chars().take(256).collect();
    ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "request.method",
        format!("{} is not possible at {path}", request.method()),
    )
}

async fn count(State(hub): State<Arc<HubState>>, request: Request, next: Next) -> Response {
    hub.counters.http_requests.one();
    let response = next.run(request).await;
    if response.status().is_client_error() || response.status().is_server_error() {
        hub.counters.http_errors.one();
    }
    response
}

/// What an Engine.IO request says of its session.
#[derive(Default, Deserialize)]
#[serde(default)]
struct EngineQuery {
    sid: Option<String>,
    transport: String,
}

/// Notes how sockets travel: how much was polled, and which connection an upgrade came on. Refuses sessions that were
/// told to go.
async fn watch_sockets(State(hub): State<Arc<HubState>>, request: Request, next: Next) -> Response {
    let Some((sid, EngineQuery { transport, .. })) = session_of(&request) else {
        return next.run(request).await;
    };
    let polls = transport != "websocket" && request.method() == Method::GET;
    if transport == "websocket"
        && let Some(connection) = connection_of(&request)
    {
        hub.connections.upgrade(sid, &connection);
        hub.network.attach(sid, &connection);
    }
    let response = tokio::select! {
        biased;
        () = hub.connections.dismissed(sid) => return ApiError::bad_request(
            "network.socket.closed",
            "this socket was closed by the network; open a new one",
        )
        .into_response(),
        response = next.run(request) => response,
    };
    if polls {
        let length = response.headers().get(header::CONTENT_LENGTH);
        let length = length.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        hub.network.polled(sid, length.unwrap_or(0));
    }
    response
}

fn session_of(request: &Request) -> Option<(Sid, EngineQuery)> {
    if !request.uri().path().starts_with("/socket.io") {
        return None;
    }
    let Query(query) = Query::<EngineQuery>::try_from_uri(request.uri()).ok()?;
    Some((query.sid.as_ref()?.parse().ok()?, query))
}

fn connection_of(request: &Request) -> Option<Arc<Connection>> {
    let ConnectInfo(Peer(connection)) = request.extensions().get::<ConnectInfo<Peer>>()?;
    Some(connection.clone())
}
