//! Binding a socket: lock, stale file, mode and group, then listen.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FileType, Mode, Stat};
use rustix::net::SocketAddrUnix;

use super::error::{IpcError, LONGEST_PATH};
use super::folder::{self, Folder};
use super::location;
use super::lock::{Holder, Lock, LockOutcome};
use super::probe::{SocketProbe, new_socket, probe, probe_name};
use crate::access::{Peer, accounts};
use crate::exposure::User;
use expd_client::SocketPath;

/// Backlog of connections that are not accepted yet. A quarter of the kernel's limit
/// (`net.core.somaxconn`, 4,096 today) holds all applications of a host that reconnect at once
/// after a restart.
const BACKLOG: i32 = 1024;

/// A bound and listening Unix socket.
#[derive(Debug)]
pub struct BoundSocket {
    listener: UnixListener,
    file: SocketFile,
}

/// Guard of a socket's file, which is removed with it.
#[derive(Debug)]
pub struct SocketGuard {
    _file: SocketFile,
}

/// Ownership of the socket's file.
#[derive(Debug)]
pub(super) enum SocketFile {
    /// Created, and to be removed, by this process.
    Ours {
        folder: Arc<Folder>,
        name: OsString,
        /// Device and inode.
        identity: (u64, u64),
        /// Released after the file is removed.
        _lock: Lock,
    },
    /// The service manager's, which keeps it for the next start.
    Inherited,
}

impl BoundSocket {
    /// A listening socket passed on by the service manager.
    pub fn inherited(listener: UnixListener) -> Self {
        Self {
            listener,
            file: SocketFile::Inherited,
        }
    }

    /// The path that clients connect to, if there is one.
    pub fn path(&self) -> Option<PathBuf> {
        let address = self.listener.local_addr().ok()?;
        address.as_pathname().map(Path::to_owned)
    }

    /// Splits it into the socket, for a server of its own, and the guard of its file.
    ///
    /// # Errors
    /// The runtime cannot register it.
    pub fn into_listener(self) -> io::Result<(tokio::net::UnixListener, SocketGuard)> {
        let (listener, file) = self.into_parts()?;
        let guard = SocketGuard { _file: file };
        Ok((tokio::net::UnixListener::from_std(listener)?, guard))
    }

    /// Splits it into the socket, made non-blocking, and the ownership of its file.
    pub(super) fn into_parts(self) -> io::Result<(UnixListener, SocketFile)> {
        self.listener.set_nonblocking(true)?;
        Ok((self.listener, self.file))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let Self::Ours {
            folder,
            name,
            identity,
            ..
        } = self
        else {
            return;
        };
        let ours = folder
            .look_at(name)
            .is_ok_and(|file| is_same(&file, *identity));
        if ours && let Err(error) = folder.remove(name) {
            let path = folder.path_of(name);
            log::warn!("cannot remove the socket file {}: {error}", path.display());
        }
    }
}

/// Binds a socket and listens on it. The file has its mode and group before any client can connect.
///
/// A lock beside the path excludes other daemons from before the first look at the file until the
/// socket is closed, so that a stale file can be removed without a race. The socket listens last:
/// until then the kernel refuses all connections, whatever the file's mode. Group and mode are set
/// on the created file itself, even if another file has its name by then; symbolic links are not
/// followed.
///
/// # Errors
/// Another program listens there, another file is in the way, everyone may write to the folder, or
/// the file system refuses.
pub fn bind(
    socket_path: &SocketPath,
    mode: u32,
    group: Option<&str>,
) -> Result<BoundSocket, IpcError> {
    let path = &socket_path.path;
    if path.as_os_str().len() > LONGEST_PATH {
        return Err(IpcError::PathTooLong { path: path.clone() });
    }
    let group = group.map(find_group).transpose()?;
    let folder = Arc::new(location::open_folder(socket_path)?);
    let name = location::name(socket_path)?;
    let failed = |doing| {
        move |source: io::Error| IpcError::Bind {
            path: path.clone(),
            doing,
            source,
        }
    };
    let lock = match Lock::take(&folder, name).map_err(failed("lock"))? {
        LockOutcome::Taken(lock) => lock,
        LockOutcome::Held(holder) => {
            return Err(lock_held(path, &holder, probe_name(&folder, name)));
        }
    };
    remove_stale_file(path, &folder, name)?;

    let address = SocketAddrUnix::new(path.as_path()).map_err(|e| failed("name")(e.into()))?;
    let socket = new_socket().map_err(failed("open"))?;
    // The kernel creates the file with the socket's mode, less the umask, so that at no time it is
    // more permissive than configured.
    rustix::fs::fchmod(&socket, Mode::from_raw_mode(mode))
        .map_err(|e| failed("set the mode of")(e.into()))?;
    rustix::net::bind(&socket, &address).map_err(|e| failed("bind")(e.into()))?;
    let (pinned, stat) = pin_created(&folder, name).map_err(failed("find"))?;
    // From here on, a failure removes the file again.
    let file = SocketFile::Ours {
        folder: folder.clone(),
        name: name.to_owned(),
        identity: (stat.st_dev, stat.st_ino),
        _lock: lock,
    };
    // The hardened unit forbids chown, so it is avoided where the file has the group already.
    if let Some(group) = group.filter(|group| *group != stat.st_gid) {
        folder::set_group(&pinned, group).map_err(failed("set the group of"))?;
    }
    folder::set_mode(&pinned, mode).map_err(failed("set the mode of"))?;
    rustix::net::listen(&socket, BACKLOG).map_err(|e| failed("listen on")(e.into()))?;
    // A user who may write to the folder may have replaced the file; a daemon that no client finds
    // is worse than none.
    let named = folder.look_at(name).map_err(failed("find"))?;
    if !is_same(&named, (stat.st_dev, stat.st_ino)) {
        return Err(failed("keep")(replaced()));
    }
    Ok(BoundSocket {
        listener: UnixListener::from(socket),
        file,
    })
}

