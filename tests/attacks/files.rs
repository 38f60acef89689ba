//! Files and folders in the daemon's way that others made, replace, or can read.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use expd::ipc::{self, SocketPath};
use rustix::fs::{FlockOperation, Uid};

use crate::attacked_daemon::STRANGER;
use expd_test_support::http2::is_root;
use expd_test_support::process::{Daemon, Home, program};

/// The words with which a daemon ends that does not start.
fn refusal(home: &Home) -> String {
    let mut command = home.command(&[]);
    command.arg("--socket").arg(home.socket());
    let mut daemon = Daemon::spawn(&mut command);
    assert_eq!(daemon.ended().code(), Some(1), "{}", daemon.heard());
    daemon.heard()
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// Does something as another user, on a thread of its own.
pub fn as_user<T: Send + 'static>(
    uid: u32,
    work: impl FnOnce() -> T + Send + 'static,
) -> std::thread::JoinHandle<T> {
    std::thread::spawn(move || {
        rustix::thread::set_thread_res_uid(None, Uid::from_raw(uid), None).unwrap();
        work()
    })
}

#[test]
fn a_link_in_the_sockets_place_leads_nowhere() {
    let home = Home::new("");
    let elsewhere = home.folder.path().join("elsewhere");
    let _live = UnixListener::bind(&elsewhere).unwrap();
    let before = std::fs::metadata(&elsewhere).unwrap().mode();
    symlink(&elsewhere, home.socket()).unwrap();
    let said = refusal(&home);
    assert!(said.contains("is not a socket and is left alone"), "{said}");
    assert_eq!(std::fs::metadata(&elsewhere).unwrap().mode(), before);
    // Neither does one in the lock's.
    std::fs::remove_file(home.socket()).unwrap();
    let lock = home.folder.path().join("expd.sock.lock");
    symlink(home.folder.path().join("made"), &lock).unwrap();
    let said = refusal(&home);
    assert!(said.contains("cannot lock the socket"), "{said}");
    assert!(!home.folder.path().join("made").exists());
}

#[test]
fn a_queue_in_the_locks_place_does_not_hold_the_start_up() {
    let home = Home::new("");
    let lock = home.folder.path().join("expd.sock.lock");
    rustix::fs::mkfifoat(rustix::fs::CWD, &lock, rustix::fs::Mode::from(0o666)).unwrap();
    let said = refusal(&home);
    assert!(said.contains("its lock is not a regular file"), "{said}");
}

#[test]
fn a_folder_that_everybody_may_write_to_holds_no_socket() {
    let home = Home::new("");
    set_mode(home.folder.path(), 0o777);
    let said = refusal(&home);
    assert!(
        said.contains("is not safe: everybody may replace the socket in it")
            && said.contains("choose another --socket"),
        "{said}"
    );
    assert!(!home.socket().exists());
    // As /tmp is: nobody may replace what is another's.
    set_mode(home.folder.path(), 0o1777);
    drop(home.start());
}

#[test]
fn a_folder_of_somebody_else_is_warned_of() {
    if !is_root() {
        return;
    }
    let home = Home::new("");
    std::os::unix::fs::chown(home.folder.path(), Some(STRANGER), None).unwrap();
    let mut daemon = home.start();
    let said = daemon.said("may replace the socket in its folder");
    assert!(
        said.contains("its owner, the user ") && said.contains("65534"),
        "{said}"
    );
}

#[test]
fn a_link_of_somebody_else_does_not_choose_the_folder() {
    if !is_root() {
        return;
    }
    let home = Home::new("");
    let open = home.folder.path().join("open");
    std::fs::create_dir(&open).unwrap();
    set_mode(&open, 0o1777);
    let (target, link) = (home.folder.path().to_owned(), open.join("link"));
    as_user(STRANGER, {
        let link = link.clone();
        move || symlink(target, link).unwrap()
    })
    .join()
    .unwrap();
    let error = ipc::bind(&SocketPath::named(link.join("s")), 0o600, None);
    let error = error.unwrap_err().to_string();
    assert!(error.contains("belongs to the user"), "{error}");
    assert!(!home.folder.path().join("s").exists());
}

