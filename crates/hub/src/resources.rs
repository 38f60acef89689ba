//! A few of EXP's resources, in memory: devices, things, experiences, locations, feeds, content.
//!
//! A collection answers `{"total","results"}` (with `limit` and `skip`), POST creates with a uuid of its own, PATCH sets the
//! fields it names, PUT replaces. Each change is broadcast as `update` on the system channel named by the resource's uuid,
//! with the document as payload, or `null` once it is deleted.

#![expect(
    clippy::needless_pass_by_value,
    reason = "handlers take what axum extracts as it comes"
)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts, Path, Query, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::auth::Session;
use super::body::{JsonBody, SMALL_BODY};
use super::broadcasts::{announce, json};
use super::error::ApiError;
use super::network::Audience;
use super::state::{HubState, lock};
use expd_domain::{Channel, Payload};

/// How many resources there are of all kinds together; the next bounds them in bytes.
const MAX_RESOURCES: usize = 20_000;

/// How much all documents take together.
const MAX_DOCUMENT_BYTES: usize = 64 * 1024 * 1024;

pub(super) type Document = Map<String, Value>;

/// The collections, by their path below `/api/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Devices,
    Things,
    Experiences,
    Locations,
    Feeds,
    Content,
}

impl Kind {
    pub(super) const ALL: [(Self, &'static str); 6] = [
        (Self::Devices, "/api/devices"),
        (Self::Things, "/api/things"),
        (Self::Experiences, "/api/experiences"),
        (Self::Locations, "/api/locations"),
        (Self::Feeds, "/api/connectors/feeds"),
        (Self::Content, "/api/content"),
    ];
}

/// The resources of one network, in the order of their creation.
#[derive(Default)]
pub(super) struct Resources(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    documents: BTreeMap<(Kind, u64), Resource>,
    last: u64,
    bytes: usize,
}

struct Resource {
    uuid: String,
    document: Payload,
}

impl Resources {
    /// Gives a device that may log in a document of its own, unless it has one.
    pub(super) fn add_device(&self, uuid: &str) {
        let inner = &mut *lock(&self.0);
        if inner.find(Kind::Devices, uuid).is_none() {
            let document = Map::from_iter([("uuid".to_owned(), Value::from(uuid))]);
            if let Err(error) = inner.insert(Kind::Devices, uuid.to_owned(), document) {
                log::warn!("the device {uuid:?} gets no document: {error}");
            }
        }
    }

    pub(super) fn remove_device(&self, uuid: &str) {
        lock(&self.0).remove(Kind::Devices, uuid);
    }
}

impl Inner {
    fn find(&self, kind: Kind, uuid: &str) -> Option<u64> {
        self.of_kind(kind)
            .find(|(_, resource)| resource.uuid == uuid)
            .map(|((_, number), _)| *number)
    }

    fn of_kind(&self, kind: Kind) -> impl Iterator<Item = (&(Kind, u64), &Resource)> {
        self.documents.range((kind, 0)..=(kind, u64::MAX))
    }

    fn insert(
        &mut self,
        kind: Kind,
        uuid: String,
        document: Document,
    ) -> Result<Payload, ApiError> {
        let document = as_payload(document)?;
        if self.documents.len() >= MAX_RESOURCES {
            return Err(full());
        }
        self.bytes = self.room_for(&document, 0)?;
        self.last += 1;
        let resource = Resource {
            uuid,
            document: document.clone(),
        };
        self.documents.insert((kind, self.last), resource);
        Ok(document)
    }

    fn replace(
        &mut self,
        kind: Kind,
        uuid: &str,
        change: impl FnOnce(&mut Document),
    ) -> Result<Payload, ApiError> {
        let number = self.find(kind, uuid).ok_or_else(|| unknown(uuid))?;
        let old = self.documents.get(&(kind, number));
        let old = old.ok_or_else(|| unknown(uuid))?.document.as_str();
        // Only what parsed as a document was kept.
        let mut document: Document = serde_json::from_str(old).unwrap_or_default();
        change(&mut document);
        document.insert("uuid".to_owned(), Value::from(uuid));
        let document = as_payload(document)?;
        self.bytes = self.room_for(&document, old.len())?;
        if let Some(resource) = self.documents.get_mut(&(kind, number)) {
            resource.document = document.clone();
        }
        Ok(document)
    }

    /// How many bytes there are once `document` has taken the place of `replaced` bytes.
    fn room_for(&self, document: &Payload, replaced: usize) -> Result<usize, ApiError> {
        let bytes = self.bytes - replaced + document.as_str().len();
        if bytes > MAX_DOCUMENT_BYTES {
            return Err(full());
        }
        Ok(bytes)
    }

