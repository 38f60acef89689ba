//! Paths of the door, and the middleware of every request.

use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{any, get, post};
use tower_http::services::ServeDir;

use super::state::WebState;
use super::{api, auth, content, handshake, messages, origin, pairing};
use expd_server::error::ApiError;

/// The door's own pages are shown only in frames of their origin, and no other origin reads them.
const GUARDED: [(HeaderName, &str); 3] = [
    (header::CONTENT_SECURITY_POLICY, "frame-ancestors 'self'"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
];

/// All paths. Pages in `root` are served below `/`.
pub(super) fn build(state: &Arc<WebState>, root: Option<&Path>) -> Router {
    let router = Router::new()
        .route("/api/auth/login", post(auth::log_in))
        .route("/api/auth/token", post(auth::refresh))
        .route(
            "/api/networks/current/broadcasts",
            post(messages::broadcast),
        )
        .route("/api/networks/current/responses", post(messages::respond))
        .route(
            "/api/delivery/{*path}",
            get(content::serve).fallback(api::request),
        )
        .route(
            "/api/locations/{uuid}/layout",
            get(content::serve).fallback(api::request),
        )
        .route("/api", any(api::request))
        .route("/api/{*path}", any(api::request))
        .route("/socket.io", any(handshake::serve))
        .route("/socket.io/", any(handshake::serve))
        .route("/socket.io/{*path}", any(handshake::serve))
        .route("/pairing", get(pairing::page))
        .route("/pairing/page.js", get(pairing::script))
        .route("/pairing/page.css", get(pairing::style))
        .route("/pairing/state", get(pairing::state));
    let router = match root {
        Some(root) => {
            let pages = Router::new()
                .fallback_service(ServeDir::new(root))
                .layer(middleware::from_fn(guard_pages));
            router.fallback_service(pages)
        }
        None => router.fallback(not_found),
    };
    router
        // Each handler bounds the body that it takes.
        .layer(DefaultBodyLimit::disable())
        .layer(middleware::from_fn_with_state(state.clone(), origin::guard))
        .with_state(state.clone())
}

async fn guard_pages(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in GUARDED {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn not_found(request: Request) -> ApiError {
    let path: String = request.uri().path().chars().take(256).collect();
    ApiError::not_found(
        "request.path.unknown",
        format!("there is nothing at {path}"),
    )
}
