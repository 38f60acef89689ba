//! Errors that keep a session from starting.

use crate::upstream::credentials::StoreError;

/// Error of [`Session::new`](super::Session::new).
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    #[error("{0}")]
    Client(String),
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No folder is configured for the paired device's credentials.
    #[error("allow_pairing needs a folder for the credentials; set daemon.state_dir")]
    NoStateDir,
}
