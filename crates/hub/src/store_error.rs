//! Errors of the store.

use std::io;

/// The store cannot be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("{0}")]
    Database(Box<redb::Error>),
    #[error("{0}")]
    File(#[from] io::Error),
    #[error("it is of format {0:?}, which this version does not know")]
    Format(String),
}

impl StoreError {
    pub(super) fn database(error: impl Into<redb::Error>) -> Self {
        Self::Database(Box::new(error.into()))
    }
}
