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

fn probe_path(path: &Path) -> io::Result<SocketProbe> {
    let folder = Folder::open(path.parent().unwrap(), true).unwrap();
    probe_name(&folder, path.file_name().unwrap())
}

/// A socket that is bound and does not listen.
fn bound(path: &Path) -> OwnedFd {
    let socket = new_socket().unwrap();
    rustix::net::bind(&socket, &SocketAddrUnix::new(path).unwrap()).unwrap();
    socket
}

/// Leaves a file behind, as a killed daemon does. One that had listened would live on in a
/// process that another test starts at that moment, until it executes its program.
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
    let full = (0..3).any(|_| matches!(probe_path(&place.path), Ok(SocketProbe::Live(None))));
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
    // A link to a socket is left alone too.
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
        // A stale file makes it harder.
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
