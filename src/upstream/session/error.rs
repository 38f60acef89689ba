//! Why a session cannot begin.

use crate::upstream::credentials::StoreError;

/// Why a session cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The HTTP client.
    #[error("{0}")]
    Client(String),
    /// The paired device's credentials.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no folder to keep the paired device's credentials in.
    #[error("allow_pairing needs a place to keep the credentials; set daemon.state_dir")]
    NoStateDir,
}
