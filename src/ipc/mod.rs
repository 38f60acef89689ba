//! Local sockets: where they are ([`SocketPath`]), how one is bound ([`bind`]), and how connections are taken from it, each
//! with its peer's identity ([`Incoming`], [`Caller`](crate::access::Caller)).
//!
//! Promises: of two daemons that want one path, one gets it, and never by pushing a live one aside; nobody can connect before the
//! socket has its mode and group; the file goes when the socket does, and only if it is still that socket's.

mod folder;
mod incoming;
mod lock;
mod peer;
mod place;
mod refusal;
mod writer;

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FileType, Mode, Stat};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

pub use incoming::{Incoming, Listener, allow_open_files};
pub use peer::PeerStream;
pub use place::{default_path, runtime_directory};

pub use expd_client::SocketPath;

use crate::access::{Peer, accounts};
use crate::exposure::User;
use folder::Folder;
use lock::{Holder, Lock, Taken};

/// The longest path that the kernel takes as a socket's address, without its closing zero.
const LONGEST_PATH: usize = 107;

/// Connections that wait in the kernel to be accepted. The kernel's own cap (`net.core.somaxconn`) is 4,096 today; a quarter of
/// it holds every app of a host that comes back at once after a restart.
const BACKLOG: i32 = 1024;

/// A bound and listening Unix socket.
#[derive(Debug)]
pub struct BoundSocket {
    listener: UnixListener,
    file: SocketFile,
}

/// Who takes care of the socket's file.
#[derive(Debug)]
enum SocketFile {
    /// This process made it, and removes it.
    Ours {
        folder: Arc<Folder>,
        name: OsString,
        /// Device and inode.
        identity: (u64, u64),
        /// Held as long as the socket is, and let go after the file is gone.
        _lock: Lock,
    },
    /// The service manager made it, and keeps it for the next start.
    Inherited,
}

impl BoundSocket {
    /// A listening socket that the service manager passed on.
    pub fn inherited(listener: UnixListener) -> Self {
        Self {
            listener,
            file: SocketFile::Inherited,
        }
    }

    /// The path that clients connect to, where there is one.
    pub fn path(&self) -> Option<PathBuf> {
        let address = self.listener.local_addr().ok()?;
        address.as_pathname().map(Path::to_owned)
    }

    pub(super) fn listener(&self) -> &UnixListener {
        &self.listener
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
        let ours = folder.look_at(name).is_ok_and(|file| is(&file, *identity));
        if ours && let Err(error) = folder.remove(name) {
            let path = folder.path_of(name);
            log::warn!("cannot remove the socket file {}: {error}", path.display());
        }
    }
}

/// Binds a socket and listens on it, with its file's permission bits and group set before anybody can connect.
///
/// A lock beside the path keeps other daemons out from before the first look at the file until the socket is closed, so that a
/// stale file can be removed without a race. The socket listens last: until then the kernel refuses all connections, whatever
/// the file's mode. Group and mode are set on the file that was made, whatever stands at its name
/// meanwhile; no symbolic link is followed.
///
/// # Errors
/// When another program listens there, when something else than a socket is in the way, when
/// everybody may write to the folder, or when the file system refuses.
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
    let folder = Arc::new(place::open_folder(socket_path)?);
    let name = place::name(socket_path)?;
    let failed = |doing| {
        move |source: io::Error| IpcError::Bind {
            path: path.clone(),
            doing,
            source,
        }
    };
    let lock = match Lock::take(&folder, name).map_err(failed("lock"))? {
        Taken::Ours(lock) => lock,
        Taken::Theirs(holder) => return Err(held(path, &holder, probe_name(&folder, name))),
    };
    clear_the_way(path, &folder, name)?;

    let address = SocketAddrUnix::new(path.as_path()).map_err(|e| failed("name")(e.into()))?;
    let socket = new_socket().map_err(failed("open"))?;
    // The kernel makes the file with the mode of the socket, less the umask: at no time may more
    // connect than are meant to.
    rustix::fs::fchmod(&socket, Mode::from_raw_mode(mode))
        .map_err(|e| failed("set the mode of")(e.into()))?;
    rustix::net::bind(&socket, &address).map_err(|e| failed("bind")(e.into()))?;
    let (pinned, stat) = made(&folder, name).map_err(failed("find"))?;
    // From here on, a failure removes the file again.
    let file = SocketFile::Ours {
        folder: folder.clone(),
        name: name.to_owned(),
        identity: (stat.st_dev, stat.st_ino),
        _lock: lock,
    };
    if let Some(group) = group {
        folder::set_group(&pinned, group).map_err(failed("set the group of"))?;
    }
    folder::set_mode(&pinned, mode).map_err(failed("set the mode of"))?;
    rustix::net::listen(&socket, BACKLOG).map_err(|e| failed("listen on")(e.into()))?;
    // Whoever may write to the folder may have put another file there; a daemon that nobody finds
    // is worse than none.
    let named = folder.look_at(name).map_err(failed("find"))?;
    if !is(&named, (stat.st_dev, stat.st_ino)) {
        return Err(failed("keep")(replaced()));
    }
    Ok(BoundSocket {
        listener: UnixListener::from(socket),
        file,
    })
}

