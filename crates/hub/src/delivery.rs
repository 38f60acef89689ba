//! Delivery of files: `/api/delivery/PATH`, and the layouts of locations.
//!
//! A reader proves its login with `Authorization: Bearer`, or with a restricted token in the query
//! or in the cookie `_rt`. Files are streamed with constant memory; the number of concurrent
//! deliveries is bounded, and one whose client does not read ends.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::sync::Arc;
use std::time::Duration;
use std::{io, iter};

use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, FromRequestParts, RawQuery, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use futures_util::stream;
use percent_encoding::percent_decode_str;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::body::PathParams;
use super::content_node::{Node, NodeKind, StoredFile, unknown};
use super::content_seeds::INDEX;
use super::error::ApiError;
use super::login::{self, Login, bearer};
use super::resource_store::{self, Collection, Document};
use super::restricted_cookie::{self, RestrictedToken};
use super::state::HubState;
use super::turns::Turn;
use expd_domain::Secret;
use expd_server::connection::{ClientConnection, RequestConnection};
use expd_server::ranges::{Representation, Selection};

/// Bytes that are read at once. A delivery holds at most four times as many.
const CHUNK: u64 = 64 * 1024;

/// Time for a client to read a chunk.
const STALL_TIMEOUT: Duration = Duration::from_secs(30);

/// Identity that reads content, and its credentials.
pub(super) struct Reader {
    owner: String,
    /// The restricted token that proved it, if it was one.
    token: Option<Secret>,
    connection: Arc<ClientConnection>,
    method: Method,
    headers: HeaderMap,
}

impl FromRequestParts<Arc<HubState>> for Reader {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, hub: &Arc<HubState>) -> Result<Self, ApiError> {
        let connection = parts.extensions.get::<ConnectInfo<RequestConnection>>();
        let ConnectInfo(RequestConnection(connection)) = connection
            .cloned()
            .ok_or_else(|| ApiError::internal("a request has no connection"))?;
        let (owner, token) = if bearer(&parts.headers).is_some() {
            let login = Login::from_request_parts(parts, hub).await?;
            login.require_paired()?;
            (login.owner(), None)
        } else {
            let (owner, token) = restricted_reader(hub, &parts.uri, &parts.headers)?;
            hub.admission.identify(&connection, &owner)?;
            (owner, Some(token))
        };
        Ok(Self {
            owner,
            token,
            connection,
            method: parts.method.clone(),
            headers: parts.headers.clone(),
        })
    }
}

