//! Changes of a link's state, by the state that it entered and the cause.

use expd_domain::{LinkCause, LinkState};

use super::counter::Counter;

/// Counts of changes. States and causes are fixed words, so their number is bounded.
#[derive(Debug, Default)]
pub struct LinkChanges([[Counter; LinkCause::ALL.len()]; LinkState::ALL.len()]);

impl LinkChanges {
    /// Counts a change to `state` because of `cause`.
    pub fn inc(&self, state: LinkState, cause: LinkCause) {
        let row = LinkState::ALL.iter().position(|known| *known == state);
        let column = LinkCause::ALL.iter().position(|known| *known == cause);
        let row = row.and_then(|row| self.0.get(row));
        if let Some(counter) = row.zip(column).and_then(|(row, column)| row.get(column)) {
            counter.inc();
        }
    }

    /// The changes that there were.
    pub fn counts(&self) -> impl Iterator<Item = (LinkState, LinkCause, u64)> {
        let rows = LinkState::ALL.iter().zip(&self.0);
        rows.flat_map(|(state, row)| {
            let cells = LinkCause::ALL.iter().zip(row);
            cells.map(|(cause, counter)| (*state, *cause, counter.get()))
        })
        .filter(|(.., count)| *count > 0)
    }
}
