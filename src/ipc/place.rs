//! Where the socket is: the rules that daemon and client share, and the folder it stands in.

use std::ffi::OsString;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use super::IpcError;

/// Where the system's daemon listens.
pub const SYSTEM_SOCKET: &str = "/run/expd/expd.sock";

const SOCKET_NAME: &str = "expd.sock";

/// What may be in the way of group and others in a private folder: nothing.
const OTHERS: u32 = 0o077;

/// What the socket's place depends on, besides the command line and the settings.
#[derive(Clone, Debug, Default)]
pub struct SocketSurroundings {
    /// `EXPD_SOCKET`.
    pub expd_socket: Option<OsString>,
    /// `RUNTIME_DIRECTORY`, which systemd sets for `RuntimeDirectory=`.
    pub runtime_directory: Option<OsString>,
    /// `XDG_RUNTIME_DIR`.
    pub xdg_runtime_dir: Option<OsString>,
    /// The effective user.
    pub uid: u32,
    /// Whether [`SYSTEM_SOCKET`] exists.
    pub system_socket: bool,
}

impl SocketSurroundings {
    /// This process's.
    pub fn from_process() -> Self {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        Self {
            expd_socket: set("EXPD_SOCKET"),
            runtime_directory: set("RUNTIME_DIRECTORY"),
            xdg_runtime_dir: set("XDG_RUNTIME_DIR"),
            uid: rustix::process::geteuid().as_raw(),
            system_socket: Path::new(SYSTEM_SOCKET).exists(),
        }
    }
}

/// A socket's path, and what is to be made of its folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketPlace {
    /// The socket file.
    pub path: PathBuf,
    folder: Folder,
}

/// What is to be made of the folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Folder {
    /// It is somebody else's: there, or an error.
    Given,
    /// The system's, made where missing, for all to pass.
    System,
    /// The user's own, made where missing, for nobody else. It may stand in `/tmp`, where others could have made it first.
    Private,
}

