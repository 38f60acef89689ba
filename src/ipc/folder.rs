//! The folder of a socket, held open: what is done to the files in it is done in this folder,
//! whatever its path leads to later, and to the files themselves, never to what a symbolic link
//! names.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Gid, Mode, OFlags, Stat};

use super::IpcError;
use crate::exposure::{self, Others, Ownership, User};

/// An open folder.
#[derive(Debug)]
pub(super) struct Folder {
    handle: OwnedFd,
    path: PathBuf,
}

impl Folder {
    /// Opens a folder; one that is a symbolic link itself only where `follow` says so.
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

    /// Gives the folder this mode, whatever the umask.
    pub(super) fn set_mode(&self, mode: u32) -> io::Result<()> {
        set_mode(&self.handle, mode)
    }

    /// The path of a file in it, for messages.
    pub(super) fn path_of(&self, name: &OsStr) -> PathBuf {
        self.path.join(name)
    }

    /// A file as it is named now.
    pub(super) fn look_at(&self, name: &OsStr) -> io::Result<Stat> {
        Ok(rustix::fs::statat(
            &self.handle,
            name,
            AtFlags::SYMLINK_NOFOLLOW,
        )?)
    }

    /// Holds on to a file, whatever takes its name later; of a symbolic link, the link itself.
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

    /// Removes a file.
    pub(super) fn remove(&self, name: &OsStr) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.handle, name, AtFlags::empty())?)
    }

    /// Refuses a folder in which everybody may replace the socket, and one that another user's
    /// symbolic link leads to; warns of one in which somebody else may.
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
                    "{others} may replace the socket in its folder {}, and be taken for the daemon; change the folder's owner and mode, or choose another --socket",
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

/// Owner and mode of what was looked at.
pub(super) fn ownership(stat: &Stat) -> Ownership {
    Ownership {
        uid: stat.st_uid,
        gid: stat.st_gid,
        mode: stat.st_mode,
        folder: rustix::fs::FileType::from_raw_mode(stat.st_mode).is_dir(),
    }
}

/// Gives a pinned file this mode. Linux has had a call for that since 6.6 only; the way through
/// `/proc` leads to the same file.
pub(super) fn set_mode(pinned: &OwnedFd, mode: u32) -> io::Result<()> {
    let mode = Mode::from_raw_mode(mode);
    Ok(rustix::fs::chmod(proc_path(pinned), mode)?)
}

/// Gives a pinned file this group.
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

/// The path that leads to a pinned file, whatever its name.
pub(super) fn proc_path(pinned: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", pinned.as_raw_fd())
}