/// Pins the file of the socket that was just bound. It may have been replaced where others may
/// write to the folder: anything but a socket of this user with a single name is refused.
fn pin_created(folder: &Folder, name: &OsStr) -> io::Result<(OwnedFd, Stat)> {
    let file = folder.pin(name)?;
    let stat = rustix::fs::fstat(&file)?;
    let own = stat.st_uid == rustix::process::geteuid().as_raw() && stat.st_nlink == 1;
    let alone = folder.ownership()?.writers().is_none();
    if FileType::from_raw_mode(stat.st_mode).is_socket() && (own || alone) {
        Ok((file, stat))
    } else {
        Err(replaced())
    }
}

fn replaced() -> io::Error {
    io::Error::other("another file was put in its place")
}

/// True for the file with this device and inode.
fn is_same(file: &Stat, identity: (u64, u64)) -> bool {
    (file.st_dev, file.st_ino) == identity
}

fn find_group(name: &str) -> Result<u32, IpcError> {
    match accounts::group_id(name) {
        Ok(Some(id)) => Ok(id),
        Ok(None) => Err(IpcError::NoGroup {
            group: name.to_owned(),
        }),
        Err(source) => Err(IpcError::FindGroup {
            group: name.to_owned(),
            source,
        }),
    }
}

/// Removes a stale socket file; anything else in its place is an error.
fn remove_stale_file(path: &Path, folder: &Folder, name: &OsStr) -> Result<(), IpcError> {
    let failed = |doing| {
        move |source: io::Error| IpcError::Bind {
            path: path.to_owned(),
            doing,
            source,
        }
    };
    let file = match folder.pin(name) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed("look at")(error)),
    };
    let stat = rustix::fs::fstat(&file).map_err(|e| failed("look at")(e.into()))?;
    if !FileType::from_raw_mode(stat.st_mode).is_socket() {
        return Err(IpcError::NotASocket {
            path: path.to_owned(),
        });
    }
    match probe(&file) {
        Ok(SocketProbe::Stale) => match folder.remove(name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(failed("remove the stale")(error))
            }
            _ => Ok(()),
        },
        Ok(SocketProbe::Live(peer)) => Err(IpcError::Busy {
            path: path.to_owned(),
            holder: match peer {
                Some(Peer { pid: 1, .. }) => {
                    "the service manager (for a socket unit) is listening".to_owned()
                }
                // An expd would hold the lock.
                Some(peer) => format!(
                    "another program (pid {}, of {}) is listening",
                    peer.pid,
                    User(peer.uid)
                ),
                None => "another program is listening".to_owned(),
            },
        }),
        Err(error) => Err(failed("probe")(error)),
    }
}

/// Error for a lock that another process holds. Only processes of this user and of root can lock a
/// file that an expd created.
fn lock_held(path: &Path, holder: &Holder, probe: io::Result<SocketProbe>) -> IpcError {
    if !holder.is_trusted() {
        return IpcError::ForeignLock {
            path: path.to_owned(),
            lock: holder.file.clone(),
            owner: holder.owner(),
            process: holder
                .process()
                .map_or_else(String::new, |process| format!(" and is held by {process}")),
        };
    }
    IpcError::Busy {
        path: path.to_owned(),
        holder: match (probe, holder.process()) {
            (Ok(SocketProbe::Live(Some(peer))), _) => {
                format!("another expd (pid {}) is listening", peer.pid)
            }
            (Ok(SocketProbe::Live(None)), _) => "another expd is listening".to_owned(),
            (_, Some(process)) => {
                format!("another expd that starts or ends ({process}) has the lock")
            }
            (_, None) => "another expd that starts or ends has the lock".to_owned(),
        },
    }
}

#[cfg(test)]
mod tests;