#[test]
fn a_lock_that_a_stranger_holds_is_told_as_that() {
    if !is_root() {
        return;
    }
    let home = Home::new("");
    set_mode(home.folder.path(), 0o1777);
    let lock = home.folder.path().join("expd.sock.lock");
    let held = as_user(STRANGER, {
        let lock = lock.clone();
        move || {
            let file = std::fs::File::create(lock).unwrap();
            rustix::fs::flock(&file, FlockOperation::LockExclusive).unwrap();
            file
        }
    })
    .join()
    .unwrap();
    let said = refusal(&home);
    assert!(!said.contains("another expd"), "{said}");
    assert!(
        said.contains(&format!("{} belongs to the user", lock.display()))
            && said.contains("65534")
            && said.contains("remove it"),
        "{said}"
    );
    // Where the system shows its locks, the process is named.
    let shown = std::fs::read_to_string("/proc/locks").unwrap_or_default();
    if shown.contains(&format!(" {} ", std::process::id())) {
        let holder = format!("held by pid {}", std::process::id());
        assert!(said.contains(&holder), "{said}");
    }
    // Once nobody holds it, the file is no obstacle to root, who may remove it.
    drop(held);
    let daemon = home.start();
    assert_eq!(std::fs::metadata(&lock).unwrap().uid(), 0);
    drop(daemon);
}

#[test]
fn whoever_swaps_the_socket_while_it_is_bound_changes_no_other_file() {
    if !is_root() {
        return;
    }
    let home = Home::new("");
    let folder = home.folder.path().join("theirs");
    std::fs::create_dir(&folder).unwrap();
    std::os::unix::fs::chown(&folder, Some(STRANGER), None).unwrap();
    let victim = home.folder.path().join("victim");
    std::fs::write(&victim, "precious").unwrap();
    set_mode(&victim, 0o600);
    let enough = Arc::new(AtomicBool::new(false));
    let swapping = as_user(STRANGER, {
        let (folder, victim, enough) = (folder.clone(), victim.clone(), enough.clone());
        move || {
            let (socket, link) = (folder.join("s"), folder.join("link"));
            while !enough.load(Ordering::Relaxed) {
                // Any of these may come too early or too late.
                symlink(&victim, &link).ok();
                std::fs::rename(&link, &socket).ok();
                std::fs::remove_file(&socket).ok();
            }
        }
    });
    let place = SocketPath::named(folder.join("s"));
    let group = expd::access::accounts::group(STRANGER).unwrap().name;
    let (mut bound, mut refused) = (0, 0);
    for _ in 0..3000 {
        match ipc::bind(&place, 0o666, Some(&group)) {
            Ok(_) => bound += 1,
            Err(_) => refused += 1,
        }
        let metadata = std::fs::metadata(&victim).unwrap();
        assert_eq!(
            (metadata.mode() & 0o777, metadata.gid()),
            (0o600, 0),
            "after {bound} bound and {refused} refused"
        );
    }
    enough.store(true, Ordering::Relaxed);
    swapping.join().unwrap();
    assert!(refused > 0, "nothing was ever swapped");
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious");
}

#[test]
fn the_umask_takes_nothing_from_the_sockets_mode() {
    let home = Home::new("");
    let mut command = home.command(&["sh", "-c", "umask 0077; exec \"$@\"", "sh"]);
    command.arg("--socket").arg(home.socket());
    let mut daemon = Daemon::spawn(&mut command);
    daemon.said("serving on");
    let mode = std::fs::metadata(home.socket()).unwrap().mode();
    assert_eq!(mode & 0o777, 0o666);
}

#[test]
fn settings_and_secrets_that_others_can_change_are_told_at_the_start_and_by_check_config() {
    let home = Home::new(
        "[instances.app.credentials]\ntype = \"consumer_app\"\nuuid = \"u\"\napi_key_file = \"key\"\n",
    );
    let key = home.folder.path().join("key");
    std::fs::write(&key, "k").unwrap();
    set_mode(&key, 0o606);
    set_mode(&home.config(), 0o666);
    let wanted = [
        format!("everybody may change {}", home.config().display()),
        format!("everybody may read {}", key.display()),
        format!("everybody may change {}", key.display()),
    ];
    let mut daemon = home.start();
    for wanted in &wanted {
        daemon.said(wanted);
    }
    let checked = std::process::Command::new(program())
        .args(["check-config", "--config"])
        .arg(home.config())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&checked.stderr);
    assert!(checked.status.success(), "{said}");
    for wanted in &wanted {
        assert!(said.contains(wanted), "{wanted}\n{said}");
    }
}
