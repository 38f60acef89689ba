//! Data items, in memory.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

use super::error::ApiError;
use super::lock::lock;
use expd_domain::Payload;

/// How many data items there are.
const MAX_ITEMS: usize = 10_000;

/// How much they take together: sixteen of the largest.
const MAX_DATA_BYTES: usize = 256 * 1024 * 1024;

/// The data items of one network.
#[derive(Default)]
pub(super) struct DataStore(Mutex<Items>);

/// All items. Their lock is held while a change is announced.
#[derive(Default)]
pub(super) struct Items {
    documents: HashMap<(String, String), Payload>,
    bytes: usize,
}

impl DataStore {
    pub(super) fn lock(&self) -> MutexGuard<'_, Items> {
        lock(&self.0)
    }
}

impl Items {
    pub(super) fn get(&self, name: &(String, String)) -> Option<&Payload> {
        self.documents.get(name)
    }

    /// Keeps a document under a group and a key.
    ///
    /// # Errors
    /// Where there is no room for it.
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
                    "this network keeps {MAX_ITEMS} data items of {MAX_DATA_BYTES} bytes together; delete one first"
                ),
            ));
        }
        self.bytes = bytes;
        self.documents.insert(name, document);
        Ok(())
    }

    /// Forgets a document; false when there was none.
    pub(super) fn remove(&mut self, name: &(String, String)) -> bool {
        let removed = self.documents.remove(name);
        self.bytes -= removed.as_ref().map_or(0, |old| size(name, old));
        removed.is_some()
    }
}

/// The names are held twice: in the document, too.
fn size((group, key): &(String, String), document: &Payload) -> usize {
    document.as_str().len() + group.len() + key.len()
}
