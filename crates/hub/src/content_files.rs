//! Content files on disk: seeds in the folder of the settings, which are only read, and uploads in
//! a folder that the network owns, within a budget.
//!
//! A seed is opened component by component from its folder, and no component may be a link:
//! whatever happens to that folder while the network runs, nothing outside of it is ever delivered.
//! An upload appears under its name once it is completely on disk, and is removed when no node
//! refers to it.

use std::collections::{HashMap, HashSet};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex};

use rustix::fs::{Mode, OFlags, openat};

use super::content_node::{FileLocation, RemovedFile, StoredFile};
use super::error::ApiError;
use super::store::Store;
use super::temporary_folder::TemporaryFolder;
use super::tokens::hex;
use expd_server::lock::lock;

/// Part of the budget that one identity may use: half.
const IDENTITY_DIVISOR: u64 = 2;

/// Suffix of an incomplete upload.
const PART: &str = "part";

/// Length of an upload's name.
const NAME_LENGTH: usize = 32;

pub(super) struct ContentFiles {
    seeds: Option<OwnedFd>,
    uploads: Mutex<Folder>,
    /// Bytes of all uploads.
    budget: u64,
    used: Arc<Mutex<Used>>,
    store: Store,
}

enum Folder {
    /// Beside the store; outlives the run.
    Kept(PathBuf),
    /// Created for the first upload, and removed with the value.
    Temporary(Option<TemporaryFolder>),
}

#[derive(Default)]
struct Used {
    all: u64,
    by_owner: HashMap<String, u64>,
}

impl ContentFiles {
    /// Opens the files below `seeds`, and the uploads in `kept`, if they outlive the run.
    ///
    /// # Errors
    /// A folder cannot be opened or created.
    pub(super) fn open(
        seeds: Option<&Path>,
        kept: Option<PathBuf>,
        budget: u64,
        store: Store,
    ) -> io::Result<Self> {
        let directory = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let seeds = seeds
            .map(|folder| rustix::fs::open(folder, directory, Mode::empty()))
            .transpose()?;
        let uploads = match kept {
            Some(folder) => {
                let mut builder = DirBuilder::new();
                builder.recursive(true).mode(0o700).create(&folder)?;
                Folder::Kept(folder)
            }
            None => Folder::Temporary(None),
        };
        Ok(Self {
            seeds,
            uploads: Mutex::new(uploads),
            budget,
            used: Arc::default(),
            store,
        })
    }

    /// Charges the uploads that nodes refer to, and removes all others.
    pub(super) fn settle<'a>(
        &self,
        uploads: impl Iterator<Item = (&'a StoredFile, Option<&'a str>)>,
    ) -> io::Result<()> {
        let mut known = HashSet::new();
        let used = &mut *lock(&self.used);
        for (file, owner) in uploads {
            if let FileLocation::Upload(name) = &file.place {
                used.add(owner, file.size);
                known.insert(name.as_str());
            }
        }
        let Folder::Kept(folder) = &*lock(&self.uploads) else {
            return Ok(());
        };
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_str().unwrap_or_default();
            let (bare, is_part) = match name.strip_suffix(PART).and_then(|n| n.strip_suffix('.')) {
                Some(bare) => (bare, true),
                None => (name, false),
            };
            // Files that this network did not create are not its to remove.
            if is_upload_name(bare) && (is_part || !known.contains(bare)) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    /// Opens a file for reading. Blocks on the disk.
    pub(super) fn read(&self, place: &FileLocation) -> io::Result<File> {
        let file = match place {
            FileLocation::Seed(path) => self.read_seed(path)?,
            FileLocation::Upload(name) => {
                let path = self.upload_path(name).ok_or(io::ErrorKind::NotFound)?;
                File::open(path)?
            }
        };
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("it is no file"));
        }
        Ok(file)
    }

    fn read_seed(&self, path: &Path) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let seeds = self.seeds.as_ref().ok_or(io::ErrorKind::NotFound)?;
        let mut folder = None::<OwnedFd>;
        let mut names = path.components().peekable();
        while let Some(Component::Normal(name)) = names.next() {
            let at = folder.as_ref().unwrap_or(seeds).as_fd();
            if names.peek().is_none() {
                return Ok(openat(at, name, flags, Mode::empty())?.into());
            }
            folder = Some(openat(at, name, flags | OFlags::DIRECTORY, Mode::empty())?);
        }
        Err(io::ErrorKind::NotFound.into())
    }

    /// Begins an upload of an identity. Blocks on the disk.
    pub(super) fn begin(&self, owner: &str) -> io::Result<Upload> {
        let name = hex(&rand::random::<[u8; NAME_LENGTH / 2]>());
        let folder = self.make_folder()?;
        let part = folder.join(&name).with_extension(PART);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&part)?;
        Ok(Upload {
            file: Some(file),
            part: Some(part),
            whole: folder.join(&name),
            folder,
            name,
            reserved: Reserved {
                bytes: 0,
                owner: owner.to_owned(),
                budget: self.budget,
                used: self.used.clone(),
            },
        })
    }

    /// Removes files without references, once the removal of those is committed.
    ///
    /// # Errors
    /// A panic ended the removal early.
    pub(super) async fn remove(&self, files: Vec<RemovedFile>) -> Result<(), ApiError> {
        let mut paths = Vec::new();
        for file in files {
            lock(&self.used).subtract(file.owner.as_deref(), file.size);
            paths.extend(self.upload_path(&file.upload));
        }
        let Err(paths) = self.store.remove_files(paths) else {
            return Ok(());
        };
        let removed = tokio::task::spawn_blocking(move || {
            for path in paths {
                if let Err(error) = fs::remove_file(&path) {
                    log::warn!("cannot remove {}: {error}", path.display());
                }
            }
        });
        let ended = removed.await;
        ended.map_err(|error| ApiError::internal(format!("files were not removed: {error}")))
    }

    fn upload_path(&self, name: &str) -> Option<PathBuf> {
        if !is_upload_name(name) {
            return None;
        }
        match &*lock(&self.uploads) {
            Folder::Kept(folder) => Some(folder.join(name)),
            Folder::Temporary(folder) => Some(folder.as_ref()?.path().join(name)),
        }
    }

    fn make_folder(&self) -> io::Result<PathBuf> {
        match &mut *lock(&self.uploads) {
            Folder::Kept(folder) => Ok(folder.clone()),
            Folder::Temporary(Some(folder)) => Ok(folder.path().to_owned()),
            Folder::Temporary(none) => {
                let folder = TemporaryFolder::make(&std::env::temp_dir())?;
                let path = folder.path().to_owned();
                *none = Some(folder);
                Ok(path)
            }
        }
    }
}

