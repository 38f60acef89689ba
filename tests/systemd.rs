//! The daemon and its service manager: what it is told, the socket that it passes on, and
//! reloading.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::os::unix::net::UnixDatagram;
use std::process::Command;

use expd_test_support::DEADLINE;
use expd_test_support::process::{Daemon, Home, accepts, program};

/// The service manager's end of the notification socket.
struct Manager(UnixDatagram);

impl Manager {
    fn new(home: &Home) -> Self {
        let socket = UnixDatagram::bind(home.folder.path().join("notify")).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        Self(socket)
    }

    /// Waits for a message with this line.
    fn hears(&self, line: &str) -> String {
        let mut bytes = [0; 4096];
        let mut heard = Vec::new();
        loop {
            let Ok(length) = self.0.recv(&mut bytes) else {
                panic!("never heard {line:?}, but {heard:#?}");
            };
            let message = String::from_utf8(bytes[..length].to_vec()).unwrap();
            if message.lines().any(|l| l.starts_with(line)) {
                return message;
            }
            heard.push(message);
        }
    }
}

#[test]
fn the_service_manager_hears_of_the_start_each_reload_and_the_end() {
    let home = Home::new("");
    let manager = Manager::new(&home);
    let mut command = home.command(&[]);
    command
        .arg("--socket")
        .arg(home.socket())
        .env("NOTIFY_SOCKET", home.folder.path().join("notify"))
        .env("WATCHDOG_USEC", "400000");
    let mut daemon = Daemon::spawn(&mut command);
    let ready = manager.hears("READY=1");
    assert!(
        ready.contains("STATUS=") && ready.contains("default: "),
        "{ready}"
    );
    assert!(accepts(&home.socket()), "READY comes once it serves");
    manager.hears("STATUS=");
    manager.hears("WATCHDOG=1");
    // A good reload and one with a mistake both end: the daemon goes on either way.
    for (settings, status) in [
        ("log = \"debug\"\n", "STATUS=/"),
        ("nonsense = 1\n", "STATUS=the last reload was refused: "),
    ] {
        home.write(settings);
        daemon.signal("HUP");
        let reloading = manager.hears("RELOADING=1");
        assert!(reloading.contains("MONOTONIC_USEC="), "{reloading}");
        let ready = manager.hears("READY=1");
        assert!(ready.contains(status), "{ready}");
    }
    daemon.said("settings reloaded");
    daemon.said("daemon.nonsense: unknown key");
    assert!(accepts(&home.socket()));
    // What waits for a restart stands in the status, until a reload finds that nothing does.
    let keys = "metrics = \"127.0.0.1:1\"\ndrain_timeout = \"1s\"\n";
    for (settings, status) in [
        (keys, "STATUS=needs a restart: daemon.metrics · "),
        ("", "STATUS=/"),
    ] {
        home.write(settings);
        daemon.signal("HUP");
        manager.hears("RELOADING=1");
        let ready = manager.hears("READY=1");
        assert!(ready.contains(status), "{ready}");
    }
    daemon.said("(systemctl restart expd): daemon.metrics");
    daemon.signal("TERM");
    manager.hears("STOPPING=1");
    assert!(daemon.ended().success(), "{}", daemon.heard());
    assert!(!home.socket().exists());
}

