//! Documents of EXP resources, in memory.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use serde_json::{Map, Value};

use super::error::ApiError;
use super::lock::lock;
use expd_domain::{Payload, Quoted};

/// Limit of all resources together; the next limit bounds them in bytes.
const MAX_RESOURCES: usize = 20_000;

/// Limit of all documents together.
const MAX_DOCUMENT_BYTES: usize = 64 * 1024 * 1024;

pub(super) type Document = Map<String, Value>;

/// Collections, with their paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Collection {
    Devices,
    Things,
    Experiences,
    Locations,
    Feeds,
    Content,
}

impl Collection {
    pub(super) const ALL: [(Self, &'static str); 6] = [
        (Self::Devices, "/api/devices"),
        (Self::Things, "/api/things"),
        (Self::Experiences, "/api/experiences"),
        (Self::Locations, "/api/locations"),
        (Self::Feeds, "/api/connectors/feeds"),
        (Self::Content, "/api/content"),
    ];
}

#[derive(Default)]
pub(super) struct ResourceStore(Mutex<Documents>);

/// Documents in order of creation. The lock is held while a change is broadcast.
#[derive(Default)]
pub(super) struct Documents {
    by_number: BTreeMap<(Collection, u64), Resource>,
    last: u64,
    bytes: usize,
}

pub(super) struct Resource {
    pub uuid: String,
    pub document: Payload,
}

impl ResourceStore {
    pub(super) fn lock(&self) -> MutexGuard<'_, Documents> {
        lock(&self.0)
    }

    /// Creates the document of a device that may log in, unless it has one.
    pub(super) fn add_device(&self, uuid: &str) {
        let inner = &mut *lock(&self.0);
        if inner.find(Collection::Devices, uuid).is_none() {
            let document = Map::from_iter([("uuid".to_owned(), Value::from(uuid))]);
            if let Err(error) = inner.insert(Collection::Devices, uuid.to_owned(), document) {
                log::warn!("no document for the device {}: {error}", Quoted(uuid));
            }
        }
    }

    pub(super) fn remove_device(&self, uuid: &str) {
        lock(&self.0).remove(Collection::Devices, uuid);
    }
}

impl Documents {
    fn find(&self, collection: Collection, uuid: &str) -> Option<u64> {
        self.of_collection(collection)
            .find(|(_, resource)| resource.uuid == uuid)
            .map(|((_, number), _)| *number)
    }

    pub(super) fn of_collection(
        &self,
        collection: Collection,
    ) -> impl Iterator<Item = (&(Collection, u64), &Resource)> {
        self.by_number
            .range((collection, 0)..=(collection, u64::MAX))
    }

    pub(super) fn insert(
        &mut self,
        collection: Collection,
        uuid: String,
        document: Document,
    ) -> Result<Payload, ApiError> {
        let document = as_payload(document)?;
        if self.by_number.len() >= MAX_RESOURCES {
            return Err(full());
        }
        self.bytes = self.room_for(&document, 0)?;
        self.last += 1;
        let resource = Resource {
            uuid,
            document: document.clone(),
        };
        self.by_number.insert((collection, self.last), resource);
        Ok(document)
    }

    pub(super) fn replace(
        &mut self,
        collection: Collection,
        uuid: &str,
        change: impl FnOnce(&mut Document),
    ) -> Result<Payload, ApiError> {
        let number = self.find(collection, uuid).ok_or_else(|| unknown(uuid))?;
        let old = self.by_number.get(&(collection, number));
        let old = old.ok_or_else(|| unknown(uuid))?.document.as_str();
        // Only parsed documents are stored.
        let mut document: Document = serde_json::from_str(old).unwrap_or_default();
        change(&mut document);
        document.insert("uuid".to_owned(), Value::from(uuid));
        let document = as_payload(document)?;
        self.bytes = self.room_for(&document, old.len())?;
        if let Some(resource) = self.by_number.get_mut(&(collection, number)) {
            resource.document = document.clone();
        }
        Ok(document)
    }

    /// Total bytes after `document` has replaced `replaced` bytes.
    fn room_for(&self, document: &Payload, replaced: usize) -> Result<usize, ApiError> {
        let bytes = self.bytes - replaced + document.as_str().len();
        if bytes > MAX_DOCUMENT_BYTES {
            return Err(full());
        }
        Ok(bytes)
    }

    pub(super) fn remove(&mut self, collection: Collection, uuid: &str) -> bool {
        let removed = self
            .find(collection, uuid)
            .and_then(|number| self.by_number.remove(&(collection, number)));
        self.bytes -= removed.as_ref().map_or(0, |r| r.document.as_str().len());
        removed.is_some()
    }
}

/// Text of a document, within the limits of a payload: listeners have to be able to receive it.
fn as_payload(document: Document) -> Result<Payload, ApiError> {
    Ok(Payload::parse(Value::from(document).to_string())?)
}

fn full() -> ApiError {
    ApiError::full(
        "resource.full",
        format!(
            "this network stores at most {MAX_RESOURCES} resources with {MAX_DOCUMENT_BYTES} bytes in all; delete one first"
        ),
    )
}

pub(super) fn unknown(uuid: &str) -> ApiError {
    ApiError::not_found(
        "resource.unknown",
        format!("no resource of this kind has the uuid {}", Quoted(uuid)),
    )
}