/// An upload in progress; removed on drop, unless it was finished and kept.
pub(super) struct Upload {
    file: Option<File>,
    part: Option<PathBuf>,
    whole: PathBuf,
    folder: PathBuf,
    name: String,
    reserved: Reserved,
}

/// Bytes that an upload has reserved in the budget, released on drop.
struct Reserved {
    bytes: u64,
    owner: String,
    budget: u64,
    used: Arc<Mutex<Used>>,
}

impl Upload {
    /// Takes the file to write to, once.
    pub(super) fn take_file(&mut self) -> io::Result<File> {
        self.file
            .take()
            .ok_or_else(|| io::Error::other("the upload has no file any more"))
    }

    pub(super) fn size(&self) -> u64 {
        self.reserved.bytes
    }

    /// Reserves further bytes in the budget.
    pub(super) fn reserve(&mut self, bytes: usize) -> Result<(), ApiError> {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let Reserved {
            budget,
            owner,
            used,
            bytes: reserved,
        } = &mut self.reserved;
        let used = &mut *lock(used);
        let own = used.by_owner.get(owner).copied().unwrap_or(0);
        if used.all.saturating_add(bytes) > *budget
            || own.saturating_add(bytes) > *budget / IDENTITY_DIVISOR
        {
            return Err(no_space(*budget));
        }
        used.add(Some(owner), bytes);
        *reserved += bytes;
        Ok(())
    }

    /// Syncs the written file to disk, under its name. Blocks on the disk.
    pub(super) fn finish(mut self, file: &File) -> io::Result<FinishedUpload> {
        file.sync_all()?;
        if let Some(part) = &self.part {
            fs::rename(part, &self.whole)?;
            self.part = Some(self.whole.clone());
        }
        File::open(&self.folder)?.sync_all()?;
        Ok(FinishedUpload(self))
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let Some(part) = &self.part
            && let Err(error) = fs::remove_file(part)
        {
            log::warn!("cannot remove the upload {}: {error}", part.display());
        }
    }
}

/// A complete upload; removed on drop, unless it is kept.
pub(super) struct FinishedUpload(Upload);

impl FinishedUpload {
    pub(super) fn size(&self) -> u64 {
        self.0.size()
    }

    pub(super) fn place(&self) -> FileLocation {
        FileLocation::Upload(self.0.name.clone())
    }

    /// Leaves the file to the node that now refers to it.
    pub(super) fn keep(mut self) {
        self.0.part = None;
        self.0.reserved.bytes = 0;
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        lock(&self.used).subtract(Some(&self.owner), self.bytes);
    }
}

impl Used {
    fn add(&mut self, owner: Option<&str>, bytes: u64) {
        self.all += bytes;
        if let Some(owner) = owner {
            *self.by_owner.entry(owner.to_owned()).or_default() += bytes;
        }
    }

    fn subtract(&mut self, owner: Option<&str>, bytes: u64) {
        self.all = self.all.saturating_sub(bytes);
        if let Some(owner) = owner
            && let Some(own) = self.by_owner.get_mut(owner)
        {
            *own = own.saturating_sub(bytes);
            if *own == 0 {
                self.by_owner.remove(owner);
            }
        }
    }
}

fn is_upload_name(name: &str) -> bool {
    name.len() == NAME_LENGTH && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn no_space(budget: u64) -> ApiError {
    ApiError::full(
        "content.full",
        format!(
            "uploads may use {budget} bytes of disk (hub.content_bytes), those of one identity half of that; delete a file first"
        ),
    )
}

#[cfg(test)]
mod tests;