#[test]
fn a_mistake_in_the_settings_is_told_to_everybody_until_it_is_corrected() {
    let home = Home::new("nonsense = 1\n");
    let manager = Manager::new(&home);
    let mut command = home.command(&[]);
    command
        .arg("--socket")
        .arg(home.socket())
        .env("NOTIFY_SOCKET", home.folder.path().join("notify"));
    let mut daemon = Daemon::spawn(&mut command);
    // The service manager, the log and every caller hear of the mistake.
    let ready = manager.hears("READY=1");
    assert!(ready.contains("daemon.nonsense: unknown key"), "{ready}");
    daemon.said("daemon.nonsense: unknown key");
    let expd = |arguments: &[&str]| {
        let mut command = Command::new(program());
        command.args(arguments).arg("--socket").arg(home.socket());
        command.output().unwrap()
    };
    let status = expd(&["status"]);
    let text = String::from_utf8_lossy(&status.stdout);
    assert!(
        status.status.success() && text.contains("daemon.nonsense: unknown key"),
        "{text}\n{status:?}"
    );
    let refused = expd(&["api", "GET", "/api/devices"]);
    let text = String::from_utf8_lossy(&refused.stderr);
    assert!(
        !refused.status.success()
            && text.contains("waits for its settings to be corrected")
            && text.contains("daemon.nonsense: unknown key"),
        "{text}"
    );
    let refused = expd(&["reload"]);
    let text = String::from_utf8_lossy(&refused.stderr);
    assert!(
        refused.status.code() == Some(1) && text.contains("daemon.nonsense: unknown key"),
        "{text}"
    );
    // Another mistake takes the place of the first.
    home.write("log = \"wrn\"\n");
    daemon.said("did you mean \"warn\"?");
    home.write("");
    daemon.said("serving on");
    let status = expd(&["status"]);
    let text = String::from_utf8_lossy(&status.stdout);
    assert!(
        status.status.success() && text.contains("default"),
        "{text}"
    );
    daemon.signal("TERM");
    manager.hears("STOPPING=1");
    assert!(daemon.ended().success(), "{}", daemon.heard());
    assert!(!home.socket().exists());

    // It ends as it is told to while it waits, too.
    home.write("nonsense = 1\n");
    let mut daemon = Daemon::spawn(&mut command);
    daemon.said("daemon.nonsense: unknown key");
    manager.hears("READY=1");
    daemon.signal("TERM");
    assert!(daemon.ended().success(), "{}", daemon.heard());
    // Where nobody manages it, it ends with the mistake.
    let mut alone = Daemon::spawn(home.command(&[]).arg("--socket").arg(home.socket()));
    alone.said("daemon.nonsense: unknown key");
    assert!(!alone.ended().success());
}

#[test]
fn starts_that_fail_wait_for_longer_and_longer_until_the_settings_are_corrected() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let settings = format!("metrics = \"{}\"\n", taken.local_addr().unwrap());
    let home = Home::new(&settings);
    let manager = Manager::new(&home);
    let mut command = home.command(&[]);
    command
        .arg("--socket")
        .arg(home.socket())
        .env("NOTIFY_SOCKET", home.folder.path().join("notify"))
        .env("RUNTIME_DIRECTORY", home.folder.path());
    // The first failures are followed by the service manager's own pause alone.
    for _ in 0..2 {
        let mut daemon = Daemon::spawn(&mut command);
        manager.hears("STATUS=failed: cannot serve metrics");
        assert!(!daemon.ended().success());
    }
    let mut daemon = Daemon::spawn(&mut command);
    let waits = manager.hears("STATUS=starting in 1 s: 2 failed starts");
    assert!(waits.contains("cannot serve metrics"), "{waits}");
    manager.hears("STATUS=failed: ");
    assert!(!daemon.ended().success());
    // A stop is carried out in the middle of a pause, and forgets the failures.
    let mut daemon = Daemon::spawn(&mut command);
    manager.hears("STATUS=starting in 3 s: 3 failed starts");
    daemon.signal("TERM");
    assert!(daemon.ended().success(), "{}", daemon.heard());
    for _ in 0..3 {
        let mut daemon = Daemon::spawn(&mut command);
        manager.hears("STATUS=failed: ");
        assert!(!daemon.ended().success());
    }
    // So do corrected settings, long before the end of the pause.
    let mut daemon = Daemon::spawn(&mut command);
    manager.hears("STATUS=starting in 3 s: 3 failed starts");
    home.write("");
    daemon.said("settings changed: starting");
    manager.hears("READY=1");
    assert!(accepts(&home.socket()));
    daemon.signal("KILL");
    assert!(!daemon.ended().success());
    // Nothing was proved yet, so that this is the fourth failure.
    let mut daemon = Daemon::spawn(&mut command);
    let waits = manager.hears("STATUS=starting in 7 s: 4 failed starts");
    assert!(waits.contains("without a message"), "{waits}");
    daemon.signal("HUP");
    manager.hears("READY=1");
    daemon.signal("TERM");
    assert!(daemon.ended().success(), "{}", daemon.heard());
    assert!(!home.folder.path().join("failed-starts").exists());
}

