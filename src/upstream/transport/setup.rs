//! Errors of setting up the HTTP client.

use expd_wire::ConnectError;

/// Error of configuring an instance's HTTP client.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The proxy setting, shown without its credentials, is invalid.
    #[error("the proxy setting ({0}) is not a URL; write http://[user:password@]host:port")]
    Proxy(String),
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("the HTTP client cannot be set up: {0:?}")]
    Client(reqwest::Error),
}
