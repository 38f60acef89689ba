//! Errors of binding a socket, with the remedy for each.

use std::io;
use std::path::PathBuf;

/// The kernel's limit of a socket's path, without the terminating zero byte.
pub(super) const LONGEST_PATH: usize = 107;

/// Reason why no socket could be bound.
#[derive(Debug, thiserror::Error)]
pub enum IpcError {
    /// Another process listens there.
    #[error("{holder} on {}; stop it or choose another --socket", path.display())]
    Busy {
        path: PathBuf,
        /// Description of that process, as far as it is known.
        holder: String,
    },
    /// Another user holds the lock, by accident or on purpose.
    #[error(
        "cannot lock the socket {}: {} belongs to {owner}{process}, who keeps expd from starting; remove it, and choose a folder \
         that only expd's user may write to (--socket)",
        path.display(), lock.display()
    )]
    ForeignLock {
        path: PathBuf,
        /// Lock file.
        lock: PathBuf,
        /// Owner of the lock file.
        owner: String,
        /// Process that holds the lock, if known.
        process: String,
    },
    /// Another file is in the way.
    #[error("{} is not a socket and is left alone; remove it or choose another --socket", path.display())]
    NotASocket { path: PathBuf },
    /// The path exceeds the kernel's limit.
    #[error("the socket's path {} is longer than {LONGEST_PATH} bytes; choose a shorter --socket", path.display())]
    PathTooLong { path: PathBuf },
    /// The folder is missing and cannot be created.
    #[error("cannot create the socket's folder {}: {source}; choose another --socket", folder.display())]
    MakeFolder { folder: PathBuf, source: io::Error },
    /// Others could place a socket of theirs in it.
    #[error("the socket's folder {} is not safe: {fault}; correct its owner and mode, remove it, or choose another --socket", folder.display())]
    UnsafeFolder { folder: PathBuf, fault: String },
    /// The group does not exist.
    #[error(
        "there is no group {group:?} for the socket; create it (groupadd --system) or change daemon.socket_group"
    )]
    NoGroup { group: String },
    /// The name service failed.
    #[error(
        "cannot look up the socket's group {group:?}: {source}; check nsswitch.conf or change daemon.socket_group"
    )]
    FindGroup { group: String, source: io::Error },
    /// The system refused.
    #[error("cannot {doing} the socket {}: {source}; {}", path.display(), bind_remedy(source))]
    Bind {
        path: PathBuf,
        /// Failed operation, as it follows "cannot".
        doing: &'static str,
        source: io::Error,
    },
}

fn bind_remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => "create its folder or choose another --socket",
        io::ErrorKind::PermissionDenied => {
            "run as a user who may write to its folder, or choose another --socket"
        }
        _ => "choose another --socket",
    }
}
