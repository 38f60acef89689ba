//! Wipes values from memory, since some are secrets.

use config::{Value, ValueKind};
use zeroize::Zeroize as _;

/// Overwrites every text in a tree of values.
pub(super) fn wipe(value: &mut Value) {
    wipe_kind(&mut value.kind);
}

pub(super) fn wipe_kind(kind: &mut ValueKind) {
    match kind {
        ValueKind::String(text) => text.zeroize(),
        ValueKind::Table(table) => table.values_mut().for_each(wipe),
        ValueKind::Array(items) => items.iter_mut().for_each(wipe),
        _ => {}
    }
}
