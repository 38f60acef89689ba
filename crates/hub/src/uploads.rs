//! Uploads: multipart forms with a file, which is written to disk as it arrives.
//!
//! Fields: `file`; `parent` (the folder's uuid, default: the root's), `name` (default: the file's
//! own), `subtype` (that of files), in any order; and `variant`, with which the file becomes the
//! variant of this name of the file `name`. The memory of an upload is constant; the number of
//! uploads of one identity is limited, slow ones end, and all together they stay within the disk
//! budget.

use std::fs::File;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::multipart::{Field, MultipartError};
use axum::extract::{ConnectInfo, FromRequest as _, Multipart, Request};
use axum::http::StatusCode;
use futures_util::StreamExt as _;
use tokio::io::{AsyncWriteExt as _, BufWriter};
use tokio::time::{Instant, timeout, timeout_at};

use super::content_files::{FinishedUpload, Upload};
use super::content_node::{FILE, NewNode, NodeKind, StoredFile, unknown_subtype};
use super::content_seeds::mime_of;
use super::content_tree::ROOT;
use super::error::ApiError;
use super::login::Login;
use super::resource_store::Document;
use super::state::HubState;
use expd_server::connection::RequestConnection;

/// Minimum progress of an upload, and the interval in which it is due.
const MIN_PROGRESS: usize = 16 * 1024;
const STALL_TIMEOUT: Duration = Duration::from_secs(10);

/// Maximum number of bytes that may arrive before the form's parser yields anything: a part's head.
const MAX_UNPARSED: i64 = 2 * 1024 * 1024;

/// Maximum number of bytes of a refused upload that are still read, and the time for that, so that
/// the client sees the response.
const MAX_DISCARDED: i64 = 64 * 1024 * 1024;
const DISCARD_TIMEOUT: Duration = Duration::from_secs(10);

/// Limits of a form: number of fields, and bytes of a field other than the file.
const MAX_FIELDS: usize = 16;
const MAX_TEXT: usize = 8 * 1024;

/// Size of one write.
const WRITE: usize = 256 * 1024;

/// Receives an upload, adds it to the tree, and returns the uuid of its node.
pub(super) async fn receive(
    hub: &Arc<HubState>,
    login: &Login,
    request: Request,
) -> Result<String, ApiError> {
    let owner = login.owner();
    let connection = request.extensions().get::<ConnectInfo<RequestConnection>>();
    let ConnectInfo(RequestConnection(connection)) = connection
        .cloned()
        .ok_or_else(|| ApiError::internal("a request has no connection"))?;
    let _turn = hub.turns.upload(&owner).await?;
    connection.await_body();
    let received = receive_form(hub, &owner, request).await;
    connection.begin_request();
    let form = received?;
    add(hub, owner, form).await
}

/// Fields of a form.
#[derive(Default)]
struct Form {
    parent: Option<String>,
    name: Option<String>,
    subtype: Option<String>,
    variant: Option<String>,
    file: Option<ReceivedFile>,
}

struct ReceivedFile {
    upload: FinishedUpload,
    name: Option<String>,
    mime: Option<String>,
}

async fn receive_form(
    hub: &Arc<HubState>,
    owner: &str,
    request: Request,
) -> Result<Form, ApiError> {
    let unparsed = Arc::new(AtomicI64::new(0));
    let arrived = unparsed.clone();
    let (parts, body) = request.into_parts();
    let body = body.into_data_stream().map(move |chunk| {
        let chunk = chunk.map_err(io::Error::other)?;
        let bytes = i64::try_from(chunk.len()).unwrap_or(i64::MAX);
        if arrived.fetch_add(bytes, Ordering::Relaxed) > MAX_UNPARSED {
            return Err(io::Error::other("a part of the form has too large a head"));
        }
        Ok(chunk)
    });
    let request = Request::from_parts(parts, Body::from_stream(body));
    let multipart = Multipart::from_request(request, &());
    let mut multipart = multipart
        .await
        .map_err(|error| ApiError::bad_request("request.body.malformed", error.body_text()))?;
    let mut fields = FormFields {
        hub,
        owner,
        unparsed,
        stalls: Instant::now() + STALL_TIMEOUT,
        progress: 0,
    };
    let received = fields.all(&mut multipart).await;
    if received.is_err() {
        fields.unparsed.store(-MAX_DISCARDED, Ordering::Relaxed);
        let discard = async { while let Ok(Some(_)) = multipart.next_field().await {} };
        // The client sees the response, or a broken connection if it sends too much.
        timeout(DISCARD_TIMEOUT, discard).await.ok();
    }
    received
}

