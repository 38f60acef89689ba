//! Handlers of `/api/content`: the tree of folders, files, apps and URLs.
//!
//! A collection returns `{"total","results"}` and takes equality filters such as `parent`, `path`
//! and `subtype`; the contents of apps are included with `appContent=include`. Folders, apps and
//! URLs are created by JSON, files and their variants by multipart forms (`uploads`). Each change
//! is broadcast as `update` on the system channel named by the node's uuid, with its document as
//! payload, or `null` once it is deleted.

use std::sync::Arc;

use axum::extract::{FromRequest as _, Query, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Map, Value};

use super::body::{JsonBody, PathParams, SMALL_BODY, json};
use super::collection_query::CollectionQuery;
use super::content_node::{self as node, NewNode, NodeChange, NodeKind};
use super::content_tree::{ROOT, Tree};
use super::error::ApiError;
use super::login::Login;
use super::publish::announce;
use super::resource_store::Document;
use super::socket_registry::Audience;
use super::state::HubState;
use super::uploads;
use expd_domain::{Channel, Payload};

/// `GET /api/content`
pub(super) async fn list(
    State(hub): State<Arc<HubState>>,
    login: Login,
    Query(parameters): Query<Vec<(String, String)>>,
    query: CollectionQuery,
) -> Result<Response, ApiError> {
    login.require_paired()?;
    let parameter = |wanted: &str| {
        let mut all = parameters.iter();
        all.find_map(|(name, value)| (name == wanted).then_some(value.as_str()))
    };
    let documents = {
        let tree = hub.content.lock();
        let in_apps = parameter("appContent") == Some("include");
        let document = |uuid: &str| {
            if !in_apps && tree.is_in_app(uuid) {
                return None;
            }
            let text = Value::from(tree.document(uuid)?).to_string();
            Payload::parse(text).ok().map(Arc::new)
        };
        match parameter("parent") {
            // The query repeats this filter; this only narrows the search to the children.
            Some(parent) => tree.children(parent).filter_map(document).collect(),
            None => tree.uuids().filter_map(document).collect::<Vec<_>>(),
        }
    };
    Ok(query.run(documents).await?.into_response())
}

/// `POST /api/content`
pub(super) async fn create(
    State(hub): State<Arc<HubState>>,
    login: Login,
    request: Request,
) -> Result<Response, ApiError> {
    login.may_write()?;
    let content_type = request.headers().get(header::CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok());
    let is_form = content_type.is_some_and(|value| value.starts_with("multipart/form-data"));
    let uuid = if is_form {
        uploads::receive(&hub, &login, request).await?
    } else {
        let body = JsonBody::<Document, SMALL_BODY>::from_request(request, &hub).await?;
        let uuid = uuid::Uuid::new_v4().to_string();
        let new = new_node(body.value, login.owner())?;
        hub.content.lock().insert(uuid.clone(), new)?;
        uuid
    };
    let document = announce_node(&hub, &hub.content.lock(), &uuid)?;
    Ok((StatusCode::CREATED, document).into_response())
}

/// `GET /api/content/UUID`
pub(super) async fn read(
    State(hub): State<Arc<HubState>>,
    login: Login,
    PathParams(uuid): PathParams<String>,
) -> Result<Response, ApiError> {
    login.require_paired()?;
    let document = hub.content.lock().document(&uuid);
    let document = document.ok_or_else(|| node::unknown(&uuid))?;
    Ok(json(Value::from(document).to_string()))
}

/// `GET /api/content/UUID/children`: the document with a list of its children's documents.
pub(super) async fn children(
    State(hub): State<Arc<HubState>>,
    login: Login,
    PathParams(uuid): PathParams<String>,
) -> Result<Response, ApiError> {
    login.require_paired()?;
    let tree = hub.content.lock();
    let mut document = tree.document(&uuid).ok_or_else(|| node::unknown(&uuid))?;
    let children = tree.children(&uuid);
    let children = children.filter_map(|uuid| tree.document(uuid).map(Value::from));
    document.insert("children".to_owned(), children.collect());
    Ok(json(Value::from(document).to_string()))
}