impl SocketPlace {
    /// A path that was named: its folder must be there.
    pub fn named(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            folder: Folder::Given,
        }
    }

    /// The usual place: `EXPD_SOCKET`, else `/run/expd/expd.sock` for root or where it exists, else
    /// `$XDG_RUNTIME_DIR/expd/expd.sock`, else `/tmp/expd-UID/expd.sock`.
    pub fn usual(around: &SocketSurroundings) -> Self {
        if let Some(path) = &around.expd_socket {
            return Self::named(path);
        }
        if around.uid == 0 || around.system_socket {
            return Self {
                path: SYSTEM_SOCKET.into(),
                folder: Folder::System,
            };
        }
        let folder = match &around.xdg_runtime_dir {
            Some(folder) => Path::new(folder).join("expd"),
            None => PathBuf::from(format!("/tmp/expd-{}", around.uid)),
        };
        Self {
            path: folder.join(SOCKET_NAME),
            folder: Folder::Private,
        }
    }

    /// Where a daemon listens that was told nothing: `EXPD_SOCKET`, else the folder that systemd made for the service, else as a
    /// client looks for it, except that another user's system socket is not in the way.
    pub fn usual_for_daemon(around: &SocketSurroundings) -> Self {
        if around.expd_socket.is_none()
            && let Some(folders) = &around.runtime_directory
            // The first of several that the unit may name.
            && let Some(folder) = std::env::split_paths(folders).next()
        {
            return Self::named(folder.join(SOCKET_NAME));
        }
        Self::usual(&SocketSurroundings {
            system_socket: false,
            ..around.clone()
        })
    }

    /// For clients, before they connect: a private folder is this user's own, so that nobody else can pose as the daemon in it.
    ///
    /// # Errors
    /// When the folder is a link, another user's, or open to others.
    pub fn check_folder(&self) -> Result<(), IpcError> {
        match self.folder {
            Folder::Private => self.check_private(),
            Folder::Given | Folder::System => Ok(()),
        }
    }

    /// For the daemon, before it binds: makes the folder where that is expd's to do, and checks it.
    pub(super) fn make_folder(&self) -> Result<(), IpcError> {
        let mode = match self.folder {
            Folder::Given => return Ok(()),
            Folder::System => 0o755,
            Folder::Private => 0o700,
        };
        let folder = self.folder_path();
        match DirBuilder::new().mode(mode).create(folder) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(source) => {
                return Err(IpcError::MakeFolder {
                    folder: folder.to_owned(),
                    source,
                });
            }
        }
        self.check_folder()
    }

    fn check_private(&self) -> Result<(), IpcError> {
        let folder = self.folder_path();
        // Of the link itself, if it is one.
        let metadata = match std::fs::symlink_metadata(folder) {
            Ok(metadata) => metadata,
            // Nobody is there to be mistaken for the daemon.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(source) => {
                return Err(IpcError::MakeFolder {
                    folder: folder.to_owned(),
                    source,
                });
            }
        };
        let fault = if !metadata.is_dir() {
            "it is not a folder"
        } else if metadata.uid() != rustix::process::geteuid().as_raw() {
            "it belongs to another user"
        } else if metadata.mode() & OTHERS != 0 {
            "other users may enter it"
        } else {
            return Ok(());
        };
        Err(IpcError::UnsafeFolder {
            folder: folder.to_owned(),
            fault,
        })
    }

    pub(super) fn folder_path(&self) -> &Path {
        match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn the_usual_place_follows_the_command_lines_rules() {
        let mut around = SocketSurroundings {
            uid: 1000,
            ..Default::default()
        };
        let place = |around: &_| SocketPlace::usual(around).path;
        assert_eq!(place(&around), Path::new("/tmp/expd-1000/expd.sock"));
        around.xdg_runtime_dir = Some("/run/user/1000".into());
        assert_eq!(place(&around), Path::new("/run/user/1000/expd/expd.sock"));
        around.system_socket = true;
        assert_eq!(place(&around), Path::new(SYSTEM_SOCKET));
        // A user's own daemon goes beside the system's.
        let daemon = SocketPlace::usual_for_daemon(&around).path;
        assert_eq!(daemon, Path::new("/run/user/1000/expd/expd.sock"));
        around.uid = 0;
        around.system_socket = false;
        assert_eq!(place(&around), Path::new(SYSTEM_SOCKET));
        around.runtime_directory = Some("/run/other:/run/more".into());
        let daemon = SocketPlace::usual_for_daemon(&around).path;
        assert_eq!(daemon, Path::new("/run/other/expd.sock"));
        around.expd_socket = Some("/x.sock".into());
        assert_eq!(place(&around), Path::new("/x.sock"));
        let daemon = SocketPlace::usual_for_daemon(&around).path;
        assert_eq!(daemon, Path::new("/x.sock"));
    }

    #[test]
    fn a_private_folder_is_made_for_nobody_else_and_refused_where_it_is_not() {
        let root = tempfile::tempdir().unwrap();
        let around = |name: &str| SocketSurroundings {
            xdg_runtime_dir: Some(root.path().join(name).into()),
            uid: 1000,
            ..Default::default()
        };
        std::fs::create_dir(root.path().join("a")).unwrap();
        let place = SocketPlace::usual(&around("a"));
        place.check_folder().unwrap();
        place.make_folder().unwrap();
        place.make_folder().unwrap();
        let folder = root.path().join("a/expd");
        let mode = std::fs::metadata(&folder).unwrap().mode();
        assert_eq!(mode & 0o777, 0o700);

        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755)).unwrap();
        let error = place.make_folder().unwrap_err().to_string();
        assert!(error.contains("other users may enter it"), "{error}");

        std::fs::create_dir(root.path().join("b")).unwrap();
        symlink(&folder, root.path().join("b/expd")).unwrap();
        let error = SocketPlace::usual(&around("b")).make_folder().unwrap_err();
        assert!(error.to_string().contains("it is not a folder"), "{error}");
        let error = SocketPlace::usual(&around("c")).make_folder().unwrap_err();
        assert!(error.to_string().contains("No such file"), "{error}");
    }
}
