//! Errors of the server.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::store_error::StoreError;
use expd_domain::Quoted;

pub(super) use expd_server::error::ApiError;

/// The server could not start or continue.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// Another program uses the port.
    #[error(
        "the network's address {address} is in use by another program; stop that program, or choose another address with hub.listen (port 0 takes a free one)"
    )]
    Busy {
        address: SocketAddr,
        source: io::Error,
    },
    /// The address cannot be bound for another reason.
    #[error(
        "the network cannot listen on {address}: {source}; set hub.listen to an address of this machine and a port that this user may use"
    )]
    Bind {
        address: SocketAddr,
        source: io::Error,
    },
    /// A user's password hash is invalid.
    #[error(
        "the password_hash of hub user {name} is not an Argon2 hash in PHC form: {reason}; make one with `expd hub hash-password`",
        name = Quoted(.username)
    )]
    PasswordHash { username: String, reason: String },
    /// The content folder cannot be read, or the folder of uploads cannot be created.
    #[error("the network cannot use {path}: {source}; set hub.content_dir, and hub.store, to paths that this user may use", path = .path.display())]
    Content { path: PathBuf, source: io::Error },
    /// The database cannot be opened.
    #[error(
        "the network cannot open its store {path}: {source}; only one hub can use it at a time; replace a damaged one by a backup, or remove it",
        path = .path.display()
    )]
    Store { path: PathBuf, source: StoreError },
    /// Accepting connections failed.
    #[error("the network on {address} stopped serving: {source}")]
    Serve {
        address: SocketAddr,
        source: io::Error,
    },
}

impl HubError {
    pub(super) fn bind(address: SocketAddr, source: io::Error) -> Self {
        if source.kind() == io::ErrorKind::AddrInUse {
            Self::Busy { address, source }
        } else {
            Self::Bind { address, source }
        }
    }
}
