//! Documents of EXP resources: insert, replace, remove, get, and list a collection. They are in
//! memory, and each change goes to the store.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Map, Value};

use super::error::ApiError;
use super::store::{Store, Table};
use expd_domain::{Payload, Quoted};
use expd_server::lock::lock;

/// Maximum number of resources; the next limit bounds them in bytes.
const MAX_RESOURCES: usize = 20_000;

/// Maximum size of all documents together.
const MAX_DOCUMENT_BYTES: usize = 64 * 1024 * 1024;

pub(super) type Document = Map<String, Value>;

/// Collections, with their paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Collection {
    Devices,
    Things,
    Experiences,
    Locations,
    Feeds,
}

impl Collection {
    pub(super) const ALL: [(Self, &'static str); 5] = [
        (Self::Devices, "/api/devices"),
        (Self::Things, "/api/things"),
        (Self::Experiences, "/api/experiences"),
        (Self::Locations, "/api/locations"),
        (Self::Feeds, "/api/connectors/feeds"),
    ];

    fn path(self) -> &'static str {
        let mut all = Self::ALL.into_iter();
        all.find_map(|(own, path)| (own == self).then_some(path))
            .unwrap_or_default()
    }

    /// Name of a resource that is created without one.
    pub(super) fn default_name(self) -> &'static str {
        match self {
            Self::Devices => "New device",
            Self::Things => "New thing",
            Self::Experiences => "New experience",
            Self::Locations => "New location",
            Self::Feeds => "New feed",
        }
    }
}

#[derive(Default)]
pub(super) struct ResourceStore(Mutex<Documents>);

/// Documents in order of creation. The lock is held while a change is broadcast.
#[derive(Default)]
pub(super) struct Documents {
    by_number: BTreeMap<(Collection, u64), Arc<Payload>>,
    numbers: HashMap<(Collection, String), u64>,
    last: u64,
    bytes: usize,
    store: Store,
}

impl ResourceStore {
    /// Takes the documents of the store, and writes each later change to it.
    pub(super) fn new(store: Store, rows: Vec<(String, String)>) -> Self {
        let mut documents = Documents::default();
        for (key, text) in rows {
            if documents.restore(&key, text).is_none() {
                log::error!("invalid resource {} in the store", Quoted(&key));
            }
        }
        documents.store = store;
        Self(Mutex::new(documents))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Documents> {
        lock(&self.0)
    }

    /// Creates the document of a device that may log in, unless it has one.
    pub(super) fn add_device(&self, uuid: &str) {
        let inner = &mut *lock(&self.0);
        if inner.get(Collection::Devices, uuid).is_none() {
            let document = Map::from_iter([
                ("uuid".to_owned(), Value::from(uuid)),
                ("name".to_owned(), Value::from(uuid)),
            ]);
            if let Err(error) = inner.insert(Collection::Devices, uuid, document) {
                log::warn!("no document for the device {}: {error}", Quoted(uuid));
            }
        }
    }

    pub(super) fn remove_device(&self, uuid: &str) {
        lock(&self.0).remove(Collection::Devices, uuid);
    }
}

impl Documents {
    pub(super) fn get(&self, collection: Collection, uuid: &str) -> Option<&Arc<Payload>> {
        let number = self.numbers.get(&(collection, uuid.to_owned()))?;
        self.by_number.get(&(collection, *number))
    }

    /// Documents of a collection.
    pub(super) fn all(&self, collection: Collection) -> Vec<Arc<Payload>> {
        self.by_number
            .range((collection, 0)..=(collection, u64::MAX))
            .map(|(_, document)| document.clone())
            .collect()
    }

    fn restore(&mut self, key: &str, text: String) -> Option<()> {
        let (path, number) = key.split_once('#')?;
        let mut collections = Collection::ALL.into_iter();
        let (collection, _) = collections.find(|(_, own)| *own == path)?;
        let number = number.parse().ok()?;
        let document: Document = serde_json::from_str(&text).ok()?;
        let uuid = document.get("uuid")?.as_str()?.to_owned();
        self.last = self.last.max(number);
        self.bytes += text.len();
        self.numbers.insert((collection, uuid), number);
        let document = Arc::new(Payload::parse(text).ok()?);
        self.by_number.insert((collection, number), document);
        Some(())
    }

    /// Keeps a document, or its removal, in the store.
    fn keep(&self, collection: Collection, number: u64, document: Option<&Payload>) {
        let path = collection.path();
        // Sorts by order of creation.
        let key = format!("{path}#{number:020}");
        let text = document.map(|document| document.as_str().to_owned());
        self.store.put(Table::Resources, key, text);
    }

