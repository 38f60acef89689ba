//! Broadcasts and responses of pages.

use std::sync::Arc;

use axum::extract::{Query, Request, State};
use axum::http::Uri;
use axum::response::{IntoResponse as _, Response};
use serde::de::DeserializeOwned;

use super::auth::Checked;
use super::caller::PageCaller;
use super::cookie;
use super::room::PageRoom;
use super::state::WebState;
use crate::access::Action;
use crate::bridge::{BroadcastRequest, OnBehalf, WhenOffline};
use expd_domain::payload::PayloadError;
use expd_domain::{Channel, ChannelId, Payload};
use expd_server::body::{self, BodyTerms, PAYLOAD_BODY};
use expd_server::byte_budget::Reservation;
use expd_server::error::ApiError;
use expd_server::messages::{
    BroadcastBody, BroadcastQuery, ChannelField, ResponseBody, json_array,
};

/// A body, with the memory that it holds.
type Read<T> = (T, Option<Reservation<String>>);

/// `POST /api/networks/current/broadcasts`
pub(super) async fn broadcast(
    State(state): State<Arc<WebState>>,
    request: Request,
) -> Result<Response, ApiError> {
    let checked = Checked::of(&request)?;
    let page = PageCaller::of_request(&state, request.headers(), &checked.origin)?;
    state
        .admission
        .identify(&checked.connection, &page.app.name)?;
    let timeout = timeout(request.uri())?;
    let (body, _reservation): Read<BroadcastBody> = read(&state, &page, &checked, request).await?;
    let channel = channel(&page, body.channel)?;
    page.allow(&state, &Action::Broadcast(&channel, Some(&body.name)))?;
    let payload = payload(&state, body.payload)?;
    let room = PageRoom::new(page.answers(&state));
    let broadcast = BroadcastRequest {
        user: OnBehalf {
            asker: page.holder.into(),
            room: &room,
        },
        peer: None,
        channel: &channel,
        name: &body.name,
        payload: &payload,
        timeout,
        send_by: None,
        when_offline: WhenOffline::Refuse,
    };
    let responses = page.bridge.broadcast(broadcast).await;
    let responses = responses.map_err(|error| page.failed(error, Some(&channel)))?;
    let mut response = body::json(room.keep(json_array(&responses)));
    cookie::set(&state, &page, &mut response);
    Ok(response)
}

/// `POST /api/networks/current/responses`
pub(super) async fn respond(
    State(state): State<Arc<WebState>>,
    request: Request,
) -> Result<Response, ApiError> {
    let checked = Checked::of(&request)?;
    let page = PageCaller::of_request(&state, request.headers(), &checked.origin)?;
    state
        .admission
        .identify(&checked.connection, &page.app.name)?;
    let (body, _reservation): Read<ResponseBody> = read(&state, &page, &checked, request).await?;
    let id = match &body.channel {
        ChannelField::Id(id) => id.clone(),
        ChannelField::Named { .. } => ChannelId::from_wire(""),
    };
    let channel = channel(&page, body.channel)?;
    page.allow(&state, &Action::Respond(Some(channel.clone())))?;
    let id = if id.as_str().is_empty() {
        ChannelId::from_wire(page.bridge.channel_id(&channel))
    } else {
        id
    };
    let payload = payload(&state, body.payload)?;
    let room = PageRoom::new(page.answers(&state));
    let user = OnBehalf {
        asker: page.holder.into(),
        room: &room,
    };
    let responded = page.bridge.respond(user, &body.id, &id, &payload).await;
    responded.map_err(|error| page.failed(error, Some(&channel)))?;
    let mut response = axum::Json(serde_json::json!({})).into_response();
    cookie::set(&state, &page, &mut response);
    Ok(response)
}

fn timeout(uri: &Uri) -> Result<std::time::Duration, ApiError> {
    let query = Query::<BroadcastQuery>::try_from_uri(uri);
    let Query(query) = query
        .map_err(|error| ApiError::bad_request("request.query.malformed", error.body_text()))?;
    query.timeout()
}

fn channel(page: &PageCaller, field: ChannelField) -> Result<Channel, ApiError> {
    field.resolve(&page.identity()?.organization)
}

/// A payload, within the daemon's limit.
fn payload(
    state: &WebState,
    raw: Option<Box<serde_json::value::RawValue>>,
) -> Result<Payload, ApiError> {
    let payload = body::payload(raw)?;
    let length = payload.as_str().len();
    if length > state.settings.borrow().limits.max_payload {
        return Err(PayloadError::TooLarge(length).into());
    }
    Ok(payload)
}

/// Reads a JSON body within the app's memory.
pub(super) async fn read<T: DeserializeOwned>(
    state: &WebState,
    page: &PageCaller,
    checked: &Checked,
    request: Request,
) -> Result<Read<T>, ApiError> {
    let (parts, body) = request.into_parts();
    let terms = BodyTerms {
        owner: Some(&page.app.name),
        content_length: body::content_length(&parts.headers),
        limit: PAYLOAD_BODY,
    };
    let read = body::read(&state.body_memory, &checked.connection, body, terms).await;
    let (bytes, reservation) = read?;
    let text: &[u8] = if bytes.is_empty() { b"null" } else { &bytes };
    let value = serde_json::from_slice(text).map_err(|error| {
        ApiError::bad_request(
            "request.body.malformed",
            format!("the body is not the expected JSON: {error}"),
        )
    })?;
    Ok((value, reservation))
}
