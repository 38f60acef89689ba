//! Handlers of the caller's own resources: its organization, its user, its log.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::body::{JsonBody, SMALL_BODY};
use super::error::ApiError;
use super::login::Login;
use super::resource_store::unknown;
use super::state::HubState;
use expd_domain::IdentityKind;

/// Maximum number of bytes of a client's log that are logged at once.
const MAX_LOGGED: usize = 2000;

/// `GET /api/organizations/current`
pub(super) async fn organization(State(hub): State<Arc<HubState>>, _login: Login) -> Json<Value> {
    Json(json!({"uuid": hub.organization, "name": hub.organization}))
}

/// `GET /api/users/current`: 404 for devices and consumer apps.
pub(super) async fn user(
    State(hub): State<Arc<HubState>>,
    login: Login,
) -> Result<Json<Value>, ApiError> {
    login.require_paired()?;
    let username = &login.identity.uuid;
    let role = hub.directory.role(username);
    match (login.identity.kind, role) {
        (IdentityKind::User, Some(role)) => Ok(Json(json!({
            "uuid": username,
            "username": username,
            "role": role,
            "organization": hub.organization,
        }))),
        _ => Err(unknown("current")),
    }
}

/// `POST /api/logs`: entries of a player's log. They are an app's data, so this process logs them
/// at `trace` only.
pub(super) async fn log(
    State(_hub): State<Arc<HubState>>,
    login: Login,
    body: JsonBody<Box<RawValue>, SMALL_BODY>,
) -> Result<StatusCode, ApiError> {
    login.require_paired()?;
    let entries = body.value.get();
    let logged: String = entries.chars().take(MAX_LOGGED).collect();
    log::trace!("{login} logs {} bytes: {logged:?}", entries.len());
    Ok(StatusCode::NO_CONTENT)
}
