//! The folder of a socket, held open: operations on its files use this folder even if its path
//! leads elsewhere later, and the files themselves, never the target of a symbolic link.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Gid, Mode, OFlags, Stat};

use super::error::IpcError;
use crate::exposure::{self, Others, Ownership, User};

/// An open folder.
#[derive(Debug)]
pub(super) struct Folder {
    handle: OwnedFd,
    path: PathBuf,
}

impl Folder {
    /// Opens a folder. A symbolic link is an error unless `follow` is set.
    pub(super) fn open(path: &Path, follow: bool) -> io::Result<Self> {
        let link = if follow {
            OFlags::empty()
        } else {
            OFlags::NOFOLLOW
        };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC | link;
        Ok(Self {
            handle: rustix::fs::open(path, flags, Mode::empty())?,
            path: path.to_owned(),
        })
    }

    /// Owner and mode.
    pub(super) fn ownership(&self) -> io::Result<Ownership> {
        Ok(ownership(&rustix::fs::fstat(&self.handle)?))
    }

    /// Sets the folder's mode, whatever the umask.
    pub(super) fn set_mode(&self, mode: u32) -> io::Result<()> {
        set_mode(&self.handle, mode)
    }

    /// The path of a file in it, for messages.
    pub(super) fn path_of(&self, name: &OsStr) -> PathBuf {
        self.path.join(name)
    }

    /// Metadata of the file that has this name now.
    pub(super) fn look_at(&self, name: &OsStr) -> io::Result<Stat> {
        Ok(rustix::fs::statat(
            &self.handle,
            name,
            AtFlags::SYMLINK_NOFOLLOW,
        )?)
    }

    /// Opens a file (a symbolic link itself) to refer to it even if another takes its name later.
    pub(super) fn pin(&self, name: &OsStr) -> io::Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(rustix::fs::openat(
            &self.handle,
            name,
            flags,
            Mode::empty(),
        )?)
    }

    /// Opens a file, never through a symbolic link.
    pub(super) fn open_file(&self, name: &OsStr, flags: OFlags, mode: u32) -> io::Result<OwnedFd> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(mode);
        Ok(rustix::fs::openat(&self.handle, name, flags, mode)?)
    }

    pub(super) fn remove(&self, name: &OsStr) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.handle, name, AtFlags::empty())?)
    }

    /// Refuses a folder in which everyone may replace the socket, and one behind another user's
    /// symbolic link. Warns of one in which a few others may.
    pub(super) fn check(&self) -> Result<(), IpcError> {
        let unsafe_folder = |fault: String| IpcError::UnsafeFolder {
            folder: self.path.clone(),
            fault,
        };
        for part in self.path.ancestors() {
            if let Ok(metadata) = std::fs::symlink_metadata(part)
                && metadata.is_symlink()
                && !exposure::is_trusted(std::os::unix::fs::MetadataExt::uid(&metadata))
            {
                let owner = User(std::os::unix::fs::MetadataExt::uid(&metadata));
                let fault = format!("the symbolic link {} belongs to {owner}", part.display());
                return Err(unsafe_folder(fault));
            }
        }
        let ownership = self
            .ownership()
            .map_err(|error| unsafe_folder(error.to_string()))?;
        match ownership.writers() {
            Some(Others::Everybody) => {
                let fault = "everybody may replace the socket in it".to_owned();
                return Err(unsafe_folder(fault));
            }
            Some(others) => {
                log::warn!(
                    "{others} may replace the socket in its folder {} and pose as the daemon; change the folder's owner and mode, or choose another --socket",
                    self.path.display()
                );
            }
            None => {
                if let Some(exposure) = exposure::changeable(&self.path) {
                    log::warn!(
                        "{exposure}, and with it the socket's folder; {}",
                        exposure.remedy()
                    );
                }
            }
        }
        Ok(())
    }
}

/// Owner and mode in file metadata.
pub(super) fn ownership(stat: &Stat) -> Ownership {
    Ownership {
        uid: stat.st_uid,
        gid: stat.st_gid,
        mode: stat.st_mode,
        folder: rustix::fs::FileType::from_raw_mode(stat.st_mode).is_dir(),
    }
}

/// Sets the mode of a pinned file, through `/proc`: Linux has a system call for that only since
/// 6.6.
pub(super) fn set_mode(pinned: &OwnedFd, mode: u32) -> io::Result<()> {
    let mode = Mode::from_raw_mode(mode);
    Ok(rustix::fs::chmod(proc_path(pinned), mode)?)
}

pub(super) fn set_group(pinned: &OwnedFd, group: u32) -> io::Result<()> {
    let group = Some(Gid::from_raw(group));
    Ok(rustix::fs::chownat(
        pinned,
        "",
        None,
        group,
        AtFlags::EMPTY_PATH,
    )?)
}

/// Path to a pinned file, whatever its name.
pub(super) fn proc_path(pinned: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", pinned.as_raw_fd())
}