/// `PATCH /api/content/UUID`
pub(super) async fn patch(
    State(hub): State<Arc<HubState>>,
    login: Login,
    PathParams(uuid): PathParams<String>,
    body: JsonBody<Document, SMALL_BODY>,
) -> Result<Response, ApiError> {
    change(&hub, &login, &uuid, body.value, false)
}

/// `PUT /api/content/UUID`
pub(super) async fn put(
    State(hub): State<Arc<HubState>>,
    login: Login,
    PathParams(uuid): PathParams<String>,
    body: JsonBody<Document, SMALL_BODY>,
) -> Result<Response, ApiError> {
    change(&hub, &login, &uuid, body.value, true)
}

fn change(
    hub: &Arc<HubState>,
    login: &Login,
    uuid: &str,
    document: Document,
    replace: bool,
) -> Result<Response, ApiError> {
    login.may_write()?;
    let tree = &mut *hub.content.lock();
    let change = NodeChange {
        parent: reference(document.get("parent"))?,
        name: text(&document, "name")?,
        url: text(&document, "url")?,
        fields: document,
        replace,
    };
    tree.change(uuid, change)?;
    announce_node(hub, tree, uuid)
}

/// `DELETE /api/content/UUID`: a folder with all of its contents.
pub(super) async fn delete(
    State(hub): State<Arc<HubState>>,
    login: Login,
    PathParams(uuid): PathParams<String>,
) -> Result<StatusCode, ApiError> {
    login.may_write()?;
    let files = {
        let tree = &mut *hub.content.lock();
        let (removed, files) = tree.remove(&uuid)?;
        for uuid in &removed {
            announce_update(&hub, uuid, &Payload::null());
        }
        files
    };
    hub.content_files.remove(files).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Broadcasts the document of a changed node, and responds with it.
fn announce_node(hub: &Arc<HubState>, tree: &Tree, uuid: &str) -> Result<Response, ApiError> {
    let document = tree.document(uuid).ok_or_else(|| node::unknown(uuid))?;
    let document = Payload::parse(Value::from(document).to_string())?;
    announce_update(hub, uuid, &document);
    Ok(json(document.into_text()))
}

fn announce_update(hub: &Arc<HubState>, uuid: &str, document: &Payload) {
    let channel = Channel::new(uuid).system();
    announce(hub, &channel, "update", document, Audience::Everyone);
}

fn new_node(document: Document, owner: String) -> Result<NewNode, ApiError> {
    let subtype = text(&document, "subtype")?;
    let kind = match subtype.as_deref() {
        None | Some(node::FOLDER) => NodeKind::Folder,
        Some(node::APP) => NodeKind::App,
        Some(node::URL) => NodeKind::Url(text(&document, "url")?.unwrap_or_default()),
        Some(node::FILE) => {
            return Err(ApiError::bad_request(
                "content.subtype.invalid",
                "a file is uploaded as a multipart form with the fields `parent`, `name` and `file`",
            ));
        }
        Some(other) => return Err(node::unknown_subtype(other)),
    };
    Ok(NewNode {
        parent: reference(document.get("parent"))?.unwrap_or_else(|| ROOT.to_owned()),
        name: text(&document, "name")?.ok_or_else(|| {
            ApiError::bad_request("content.name.invalid", "content needs a `name`")
        })?,
        kind,
        fields: document,
        owner: Some(owner),
    })
}

fn text(document: &Document, name: &str) -> Result<Option<String>, ApiError> {
    match document.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(ApiError::bad_request(
            "content.field.invalid",
            format!("the field `{name}` of content must be a text"),
        )),
    }
}

/// Uuid of another node, alone or in a document.
fn reference(value: Option<&Value>) -> Result<Option<String>, ApiError> {
    match value {
        Some(Value::Object(document)) => text(document, "uuid"),
        Some(value) => text(
            &Map::from_iter([("parent".to_owned(), value.clone())]),
            "parent",
        ),
        None => Ok(None),
    }
}
