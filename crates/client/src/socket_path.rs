//! Location of the daemon's socket: the rules that client and daemon share.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

/// The system daemon's socket.
pub const SYSTEM_SOCKET: &str = "/run/expd/expd.sock";

/// File name of a socket in a folder that expd chooses.
pub const SOCKET_NAME: &str = "expd.sock";

/// Permission bits of group and others. A private folder has none of them.
const GROUP_AND_OTHERS: u32 = 0o077;

/// Inputs of the default path.
#[derive(Clone, Debug, Default)]
pub struct SocketEnvironment {
    /// `EXPD_SOCKET`.
    pub expd_socket: Option<OsString>,
    /// `XDG_RUNTIME_DIR`.
    pub xdg_runtime_dir: Option<OsString>,
    /// The effective user.
    pub uid: u32,
    /// True if [`SYSTEM_SOCKET`] exists.
    pub system_socket: bool,
}

impl SocketEnvironment {
    /// Reads the inputs from this process.
    pub fn from_process() -> Self {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        Self {
            expd_socket: variable("EXPD_SOCKET"),
            xdg_runtime_dir: variable("XDG_RUNTIME_DIR"),
            uid: rustix::process::geteuid().as_raw(),
            system_socket: Path::new(SYSTEM_SOCKET).exists(),
        }
    }
}

/// Path of a socket, and the kind of its folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketPath {
    /// The socket file.
    pub path: PathBuf,
    /// Its folder.
    pub folder: SocketFolder,
}

/// Kind of a socket's folder, which decides who creates it and who may enter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketFolder {
    /// Managed by someone else; it must exist.
    Existing,
    /// The system's. The daemon creates it if it is missing; all users may enter.
    System,
    /// The user's own. The daemon creates it if it is missing; no other user may enter. It may be
    /// in `/tmp`, where another user could have created it first.
    Private,
}

impl SocketPath {
    /// An explicit path. Its folder must exist.
    pub fn named(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            folder: SocketFolder::Existing,
        }
    }

    /// The default path: `EXPD_SOCKET`, else `/run/expd/expd.sock` for root or if it exists, else
    /// `$XDG_RUNTIME_DIR/expd/expd.sock`, else `/tmp/expd-UID/expd.sock`.
    pub fn default_in(environment: &SocketEnvironment) -> Self {
        if let Some(path) = &environment.expd_socket {
            return Self::named(path);
        }
        if environment.uid == 0 || environment.system_socket {
            return Self {
                path: SYSTEM_SOCKET.into(),
                folder: SocketFolder::System,
            };
        }
        let folder = match &environment.xdg_runtime_dir {
            Some(folder) => Path::new(folder).join("expd"),
            None => PathBuf::from(format!("/tmp/expd-{}", environment.uid)),
        };
        Self {
            path: folder.join(SOCKET_NAME),
            folder: SocketFolder::Private,
        }
    }

    /// Folder of the socket; `.` for a bare file name.
    pub fn folder_path(&self) -> &Path {
        match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        }
    }

    /// Checks before connecting that a private folder belongs to this user alone, so that no other
    /// user can pose as the daemon. A missing folder passes: there is no socket in it.
    pub(crate) fn check_folder(&self) -> Result<(), UnsafeFolder> {
        if self.folder != SocketFolder::Private {
            return Ok(());
        }
        let folder = self.folder_path();
        let refused = |fault: FolderFault| UnsafeFolder {
            folder: folder.to_owned(),
            fault,
        };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = rustix::fs::open(folder, flags, Mode::empty());
        let stat = match opened.and_then(rustix::fs::fstat) {
            Ok(stat) => stat,
            Err(rustix::io::Errno::NOENT) => return Ok(()),
            Err(rustix::io::Errno::NOTDIR) => return Err(refused(FolderFault::NotAFolder)),
            Err(error) => return Err(refused(FolderFault::Unreadable(error.into()))),
        };
        match private_folder_fault(stat.st_uid, stat.st_mode) {
            Some(fault) => Err(refused(fault)),
            None => Ok(()),
        }
    }
}

/// Fault of a private folder with this owner and mode, if any.
pub fn private_folder_fault(owner: u32, mode: u32) -> Option<FolderFault> {
    if owner != rustix::process::geteuid().as_raw() {
        Some(FolderFault::OtherOwner)
    } else if mode & GROUP_AND_OTHERS != 0 {
        Some(FolderFault::OpenToOthers)
    } else {
        None
    }
}

/// A socket's folder in which another user could pose as the daemon.
#[derive(Debug, thiserror::Error)]
#[error(
    "the socket's folder {} is not safe: {fault}; correct its owner and mode, remove it, or choose \
     another --socket",
    folder.display()
)]
pub struct UnsafeFolder {
    /// The folder.
    pub folder: PathBuf,
    /// Reason why the folder is not safe.
    pub fault: FolderFault,
}

/// Reason why a private folder is not safe.
#[derive(Debug, thiserror::Error)]
pub enum FolderFault {
    /// A file or a symbolic link has its name.
    #[error("it is not a folder")]
    NotAFolder,
    /// Its owner is not the user of this process.
    #[error("it belongs to another user")]
    OtherOwner,
    /// Its mode gives access to group or others.
    #[error("other users may enter it")]
    OpenToOthers,
    /// Its owner cannot be determined.
    #[error("it cannot be opened: {0}")]
    Unreadable(io::Error),
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn the_default_path_follows_the_command_lines_rules() {
        let mut environment = SocketEnvironment {
            uid: 1000,
            ..Default::default()
        };
        let path = |environment: &_| SocketPath::default_in(environment).path;
        assert_eq!(path(&environment), Path::new("/tmp/expd-1000/expd.sock"));
        environment.xdg_runtime_dir = Some("/run/user/1000".into());
        let in_runtime_dir = Path::new("/run/user/1000/expd/expd.sock");
        assert_eq!(path(&environment), in_runtime_dir);
        environment.system_socket = true;
        assert_eq!(path(&environment), Path::new(SYSTEM_SOCKET));
        environment.uid = 0;
        environment.system_socket = false;
        assert_eq!(path(&environment), Path::new(SYSTEM_SOCKET));
        environment.expd_socket = Some("/x.sock".into());
        assert_eq!(path(&environment), Path::new("/x.sock"));
    }

    #[test]
    fn a_private_folder_that_others_may_enter_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let in_folder = |name: &str| {
            SocketPath::default_in(&SocketEnvironment {
                xdg_runtime_dir: Some(root.path().join(name).into()),
                uid: 1000,
                ..Default::default()
            })
        };
        in_folder("missing").check_folder().unwrap();

        let folder = root.path().join("a/expd");
        std::fs::create_dir_all(&folder).unwrap();
        let mode = std::fs::Permissions::from_mode;
        std::fs::set_permissions(&folder, mode(0o700)).unwrap();
        in_folder("a").check_folder().unwrap();

        std::fs::set_permissions(&folder, mode(0o755)).unwrap();
        let error = in_folder("a").check_folder().unwrap_err().to_string();
        assert!(error.contains("other users may enter it"), "{error}");

        std::fs::set_permissions(&folder, mode(0o700)).unwrap();
        std::fs::create_dir(root.path().join("b")).unwrap();
        symlink(&folder, root.path().join("b/expd")).unwrap();
        let error = in_folder("b").check_folder().unwrap_err().to_string();
        assert!(error.contains("it is not a folder"), "{error}");
    }
}