/// Holds on to the file of the socket that was just bound. Where others may write to the folder it
/// may be another one by now: anything but a socket of this user with one name is refused.
fn made(folder: &Folder, name: &OsStr) -> io::Result<(OwnedFd, Stat)> {
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
    io::Error::other("somebody has put another file in its place")
}

/// True for the file with this device and inode.
fn is(file: &Stat, identity: (u64, u64)) -> bool {
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

/// Removes a stale socket file; anything else in the way is an error.
fn clear_the_way(path: &Path, folder: &Folder, name: &OsStr) -> Result<(), IpcError> {
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
        Ok(Probe::Stale) => match folder.remove(name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(failed("remove the stale")(error))
            }
            _ => Ok(()),
        },
        Ok(Probe::Live(peer)) => Err(IpcError::Busy {
            path: path.to_owned(),
            holder: match peer {
                Some(Peer { pid: 1, .. }) => {
                    "the service manager (for a socket unit) is listening".to_owned()
                }
                // An expd would have its lock.
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

/// The process that answers at a socket.
#[derive(Clone, Copy, Debug)]
enum Probe {
    /// Nobody: the file was left behind.
    Stale,
    /// A process, if the kernel tells which.
    Live(Option<Peer>),
}

fn probe_name(folder: &Folder, name: &OsStr) -> io::Result<Probe> {
    probe(&folder.pin(name)?)
}

/// Connects to the socket of a pinned file, whatever stands at its name by then.
fn probe(file: &OwnedFd) -> io::Result<Probe> {
    let address = SocketAddrUnix::new(folder::proc_path(file))?;
    let socket = new_socket()?;
    match rustix::net::connect(&socket, &address) {
        Ok(()) => {
            let peer = rustix::net::sockopt::socket_peercred(&socket).ok();
            Ok(Probe::Live(peer.map(|peer| Peer {
                pid: peer.pid.as_raw_nonzero().get(),
                uid: peer.uid.as_raw(),
                gid: peer.gid.as_raw(),
            })))
        }
        // Somebody listens who has no time now, or on another type of socket: no reason to take the place.
        Err(Errno::AGAIN | Errno::PROTOTYPE) => Ok(Probe::Live(None)),
        Err(Errno::CONNREFUSED | Errno::NOENT) => Ok(Probe::Stale),
        Err(error) => Err(error.into()),
    }
}

/// Another process has the lock. None but this user's processes and root's can have one on a file
/// that an expd made.
fn held(path: &Path, holder: &Holder, probe: io::Result<Probe>) -> IpcError {
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
            (Ok(Probe::Live(Some(peer))), _) => {
                format!("another expd (pid {}) is listening", peer.pid)
            }
            (Ok(Probe::Live(None)), _) => "another expd is listening".to_owned(),
            (_, Some(process)) => {
                format!("another expd that starts or ends ({process}) has the lock")
            }
            (_, None) => "another expd that starts or ends has the lock".to_owned(),
        },
    }
}

fn new_socket() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(rustix::net::socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        flags,
        None,
    )?)
}

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub enum IpcError {
    /// Somebody else is there.
    #[error("{holder} on {}; stop it or choose another --socket", path.display())]
    Busy {
        /// The socket.
        path: PathBuf,
        /// That process and its part, as far as it is known.
        holder: String,
    },
    /// Another user keeps the lock, by accident or on purpose.
    #[error(
        "cannot lock the socket {}: {} belongs to {owner}{process}, who keeps expd from starting; remove it, and choose a folder \
         that only expd's user may write to (--socket)",
        path.display(), lock.display()
    )]
    ForeignLock {
        /// The socket.
        path: PathBuf,
        /// The lock's file.
        lock: PathBuf,
        /// Its owner.
        owner: String,
        /// The process that holds it, where that is known.
        process: String,
    },
    /// Some file of somebody's is there.
    #[error("{} is not a socket and is left alone; remove it or choose another --socket", path.display())]
    NotASocket {
        /// The file.
        path: PathBuf,
    },
    /// The kernel's limit.
    #[error("the socket's path {} is longer than {LONGEST_PATH} bytes; choose a shorter --socket", path.display())]
    PathTooLong {
        /// The path.
        path: PathBuf,
    },
    /// The folder is not there and cannot be made.
    #[error("cannot make the socket's folder {}: {source}; choose another --socket", folder.display())]
    MakeFolder {
        /// The folder.
        folder: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Others could put a socket of theirs into it.
    #[error("the socket's folder {} is not safe: {fault}; correct its owner and mode, remove it, or choose another --socket", folder.display())]
    UnsafeFolder {
        /// The folder.
        folder: PathBuf,
        /// What is wrong with it.
        fault: String,
    },
    /// No such group.
    #[error(
        "there is no group {group:?} for the socket; create it (groupadd --system) or change daemon.socket_group"
    )]
    NoGroup {
        /// Its name.
        group: String,
    },
    /// The name service failed.
    #[error(
        "cannot look up the socket's group {group:?}: {source}; check nsswitch.conf or change daemon.socket_group"
    )]
    FindGroup {
        /// Its name.
        group: String,
        /// The system's reason.
        source: io::Error,
    },
    /// The system refused.
    #[error("cannot {doing} the socket {}: {source}; {}", path.display(), bind_remedy(source))]
    Bind {
        /// The socket.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// The system's reason.
        source: io::Error,
    },
}

