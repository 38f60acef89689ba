//! Digests of all values by key, compared at a reload to find the keys that have changed. The
//! values themselves may be secrets. Digests are comparable within one process only.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use config::{Value, ValueKind};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::route::Route;

/// Digests of all keys that are set.
#[derive(Clone, Debug, Default)]
pub struct ValueDigests(BTreeMap<String, Digest>);

type Digest = [u8; 32];

/// Salt of all digests, so that a short secret cannot be found by trying.
static SALT: LazyLock<[u8; 32]> = LazyLock::new(rand::random);

impl ValueDigests {
    /// Keys whose values differ, in the form of the file.
    pub fn changed(&self, other: &Self) -> Vec<String> {
        let mut keys: Vec<String> = self.0.keys().chain(other.0.keys()).cloned().collect();
        keys.sort_unstable();
        keys.dedup();
        keys.retain(|key| self.0.get(key) != other.0.get(key));
        keys
    }

    /// True if `key` differs: in its value, or in the content of the file that it names.
    pub fn differs_at(&self, other: &Self, key: &str) -> bool {
        self.0.get(key) != other.0.get(key)
    }

    /// Adds every value of a tree.
    pub(super) fn note_all(&mut self, route: &Route, value: &Value) {
        match &value.kind {
            ValueKind::Table(table) => {
                for (name, value) in table {
                    self.note_all(&route.key(name), value);
                }
            }
            ValueKind::Array(items) if holds_tables(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.note_all(&route.item(index), item);
                }
            }
            _ => self.note(route, &Zeroizing::new(value.to_string())),
        }
    }

    /// Adds the content of the file that a key names to the key's digest.
    pub(super) fn note(&mut self, route: &Route, text: &str) {
        let key = route.to_string();
        let before = self.0.get(&key).copied().unwrap_or_default();
        let digest = Sha256::new()
            .chain_update(*SALT)
            .chain_update(before)
            .chain_update(text)
            .finalize();
        self.0.insert(key, digest.into());
    }
}

fn holds_tables(items: &[Value]) -> bool {
    let table = |item: &Value| matches!(item.kind, ValueKind::Table(_));
    items.iter().any(table)
}
