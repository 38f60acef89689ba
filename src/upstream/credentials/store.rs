//! The paired device's key on disk.
//!
//! One file an instance, readable by the daemon's user alone. It is whole at any moment: a new one is written beside it and
//! renamed over it, both on the disk before anybody is told.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::DeviceKey;

/// Where a paired device's key is kept: one file, readable by the daemon's user alone.
#[derive(Clone, Debug)]
pub struct PairedStore {
    file: PathBuf,
}

/// What is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredKey {
    /// The key.
    #[serde(flatten)]
    pub key: DeviceKey,
    /// A digest of the credentials in the settings when the device was paired. Where the settings have changed since, the
    /// operator's newer word holds. Missing: the key holds whatever the settings say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instead_of: Option<String>,
}

/// Why a paired device's key could not be kept or read.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} the paired device's credentials at {}: {source}; {}", path.display(), remedy(source))]
pub struct StoreError {
    doing: &'static str,
    path: PathBuf,
    source: io::Error,
}

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "free some space on its disk",
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "make daemon.state_dir writable for expd's user, or choose another"
        }
        io::ErrorKind::InvalidData => {
            "put a copy of the file in its place, or pair the device again"
        }
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            "daemon.state_dir has to be a folder; move away what is there, or choose another"
        }
        _ => "check daemon.state_dir",
    }
}

impl StoreError {
    /// Whether there is no room, which may pass.
    pub fn is_full_disk(&self) -> bool {
        matches!(
            self.source.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
        )
    }
}

impl PairedStore {
    /// The store of an instance, in the daemon's state folder.
    pub fn new(state_dir: &Path, instance: &str) -> Self {
        Self {
            file: state_dir.join(format!("{instance}.credentials.json")),
        }
    }

    /// Finds out, before anybody is paired, whether a key could be kept. Makes the folder where it is missing.
    ///
    /// # Errors
    /// The folder cannot be made or written to.
    pub fn check_writable(&self) -> Result<(), StoreError> {
        let probe = self.file.with_extension("probe");
        self.make_folder()?;
        create_private(&probe).map_err(self.failed("make room for"))?;
        fs::remove_file(&probe).map_err(self.failed("make room for"))
    }

    /// The key, if the device is paired.
    ///
    /// # Errors
    /// The file is there and cannot be read, or holds something else.
    pub fn read(&self) -> Result<Option<StoredKey>, StoreError> {
        match fs::read(&self.file) {
            Ok(text) => match serde_json::from_slice::<StoredKey>(&text) {
                Ok(stored) if stored.key.is_whole() => Ok(Some(stored)),
                Ok(_) => Err(self.unfit("its uuid or its secret is empty".to_owned())),
                Err(error) => Err(self.unfit(error.to_string())),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed("read")(error)),
        }
    }

    /// Keeps a key: either the old file stays whole or the new one is, whenever the power goes.
    ///
    /// # Errors
    /// What could not be done.
    pub fn write(&self, key: &StoredKey) -> Result<(), StoreError> {
        self.make_folder()?;
        let text = serde_json::to_vec(key)
            .map_err(|error| self.failed("write")(io::Error::other(error)))?;
        let fresh = self.file.with_extension("new");
        let written = create_private(&fresh).and_then(|mut file| {
            file.write_all(&text)?;
            file.sync_all()?;
            fs::rename(&fresh, &self.file)?;
            self.sync_folder()
        });
        written.map_err(|error| {
            // Half a file is of no use; that it cannot be removed either changes nothing.
            fs::remove_file(&fresh).ok();
            self.failed("write")(error)
        })
    }

    /// Forgets the key.
    ///
    /// # Errors
    /// The file is there and cannot be removed.
    pub fn remove(&self) -> Result<(), StoreError> {
        match fs::remove_file(&self.file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(self.failed("remove")(error))
            }
            Err(_) => Ok(()),
            Ok(()) => self.sync_folder().map_err(self.failed("remove")),
        }
    }

    /// Puts a file that cannot be understood out of the way, for somebody to look at.
    ///
    /// # Errors
    /// It cannot be renamed.
    pub fn set_aside(&self) -> Result<PathBuf, StoreError> {
        let aside = self.file.with_extension("unreadable");
        fs::rename(&self.file, &aside).map_err(self.failed("set aside"))?;
        Ok(aside)
    }

    /// Where the key is kept.
    pub fn file(&self) -> &Path {
        &self.file
    }

    fn make_folder(&self) -> Result<(), StoreError> {
        let Some(folder) = self.file.parent() else {
            return Ok(());
        };
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(self.failed("make the folder for"))
    }

    fn sync_folder(&self) -> io::Result<()> {
        match self.file.parent() {
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    }

    fn unfit(&self, why: String) -> StoreError {
        self.failed("understand")(io::Error::new(io::ErrorKind::InvalidData, why))
    }

    fn failed(&self, doing: &'static str) -> impl Fn(io::Error) -> StoreError + '_ {
        move |source| StoreError {
            doing,
            path: self.file.clone(),
            source,
        }
    }
}

/// A new or emptied file that its owner alone may read.
fn create_private(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    // A left-over of that name keeps its own mode.
    file.set_permissions(Permissions::from_mode(0o600))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exp::Secret;

    fn key() -> StoredKey {
        StoredKey {
            key: DeviceKey {
                uuid: "u".to_owned(),
                secret: Secret::new("s"),
            },
            instead_of: Some("digest".to_owned()),
        }
    }

    #[test]
    fn a_key_is_kept_private_and_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let store = PairedStore::new(&folder.path().join("state"), "default");
        store.check_writable().unwrap();
        assert_eq!(store.read().unwrap(), None);
        store.write(&key()).unwrap();
        assert_eq!(store.read().unwrap(), Some(key()));
        let mode = fs::metadata(&store.file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let folder_mode = fs::metadata(store.file.parent().unwrap()).unwrap();
        assert_eq!(folder_mode.permissions().mode() & 0o777, 0o700);
        store.remove().unwrap();
        store.remove().unwrap();
        assert_eq!(store.read().unwrap(), None);
        let left = fs::read_dir(store.file.parent().unwrap()).unwrap().count();
        assert_eq!(left, 0, "no temporary file stays behind");
    }

    #[test]
    fn what_cannot_be_understood_is_named_and_set_aside() {
        let folder = tempfile::tempdir().unwrap();
        let store = PairedStore::new(folder.path(), "default");
        fs::write(&store.file, "{").unwrap();
        let error = store.read().unwrap_err().to_string();
        assert!(error.contains("default.credentials.json"), "{error}");
        store.set_aside().unwrap();
        assert_eq!(store.read().unwrap(), None);
    }
}