    /// Stores a new document.
    ///
    /// # Errors
    /// It is not a payload, or the store is full.
    pub(super) fn insert(
        &mut self,
        collection: Collection,
        uuid: &str,
        document: Document,
    ) -> Result<Arc<Payload>, ApiError> {
        let document = as_payload(document)?;
        if self.by_number.len() >= MAX_RESOURCES {
            return Err(full());
        }
        self.bytes = self.room_for(&document, 0)?;
        self.last += 1;
        self.numbers
            .insert((collection, uuid.to_owned()), self.last);
        self.by_number
            .insert((collection, self.last), document.clone());
        self.keep(collection, self.last, Some(&document));
        Ok(document)
    }

    /// Changes a document. Its uuid stays.
    ///
    /// # Errors
    /// There is none, or the new one is not a payload or does not fit.
    pub(super) fn replace(
        &mut self,
        collection: Collection,
        uuid: &str,
        change: impl FnOnce(&mut Document),
    ) -> Result<Arc<Payload>, ApiError> {
        let key = (collection, uuid.to_owned());
        let number = *self.numbers.get(&key).ok_or_else(|| unknown(uuid))?;
        let old = self.by_number.get(&(collection, number));
        let old = old.ok_or_else(|| unknown(uuid))?.as_str();
        // Only parsed documents are stored.
        let mut document: Document = serde_json::from_str(old).unwrap_or_default();
        change(&mut document);
        document.insert("uuid".to_owned(), Value::from(uuid));
        let document = as_payload(document)?;
        self.bytes = self.room_for(&document, old.len())?;
        self.by_number
            .insert((collection, number), document.clone());
        self.keep(collection, number, Some(&document));
        Ok(document)
    }

    /// Removes a document; false if there was none.
    pub(super) fn remove(&mut self, collection: Collection, uuid: &str) -> bool {
        let number = self.numbers.remove(&(collection, uuid.to_owned()));
        let removed = number.and_then(|number| {
            self.keep(collection, number, None);
            self.by_number.remove(&(collection, number))
        });
        self.bytes -= removed.as_ref().map_or(0, |old| old.as_str().len());
        removed.is_some()
    }

    /// Total number of bytes after `document` has replaced `replaced` bytes.
    fn room_for(&self, document: &Payload, replaced: usize) -> Result<usize, ApiError> {
        let bytes = self.bytes - replaced + document.as_str().len();
        if bytes > MAX_DOCUMENT_BYTES {
            return Err(full());
        }
        Ok(bytes)
    }
}

/// Text of a document, within the limits of a payload: listeners must be able to receive it.
fn as_payload(document: Document) -> Result<Arc<Payload>, ApiError> {
    let text = Value::from(document).to_string();
    Ok(Arc::new(Payload::parse(text)?))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn document(size: usize) -> Document {
        Map::from_iter([("x".to_owned(), Value::from("x".repeat(size)))])
    }

    #[test]
    fn the_store_is_bounded_in_bytes_and_gives_them_back() {
        let store = ResourceStore::default();
        let mut documents = store.lock();
        let large = 8_000_000;
        for n in 0..8 {
            documents
                .insert(Collection::Things, &n.to_string(), document(large))
                .unwrap();
        }
        let full = documents.insert(Collection::Feeds, "8", document(large));
        assert_eq!(full.unwrap_err().code, "resource.full");
        let full = documents.replace(Collection::Things, "0", |own| {
            own.insert("y".to_owned(), Value::from("y".repeat(large / 2)));
        });
        assert_eq!(full.unwrap_err().code, "resource.full");
        assert!(documents.get(Collection::Feeds, "8").is_none());
        for n in 0..8 {
            assert!(documents.remove(Collection::Things, &n.to_string()));
        }
        assert!(!documents.remove(Collection::Things, "0"));
        assert_eq!((documents.bytes, documents.numbers.len()), (0, 0));
    }

    #[test]
    fn the_store_is_bounded_in_number() {
        let store = ResourceStore::default();
        let mut documents = store.lock();
        for n in 0..MAX_RESOURCES {
            documents
                .insert(Collection::Things, &n.to_string(), Document::new())
                .unwrap();
        }
        let full = documents.insert(Collection::Feeds, "one more", Document::new());
        assert_eq!(full.unwrap_err().code, "resource.full");
        assert_eq!(documents.all(Collection::Things).len(), MAX_RESOURCES);
        assert!(documents.all(Collection::Feeds).is_empty());
    }
}
