//! The paired device's key on disk.
//!
//! One file per instance, readable by the daemon's user alone, and complete at any moment: a new
//! one is written beside it, synced and renamed over it. Symbolic links are not followed, and a
//! file of another user is not trusted.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::DeviceKey;
use crate::exposure::{self, Others, Ownership, User};

/// Bound on the file's size, above any key's.
const LARGEST: u64 = 64 << 10;

/// Store of one paired device's key.
#[derive(Clone, Debug)]
pub struct PairedStore {
    file: PathBuf,
}

/// Contents of the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredKey {
    #[serde(flatten)]
    pub key: DeviceKey,
    /// Digest of the configured credentials at the time of pairing. If the settings have changed
    /// since, the operator's newer credentials take precedence. Without a digest the key always
    /// does.
    #[serde(
        rename = "instead_of",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub settings_digest: Option<String>,
}

/// Error of storing or reading a paired device's key.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} the paired device's credentials at {}: {source}; {remedy}", path.display())]
pub struct StoreError {
    doing: &'static str,
    path: PathBuf,
    source: io::Error,
    remedy: String,
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
    /// True if the disk is full, which may be temporary.
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

    /// Checks, before a device is paired, that a key could be stored. Creates a missing folder.
    ///
    /// # Errors
    /// The folder cannot be created or written to.
    pub fn check_writable(&self) -> Result<(), StoreError> {
        let probe = self.file.with_extension("probe");
        self.make_folder()?;
        if let Some(exposure) = self.file.parent().and_then(exposure::changeable) {
            log::warn!(
                "{exposure}, and with it the paired device's credentials at {}; {}",
                self.file.display(),
                exposure.remedy()
            );
        }
        create_private(&probe).map_err(self.failed("make room for"))?;
        fs::remove_file(&probe).map_err(self.failed("make room for"))
    }

    /// The stored key, if the device is paired.
    ///
    /// # Errors
    /// The file exists, and cannot be read or holds something else.
    pub fn read(&self) -> Result<Option<StoredKey>, StoreError> {
        match self.read_file() {
            Ok(text) => match serde_json::from_slice::<StoredKey>(&text) {
                Ok(stored) if stored.key.is_whole() => Ok(Some(stored)),
                Ok(_) => Err(self.unfit("its uuid or its secret is empty".to_owned())),
                Err(error) => Err(self.unfit(error.to_string())),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed("read")(error)),
        }
    }

