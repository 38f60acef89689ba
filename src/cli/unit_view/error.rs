//! Faults of a unit, each with its remedy.

use std::io;
use std::path::PathBuf;

/// Fault that keeps a unit's service from starting, or from reading what its settings name.
#[derive(Debug, thiserror::Error)]
pub enum UnitError {
    #[error(
        "{key}={value}: {path} does not exist, so the unit cannot start; create it, or remove the \
         line"
    )]
    NoCredentialFile {
        key: String,
        value: String,
        path: String,
    },
    #[error(
        "the credential {name} cannot be decrypted on this host ({stderr}), so the unit cannot \
         start; encrypt it here: systemd-creds encrypt --name={name}"
    )]
    Undecryptable {
        name: String,
        /// Standard error of `systemd-creds`.
        stderr: String,
    },
    #[error(
        "EnvironmentFile={path} cannot be read: {source}; create it, or write \
         EnvironmentFile=-{path}"
    )]
    EnvironmentFile { path: String, source: io::Error },
    #[error("User={user}: no such user; create it (systemd-sysusers), or name another one")]
    NoUser { user: String },
    /// The unit's user cannot read a file of the settings.
    #[error("{key}: {user} cannot read {} ({reason}); {remedy}", file.display())]
    Unreadable {
        /// The setting that names the file.
        key: String,
        user: String,
        file: PathBuf,
        reason: String,
        remedy: String,
    },
}
