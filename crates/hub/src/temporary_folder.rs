//! The folder of uploads that do not outlive the run.
//!
//! It is removed on drop. A killed process leaves its folder behind: the next process that creates
//! such a folder removes it. A lock on the folder proves that its owner is alive.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{FlockOperation, Mode, OFlags};
use tempfile::TempDir;

/// Prefix of the folder's name.
const PREFIX: &str = "expd-hub-";

/// Younger folders are left alone: the owner may not have locked its folder yet.
const YOUNG: Duration = Duration::from_secs(60);

/// A folder that is removed on drop.
pub(super) struct TemporaryFolder {
    folder: TempDir,
    /// Locked while the folder is in use.
    _lock: File,
}

impl TemporaryFolder {
    /// Creates one in `parent`, and removes abandoned ones there.
    pub(super) fn make(parent: &Path) -> io::Result<Self> {
        if let Err(error) = remove_abandoned(parent) {
            log::debug!(
                "looking for abandoned folders in {}: {error}",
                parent.display()
            );
        }
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent)?;
        let lock = lock(folder.path())?.ok_or_else(|| io::Error::other("it is in use"))?;
        Ok(Self {
            folder,
            _lock: lock,
        })
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Locks a folder; `None` if another process holds the lock. Follows no symbolic link.
fn lock(folder: &Path) -> io::Result<Option<File>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = rustix::fs::open(folder, flags, Mode::empty())?;
    match rustix::fs::flock(&folder, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(folder.into())),
        Err(error) if error == rustix::io::Errno::WOULDBLOCK => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Removes this user's folders whose owners are gone.
fn remove_abandoned(parent: &Path) -> io::Result<()> {
    let own = rustix::process::geteuid().as_raw();
    for entry in std::fs::read_dir(parent)? {
        let entry = entry?;
        let is_named_so = entry.file_name().to_string_lossy().starts_with(PREFIX);
        let about = match entry.metadata() {
            Ok(about) if is_named_so && about.is_dir() && about.uid() == own => about,
            _ => continue,
        };
        let age = about.modified().ok().and_then(|at| at.elapsed().ok());
        if age.is_none_or(|age| age < YOUNG) {
            continue;
        }
        if let Ok(Some(_lock)) = lock(&entry.path())
            && let Err(error) = std::fs::remove_dir_all(entry.path())
        {
            log::debug!("cannot remove {}: {error}", entry.path().display());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(parent: &Path) -> Vec<String> {
        let names = std::fs::read_dir(parent).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort_unstable();
        names
    }

    fn age(folder: &Path) {
        let old = std::time::SystemTime::now() - 2 * YOUNG;
        File::open(folder).unwrap().set_modified(old).unwrap();
    }

    #[test]
    fn what_a_killed_network_left_is_removed_and_nothing_else() {
        let parent = tempfile::tempdir().unwrap();
        let parent = parent.path();
        for name in ["expd-hub-killed", "expd-hub-young", "another-folder"] {
            std::fs::create_dir(parent.join(name)).unwrap();
        }
        std::fs::write(parent.join("expd-hub-killed/upload"), "bytes").unwrap();
        std::fs::write(parent.join("expd-hub-file"), "bytes").unwrap();
        let lives = TemporaryFolder::make(parent).unwrap();
        for name in ["expd-hub-killed", "another-folder", "expd-hub-file"] {
            age(&parent.join(name));
        }
        age(lives.path());
        let lives_name = lives.path().file_name().unwrap().to_str().unwrap();
        let own = TemporaryFolder::make(parent).unwrap();
        let own_name = own.path().file_name().unwrap().to_str().unwrap();
        let mut expected = [
            "another-folder",
            "expd-hub-file",
            "expd-hub-young",
            lives_name,
            own_name,
        ];
        expected.sort_unstable();
        assert_eq!(names(parent), expected);
        drop((lives, own));
        assert_eq!(
            names(parent),
            ["another-folder", "expd-hub-file", "expd-hub-young"]
        );
    }
}
