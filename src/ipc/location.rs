//! The daemon's socket: its default path and its folder.

use std::ffi::{OsStr, OsString};
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use expd_client::socket_path::{
    FolderFault, SOCKET_NAME, SocketEnvironment, SocketFolder, SocketPath, private_folder_fault,
};

use super::error::IpcError;
use super::folder::Folder;

/// `RUNTIME_DIRECTORY`, which systemd sets for `RuntimeDirectory=`.
pub fn runtime_directory() -> Option<OsString> {
    std::env::var_os("RUNTIME_DIRECTORY").filter(|value| !value.is_empty())
}

/// Default path of a daemon's socket: `EXPD_SOCKET`, else in the folder that systemd made for the
/// service, else as a client looks for it, except that another user's system socket is ignored.
pub fn default_path(
    environment: &SocketEnvironment,
    runtime_directory: Option<&OsStr>,
) -> SocketPath {
    if environment.expd_socket.is_none()
        && let Some(folders) = runtime_directory
        // The unit may name several; the first one counts.
        && let Some(folder) = std::env::split_paths(folders).next()
    {
        return SocketPath::named(folder.join(SOCKET_NAME));
    }
    SocketPath::default_in(&SocketEnvironment {
        system_socket: false,
        ..environment.clone()
    })
}

/// Opens and checks the socket's folder before the daemon binds. Creates it if it is missing and
/// one of expd's own.
pub(super) fn open_folder(socket: &SocketPath) -> Result<Folder, IpcError> {
    let path = socket.folder_path();
    let mode = match socket.folder {
        SocketFolder::Existing => None,
        SocketFolder::System => Some(0o755),
        SocketFolder::Private => Some(0o700),
    };
    let created = match mode.map(|mode| DirBuilder::new().mode(mode).create(path)) {
        None => false,
        Some(Ok(())) => true,
        Some(Err(error)) if error.kind() == io::ErrorKind::AlreadyExists => false,
        Some(Err(source)) => return Err(cannot_make(path, source)),
    };
    let follow = socket.folder != SocketFolder::Private;
    let folder = match (Folder::open(path, follow), mode) {
        (Ok(folder), _) => folder,
        (Err(source), None) => {
            return Err(IpcError::Bind {
                path: socket.path.clone(),
                doing: "open the folder of",
                source,
            });
        }
        (Err(error), Some(_)) if error.kind() == io::ErrorKind::NotADirectory => {
            return Err(unsafe_folder(path, &FolderFault::NotAFolder));
        }
        (Err(source), Some(_)) => return Err(cannot_make(path, source)),
    };
    if let Some(mode) = mode.filter(|_| created) {
        // The umask may have removed bits.
        folder.set_mode(mode).map_err(|e| cannot_make(path, e))?;
    }
    match socket.folder {
        SocketFolder::Private => {
            let ownership = folder.ownership().map_err(|e| cannot_make(path, e))?;
            if let Some(fault) = private_folder_fault(ownership.uid, ownership.mode) {
                return Err(unsafe_folder(path, &fault));
            }
        }
        SocketFolder::Existing | SocketFolder::System => folder.check()?,
    }
    Ok(folder)
}

/// The socket's name in its folder.
pub(super) fn name(socket: &SocketPath) -> Result<&OsStr, IpcError> {
    (socket.path.file_name()).ok_or_else(|| IpcError::NotASocket {
        path: socket.path.clone(),
    })
}

fn cannot_make(folder: &Path, source: io::Error) -> IpcError {
    IpcError::MakeFolder {
        folder: folder.to_owned(),
        source,
    }
}

fn unsafe_folder(folder: &Path, fault: &FolderFault) -> IpcError {
    IpcError::UnsafeFolder {
        folder: folder.to_owned(),
        fault: fault.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn a_daemons_default_path_is_its_services_folder_and_never_the_systems() {
        let mut environment = SocketEnvironment {
            uid: 1000,
            xdg_runtime_dir: Some("/run/user/1000".into()),
            system_socket: true,
            ..Default::default()
        };
        // A user's own daemon goes beside the system's.
        let path = default_path(&environment, None).path;
        assert_eq!(path, Path::new("/run/user/1000/expd/expd.sock"));
        let services = Some(OsStr::new("/run/other:/run/more"));
        let path = default_path(&environment, services).path;
        assert_eq!(path, Path::new("/run/other/expd.sock"));
        environment.expd_socket = Some("/x.sock".into());
        let path = default_path(&environment, services).path;
        assert_eq!(path, Path::new("/x.sock"));
    }

    #[test]
    fn a_private_folder_is_made_for_nobody_else_and_refused_where_it_is_not() {
        let root = tempfile::tempdir().unwrap();
        let in_folder = |name: &str| {
            SocketPath::default_in(&SocketEnvironment {
                xdg_runtime_dir: Some(root.path().join(name).into()),
                uid: 1000,
                ..Default::default()
            })
        };
        std::fs::create_dir(root.path().join("a")).unwrap();
        let socket = in_folder("a");
        open_folder(&socket).unwrap();
        open_folder(&socket).unwrap();
        let folder = root.path().join("a/expd");
        let mode = std::fs::metadata(&folder).unwrap().mode();
        assert_eq!(mode & 0o777, 0o700);

        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755)).unwrap();
        let error = open_folder(&socket).unwrap_err().to_string();
        assert!(error.contains("other users may enter it"), "{error}");

        std::fs::create_dir(root.path().join("b")).unwrap();
        symlink(&folder, root.path().join("b/expd")).unwrap();
        let error = open_folder(&in_folder("b")).unwrap_err().to_string();
        assert!(error.contains("it is not a folder"), "{error}");
        let error = open_folder(&in_folder("c")).unwrap_err().to_string();
        assert!(error.contains("No such file"), "{error}");
    }
}
