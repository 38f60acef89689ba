//! Errors that keep a session from starting.

use crate::upstream::credentials::StoreError;
use crate::upstream::transport::SetupError;

/// Error of [`Session::new`](super::Session::new).
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    #[error(transparent)]
    Client(#[from] SetupError),
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No folder is configured for the paired device's credentials.
    #[error("allow_pairing needs a folder for the credentials; set daemon.state_dir")]
    NoStateDir,
}
