//! The default socket: programs of another user find the daemon where the command line does, in
//! each place where it may be.

use std::os::unix::fs::{DirBuilderExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use expd_test_support::lines::Lines;
use expd_test_support::process::{Daemon, Home, program};

use crate::programs;

/// A user that no machine has, so that nobody's folder in /tmp is met.
const USER: u32 = 64_711;

const COMMAND_LINE: &str = "the command line";

/// The user's way into the namespace of a daemon, from a folder.
const ENTER: &str =
    "cd \"$0\" && exec setpriv --reuid \"$1\" --regid \"$1\" --clear-groups \"${@:2}\"";

/// A place of the socket.
struct Place {
    socket: PathBuf,
    /// The daemon is root's, and all users' programs find it.
    is_system: bool,
    runtime_dir: Option<PathBuf>,
}

#[test]
fn programs_of_another_user_find_the_daemon_where_the_command_line_does() {
    let mut finders = programs();
    finders.push((COMMAND_LINE, vec![program()]));
    if !succeeds(Command::new("unshare").args(["--mount", "mount", "-t", "tmpfs", "none", "/run"]))
    {
        eprintln!("SKIPPED: the default socket: it takes root, and a namespace of mounts");
        return;
    }
    finders.retain(|(name, program)| match hidden(program) {
        Some(file) => {
            let file = file.display();
            eprintln!("SKIPPED: the default socket, {name}: other users cannot read {file}");
            false
        }
        None => true,
    });
    if !finders.iter().any(|(name, _)| *name == COMMAND_LINE) {
        return;
    }
    let home = Home::new("");
    let runtime_dir = home.folder.path().join("run");
    let private = PathBuf::from(format!("/tmp/expd-{USER}"));
    let places = [
        Place {
            socket: "/run/expd/expd.sock".into(),
            is_system: true,
            runtime_dir: Some(runtime_dir.clone()),
        },
        Place {
            socket: runtime_dir.join("expd/expd.sock"),
            is_system: false,
            runtime_dir: Some(runtime_dir.clone()),
        },
        Place {
            socket: private.join("expd.sock"),
            is_system: false,
            runtime_dir: None,
        },
    ];
    std::fs::DirBuilder::new()
        .mode(0o700)
        .create(&runtime_dir)
        .unwrap();
    for folder in [home.folder.path(), &runtime_dir] {
        chown(folder, Some(USER), Some(USER)).unwrap();
    }
    for place in &places {
        find(&home, place, &finders);
    }
    // The user's own folder, which the last daemon made.
    std::fs::remove_dir_all(private).unwrap();
}

/// Starts a daemon at a place that nobody names, and lets everybody find it.
fn find(home: &Home, place: &Place, finders: &[(&str, Vec<PathBuf>)]) {
    // A /run of its own, without what the machine may have there.
    let script = "mount -t tmpfs none /run && exec \"$@\"";
    let mut before = vec!["unshare", "--mount", "sh", "-c", script, "sh"];
    let user = USER.to_string();
    if !place.is_system {
        before.extend([
            "setpriv",
            "--reuid",
            &user,
            "--regid",
            &user,
            "--clear-groups",
        ]);
    }
    let mut command = home.command(&before);
    in_environment(&mut command, place);
    let mut daemon = Daemon::spawn(&mut command);
    daemon.said(&format!("serving on {}", place.socket.display()));

    let pid = daemon.child.id().to_string();
    for (name, program) in finders {
        let mut command = Command::new("nsenter");
        let folder = program.last().unwrap().parent().unwrap();
        command
            .args(["--mount", "--target", &pid, "bash", "-c", ENTER])
            .args([folder, Path::new(&user)])
            .args(program);
        in_environment(&mut command, place);
        if *name == COMMAND_LINE {
            let output = command.arg("status").output().unwrap();
            assert!(output.status.success(), "{name}: {output:?}");
        } else {
            // No socket is named.
            hears(name, command.args(["", "menu"]));
        }
    }
    daemon.signal("TERM");
    daemon.ended();
}

/// Starts a program, and ends it once it listens.
fn hears(name: &str, command: &mut Command) {
    let mut program = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut output = Lines::of(program.stdout.take().unwrap());
    let said = output.line();
    assert!(said.contains("\"ready\":"), "{name} said {said:?}");
    let pid = program.id().to_string();
    let sent = Command::new("kill").args(["-s", "TERM", &pid]).status();
    assert!(sent.unwrap().success());
    assert!(program.wait().unwrap().success(), "{name}");
}

fn in_environment(command: &mut Command, place: &Place) {
    for name in ["EXPD_SOCKET", "XDG_RUNTIME_DIR", "RUNTIME_DIRECTORY"] {
        command.env_remove(name);
    }
    if let Some(folder) = &place.runtime_dir {
        command.env("XDG_RUNTIME_DIR", folder);
    }
}

/// A file of a program that the user cannot read, if any.
fn hidden(program: &[PathBuf]) -> Option<&PathBuf> {
    let user = USER.to_string();
    let mut files = program.iter().filter(|file| file.is_absolute());
    files.find(|file| {
        let mut look = Command::new("setpriv");
        look.args(["--reuid", &user, "--regid", &user, "--clear-groups"]);
        !succeeds(look.args(["test", "-r"]).arg(file))
    })
}

fn succeeds(command: &mut Command) -> bool {
    command.status().is_ok_and(|status| status.success())
}