struct FormFields<'a> {
    hub: &'a Arc<HubState>,
    owner: &'a str,
    unparsed: Arc<AtomicI64>,
    stalls: Instant,
    progress: usize,
}

impl FormFields<'_> {
    async fn all(&mut self, multipart: &mut Multipart) -> Result<Form, ApiError> {
        let mut form = Form::default();
        let mut fields = 0;
        while let Some(field) = self.in_time(multipart.next_field()).await? {
            fields += 1;
            if fields > MAX_FIELDS {
                return Err(ApiError::bad_request(
                    "request.body.malformed",
                    format!("a form has at most {MAX_FIELDS} fields"),
                ));
            }
            match field.name() {
                Some("file") if form.file.is_some() => {
                    return Err(ApiError::bad_request(
                        "request.body.malformed",
                        "a form must have exactly one `file`",
                    ));
                }
                Some("file") => form.file = Some(self.file(field).await?),
                Some("parent") => form.parent = Some(self.text(field).await?),
                Some("name") => form.name = Some(self.text(field).await?),
                Some("subtype") => form.subtype = Some(self.text(field).await?),
                Some("variant") => form.variant = Some(self.text(field).await?),
                // Later versions of clients may send more.
                _ => {
                    self.text(field).await?;
                }
            }
        }
        Ok(form)
    }

    async fn text(&mut self, mut field: Field<'_>) -> Result<String, ApiError> {
        let mut bytes = Vec::new();
        while let Some(chunk) = self.chunk(&mut field).await? {
            if bytes.len() + chunk.len() > MAX_TEXT {
                return Err(ApiError::too_large(format!(
                    "a field of a form has at most {MAX_TEXT} bytes, except `file`"
                )));
            }
            bytes.extend_from_slice(&chunk);
        }
        String::from_utf8(bytes).map_err(|_| {
            ApiError::bad_request("request.body.malformed", "a field of the form is not UTF-8")
        })
    }

    async fn file(&mut self, mut field: Field<'_>) -> Result<ReceivedFile, ApiError> {
        let name = field.file_name().map(str::to_owned);
        let mime = field.content_type().map(str::to_owned);
        let (hub, owner) = (self.hub.clone(), self.owner.to_owned());
        let begin = move || {
            let mut upload = hub.content_files.begin(&owner)?;
            let file = upload.take_file()?;
            Ok((upload, file))
        };
        let (mut upload, file) = on_disk(begin).await?;
        let file = tokio::fs::File::from_std(file);
        let mut writer = BufWriter::with_capacity(WRITE, file);
        while let Some(chunk) = self.chunk(&mut field).await? {
            upload.reserve(chunk.len())?;
            writer.write_all(&chunk).await.map_err(disk)?;
        }
        writer.flush().await.map_err(disk)?;
        let file = writer.into_inner().into_std().await;
        let upload = finish(upload, file).await?;
        Ok(ReceivedFile { upload, name, mime })
    }

    async fn chunk(&mut self, field: &mut Field<'_>) -> Result<Option<Bytes>, ApiError> {
        let chunk = self.in_time(field.chunk()).await?;
        self.progress += chunk.as_ref().map_or(0, Bytes::len);
        if self.progress >= MIN_PROGRESS {
            // Waiting for the disk is not a stall of the client, so the interval restarts with each
            // chunk.
            self.progress = 0;
            self.stalls = Instant::now() + STALL_TIMEOUT;
        }
        Ok(chunk)
    }

    async fn in_time<T>(
        &mut self,
        step: impl Future<Output = Result<T, MultipartError>>,
    ) -> Result<T, ApiError> {
        let step = timeout_at(self.stalls, step).await.map_err(|_| {
            ApiError::new(
                StatusCode::REQUEST_TIMEOUT,
                "request.body.timeout",
                format!(
                    "the upload was slower than {MIN_PROGRESS} bytes in {} s",
                    STALL_TIMEOUT.as_secs()
                ),
            )
        })?;
        self.unparsed.store(0, Ordering::Relaxed);
        step.map_err(|error| ApiError::bad_request("request.body.malformed", error.body_text()))
    }
}

