//! A private folder with a unit's credentials, for the time of a command.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// The folder; it goes with this.
#[derive(Debug)]
pub struct CredentialFolder(PathBuf);

impl CredentialFolder {
    /// Makes an empty one: for root where nothing reaches a disk, else for links alone.
    ///
    /// # Errors
    /// It cannot be made.
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

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for CredentialFolder {
    fn drop(&mut self) {
        // A leftover is readable for nobody else, and gone at the next boot.
        std::fs::remove_dir_all(&self.0).ok();
    }
}