    /// Reads the file. Users who can write to its folder may have put anything there.
    fn read_file(&self) -> io::Result<Zeroizing<Vec<u8>>> {
        let file = OpenOptions::new()
            .read(true)
            .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed())
            .open(&self.file)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(invalid("it is not a regular file".to_owned()));
        }
        if !exposure::is_trusted(metadata.uid()) {
            return Err(invalid(format!("it is owned by {}", User(metadata.uid()))));
        }
        if let Some(others) = Ownership::from(&metadata).readers() {
            let path = self.file.display();
            let taken = file.set_permissions(Permissions::from_mode(0o600));
            let now = match taken {
                Ok(()) => "its mode is now 0600".to_owned(),
                Err(error) => format!("chmod 0600 {path} ({error})"),
            };
            log::warn!(
                "{others} could read the paired device's credentials at {path}; {now}; pair the device again if they have leaked"
            );
        }
        let room = usize::try_from(metadata.len().min(LARGEST)).unwrap_or_default();
        let mut text = Zeroizing::new(Vec::with_capacity(room + 1));
        file.take(LARGEST + 1).read_to_end(&mut text)?;
        if text.len() as u64 > LARGEST {
            return Err(invalid(format!("it is larger than {LARGEST} bytes")));
        }
        Ok(text)
    }

    /// Stores a key. After a loss of power either the old file or the new one is complete.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, key: &StoredKey) -> Result<(), StoreError> {
        self.make_folder()?;
        let text = serde_json::to_vec(key)
            .map(Zeroizing::new)
            .map_err(|error| self.failed("write")(io::Error::other(error)))?;
        let fresh = self.file.with_extension("new");
        let written = create_private(&fresh).and_then(|mut file| {
            file.write_all(&text)?;
            file.sync_all()?;
            fs::rename(&fresh, &self.file)?;
            self.sync_folder()
        });
        written.map_err(|error| {
            // Half a file is of no use; a failure to remove it changes nothing.
            fs::remove_file(&fresh).ok();
            self.failed("write")(error)
        })
    }

    /// Removes the stored key.
    ///
    /// # Errors
    /// The file exists and cannot be removed.
    pub fn remove(&self) -> Result<(), StoreError> {
        match fs::remove_file(&self.file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(self.failed("remove")(error))
            }
            Err(_) => Ok(()),
            Ok(()) => self.sync_folder().map_err(self.failed("remove")),
        }
    }

    /// Renames a file that cannot be parsed, so that an operator can examine it.
    ///
    /// # Errors
    /// The file cannot be renamed.
    pub fn set_aside(&self) -> Result<PathBuf, StoreError> {
        let aside = self.file.with_extension("unreadable");
        fs::rename(&self.file, &aside).map_err(self.failed("set aside"))?;
        Ok(aside)
    }

    /// Path of the file.
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
            .map_err(self.failed("make the folder for"))?;
        let metadata = fs::metadata(folder).map_err(self.failed("make the folder for"))?;
        if Ownership::from(&metadata).writers() == Some(Others::Everybody) {
            let folder = folder.display();
            return Err(StoreError {
                doing: "keep",
                path: self.file.clone(),
                source: io::Error::other(format!("everybody may change {folder}")),
                remedy: format!("chmod o-w {folder}, or choose another daemon.state_dir"),
            });
        }
        Ok(())
    }

    fn sync_folder(&self) -> io::Result<()> {
        match self.file.parent() {
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    }

    fn unfit(&self, why: String) -> StoreError {
        self.failed("understand")(invalid(why))
    }

    fn failed(&self, doing: &'static str) -> impl Fn(io::Error) -> StoreError + '_ {
        move |source| StoreError {
            doing,
            path: self.file.clone(),
            remedy: remedy(&source).to_owned(),
            source,
        }
    }
}

fn invalid(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

/// Creates a file that only its owner may read, replacing one that a killed daemon left behind or
/// another user put there.
fn create_private(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    // The umask may have removed bits.
    file.set_permissions(Permissions::from_mode(0o600))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use expd_domain::Secret;

    fn key() -> StoredKey {
        StoredKey {
            key: DeviceKey {
                uuid: "u".to_owned(),
                secret: Secret::new("s"),
            },
            settings_digest: Some("digest".to_owned()),
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
    fn no_link_is_followed_and_a_key_that_others_could_read_is_closed() {
        let folder = tempfile::tempdir().unwrap();
        let store = PairedStore::new(folder.path(), "default");
        let precious = folder.path().join("precious");
        fs::write(&precious, "precious").unwrap();
        for extension in ["new", "probe"] {
            let link = store.file.with_extension(extension);
            std::os::unix::fs::symlink(&precious, link).unwrap();
        }
        store.check_writable().unwrap();
        store.write(&key()).unwrap();
        assert_eq!(fs::read_to_string(&precious).unwrap(), "precious");
        assert_eq!(store.read().unwrap(), Some(key()));
        fs::set_permissions(&store.file, Permissions::from_mode(0o644)).unwrap();
        assert_eq!(store.read().unwrap(), Some(key()));
        let mode = fs::metadata(&store.file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        // A link's target was not stored by the daemon.
        fs::rename(&store.file, &precious).unwrap();
        std::os::unix::fs::symlink(&precious, &store.file).unwrap();
        store.read().unwrap_err();
    }

    #[test]
    fn a_folder_that_everybody_may_change_keeps_no_key() {
        let folder = tempfile::tempdir().unwrap();
        let store = PairedStore::new(folder.path(), "default");
        fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).unwrap();
        let error = store.check_writable().unwrap_err().to_string();
        assert!(
            error.contains("everybody may change") && error.contains("chmod o-w"),
            "{error}"
        );
        store.write(&key()).unwrap_err();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o1777)).unwrap();
        store.write(&key()).unwrap();
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
