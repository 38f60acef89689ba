//! What was written, key by key, so that a reload can say what has changed. It holds secrets, and prints nothing.

use std::collections::BTreeMap;

use config::{Value, ValueKind};

use super::route::Route;
use crate::exp::Secret;

/// Every key that is set, with its value as text.
#[derive(Clone, Debug, Default)]
pub struct Written(BTreeMap<String, Secret>);

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
            _ => self.note(route, &value.to_string()),
        }
    }

    /// Takes down one text more of a key: what the file that it names holds.
    pub(super) fn note(&mut self, route: &Route, text: &str) {
        let key = route.to_string();
        let before = self.0.get(&key).map(Secret::expose).unwrap_or_default();
        let text = format!("{before}\n{text}");
        self.0.insert(key, Secret::new(text));
    }
}

fn holds_tables(items: &[Value]) -> bool {
    let table = |item: &Value| matches!(item.kind, ValueKind::Table(_));
    items.iter().any(table)
}
