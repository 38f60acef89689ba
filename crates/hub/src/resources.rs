//! Handlers of some EXP resources: devices, things, experiences, locations, feeds, content.
//!
//! A collection returns `{"total","results"}` (with `limit` and `skip`), POST creates with a new
//! uuid, PATCH sets the fields it names, PUT replaces. Each change is broadcast as `update` on the
//! system channel named by the resource's uuid, with the document as payload, or `null` once it is
//! deleted.

#![expect(
    clippy::needless_pass_by_value,
    reason = "handlers take what axum extracts as it comes"
)]

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::body::{JsonBody, PathParams, SMALL_BODY, json};
use super::error::ApiError;
use super::login::Login;
use super::publish::announce;
use super::resource_store::{Collection, Document, unknown};
use super::socket_registry::Audience;
use super::state::HubState;
use expd_domain::{Channel, Payload};

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Page {
    limit: Option<usize>,
    skip: Option<usize>,
}

/// `GET` of a collection.
pub(super) fn list(
    collection: Collection,
    State(hub): State<Arc<HubState>>,
    login: Login,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Response, ApiError> {
    login.require_paired()?;
    let Query(page) =
        page.map_err(|error| ApiError::bad_request("request.query.malformed", error.body_text()))?;
    let documents = hub.resources.lock();
    let results: Vec<&str> = documents
        .of_collection(collection)
        .skip(page.skip.unwrap_or(0))
        .take(page.limit.unwrap_or(usize::MAX))
        .map(|(_, resource)| resource.document.as_str())
        .collect();
    let total = documents.of_collection(collection).count();
    let results = results.join(",");
    Ok(json(format!(
        r#"{{"total":{total},"results":[{results}]}}"#
    )))
}

/// `POST` to a collection.
pub(super) fn create(
    collection: Collection,
    State(hub): State<Arc<HubState>>,
    login: Login,
    body: JsonBody<Document, SMALL_BODY>,
) -> Result<Response, ApiError> {
    login.may_write()?;
    let uuid = uuid::Uuid::new_v4().to_string();
    let mut document = Map::from_iter([("uuid".to_owned(), Value::from(uuid.as_str()))]);
    document.extend(body.value.into_iter().filter(|(name, _)| name != "uuid"));
    let documents = &mut *hub.resources.lock();
    let document = documents.insert(collection, uuid.clone(), document)?;
    announce_update(&hub, &uuid, &document);
    Ok((StatusCode::CREATED, json(document.as_str().to_owned())).into_response())
}

/// `GET` of one resource.
pub(super) fn read(
    collection: Collection,
    State(hub): State<Arc<HubState>>,
    login: Login,
    PathParams(uuid): PathParams<String>,
) -> Result<Response, ApiError> {
    login.require_paired()?;
    let documents = hub.resources.lock();
    documents
        .of_collection(collection)
        .find(|(_, resource)| resource.uuid == uuid)
        .map(|(_, resource)| json(resource.document.as_str().to_owned()))
        .ok_or_else(|| unknown(&uuid))
}

/// `PATCH` of one resource.
pub(super) fn patch(
    collection: Collection,
    State(hub): State<Arc<HubState>>,
    login: Login,
    PathParams(uuid): PathParams<String>,
    body: JsonBody<Document, SMALL_BODY>,
) -> Result<Response, ApiError> {
    change(collection, &hub, &login, &uuid, |document| {
        document.extend(body.value);
    })
}

/// `PUT` of one resource.
pub(super) fn put(
    collection: Collection,
    State(hub): State<Arc<HubState>>,
    login: Login,
    PathParams(uuid): PathParams<String>,
    body: JsonBody<Document, SMALL_BODY>,
) -> Result<Response, ApiError> {
    change(collection, &hub, &login, &uuid, |document| {
        *document = body.value;
    })
}

fn change(
    collection: Collection,
    hub: &Arc<HubState>,
    login: &Login,
    uuid: &str,
    change: impl FnOnce(&mut Document),
) -> Result<Response, ApiError> {
    login.may_write()?;
    let documents = &mut *hub.resources.lock();
    let document = documents.replace(collection, uuid, change)?;
    // Sent under the lock, so that listeners receive changes in order.
    announce_update(hub, uuid, &document);
    Ok(json(document.as_str().to_owned()))
}

/// `DELETE` of one resource.
pub(super) fn delete(
    collection: Collection,
    State(hub): State<Arc<HubState>>,
    login: Login,
    PathParams(uuid): PathParams<String>,
) -> Result<StatusCode, ApiError> {
    login.may_write()?;
    if collection == Collection::Devices && hub.directory.device(&uuid).is_some() {
        return Err(ApiError::new(
            StatusCode::CONFLICT,
            "resource.inUse",
            "this device may log in; its operator forgets it with `expd hub unpair UUID`",
        ));
    }
    let documents = &mut *hub.resources.lock();
    if !documents.remove(collection, &uuid) {
        return Err(unknown(&uuid));
    }
    announce_update(&hub, &uuid, &Payload::null());
    Ok(StatusCode::NO_CONTENT)
}

fn announce_update(hub: &Arc<HubState>, uuid: &str, document: &Payload) {
    let channel = Channel::new(uuid).system();
    announce(hub, &channel, "update", document, Audience::Everyone);
}

/// `GET /api/organizations/current`
pub(super) async fn organization(State(hub): State<Arc<HubState>>, _login: Login) -> Json<Value> {
    Json(serde_json::json!({"name": hub.organization}))
}
