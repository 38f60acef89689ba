//! `/api/data/GROUP/KEY`: documents that are kept and given back to the letter.
//!
//! PUT takes the value alone; the answers are `{"group","key","value"}`, as the SDKs expect. Each change is broadcast as
//! `update` on the system channel `data:GROUP:KEY` with the same document, or `null` once it is deleted.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use serde_json::value::RawValue;

use super::auth::Session;
use super::body::{self, JsonBody, PAYLOAD_BODY};
use super::broadcasts::{announce, json};
use super::error::ApiError;
use super::network::Audience;
use super::resources::Named;
use super::state::{HubState, lock};
use expd_domain::{Channel, Payload};

/// How many data items there are.
const MAX_ITEMS: usize = 10_000;

/// How much they take together: sixteen of the largest.
const MAX_DATA_BYTES: usize = 256 * 1024 * 1024;

/// The data items of one network.
#[derive(Default)]
pub(super) struct DataStore(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    documents: HashMap<(String, String), Payload>,
    bytes: usize,
}

#[derive(Serialize)]
struct DataDocument<'a> {
    group: &'a str,
    key: &'a str,
    value: &'a Payload,
}

/// `GET`
pub(super) async fn read(
    State(hub): State<Arc<HubState>>,
    session: Session,
    Named((group, key)): Named<(String, String)>,
) -> Result<Response, ApiError> {
    session.is_paired()?;
    lock(&hub.data.0)
        .documents
        .get(&(group, key))
        .map(|document| json(document.as_str().to_owned()))
        .ok_or_else(unknown)
}

/// `PUT`
pub(super) async fn put(
    State(hub): State<Arc<HubState>>,
    session: Session,
    Named((group, key)): Named<(String, String)>,
    body: JsonBody<Box<RawValue>, PAYLOAD_BODY>,
) -> Result<Response, ApiError> {
    session.may_write()?;
    let JsonBody { value, share } = body;
    let value = body::payload(Some(value))?;
    let document = DataDocument {
        group: &group,
        key: &key,
        value: &value,
    };
    let document = serde_json::to_string(&document)
        .map_err(|error| ApiError::bad_request("payload.invalid", error.to_string()))?;
    // The document is what listeners get, so the document must be no larger than a payload may be.
    let document = Payload::parse(document)?;
    drop((value, share));

    let inner = &mut *lock(&hub.data.0);
    let name = (group, key);
    // The names are held twice: in the document, too.
    let held = |document: &Payload| document.as_str().len() + name.0.len() + name.1.len();
    let size = held(&document);
    let replaced = inner.documents.get(&name).map(held);
    let bytes = inner.bytes - replaced.unwrap_or(0) + size;
    if (replaced.is_none() && inner.documents.len() >= MAX_ITEMS) || bytes > MAX_DATA_BYTES {
        return Err(ApiError::full(
            "data.full",
            format!(
                "this network keeps {MAX_ITEMS} data items of {MAX_DATA_BYTES} bytes together; delete one first"
            ),
        ));
    }
    inner.bytes = bytes;
    let channel = channel(&name);
    inner.documents.insert(name, document.clone());
    // Under the lock, so that listeners hear of changes in their order.
    announce(&hub, &channel, "update", &document, Audience::Everyone);
    Ok(json(document.as_str().to_owned()))
}

/// `DELETE`
pub(super) async fn delete(
    State(hub): State<Arc<HubState>>,
    session: Session,
    Named(name): Named<(String, String)>,
) -> Result<StatusCode, ApiError> {
    session.may_write()?;
    let inner = &mut *lock(&hub.data.0);
    let removed = inner.documents.remove(&name).ok_or_else(unknown)?;
    inner.bytes -= removed.as_str().len() + name.0.len() + name.1.len();
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