#[test]
fn the_generator_adds_growing_pauses_where_systemd_has_them() {
    let folder = tempfile::tempdir().unwrap();
    let systemctl = folder.path().join("systemctl");
    let generator = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/systemd/system-generators/expd-generator"
    );
    for (version, is_added) in [
        ("systemd 252 (252.39-1~deb12u1)", false),
        ("systemd 253.1", false),
        ("systemd 254 (254-1)", true),
        ("systemd 257~rc1", true),
    ] {
        std::fs::write(&systemctl, format!("#!/bin/sh\necho '{version}'\n")).unwrap();
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&systemctl, open).unwrap();
        let generated = folder.path().join("generated");
        std::fs::create_dir(&generated).unwrap();
        let path = std::env::var("PATH").unwrap();
        let path = format!("{}:{path}", folder.path().display());
        let mut command = Command::new(generator);
        let output = command.arg(&generated).env("PATH", path).output().unwrap();
        assert!(output.status.success(), "{version}: {output:?}");
        let added = std::fs::read_to_string(generated.join("expd.service.d/50-pauses.conf"));
        assert_eq!(added.is_ok(), is_added, "{version}");
        assert!(!is_added || added.unwrap().contains("RestartSteps="));
        std::fs::remove_dir_all(generated).unwrap();
    }
}

/// The value of a key of the shipped unit, where it has it once.
fn of_the_unit(key: &str) -> String {
    let unit = include_str!("../systemd/expd.service");
    let lines = unit.lines().filter_map(|line| line.strip_prefix(key));
    let values: Vec<&str> = lines.filter_map(|rest| rest.strip_prefix('=')).collect();
    assert_eq!(values.len(), 1, "{key}: {values:?}");
    values[0].to_owned()
}

#[test]
fn the_unit_starts_again_whatever_number_of_starts_has_failed_and_dumps_no_core() {
    // Without an interval there is no number after which systemd gives up.
    assert_eq!(of_the_unit("StartLimitIntervalSec"), "0");
    assert_eq!(of_the_unit("Restart"), "always");
    assert_eq!(of_the_unit("LimitCORE"), "0");
}

#[test]
fn a_passed_socket_is_served_and_left_in_place() {
    let found = Command::new("systemd-socket-activate")
        .arg("--version")
        .output();
    assert!(
        found.is_ok(),
        "this test needs systemd-socket-activate: install the package systemd"
    );
    let home = Home::new("");
    let socket = home.socket().display().to_string();
    let mut command = home.command(&[
        "systemd-socket-activate",
        "-l",
        &socket,
        "--fdname=expd",
        "--",
    ]);
    let mut daemon = Daemon::spawn(&mut command);
    daemon.said("Listening on");
    // It is started by the first connection, which then is served, not lost.
    let status = Command::new(program())
        .args(["status", "--json", "--socket", &socket])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&status.stdout);
    assert!(status.status.success(), "{text}\n{status:?}");
    assert!(text.contains("\"instances\""), "{text}");
    daemon.said(&format!("serving on {socket}"));
    daemon.signal("TERM");
    assert!(daemon.ended().success(), "{}", daemon.heard());
    // The service manager keeps it for the next start.
    assert!(home.socket().exists());
}

#[test]
fn a_hangup_when_nobody_manages_the_daemon_reloads_as_well() {
    let home = Home::new("");
    let mut daemon = home.start();
    home.write("log = \"debug\"\n");
    daemon.signal("HUP");
    daemon.said("settings reloaded");
    home.write("log = \"wrn\"\n");
    daemon.signal("HUP");
    daemon.said("did you mean \"warn\"?");
    assert!(accepts(&home.socket()));
    daemon.signal("INT");
    assert!(daemon.ended().success());
}
