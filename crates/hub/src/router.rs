//! Routes, and middleware of every request.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tower_http::cors::{AllowHeaders, AllowMethods, AllowOrigin, CorsLayer};

use super::engine;
use super::error::ApiError;
use super::resource_store::Collection;
use super::state::HubState;
use super::{
    auth, broadcasts, content, current, data, delivery, feeds, operator_api, resources,
    restricted_cookie,
};

/// Lifetime of a preflight response; browsers cap it at two hours or less.
const PREFLIGHT_AGE: Duration = Duration::from_secs(600);

pub(super) fn build(hub: &Arc<HubState>) -> Router {
    let mut router = Router::new()
        .route("/api/auth/login", post(auth::log_in))
        .route("/api/auth/token", post(auth::refresh))
        .route(
            "/api/networks/current/broadcasts",
            post(broadcasts::broadcast),
        )
        .route("/api/networks/current/responses", post(broadcasts::respond))
        .route("/api/organizations/current", get(current::organization))
        .route("/api/users/current", get(current::user))
        .route("/api/logs", post(current::log))
        .route("/api/connectors/feeds/{uuid}/data", get(feeds::data))
        .route("/api/data", get(data::list))
        .route(
            "/api/data/{group}/{key}",
            get(data::read).put(data::put).delete(data::delete),
        )
        .route("/api/content", get(content::list).post(content::create))
        .route(
            "/api/content/{uuid}",
            get(content::read)
                .patch(content::patch)
                .put(content::put)
                .delete(content::delete),
        )
        .route("/api/content/{uuid}/children", get(content::children))
        .route("/api/delivery/{*path}", get(delivery::content))
        .route("/api/locations/{uuid}/layout", get(delivery::layout))
        .route("/hub/pair", post(operator_api::pair))
        .route("/hub/unpair", post(operator_api::unpair))
        .route("/hub/counters", get(operator_api::counters));
    for (collection, path) in Collection::ALL {
        router = router
            .route(
                path,
                get(move |s, a, b| resources::list(collection, s, a, b))
                    .post(move |s, a, b| async move { resources::create(collection, s, a, b) }),
            )
            .route(
                &format!("{path}/{{uuid}}"),
                get(move |s, a, b| async move { resources::read(collection, s, a, b) })
                    .patch(
                        move |s, a, b, c| async move { resources::patch(collection, s, a, b, c) },
                    )
                    .put(move |s, a, b, c| async move { resources::put(collection, s, a, b, c) })
                    .delete(move |s, a, b| async move { resources::delete(collection, s, a, b) }),
            );
    }
    router
        // Each handler limits its body.
        .layer(DefaultBodyLimit::disable())
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(not_found)
        .with_state(hub.clone())
        .layer(middleware::from_fn_with_state(hub.clone(), acknowledge))
        .layer(middleware::from_fn_with_state(
            hub.clone(),
            engine::route_socket_requests,
        ))
        .layer(middleware::from_fn_with_state(
            hub.clone(),
            restricted_cookie::set,
        ))
        .layer(cors())
        .layer(middleware::from_fn_with_state(hub.clone(), check_host))
        .layer(middleware::from_fn_with_state(hub.clone(), count))
}

/// Lets web pages of any origin use the server, as the SDK in a browser does. A token proves the
/// login; the only cookie grants content alone, and each site has its own (`restricted_cookie`), so
/// a foreign page gains nothing. The operator's calls are closed to pages.
fn cors() -> CorsLayer {
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

/// Refuses requests that name another host.
async fn check_host(State(hub): State<Arc<HubState>>, request: Request, next: Next) -> Response {
    if hub.hosts.allow(request.uri(), request.headers()) {
        return next.run(request).await;
    }
    let refusal = ApiError::new(
        StatusCode::MISDIRECTED_REQUEST,
        "request.host.foreign",
        "the request's Host does not name this network; use a loopback address, or add the host to hub.hosts",
    );
    refusal.into_response()
}

/// Answers a request that may change something once its changes are committed, and refuses it up
/// front if nothing can be committed.
async fn acknowledge(State(hub): State<Arc<HubState>>, request: Request, next: Next) -> Response {
    const KEPT_NOWHERE: [&str; 2] = ["/api/networks/", "/api/auth/"];
    let path = request.uri().path();
    if request.method().is_safe() || KEPT_NOWHERE.iter().any(|prefix| path.starts_with(prefix)) {
        return next.run(request).await;
    }
    if let Err(refusal) = hub.store.ready().await {
        return refusal.into_response();
    }
    let response = next.run(request).await;
    match hub.store.flushed().await {
        Ok(()) => response,
        Err(refusal) => refusal.into_response(),
    }
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
    hub.counters.http_requests.increment();
    let response = next.run(request).await;
    if response.status().is_client_error() || response.status().is_server_error() {
        hub.counters.http_errors.increment();
    }
    response
}