fn bind_remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => "create its folder or choose another --socket",
        io::ErrorKind::PermissionDenied => {
            "run as a user who may write to its folder, or choose another --socket"
        }
        _ => "choose another --socket",
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    fn folder() -> (tempfile::TempDir, SocketPath) {
        let folder = tempfile::tempdir().unwrap();
        let place = SocketPath::named(folder.path().join("expd.sock"));
        (folder, place)
    }

    fn names(folder: &tempfile::TempDir) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_socket_has_its_mode_and_group_and_leaves_nothing_behind() {
        let (folder, place) = folder();
        for mode in [0o600, 0o660, 0o666] {
            let socket = bind(&place, mode, Some("root")).unwrap();
            let metadata = std::fs::metadata(&place.path).unwrap();
            assert_eq!(metadata.mode() & 0o777, mode);
            assert_eq!(metadata.gid(), 0);
            assert_eq!(socket.path(), Some(place.path.clone()));
            std::os::unix::net::UnixStream::connect(&place.path).unwrap();
            drop(socket);
            assert!(names(&folder).is_empty(), "{:?}", names(&folder));
        }
    }

    #[test]
    fn a_live_daemon_is_left_alone_and_named() {
        let (_folder, place) = folder();
        let first = bind(&place, 0o600, None).unwrap();
        let error = bind(&place, 0o600, None).unwrap_err().to_string();
        let wanted = format!(
            "another expd (pid {}) is listening on {}; stop it or choose another --socket",
            std::process::id(),
            place.path.display()
        );
        assert_eq!(error, wanted);
        std::os::unix::net::UnixStream::connect(&place.path).unwrap();
        drop(first);
        bind(&place, 0o600, None).unwrap();
    }

    fn probe_path(path: &Path) -> io::Result<Probe> {
        let folder = Folder::open(path.parent().unwrap(), true).unwrap();
        probe_name(&folder, path.file_name().unwrap())
    }

    /// A socket that has its file and does not listen.
    fn bound(path: &Path) -> OwnedFd {
        let socket = new_socket().unwrap();
        rustix::net::bind(&socket, &SocketAddrUnix::new(path).unwrap()).unwrap();
        socket
    }

    /// Leaves a file as a daemon does that was killed. One that had listened would live on in a process that another test starts
    /// at that moment, until it runs its program.
    fn leave_stale_file(path: &Path) {
        drop(bound(path));
    }

    #[test]
    fn a_live_socket_without_a_lock_is_left_alone_too_however_busy() {
        let (_folder, place) = folder();
        let socket = bound(&place.path);
        rustix::net::listen(&socket, 0).unwrap();
        for _ in 0..3 {
            let error = bind(&place, 0o600, None).unwrap_err();
            assert!(matches!(error, IpcError::Busy { .. }), "{error}");
        }
        let full = (0..3).any(|_| matches!(probe_path(&place.path), Ok(Probe::Live(None))));
        assert!(full, "the backlog of one should be full by now");
    }

    #[test]
    fn a_stale_file_is_replaced() {
        let (folder, place) = folder();
        leave_stale_file(&place.path);
        assert_eq!(names(&folder), ["expd.sock"]);
        let socket = bind(&place, 0o600, None).unwrap();
        std::os::unix::net::UnixStream::connect(&place.path).unwrap();
        drop(socket);
    }

    #[test]
    fn what_is_no_socket_is_left_alone() {
        let (_folder, place) = folder();
        std::fs::write(&place.path, "precious").unwrap();
        let error = bind(&place, 0o600, None).unwrap_err();
        assert!(matches!(error, IpcError::NotASocket { .. }), "{error}");
        assert_eq!(std::fs::read_to_string(&place.path).unwrap(), "precious");
        std::fs::remove_file(&place.path).unwrap();
        // Neither is a link that leads to one.
        let elsewhere = place.path.with_extension("other");
        let _live = UnixListener::bind(&elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &place.path).unwrap();
        let error = bind(&place, 0o600, None).unwrap_err();
        assert!(matches!(error, IpcError::NotASocket { .. }), "{error}");
    }

    #[test]
    fn a_file_that_took_the_sockets_place_stays() {
        let (_folder, place) = folder();
        let socket = bind(&place, 0o600, None).unwrap();
        std::fs::remove_file(&place.path).unwrap();
        std::fs::write(&place.path, "somebody else's").unwrap();
        drop(socket);
        assert!(place.path.exists());
    }

    #[test]
    fn of_many_that_start_at_once_one_wins() {
        for _ in 0..50 {
            let (folder, place) = folder();
            // A stale file in the way makes it harder.
            leave_stale_file(&place.path);
            let start = std::sync::Barrier::new(4);
            let bound: Vec<_> = std::thread::scope(|scope| {
                let starters: Vec<_> = (0..4)
                    .map(|_| {
                        scope.spawn(|| {
                            start.wait();
                            bind(&place, 0o600, None)
                        })
                    })
                    .collect();
                starters
                    .into_iter()
                    .map(|starter| starter.join().unwrap())
                    .collect()
            });
            assert_eq!(bound.iter().filter(|bound| bound.is_ok()).count(), 1);
            for error in bound.iter().filter_map(|bound| bound.as_ref().err()) {
                assert!(matches!(error, IpcError::Busy { .. }), "{error}");
            }
            std::os::unix::net::UnixStream::connect(&place.path).unwrap();
            drop(bound);
            assert!(names(&folder).is_empty());
        }
    }

    #[test]
    fn refusals_name_the_path_and_the_remedy() {
        let (folder, _) = folder();
        let far = folder.path().join("x".repeat(108));
        let error = bind(&SocketPath::named(far), 0o600, None).unwrap_err();
        assert!(matches!(error, IpcError::PathTooLong { .. }), "{error}");
        let gone = folder.path().join("gone/expd.sock");
        let error = bind(&SocketPath::named(&gone), 0o600, None).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "cannot open the folder of the socket {}: No such file or directory (os error 2); create its folder or choose another --socket",
                gone.display()
            )
        );
        let fine = SocketPath::named(folder.path().join("s"));
        let error = bind(&fine, 0o600, Some("no-such-group-here")).unwrap_err();
        assert!(matches!(error, IpcError::NoGroup { .. }), "{error}");
        assert!(names(&folder).is_empty());
    }

    #[test]
    fn an_inherited_sockets_file_stays() {
        let (folder, place) = folder();
        let socket = BoundSocket::inherited(UnixListener::bind(&place.path).unwrap());
        assert_eq!(socket.path(), Some(place.path.clone()));
        drop(socket);
        assert_eq!(names(&folder), ["expd.sock"]);
    }
}
