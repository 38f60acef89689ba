//! Credentials of a unit: where each comes from, and its value as the service will have it.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use expd_domain::Secret;
use zeroize::Zeroizing;

use super::error::UnitError;

/// Folders of credentials that a unit names without a path.
const STORES: [&str; 3] = ["/etc/credstore", "/run/credstore", "/usr/lib/credstore"];

/// Folders of encrypted credentials.
const ENCRYPTED_STORES: [&str; 3] = [
    "/etc/credstore.encrypted",
    "/run/credstore.encrypted",
    "/usr/lib/credstore.encrypted",
];

/// A credential of a unit.
#[derive(Debug)]
pub(super) struct Credential {
    name: String,
    origin: CredentialOrigin,
}

/// Credentials of a unit in the order of its lines: each line adds one, replaces an earlier one, or
/// clears the list.
#[derive(Debug, Default)]
pub(super) struct Credentials {
    /// `LoadCredential=` and `LoadCredentialEncrypted=`.
    loaded: Vec<Credential>,
    /// `SetCredential=` and `SetCredentialEncrypted=`: for names without a loaded credential.
    set: Vec<Credential>,
}

impl Credentials {
    /// Reads an assignment.
    ///
    /// # Errors
    /// The unit does not start with it.
    pub(super) fn assign(&mut self, key: &str, value: &str) -> Result<(), UnitError> {
        let list = if key.starts_with("Load") {
            &mut self.loaded
        } else {
            &mut self.set
        };
        let name = value.split(':').next().unwrap_or(value);
        list.retain(|it| !name.is_empty() && it.name != name);
        if !name.is_empty() {
            list.extend(Credential::read(key, value)?);
        }
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.loaded.is_empty() && self.set.is_empty()
    }

    /// Writes all credentials to a folder. Returns the faults that keep the service from getting
    /// them.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub(super) fn place(&self, folder: &Path) -> std::io::Result<Vec<UnitError>> {
        let mut faults = Vec::new();
        for credential in self.loaded.iter().chain(&self.set) {
            faults.extend(credential.place(folder)?);
        }
        Ok(faults)
    }
}

#[derive(Debug)]
enum CredentialOrigin {
    File(PathBuf),
    Text(Secret),
    EncryptedFile(PathBuf),
    EncryptedText(String),
    /// Only the service manager knows the value.
    Manager,
}

impl Credential {
    /// Reads an assignment of a unit: `LoadCredential=`, `SetCredential=` and their encrypted
    /// variants. None for a missing credential that systemd skips.
    ///
    /// # Errors
    /// The unit does not start with it.
    fn read(key: &str, value: &str) -> Result<Option<Self>, UnitError> {
        let (name, source) = value.split_once(':').unwrap_or((value, ""));
        let stored = |stores: [&str; 3]| {
            let mut files = stores.iter().map(|store| Path::new(store).join(name));
            files.find(|file| file.exists())
        };
        let named = |path: &str| {
            let file = PathBuf::from(path);
            if file.exists() {
                Ok(file)
            } else {
                Err(UnitError::NoCredentialFile {
                    key: key.to_owned(),
                    value: value.to_owned(),
                    path: path.to_owned(),
                })
            }
        };
        let origin = match (key, source) {
            ("LoadCredential", "") => stored(STORES).map(CredentialOrigin::File),
            ("LoadCredential", path) if path.starts_with('/') => {
                Some(CredentialOrigin::File(named(path)?))
            }
            ("LoadCredentialEncrypted", "") => {
                stored(ENCRYPTED_STORES).map(CredentialOrigin::EncryptedFile)
            }
            ("LoadCredentialEncrypted", path) if path.starts_with('/') => {
                Some(CredentialOrigin::EncryptedFile(named(path)?))
            }
            ("SetCredential", text) => Some(CredentialOrigin::Text(Secret::new(text))),
            ("SetCredentialEncrypted", text) => {
                Some(CredentialOrigin::EncryptedText(text.to_owned()))
            }
            _ => Some(CredentialOrigin::Manager),
        };
        let name = name.to_owned();
        Ok(origin.map(|origin| Self { name, origin }))
    }

    /// Writes the credential to a folder, as systemd does for the service. Returns the fault that
    /// keeps the service from getting it.
    ///
    /// # Errors
    /// The folder cannot be written.
    fn place(&self, folder: &Path) -> std::io::Result<Option<UnitError>> {
        let target = folder.join(&self.name);
        // A loaded credential overrides one that is set.
        if target.symlink_metadata().is_ok() {
            return Ok(None);
        }
        let decrypted = match &self.origin {
            CredentialOrigin::File(file) => return symlink(file, target).map(|()| None),
            CredentialOrigin::Text(text) => {
                return write(&target, text.expose().as_bytes()).map(|()| None);
            }
            // Only its presence matters.
            CredentialOrigin::Manager => return write(&target, b"(not known here)").map(|()| None),
            CredentialOrigin::EncryptedFile(file) => self.decrypt(&file.display().to_string(), b""),
            CredentialOrigin::EncryptedText(text) => self.decrypt("-", text.as_bytes()),
        };
        match decrypted {
            Ok(Some(value)) => write(&target, &value).map(|()| None),
            Ok(None) => write(&target, b"(encrypted)").map(|()| None),
            Err(fault) => write(&target, b"(encrypted)").map(|()| Some(fault)),
        }
    }

    /// Decrypts the credential as the manager does. None where this process cannot tell: it is not
    /// root, or there is no `systemd-creds`.
    ///
    /// # Errors
    /// The credential cannot be decrypted on this host.
    fn decrypt(&self, file: &str, input: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, UnitError> {
        // Only root can read the host's key.
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        let mut command = Command::new("systemd-creds");
        command.arg(format!("--name={}", self.name));
        command.args(["decrypt", file, "-"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let Ok(mut child) = command.stderr(Stdio::piped()).spawn() else {
            return Ok(None);
        };
        if let Some(mut stdin) = child.stdin.take() {
            // If the write fails, the program itself reports what is missing.
            stdin.write_all(input).ok();
        }
        let Ok(output) = child.wait_with_output() else {
            return Ok(None);
        };
        if output.status.success() {
            return Ok(Some(Zeroizing::new(output.stdout)));
        }
        Err(UnitError::Undecryptable {
            name: self.name.clone(),
            stderr: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        })
    }
}

/// Writes a file that only this user can read.
fn write(file: &Path, value: &[u8]) -> std::io::Result<()> {
    let mut options = fs::OpenOptions::new();
    let options = options.write(true).create_new(true).mode(0o600);
    options.open(file)?.write_all(value)
}
