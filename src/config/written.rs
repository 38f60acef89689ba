//! Every value as it was written, key by key, so that a reload can say what has changed. Some of it
//! is secret, so that digests are kept: they tell whether two texts are the same, within this
//! process alone.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use config::{Value, ValueKind};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::route::Route;

/// Every key that is set, with the digest of its value as text.
#[derive(Clone, Debug, Default)]
pub struct Written(BTreeMap<String, Digest>);

type Digest = [u8; 32];

/// Goes into every digest, so that nobody finds a short secret by trying.
static SALT: LazyLock<[u8; 32]> = LazyLock::new(rand::random);

impl Written {
    /// The keys in which another state of the settings differs, each as it is written in the file.
    pub fn changed(&self, other: &Self) -> Vec<String> {
        let mut keys: Vec<String> = self.0.keys().chain(other.0.keys()).cloned().collect();
        keys.sort_unstable();
        keys.dedup();
        keys.retain(|key| self.0.get(key) != other.0.get(key));
        keys
    }

    /// Takes down every value of the tree.
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

    /// Takes down one text more of a key: what the file that it names holds.
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
