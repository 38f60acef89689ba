//! `/pairing`: the pairing code in large type while a device waits for it, and the state otherwise.
//!
//! The page updates by itself, and is laid out for a screen. A browser opens it only from the
//! address bar and from the door's own pages; scripts of the configured origins may read the state.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;

use super::state::WebState;
use expd_domain::LinkState;
use expd_domain::identity::display_pairing_code;

const PAGE: &str = include_str!("pairing/page.html");
const SCRIPT: &str = include_str!("pairing/page.js");
const STYLE: &str = include_str!("pairing/page.css");

/// Allows only the three files of this page, and no frames.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// State of one instance, as the page shows it.
#[derive(Serialize)]
struct InstanceState {
    instance: String,
    /// `connecting`, `online`, `offline`, `refused` or `pairing`.
    state: &'static str,
    /// The pairing code, where the device waits to be paired.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    /// The identity's uuid.
    #[serde(skip_serializing_if = "Option::is_none")]
    uuid: Option<String>,
}

/// `GET /pairing`
pub(super) async fn page() -> Response {
    file("text/html; charset=utf-8", PAGE)
}

/// `GET /pairing/page.js`
pub(super) async fn script() -> Response {
    file("text/javascript; charset=utf-8", SCRIPT)
}

/// `GET /pairing/page.css`
pub(super) async fn style() -> Response {
    file("text/css; charset=utf-8", STYLE)
}

/// `GET /pairing/state`
pub(super) async fn state(State(state): State<Arc<WebState>>) -> Response {
    let instances: Vec<InstanceState> = state
        .bridges
        .iter()
        .map(|bridge| {
            let identity = bridge.identity().ok();
            let link = bridge.link.borrow().state;
            // While the network is away, nobody can use the code.
            let code = identity
                .as_ref()
                .and_then(|known| known.pairing_code.as_deref())
                .filter(|_| link == LinkState::Pairing);
            InstanceState {
                instance: bridge.name.clone(),
                state: link.as_str(),
                code: code.map(display_pairing_code),
                uuid: identity
                    .as_ref()
                    .map(|known| known.uuid.clone())
                    .filter(|uuid| !uuid.is_empty()),
            }
        })
        .collect();
    let mut response = Json(instances).into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CACHE_CONTROL,
        header::HeaderValue::from_static("no-store"),
    );
    response
}

fn file(content_type: &'static str, text: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, "no-cache"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, text).into_response()
}
