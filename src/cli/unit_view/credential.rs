//! Credentials of a unit: where each comes from, and its value as the service will have it.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use expd_domain::Secret;
use zeroize::Zeroizing;

/// Folders of credentials that a unit names without a path.
const STORES: [&str; 3] = ["/etc/credstore", "/run/credstore", "/usr/lib/credstore"];

/// Folders of the encrypted ones.
const ENCRYPTED_STORES: [&str; 3] = [
    "/etc/credstore.encrypted",
    "/run/credstore.encrypted",
    "/usr/lib/credstore.encrypted",
];

/// A credential of a unit.
#[derive(Debug)]
pub(super) struct Credential {
    name: String,
    origin: Origin,
}

/// A list of credentials as lines of a unit make it: each line adds to it, replaces what an earlier
/// one said, or empties it.
#[derive(Debug, Default)]
pub(super) struct Credentials {
    /// `LoadCredential=` and `LoadCredentialEncrypted=`.
    loaded: Vec<Credential>,
    /// `SetCredential=` and `SetCredentialEncrypted=`: for names that nothing is loaded for.
    set: Vec<Credential>,
}

impl Credentials {
    /// Reads an assignment.
    ///
    /// # Errors
    /// The unit does not start with it.
    pub(super) fn assign(&mut self, key: &str, value: &str) -> Result<(), String> {
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

    /// True where the unit has none.
    pub(super) fn is_empty(&self) -> bool {
        self.loaded.is_empty() && self.set.is_empty()
    }

    /// Puts all into a folder. Returns the faults that keep the service from having them.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub(super) fn place(&self, folder: &Path) -> std::io::Result<Vec<String>> {
        let mut faults = Vec::new();
        for credential in self.loaded.iter().chain(&self.set) {
            faults.extend(credential.place(folder)?);
        }
        Ok(faults)
    }
}

#[derive(Debug)]
enum Origin {
    File(PathBuf),
    Text(Secret),
    EncryptedFile(PathBuf),
    EncryptedText(String),
    /// The manager alone knows its value.
    Manager,
}

impl Credential {
    /// Reads an assignment of a unit: `LoadCredential=`, `SetCredential=` and their encrypted kin.
    /// None for a credential that is nowhere, which systemd passes over.
    ///
    /// # Errors
    /// The unit does not start with it.
    fn read(key: &str, value: &str) -> Result<Option<Self>, String> {
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
                Err(format!(
                    "{key}={value}: there is no {path}, so that the unit does not start; create \
                     it, or take the line out"
                ))
            }
        };
        let origin = match (key, source) {
            ("LoadCredential", "") => stored(STORES).map(Origin::File),
            ("LoadCredential", path) if path.starts_with('/') => Some(Origin::File(named(path)?)),
            ("LoadCredentialEncrypted", "") => stored(ENCRYPTED_STORES).map(Origin::EncryptedFile),
            ("LoadCredentialEncrypted", path) if path.starts_with('/') => {
                Some(Origin::EncryptedFile(named(path)?))
            }
            ("SetCredential", text) => Some(Origin::Text(Secret::new(text))),
            ("SetCredentialEncrypted", text) => Some(Origin::EncryptedText(text.to_owned())),
            _ => Some(Origin::Manager),
        };
        let name = name.to_owned();
        Ok(origin.map(|origin| Self { name, origin }))
    }

    /// Puts it into a folder, as systemd does for the service. Returns the fault that keeps the
    /// service from having it.
    ///
    /// # Errors
    /// The folder cannot be written.
    fn place(&self, folder: &Path) -> std::io::Result<Option<String>> {
        let target = folder.join(&self.name);
        // What is loaded counts more than what is set.
        if target.symlink_metadata().is_ok() {
            return Ok(None);
        }
        let decrypted = match &self.origin {
            Origin::File(file) => return symlink(file, target).map(|()| None),
            Origin::Text(text) => return write(&target, text.expose().as_bytes()).map(|()| None),
            // That it is set is what counts.
            Origin::Manager => return write(&target, b"(not known here)").map(|()| None),
            Origin::EncryptedFile(file) => self.decrypt(&file.display().to_string(), b""),
            Origin::EncryptedText(text) => self.decrypt("-", text.as_bytes()),
        };
        match decrypted {
            Ok(value) => write(&target, &value).map(|()| None),
            Err(fault) => {
                write(&target, b"(encrypted)")?;
                Ok(fault)
            }
        }
    }

    /// Decrypts it as the manager does. The error is the fault of the credential, or none where
    /// this process is not in a position to judge.
    fn decrypt(&self, file: &str, input: &[u8]) -> Result<Zeroizing<Vec<u8>>, Option<String>> {
        // The host's key is root's.
        if !rustix::process::geteuid().is_root() {
            return Err(None);
        }
        let mut command = Command::new("systemd-creds");
        command.arg(format!("--name={}", self.name));
        command.args(["decrypt", file, "-"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let child = command.stderr(Stdio::piped()).spawn();
        let mut child = child.map_err(|_| None)?;
        if let Some(mut stdin) = child.stdin.take() {
            // It says by itself what is missing.
            stdin.write_all(input).ok();
        }
        let output = child.wait_with_output().map_err(|_| None)?;
        if output.status.success() {
            return Ok(Zeroizing::new(output.stdout));
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(Some(format!(
            "the credential {} cannot be decrypted on this host ({}), so that the unit does not \
             start; encrypt it here: systemd-creds encrypt --name={}",
            self.name,
            said.trim(),
            self.name
        )))
    }
}

/// Writes a file that nobody else may read.
fn write(file: &Path, value: &[u8]) -> std::io::Result<()> {
    let mut options = fs::OpenOptions::new();
    let options = options.write(true).create_new(true).mode(0o600);
    options.open(file)?.write_all(value)
}
