//! Data items: put, remove, get, and list. They are in memory, and each change goes to the store.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use super::error::ApiError;
use super::store::{Store, Table};
use expd_domain::Payload;
use expd_server::lock::lock;

const MAX_ITEMS: usize = 10_000;

/// Limit of all data items together: sixteen of maximum size.
const MAX_DATA_BYTES: usize = 256 * 1024 * 1024;

#[derive(Default)]
pub(super) struct DataStore(Mutex<Items>);

/// Data items by group and key. The lock is held while a change is broadcast.
#[derive(Default)]
pub(super) struct Items {
    documents: BTreeMap<(String, String), Arc<Payload>>,
    bytes: usize,
    store: Store,
}

impl DataStore {
    /// Takes the items of the store, and writes each later change to it.
    pub(super) fn new(store: Store, rows: Vec<(String, String)>) -> Self {
        let mut items = Items::default();
        for (key, text) in rows {
            let name = serde_json::from_str::<(String, String)>(&key).ok();
            let restored = name
                .zip(Payload::parse(text).ok())
                .is_some_and(|(name, document)| items.put(name, document).is_ok());
            if !restored {
                log::error!(
                    "invalid data item {} in the store",
                    expd_domain::Quoted(&key)
                );
            }
        }
        items.store = store;
        Self(Mutex::new(items))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Items> {
        lock(&self.0)
    }
}

impl Items {
    pub(super) fn get(&self, name: &(String, String)) -> Option<&Arc<Payload>> {
        self.documents.get(name)
    }

    /// Documents of all groups.
    pub(super) fn all(&self) -> Vec<Arc<Payload>> {
        self.documents.values().cloned().collect()
    }

    /// Stores a document under a group and a key.
    ///
    /// # Errors
    /// When the store is full.
    pub(super) fn put(
        &mut self,
        name: (String, String),
        document: Payload,
    ) -> Result<(), ApiError> {
        let size = size(&name, &document);
        let replaced = self.documents.get(&name).map(|old| self::size(&name, old));
        let bytes = self.bytes - replaced.unwrap_or(0) + size;
        if (replaced.is_none() && self.documents.len() >= MAX_ITEMS) || bytes > MAX_DATA_BYTES {
            return Err(ApiError::full(
                "data.full",
                format!(
                    "this network stores at most {MAX_ITEMS} data items with {MAX_DATA_BYTES} bytes in all; delete one first"
                ),
            ));
        }
        self.bytes = bytes;
        self.keep(&name, Some(&document));
        self.documents.insert(name, Arc::new(document));
        Ok(())
    }

    /// Keeps a document, or its removal, in the store.
    fn keep(&self, name: &(String, String), document: Option<&Payload>) {
        // Serializing two texts never fails.
        let key = serde_json::to_string(name).unwrap_or_default();
        let text = document.map(|document| document.as_str().to_owned());
        self.store.put(Table::Data, key, text);
    }

    /// Removes a document; false if there was none.
    pub(super) fn remove(&mut self, name: &(String, String)) -> bool {
        let removed = self.documents.remove(name);
        if removed.is_some() {
            self.keep(name, None);
        }
        self.bytes -= removed.as_ref().map_or(0, |old| size(name, old));
        removed.is_some()
    }
}

/// Group and key count twice: they are part of the document, too.
fn size((group, key): &(String, String), document: &Payload) -> usize {
    document.as_str().len() + group.len() + key.len()
}