    fn remove(&mut self, kind: Kind, uuid: &str) -> bool {
        let removed = self
            .find(kind, uuid)
            .and_then(|number| self.documents.remove(&(kind, number)));
        self.bytes -= removed.as_ref().map_or(0, |r| r.document.as_str().len());
        removed.is_some()
    }
}

/// The text of a document, within the bounds of a payload: listeners have to be able to hear it.
fn as_payload(document: Document) -> Result<Payload, ApiError> {
    Ok(Payload::parse(Value::from(document).to_string())?)
}

fn full() -> ApiError {
    ApiError::full(
        "resource.full",
        format!(
            "this network keeps {MAX_RESOURCES} resources of {MAX_DOCUMENT_BYTES} bytes together; delete one first"
        ),
    )
}

fn unknown(uuid: &str) -> ApiError {
    let uuid: String = uuid.chars().take(64).collect();
    ApiError::not_found(
        "resource.unknown",
        format!("no resource of this kind has the uuid {uuid:?}"),
    )
}

/// What a path names, refused in JSON where it is no text.
pub(super) struct Named<T>(pub T);

impl<T: DeserializeOwned + Send> FromRequestParts<Arc<HubState>> for Named<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, hub: &Arc<HubState>) -> Result<Self, ApiError> {
        Path::from_request_parts(parts, hub)
            .await
            .map(|Path(named)| Self(named))
            .map_err(|error| ApiError::bad_request("request.path.malformed", error.body_text()))
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Page {
    limit: Option<usize>,
    skip: Option<usize>,
}

/// `GET` of a collection.
pub(super) fn list(
    kind: Kind,
    State(hub): State<Arc<HubState>>,
    session: Session,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Response, ApiError> {
    session.is_paired()?;
    let Query(page) =
        page.map_err(|error| ApiError::bad_request("request.query.malformed", error.body_text()))?;
    let inner = lock(&hub.resources.0);
    let results: Vec<&str> = inner
        .of_kind(kind)
        .skip(page.skip.unwrap_or(0))
        .take(page.limit.unwrap_or(usize::MAX))
        .map(|(_, resource)| resource.document.as_str())
        .collect();
    let total = inner.of_kind(kind).count();
    let results = results.join(",");
    Ok(json(format!(
        r#"{{"total":{total},"results":[{results}]}}"#
    )))
}

/// `POST` to a collection.
pub(super) fn create(
    kind: Kind,
    State(hub): State<Arc<HubState>>,
    session: Session,
    body: JsonBody<Document, SMALL_BODY>,
) -> Result<Response, ApiError> {
    session.may_write()?;
    let uuid = uuid::Uuid::new_v4().to_string();
    let mut document = Map::from_iter([("uuid".to_owned(), Value::from(uuid.as_str()))]);
    document.extend(body.value.into_iter().filter(|(name, _)| name != "uuid"));
    let inner = &mut *lock(&hub.resources.0);
    let document = inner.insert(kind, uuid.clone(), document)?;
    announce_update(&hub, &uuid, &document);
    Ok((StatusCode::CREATED, json(document.as_str().to_owned())).into_response())
}

/// `GET` of one resource.
pub(super) fn read(
    kind: Kind,
    State(hub): State<Arc<HubState>>,
    session: Session,
    Named(uuid): Named<String>,
) -> Result<Response, ApiError> {
    session.is_paired()?;
    let inner = lock(&hub.resources.0);
    inner
        .of_kind(kind)
        .find(|(_, resource)| resource.uuid == uuid)
        .map(|(_, resource)| json(resource.document.as_str().to_owned()))
        .ok_or_else(|| unknown(&uuid))
}

/// `PATCH` of one resource.
pub(super) fn patch(
    kind: Kind,
    State(hub): State<Arc<HubState>>,
    session: Session,
    Named(uuid): Named<String>,
    body: JsonBody<Document, SMALL_BODY>,
) -> Result<Response, ApiError> {
    change(kind, &hub, &session, &uuid, |document| {
        document.extend(body.value);
    })
}

/// `PUT` of one resource.
pub(super) fn put(
    kind: Kind,
    State(hub): State<Arc<HubState>>,
    session: Session,
    Named(uuid): Named<String>,
    body: JsonBody<Document, SMALL_BODY>,
) -> Result<Response, ApiError> {
    change(kind, &hub, &session, &uuid, |document| {
        *document = body.value;
    })
}

fn change(
    kind: Kind,
    hub: &Arc<HubState>,
    session: &Session,
    uuid: &str,
    change: impl FnOnce(&mut Document),
) -> Result<Response, ApiError> {
    session.may_write()?;
    let inner = &mut *lock(&hub.resources.0);
    let document = inner.replace(kind, uuid, change)?;
    // Under the lock, so that listeners hear of changes in their order.
    announce_update(hub, uuid, &document);
    Ok(json(document.as_str().to_owned()))
}

/// `DELETE` of one resource.
pub(super) fn delete(
    kind: Kind,
    State(hub): State<Arc<HubState>>,
    session: Session,
    Named(uuid): Named<String>,
) -> Result<StatusCode, ApiError> {
    session.may_write()?;
    if kind == Kind::Devices && hub.directory.device(&uuid).is_some() {
        return Err(ApiError::new(
            StatusCode::CONFLICT,
            "resource.inUse",
            "this device may log in; its operator forgets it with `expd hub unpair UUID`",
        ));
    }
    let inner = &mut *lock(&hub.resources.0);
    if !inner.remove(kind, &uuid) {
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
pub(super) async fn organization(
    State(hub): State<Arc<HubState>>,
    _session: Session,
) -> Json<Value> {
    Json(serde_json::json!({"name": hub.organization}))
}
