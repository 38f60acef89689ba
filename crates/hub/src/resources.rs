//! Handlers of some EXP resources: devices, things, experiences, locations, feeds.
//!
//! A collection returns `{"total","results"}` (see `collection_query`), POST creates with a new
//! uuid, PATCH sets the fields it names, PUT replaces. Each change is broadcast as `update` on the
//! system channel named by the resource's uuid, with the document as payload, or `null` once it is
//! deleted. Each zone of a location has its own channel: it gets the zone's part of the document
//! whenever its location changes, and `null` once it is gone.
//!
//! A created device may log in. Its `secret` is in the response to its creation only: read access
//! to devices must not allow logging in as one of them.

#![expect(
    clippy::needless_pass_by_value,
    reason = "handlers take what axum extracts as it comes"
)]

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};

use super::body::{JsonBody, PathParams, SMALL_BODY, json};
use super::collection_query::CollectionQuery;
use super::directory::DeviceOrigin;
use super::disconnect::disconnect;
use super::error::ApiError;
use super::login::Login;
use super::publish::announce;
use super::resource_store::{Collection, Document, unknown};
use super::socket_registry::Audience;
use super::state::HubState;
use expd_domain::{Channel, IdentityKind, Payload, Secret};

/// Maximum length of a secret that a client chooses for a device.
const MAX_SECRET_BYTES: usize = 256;

/// Maximum number of zones of one location that are notified of its changes; a building has some
/// dozens.
const MAX_ZONES: usize = 1000;

/// `GET` of a collection.
pub(super) async fn list(
    collection: Collection,
    State(hub): State<Arc<HubState>>,
    login: Login,
    query: CollectionQuery,
) -> Result<Response, ApiError> {
    may_read(collection, &login, "")?;
    let documents = hub.resources.lock().all(collection);
    Ok(query.run(documents).await?.into_response())
}

/// `POST` to a collection; no body creates a resource with defaults.
pub(super) fn create(
    collection: Collection,
    State(hub): State<Arc<HubState>>,
    login: Login,
    body: JsonBody<Option<Document>, SMALL_BODY>,
) -> Result<Response, ApiError> {
    may_write(collection, &login, "")?;
    let uuid = uuid::Uuid::new_v4().to_string();
    let given = body.value.unwrap_or_default();
    let mut document = Map::from_iter([("uuid".to_owned(), Value::from(uuid.as_str()))]);
    document.extend(given.into_iter().filter(|(name, _)| name != "uuid"));
    if document.get("name").is_none_or(Value::is_null) {
        document.insert("name".to_owned(), Value::from(collection.default_name()));
    }
    if collection == Collection::Locations && document.get("zones").is_none_or(Value::is_null) {
        document.insert("zones".to_owned(), Value::from(Vec::<Value>::new()));
    }
    let secret = match collection {
        Collection::Devices => {
            let chosen = chosen_secret(document.remove("secret"))?;
            Some(hub.directory.create_device(&uuid, chosen)?)
        }
        _ => None,
    };
    let documents = &mut *hub.resources.lock();
    let stored = documents
        .insert(collection, &uuid, document)
        .inspect_err(|_| {
            if secret.is_some() {
                hub.directory.forget_device(&uuid);
            }
        })?;
    announce_update(&hub, &uuid, &stored);
    let answer = match secret {
        Some(secret) => with_secret(&stored, &secret),
        None => stored.as_str().to_owned(),
    };
    Ok((StatusCode::CREATED, json(answer)).into_response())
}

/// `GET` of one resource.
pub(super) fn read(
    collection: Collection,
    State(hub): State<Arc<HubState>>,
    login: Login,
    PathParams(uuid): PathParams<String>,
) -> Result<Response, ApiError> {
    may_read(collection, &login, &uuid)?;
    let documents = hub.resources.lock();
    documents
        .get(collection, &uuid)
        .map(|document| json(document.as_str().to_owned()))
        .ok_or_else(|| unknown(&uuid))
}

