//! Handlers of `/api/data/GROUP/KEY`: documents that are returned exactly as they were stored.
//!
//! PUT takes the value alone; responses are `{"group","key","value"}`, as the SDKs expect. Each
//! change is broadcast as `update` on the system channel `data:GROUP:KEY` with the same document,
//! or `null` once it is deleted.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use serde_json::value::RawValue;

use super::body::{self, JsonBody, PAYLOAD_BODY, PathParams, json};
use super::error::ApiError;
use super::login::Login;
use super::publish::announce;
use super::socket_registry::Audience;
use super::state::HubState;
use expd_domain::{Channel, Payload};

#[derive(Serialize)]
struct DataDocument<'a> {
    group: &'a str,
    key: &'a str,
    value: &'a Payload,
}

/// `GET`
pub(super) async fn read(
    State(hub): State<Arc<HubState>>,
    login: Login,
    PathParams((group, key)): PathParams<(String, String)>,
) -> Result<Response, ApiError> {
    login.require_paired()?;
    hub.data
        .lock()
        .get(&(group, key))
        .map(|document| json(document.as_str().to_owned()))
        .ok_or_else(unknown)
}

/// `PUT`
pub(super) async fn put(
    State(hub): State<Arc<HubState>>,
    login: Login,
    PathParams((group, key)): PathParams<(String, String)>,
    body: JsonBody<Box<RawValue>, PAYLOAD_BODY>,
) -> Result<Response, ApiError> {
    login.may_write()?;
    let JsonBody { value, reservation } = body;
    let value = body::payload(Some(value))?;
    let document = DataDocument {
        group: &group,
        key: &key,
        value: &value,
    };
    let document = serde_json::to_string(&document)
        .map_err(|error| ApiError::bad_request("payload.invalid", error.to_string()))?;
    // Listeners receive the document, so it must not exceed the limit of a payload.
    let document = Payload::parse(document)?;
    drop((value, reservation));

    let items = &mut *hub.data.lock();
    let name = (group, key);
    let channel = channel(&name);
    items.put(name, document.clone())?;
    // Sent under the lock, so that listeners receive changes in order.
    announce(&hub, &channel, "update", &document, Audience::Everyone);
    Ok(json(document.as_str().to_owned()))
}

/// `DELETE`
pub(super) async fn delete(
    State(hub): State<Arc<HubState>>,
    login: Login,
    PathParams(name): PathParams<(String, String)>,
) -> Result<StatusCode, ApiError> {
    login.may_write()?;
    let items = &mut *hub.data.lock();
    if !items.remove(&name) {
        return Err(unknown());
    }
    announce(
        &hub,
        &channel(&name),
        "update",
        &Payload::null(),
        Audience::Everyone,
    );
    Ok(StatusCode::NO_CONTENT)
}

fn channel((group, key): &(String, String)) -> Channel {
    Channel::new(format!("data:{group}:{key}")).system()
}

fn unknown() -> ApiError {
    ApiError::not_found(
        "data.unknown",
        "there is no data item with this group and key",
    )
}
