//! Private folder with a unit's credentials, for the duration of a command.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// The folder; removed on drop.
#[derive(Debug)]
pub struct CredentialFolder(PathBuf);

impl CredentialFolder {
    /// Creates an empty folder: for root in memory (`/run`), for others among the temporary files.
    ///
    /// # Errors
    /// The folder cannot be created.
    pub fn new() -> io::Result<Self> {
        let is_root = rustix::process::geteuid().is_root();
        let parent = if is_root {
            PathBuf::from("/run")
        } else {
            std::env::temp_dir()
        };
        let name = format!("expd-check-{}", uuid::Uuid::new_v4().simple());
        let folder = parent.join(name);
        DirBuilder::new().mode(0o700).create(&folder)?;
        Ok(Self(folder))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for CredentialFolder {
    fn drop(&mut self) {
        // A leftover is readable only by this user, and gone after the next boot.
        std::fs::remove_dir_all(&self.0).ok();
    }
}