/// `PATCH` of one resource.
pub(super) fn patch(
    collection: Collection,
    State(hub): State<Arc<HubState>>,
    login: Login,
    PathParams(uuid): PathParams<String>,
    body: JsonBody<Option<Document>, SMALL_BODY>,
) -> Result<Response, ApiError> {
    change(collection, &hub, &login, &uuid, |document| {
        document.extend(body.value.unwrap_or_default());
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
    may_write(collection, login, uuid)?;
    let documents = &mut *hub.resources.lock();
    let before = zones(collection, documents.get(collection, uuid).map(|it| &**it));
    let document = documents.replace(collection, uuid, |document| {
        change(document);
        if collection == Collection::Devices {
            // The SDKs send back the whole document that they got on creation.
            document.remove("secret");
        }
    })?;
    // Broadcast under the lock, so that listeners receive changes in order.
    announce_update(hub, uuid, &document);
    announce_zones(hub, uuid, before, zones(collection, Some(&document)));
    Ok(json(document.as_str().to_owned()))
}

/// `DELETE` of one resource.
pub(super) fn delete(
    collection: Collection,
    State(hub): State<Arc<HubState>>,
    login: Login,
    PathParams(uuid): PathParams<String>,
) -> Result<StatusCode, ApiError> {
    may_write(collection, &login, &uuid)?;
    let device = match collection {
        Collection::Devices => hub.directory.device(&uuid),
        _ => None,
    };
    match device.as_ref().map(|device| device.origin) {
        None | Some(DeviceOrigin::Resource) => {}
        Some(DeviceOrigin::Settings | DeviceOrigin::Pairing) => {
            return Err(ApiError::new(
                StatusCode::CONFLICT,
                "resource.inUse",
                "this device may log in; remove it with `expd hub unpair UUID`",
            ));
        }
    }
    {
        let documents = &mut *hub.resources.lock();
        let before = zones(collection, documents.get(collection, &uuid).map(|it| &**it));
        if !documents.remove(collection, &uuid) {
            return Err(unknown(&uuid));
        }
        announce_update(&hub, &uuid, &Payload::null());
        announce_zones(&hub, &uuid, before, BTreeMap::new());
    }
    if device.is_some() {
        hub.directory.forget_device(&uuid);
        for socket in hub.sockets.sockets_of(&uuid) {
            disconnect(&hub, socket);
        }
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Refuses devices that wait to be paired, and hides devices from consumer apps.
fn may_read(collection: Collection, login: &Login, uuid: &str) -> Result<(), ApiError> {
    login.require_paired()?;
    if collection == Collection::Devices && login.identity.kind == IdentityKind::ConsumerApp {
        return Err(unknown(uuid));
    }
    Ok(())
}

fn may_write(collection: Collection, login: &Login, uuid: &str) -> Result<(), ApiError> {
    may_read(collection, login, uuid)?;
    login.may_write()
}

/// The secret that the client chose, if any.
fn chosen_secret(given: Option<Value>) -> Result<Option<Secret>, ApiError> {
    match given {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if (1..=MAX_SECRET_BYTES).contains(&text.len()) => {
            Ok(Some(Secret::new(text)))
        }
        Some(_) => Err(ApiError::bad_request(
            "resource.secret.invalid",
            format!("a device's secret is a text of 1 to {MAX_SECRET_BYTES} bytes"),
        )),
    }
}

/// A device's document with its secret as last member.
fn with_secret(document: &Payload, secret: &Secret) -> String {
    // Only parsed documents are stored.
    let mut document: Document = serde_json::from_str(document.as_str()).unwrap_or_default();
    document.insert("secret".to_owned(), Value::from(secret.expose()));
    Value::from(document).to_string()
}

/// The zones of a location by key; empty for any other resource.
fn zones(collection: Collection, document: Option<&Payload>) -> BTreeMap<String, Value> {
    if collection != Collection::Locations {
        return BTreeMap::new();
    }
    // Only parsed documents are stored.
    let document: Option<Document> =
        document.and_then(|document| serde_json::from_str(document.as_str()).ok());
    let zones = document.and_then(|mut document| document.remove("zones"));
    let Some(Value::Array(zones)) = zones else {
        return BTreeMap::new();
    };
    let keyed = zones.into_iter().take(MAX_ZONES).filter_map(|zone| {
        let key = zone.get("key")?.as_str()?.to_owned();
        Some((key, zone))
    });
    keyed.collect()
}

/// Notifies the zones of a location that it changed, and those that are gone.
fn announce_zones(
    hub: &Arc<HubState>,
    location: &str,
    before: BTreeMap<String, Value>,
    now: BTreeMap<String, Value>,
) {
    let gone = before.into_keys().filter(|key| !now.contains_key(key));
    let gone: Vec<_> = gone.map(|key| (key, Value::Null)).collect();
    for (key, zone) in now.into_iter().chain(gone) {
        let channel = Channel::new(format!("{location}:zone:{key}")).system();
        let everyone = Audience::Everyone;
        announce(hub, &channel, "update", &Payload::from(zone), everyone);
    }
}

fn announce_update(hub: &Arc<HubState>, uuid: &str, document: &Payload) {
    let channel = Channel::new(uuid).system();
    announce(hub, &channel, "update", document, Audience::Everyone);
}
