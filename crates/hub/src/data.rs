//! Handlers of `/api/data` and `/api/data/GROUP/KEY`: documents that are returned exactly as they
//! were stored.
//!
//! PUT takes the value alone (no body is `null`); responses are `{"group","key","value"}`, as the
//! SDKs expect. Each change is broadcast as `update` with the same document, or `null` once it is
//! deleted, on the system channels that the SDKs name after the item: `data:KEY:GROUP` (JS),
//! `data:GROUP:KEY` (Python) and `data:KEYGROUP` (Android, iOS).

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use serde_json::value::RawValue;

use super::body::{self, JsonBody, PAYLOAD_BODY, PathParams, json};
use super::collection_query::CollectionQuery;
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

/// `GET` over all groups.
pub(super) async fn list(
    State(hub): State<Arc<HubState>>,
    login: Login,
    query: CollectionQuery,
) -> Result<Response, ApiError> {
    login.require_paired()?;
    let documents = hub.data.lock().all();
    Ok(query.run(documents).await?.into_response())
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
    items.put(name.clone(), document.clone())?;
    // Broadcast under the lock, so that listeners receive changes in order.
    announce_update(&hub, &name, &document);
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
    announce_update(&hub, &name, &Payload::null());
    Ok(StatusCode::NO_CONTENT)
}

fn announce_update(hub: &Arc<HubState>, (group, key): &(String, String), document: &Payload) {
    let names = BTreeSet::from([
        format!("data:{key}:{group}"),
        format!("data:{group}:{key}"),
        format!("data:{key}{group}"),
    ]);
    for name in names {
        let channel = Channel::new(name).system();
        announce(hub, &channel, "update", document, Audience::Everyone);
    }
}

fn unknown() -> ApiError {
    ApiError::not_found(
        "data.unknown",
        "there is no data item with this group and key",
    )
}