/// Adds the received file to the tree.
async fn add(hub: &Arc<HubState>, owner: String, form: Form) -> Result<String, ApiError> {
    match form.subtype.as_deref() {
        None | Some(FILE) => {}
        Some(other) => return Err(unknown_upload(other)),
    }
    let received = form.file.ok_or_else(|| {
        ApiError::bad_request("content.file.missing", "the form has no field `file`")
    })?;
    let parent = form.parent.filter(|parent| !parent.is_empty());
    let parent = parent.unwrap_or_else(|| ROOT.to_owned());
    let name = form.name.filter(|name| !name.is_empty());
    let name = name.or(received.name).unwrap_or_default();
    let named = form.variant.as_deref().unwrap_or(&name);
    let file = StoredFile {
        place: received.upload.place(),
        size: received.upload.size(),
        mime: content_type(received.mime, named),
    };
    let (uuid, replaced) = {
        let tree = &mut *hub.content.lock();
        if let Some(variant) = form.variant {
            let uuid = tree.file_named(&parent, &name)?.to_owned();
            let replaced = tree.add_variant(&uuid, variant, file)?;
            (uuid, replaced)
        } else {
            let uuid = uuid::Uuid::new_v4().to_string();
            let new = NewNode {
                parent,
                name,
                kind: NodeKind::File {
                    file,
                    variants: Vec::new(),
                },
                fields: Document::new(),
                owner: Some(owner),
            };
            tree.insert(uuid.clone(), new)?;
            (uuid, Vec::new())
        }
    };
    received.upload.keep();
    hub.content_files.remove(replaced).await?;
    Ok(uuid)
}

/// The content type that the client sent, else that of the name.
fn content_type(said: Option<String>, name: &str) -> String {
    const ANYTHING: &str = "application/octet-stream";
    const MAX_MIME: usize = 127;
    said.filter(|mime| !mime.is_empty() && mime.len() <= MAX_MIME && mime != ANYTHING)
        .filter(|mime| mime.bytes().all(|byte| (b' '..=b'~').contains(&byte)))
        .unwrap_or_else(|| mime_of(name))
}

fn unknown_upload(subtype: &str) -> ApiError {
    use super::content_node::{APP, FOLDER, URL};
    if [APP, FOLDER, URL].contains(&subtype) {
        return ApiError::bad_request(
            "content.subtype.invalid",
            "a form uploads a file; folders, apps and URLs are created by JSON, and an app's files uploaded with the app as their `parent`",
        );
    }
    unknown_subtype(subtype)
}

async fn finish(upload: Upload, file: File) -> Result<FinishedUpload, ApiError> {
    on_disk(move || upload.finish(&file)).await
}

/// Runs blocking disk access off the async threads.
async fn on_disk<T: Send + 'static>(
    run: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, ApiError> {
    let ended = tokio::task::spawn_blocking(run).await;
    ended
        .map_err(|error| ApiError::internal(error.to_string()))?
        .map_err(disk)
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn disk(error: io::Error) -> ApiError {
    log::error!("cannot write an upload: {error}");
    if error.kind() == io::ErrorKind::StorageFull {
        return ApiError::full("content.full", "the disk of this network is full");
    }
    ApiError::busy(
        "content.disk",
        format!("the upload cannot be written: {error}"),
    )
}
