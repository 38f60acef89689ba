//! Handlers: broadcasts and responses over HTTP.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;

use super::body::{self, JsonBody, PAYLOAD_BODY};
use super::error::ApiError;
use super::login::Login;
use super::publish::{new_id, publish};
use super::socket_registry::Audience;
use super::state::HubState;
use expd_domain::channel::check_event_name;
use expd_server::messages::{BroadcastBody, BroadcastQuery, ResponseBody, json_array};

/// `POST /api/networks/current/broadcasts`: held open for the timeout, then answered with the exact
/// texts of the responses.
pub(super) async fn broadcast(
    State(hub): State<Arc<HubState>>,
    login: Login,
    query: Result<Query<BroadcastQuery>, QueryRejection>,
    body: JsonBody<BroadcastBody, PAYLOAD_BODY>,
) -> Result<Response, ApiError> {
    let Query(query) = query
        .map_err(|error| ApiError::bad_request("request.query.malformed", error.body_text()))?;
    let timeout = query.timeout()?;
    let JsonBody { value, reservation } = body;
    let channel = value.channel.resolve(&hub.organization)?;
    login.may_broadcast(&channel)?;
    check_event_name(&value.name)?;
    let payload = body::payload(value.payload)?;

    let id = new_id();
    // Registered before delivery, so that no response is too early.
    let waiting = hub.pending.open(id.clone(), channel.clone())?;
    hub.counters.broadcasts.increment();
    publish(
        &hub,
        &channel,
        &id,
        &value.name,
        &payload,
        Audience::Everyone,
    );
    log::debug!("{login} broadcast on {channel}");
    // A pending broadcast holds responses, not its payload.
    drop((payload, reservation));
    if !timeout.is_zero() {
        tokio::select! {
            () = tokio::time::sleep(timeout) => {}
            () = hub.stopping.cancelled() => {}
        }
    }
    Ok(body::json(json_array(&waiting.finish())))
}

/// `POST /api/networks/current/responses`
pub(super) async fn respond(
    State(hub): State<Arc<HubState>>,
    login: Login,
    body: JsonBody<ResponseBody, PAYLOAD_BODY>,
) -> Result<Json<serde_json::Value>, ApiError> {
    let JsonBody {
        value,
        reservation: _reservation,
    } = body;
    let channel = value.channel.resolve(&hub.organization)?;
    login.may_listen(&channel)?;
    login.require_paired()?;
    let payload = body::payload(value.payload)?;
    hub.pending.respond(&value.id, &channel, payload)?;
    hub.counters.responses.increment();
    Ok(Json(serde_json::json!({})))
}
