//! Where the socket is: the rules that daemon and client share, and the folder it stands in.

use std::ffi::{OsStr, OsString};
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use super::IpcError;
use super::folder::Folder;

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
    folder: Standing,
}

/// What is to be made of the folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
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
            folder: Standing::Given,
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
                folder: Standing::System,
            };
        }
        let folder = match &around.xdg_runtime_dir {
            Some(folder) => Path::new(folder).join("expd"),
            None => PathBuf::from(format!("/tmp/expd-{}", around.uid)),
        };
        Self {
            path: folder.join(SOCKET_NAME),
            folder: Standing::Private,
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
        if self.folder != Standing::Private {
            return Ok(());
        }
        match Folder::open(self.folder_path(), false) {
            Ok(folder) => self.check_private(&folder),
            // Nobody is there to be mistaken for the daemon.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(self.cannot_open(error)),
        }
    }

    /// For the daemon, before it binds: makes the folder where that is expd's to do, opens it, and
    /// checks it.
    pub(super) fn open_folder(&self) -> Result<Folder, IpcError> {
        let path = self.folder_path();
        let mode = match self.folder {
            Standing::Given => None,
            Standing::System => Some(0o755),
            Standing::Private => Some(0o700),
        };
        let created = match mode.map(|mode| DirBuilder::new().mode(mode).create(path)) {
            None => false,
            Some(Ok(())) => true,
            Some(Err(error)) if error.kind() == io::ErrorKind::AlreadyExists => false,
            Some(Err(source)) => return Err(self.cannot_make(source)),
        };
        let folder = match (Folder::open(path, self.folder != Standing::Private), mode) {
            (Ok(folder), _) => folder,
            (Err(source), None) => {
                return Err(IpcError::Bind {
                    path: self.path.clone(),
                    doing: "open the folder of",
                    source,
                });
            }
            (Err(error), Some(_)) => return Err(self.cannot_open(error)),
        };
        if let Some(mode) = mode.filter(|_| created) {
            // The umask may have taken bits away.
            folder.set_mode(mode).map_err(|e| self.cannot_make(e))?;
        }
        match self.folder {
            Standing::Private => self.check_private(&folder)?,
            Standing::Given | Standing::System => folder.check()?,
        }
        Ok(folder)
    }

    /// The socket's name in its folder.
    pub(super) fn name(&self) -> Result<&OsStr, IpcError> {
        self.path.file_name().ok_or_else(|| IpcError::NotASocket {
            path: self.path.clone(),
        })
    }

    fn check_private(&self, folder: &Folder) -> Result<(), IpcError> {
        let ownership = folder.ownership().map_err(|e| self.cannot_make(e))?;
        if ownership.uid != rustix::process::geteuid().as_raw() {
            return Err(self.unsafe_folder("it belongs to another user"));
        }
        if ownership.mode & OTHERS != 0 {
            return Err(self.unsafe_folder("other users may enter it"));
        }
        Ok(())
    }

    fn cannot_make(&self, source: io::Error) -> IpcError {
        IpcError::MakeFolder {
            folder: self.folder_path().to_owned(),
            source,
        }
    }

    /// A folder of expd's own that cannot be opened as one.
    fn cannot_open(&self, source: io::Error) -> IpcError {
        match source.kind() {
            io::ErrorKind::NotADirectory => self.unsafe_folder("it is not a folder"),
            _ => self.cannot_make(source),
        }
    }

    fn unsafe_folder(&self, fault: &str) -> IpcError {
        IpcError::UnsafeFolder {
            folder: self.folder_path().to_owned(),
            fault: fault.to_owned(),
        }
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
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

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
        place.open_folder().unwrap();
        place.open_folder().unwrap();
        let folder = root.path().join("a/expd");
        let mode = std::fs::metadata(&folder).unwrap().mode();
        assert_eq!(mode & 0o777, 0o700);

        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755)).unwrap();
        let error = place.open_folder().unwrap_err().to_string();
        assert!(error.contains("other users may enter it"), "{error}");

        std::fs::create_dir(root.path().join("b")).unwrap();
        symlink(&folder, root.path().join("b/expd")).unwrap();
        let error = SocketPlace::usual(&around("b")).open_folder().unwrap_err();
        assert!(error.to_string().contains("it is not a folder"), "{error}");
        let error = SocketPlace::usual(&around("c")).open_folder().unwrap_err();
        assert!(error.to_string().contains("No such file"), "{error}");
    }
}