/// Finds the first valid restricted token, in the query and then in the cookies.
fn restricted_reader(
    hub: &HubState,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<(String, Secret), ApiError> {
    let in_query = parameters(uri.query(), "_rt");
    let mut refusal = None;
    for token in in_query.chain(restricted_cookie::tokens(headers)) {
        let token = Secret::new(token);
        match login::restricted_identity(hub, &token) {
            Ok(identity) => return Ok((login::owner_of(&identity), token)),
            Err(error) => refusal = refusal.or(Some(error)),
        }
    }
    Err(refusal.unwrap_or_else(|| {
        ApiError::unauthorized(
            "authentication.token.missing",
            "this needs the header `Authorization: Bearer TOKEN`, or the restricted token of a login as the query parameter or cookie `_rt`",
        )
    }))
}

/// Non-empty values of a query parameter. Old clients write a second `?` instead of `&`.
fn parameters<'a>(query: Option<&'a str>, name: &'a str) -> impl Iterator<Item = String> + 'a {
    query
        .unwrap_or_default()
        .split(['&', '?'])
        .filter_map(move |pair| pair.strip_prefix(name)?.strip_prefix('='))
        .filter(|value| !value.is_empty())
        .filter_map(|value| Some(percent_decode_str(value).decode_utf8().ok()?.into_owned()))
}

/// `GET /api/delivery/PATH`
pub(super) async fn content(
    State(hub): State<Arc<HubState>>,
    reader: Reader,
    uri: Uri,
    RawQuery(query): RawQuery,
    PathParams(path): PathParams<String>,
) -> Result<Response, ApiError> {
    let file = {
        let tree = hub.content.lock();
        // Some clients double slashes.
        let names = path.split('/').filter(|name| !name.is_empty());
        let (_, node) = tree.resolve(names).ok_or_else(|| unknown(&path))?;
        match &node.kind {
            NodeKind::App => return Ok(with_token(reader.token, to_index(&uri))),
            _ => file_of(node, parameters(query.as_deref(), "variant").next())?,
        }
    };
    deliver(&hub, reader, file).await
}

/// `GET /api/locations/UUID/layout`: the file that the location's field `layout` names by its uuid
/// or its path.
pub(super) async fn layout(
    State(hub): State<Arc<HubState>>,
    reader: Reader,
    PathParams(uuid): PathParams<String>,
) -> Result<Response, ApiError> {
    let location = hub
        .resources
        .lock()
        .get(Collection::Locations, &uuid)
        .cloned();
    let location = location.ok_or_else(|| resource_store::unknown(&uuid))?;
    // Only parsed documents are stored.
    let location: Document = serde_json::from_str(location.as_str()).unwrap_or_default();
    let layout = location.get("layout");
    let layout = layout.and_then(|layout| layout.get("uuid")).or(layout);
    let layout = layout.and_then(Value::as_str).ok_or_else(|| {
        ApiError::not_found(
            "location.layout.none",
            "this location has no layout; its field `layout` names a file of content by its uuid or path",
        )
    })?;
    let file = {
        let tree = hub.content.lock();
        let node = if layout.starts_with('/') {
            let names = layout.split('/').filter(|name| !name.is_empty());
            tree.resolve(names).map(|(_, node)| node)
        } else {
            tree.get(layout)
        };
        file_of(node.ok_or_else(|| unknown(layout))?, None)?
    };
    deliver(&hub, reader, file).await
}

/// Redirects to an app's index, since its pages name each other relative to it.
fn to_index(uri: &Uri) -> Response {
    let query = uri
        .query()
        .map_or_else(String::new, |query| format!("?{query}"));
    let path = uri.path().trim_end_matches('/');
    Redirect::temporary(&format!("{path}/{INDEX}{query}")).into_response()
}

fn file_of(node: &Node, variant: Option<String>) -> Result<StoredFile, ApiError> {
    let NodeKind::File { file, variants } = &node.kind else {
        return Err(ApiError::not_found(
            "content.notDelivered",
            "only files and apps are delivered; a URL is opened at the `url` of its document",
        ));
    };
    let Some(variant) = variant else {
        return Ok(file.clone());
    };
    let found = variants.iter().find(|(name, _)| *name == variant);
    found.map(|(_, file)| file.clone()).ok_or_else(|| {
        ApiError::not_found(
            "content.variant.unknown",
            format!("this file has no variant {}", expd_domain::Quoted(&variant)),
        )
    })
}

fn with_token(token: Option<Secret>, mut response: Response) -> Response {
    if let Some(token) = token {
        response.extensions_mut().insert(RestrictedToken(token));
    }
    response
}

/// Responds with a file, or with the requested part of it.
async fn deliver(
    hub: &Arc<HubState>,
    reader: Reader,
    file: StoredFile,
) -> Result<Response, ApiError> {
    let turn = hub.turns.delivery(&reader.owner).await?;
    let (opened, representation) = open(hub, file.place).await?;
    let selection = representation.select(&reader.headers);
    let mut headers = HeaderMap::new();
    let mut set = |name, value: Option<HeaderValue>| value.map(|value| headers.insert(name, value));
    set(
        header::ETAG,
        HeaderValue::try_from(&representation.etag).ok(),
    );
    set(header::LAST_MODIFIED, representation.last_modified());
    set(
        header::ACCEPT_RANGES,
        Some(HeaderValue::from_static("bytes")),
    );
    // Private to authorized readers, and revalidated before each use.
    set(
        header::CACHE_CONTROL,
        Some(HeaderValue::from_static("private, no-cache")),
    );
    let length = representation.length;
    let (status, range) = match selection {
        Selection::NotModified => (StatusCode::NOT_MODIFIED, 0..0),
        Selection::Unsatisfiable => {
            let range = HeaderValue::try_from(format!("bytes */{length}"));
            set(header::CONTENT_RANGE, range.ok());
            set(header::CONTENT_LENGTH, Some(HeaderValue::from(0)));
            (StatusCode::RANGE_NOT_SATISFIABLE, 0..0)
        }
        Selection::Whole => (StatusCode::OK, 0..length),
        Selection::Part(range) => {
            let text = format!("bytes {}-{}/{length}", range.start, range.end - 1);
            set(header::CONTENT_RANGE, HeaderValue::try_from(text).ok());
            (StatusCode::PARTIAL_CONTENT, range)
        }
    };
    let mut body = Body::empty();
    if status.is_success() {
        let mime = HeaderValue::try_from(file.mime).ok();
        set(header::CONTENT_TYPE, mime);
        set(
            header::X_CONTENT_TYPE_OPTIONS,
            Some(HeaderValue::from_static("nosniff")),
        );
        set(
            header::CONTENT_LENGTH,
            Some(HeaderValue::from(range.end - range.start)),
        );
        if reader.method != Method::HEAD && !range.is_empty() {
            body = stream(hub, reader.connection, opened, range, turn);
        }
    }
    let mut response = (status, body).into_response();
    response.headers_mut().extend(headers);
    Ok(with_token(reader.token, response))
}

async fn open(
    hub: &Arc<HubState>,
    place: super::content_node::FileLocation,
) -> Result<(File, Representation), ApiError> {
    let files = hub.clone();
    let opened = tokio::task::spawn_blocking(move || {
        let file = files.content_files.read(&place)?;
        let metadata = file.metadata()?;
        let etag = format!(
            "\"{:x}-{:x}-{:x}-{:x}\"",
            metadata.ino(),
            metadata.len(),
            metadata.mtime(),
            metadata.mtime_nsec()
        );
        let representation = Representation {
            length: metadata.len(),
            modified: metadata.modified().ok(),
            etag,
        };
        Ok((file, representation))
    });
    let opened = opened
        .await
        .map_err(|error| ApiError::internal(error.to_string()))?;
    opened.map_err(|error: io::Error| {
        log::warn!("a file of content cannot be delivered: {error}");
        ApiError::not_found("content.gone", "the file of this content cannot be read")
    })
}

/// Body that a task reads from the file as fast as the client takes it.
fn stream(
    hub: &Arc<HubState>,
    connection: Arc<ClientConnection>,
    file: File,
    range: Range<u64>,
    turn: Turn,
) -> Body {
    // One chunk waits for the connection, one is being read.
    let (sender, receiver) = mpsc::channel(1);
    let stopping = hub.stopping.clone();
    hub.tasks.spawn(async move {
        let _turn = turn;
        tokio::select! {
            () = send(&connection, file, range, sender) => {}
            () = stopping.cancelled() => {}
        }
    });
    Body::from_stream(stream::unfold(receiver, async |mut receiver| {
        let chunk = receiver.recv().await?;
        Some((chunk, receiver))
    }))
}

async fn send(
    connection: &ClientConnection,
    file: File,
    range: Range<u64>,
    sender: mpsc::Sender<io::Result<Bytes>>,
) {
    let file = Arc::new(file);
    let starts = iter::successors(Some(range.start), |start| Some(start + CHUNK));
    for start in starts.take_while(|start| *start < range.end) {
        let end = range.end.min(start + CHUNK);
        let file = file.clone();
        let read = tokio::task::spawn_blocking(move || {
            let mut chunk = vec![0; usize::try_from(end - start).unwrap_or(0)];
            // If the file became shorter, the body breaks off: its length is already announced.
            file.read_exact_at(&mut chunk, start)?;
            Ok(Bytes::from(chunk))
        });
        let chunk = read
            .await
            .unwrap_or_else(|error| Err(io::Error::other(error)));
        let failed = chunk.is_err();
        if end < range.end {
            // The connection is busy until the last chunk.
            connection.begin_request();
        } else {
            connection.end_request();
        }
        match timeout(STALL_TIMEOUT, sender.send(chunk)).await {
            Ok(Ok(())) if !failed => {}
            // The client has disconnected.
            Ok(_) => return,
            Err(_) => {
                log::debug!("closing a connection: its client stopped reading a file");
                connection.cut();
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_found_in_every_form_that_clients_write() {
        let find = |query: &str, name: &str| parameters(Some(query), name).collect::<Vec<_>>();
        assert_eq!(find("_rt=T&variant=320.png", "variant"), ["320.png"]);
        assert_eq!(find("_rt=T?variant=N&_rt=T", "_rt"), ["T", "T"]);
        assert_eq!(find("_rt=T?variant=N&_rt=T", "variant"), ["N"]);
        assert_eq!(find("_rt=T&variant=", "variant"), [""; 0]);
        assert_eq!(find("variant=a%20b&x_rt=1", "variant"), ["a b"]);
        assert_eq!(find("variant=a%20b&x_rt=1", "_rt"), [""; 0]);
    }
}
