//! Waiting: `listen`, `wait-online`, and what a fresh daemon tells people to type.

use std::process::{Command, Stdio};

use expd_test_support::lines::Lines;
use expd_test_support::process::{Daemon, Home};
use serde_json::Value;

use super::{Background, device_at, expd, lines_of, next_with, nobody, stderr, stdout};

#[test]
fn listen_waits_for_the_daemon_and_tells_an_outage_once() {
    let home = Home::new("");
    let mut command = expd();
    command.arg("--socket").arg(home.socket());
    command.args(["listen", "menu", "-c", "till", "--count", "2"]);
    let mut listener = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = lines_of(&mut listener);
    let waiting = said.until("waiting for the daemon");
    assert_eq!(waiting.len(), 1, "{waiting:?}");
    let mut daemon = home.start();
    let listening = said.until("listening: EXP has confirmed the 2 channels");
    assert_eq!(listening.len(), 1, "{listening:?}");

    daemon.signal("TERM");
    assert!(daemon.ended().success());
    let mut daemon = home.start();
    let outage = said.until("listening again, after");
    let told = |words: &str| outage.iter().filter(|line| line.contains(words)).count();
    assert_eq!(
        told("the daemon is stopping; waiting for it"),
        1,
        "{outage:?}"
    );
    assert_eq!(told("is gone"), 0, "{outage:?}");
    // One for each channel: the restart, and the new daemon's time up to its confirmation.
    assert_eq!(told("gap: "), 2, "{outage:?}");
    assert_eq!(told("pending"), 0, "{outage:?}");

    for channel in ["menu", "till"] {
        let mut command = expd();
        command.arg("--socket").arg(home.socket());
        command.args(["broadcast", channel, "hi", "--text", "soup"]);
        assert_eq!(command.output().unwrap().status.code(), Some(0));
    }
    let output = listener.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let lines: Vec<&str> = stdout(&output).lines().collect();
    assert!(lines[0].ends_with("Z  menu  hi  \"soup\""), "{lines:?}");
    assert!(lines[1].ends_with("Z  till  hi  \"soup\""), "{lines:?}");
    daemon.signal("TERM");
    assert!(daemon.ended().success());
}

#[test]
fn listen_says_why_a_channel_is_pending() {
    let home = Home::new(&device_at(&nobody()));
    let _daemon = home.start();
    let mut command = expd();
    command.arg("--socket").arg(home.socket());
    let mut listener = Background(
        command
            .args(["listen", "menu"])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let mut said = lines_of(&mut listener.0);
    let pending = said.until("pending").pop().unwrap();
    assert!(pending.contains("refuses connections"), "{pending}");

    let mut command = expd();
    command.arg("--socket").arg(home.socket());
    let mut listener = Background(
        command
            .args(["listen", "menu", "-c", "till", "--json"])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let pending = first_pending(&mut lines_of(&mut listener.0));
    assert_eq!(pending["reason"], "OFFLINE", "{pending}");
    let detail = pending["detail"].as_str().unwrap();
    assert!(detail.contains("refuses connections"), "{pending}");
    assert_eq!(pending["channels"][1]["name"], "till", "{pending}");
}

/// The first document that says why channels are pending.
fn first_pending(said: &mut Lines) -> Value {
    let line = said.until(r#"{"pending":"#).pop().unwrap();
    let mut document: Value = serde_json::from_str(&line).unwrap();
    document["pending"].take()
}

#[test]
fn a_listener_beyond_a_limit_waits_for_room_and_the_status_names_it() {
    let home = Home::new("[daemon.limits]\nmax_channels = 1\nlog_age = \"1s\"\n");
    let _daemon = home.start();
    let listen = |arguments: &[&str]| {
        let mut command = expd();
        command.arg("--socket").arg(home.socket()).args(arguments);
        let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Background(command.spawn().unwrap())
    };
    let mut first = listen(&["listen", "menu"]);
    lines_of(&mut first.0).until("listening");
    let mut second = listen(&["listen", "till", "--json"]);
    let mut said = lines_of(&mut second.0);
    let pending = first_pending(&mut said);
    assert_eq!(pending["reason"], "OVER_LIMIT", "{pending}");
    assert_eq!(pending["channels"][0]["name"], "till", "{pending}");
    let detail = pending["detail"].as_str().unwrap();
    assert!(detail.contains("max_channels"), "{pending}");
    let status = |arguments: &[&str]| {
        let mut command = expd();
        command.arg("--socket").arg(home.socket()).args(arguments);
        let output = command.output().unwrap();
        stdout(&output).to_owned()
    };
    let document: Value = serde_json::from_str(&status(&["status", "--json"])).unwrap();
    let hit = &document["limitHits"][0];
    assert_eq!(hit["limit"], "max_channels", "{document}");
    assert_eq!(hit["pid"], second.0.id(), "{document}");
    assert!(
        hit["count"].as_u64().unwrap() >= 1 && hit["lastAt"].is_string(),
        "{hit}"
    );
    let page = status(&["status"]);
    let row = page
        .lines()
        .find(|line| line.trim_start().starts_with("max_channels"));
    let row = row.unwrap_or_else(|| panic!("{page}"));
    assert!(row.contains(&format!("expd {}", second.0.id())), "{row}");
    assert!(
        page.lines().all(|line| line.chars().count() <= 80),
        "{page}"
    );

    drop(first);
    let mut documents = Lines::of(second.0.stdout.take().unwrap());
    loop {
        let subscription = next_with(&mut documents, "subscription");
        if subscription["state"] == "CONFIRMED" {
            break;
        }
    }
}

#[test]
fn a_script_learns_by_exit_status_that_the_network_is_there() {
    let home = Home::new("");
    let socket = home.socket();
    let expd = |arguments: &[&str]| {
        let mut command = expd();
        command.arg("--socket").arg(&socket).args(arguments);
        command
    };
    // It waits for the daemon, too.
    let mut waiting = expd(&["wait-online", "--timeout", "60s"]).spawn().unwrap();
    assert!(waiting.try_wait().unwrap().is_none());
    let mut daemon = home.start();
    assert_eq!(waiting.wait().unwrap().code(), Some(0));

    let check = expd(&["status", "--check"]).output().unwrap();
    assert_eq!(check.status.code(), Some(0), "{check:?}");
    assert!(stdout(&check).starts_with("default  online"), "{check:?}");
    let check = expd(&["status", "--check", "--json"]).output().unwrap();
    let document: Value = serde_json::from_str(stdout(&check)).unwrap();
    assert_eq!(document["online"], true, "{document}");
    let other = expd(&["wait-online", "--instance", "signage"])
        .output()
        .unwrap();
    assert_eq!(other.status.code(), Some(1), "{other:?}");
    assert!(stderr(&other).contains("there are: default"), "{other:?}");
    daemon.signal("TERM");
    assert!(daemon.ended().success());

    home.write(&device_at(&nobody()));
    let mut daemon = home.start();
    let check = expd(&["status", "--check"]).output().unwrap();
    assert_eq!(check.status.code(), Some(4), "{check:?}");
    let late = expd(&["wait-online", "--timeout", "1s"]).output().unwrap();
    assert_eq!(late.status.code(), Some(4), "{late:?}");
    let said = stderr(&late);
    assert!(said.contains("not online after 1s: default is"), "{said}");
    assert!(said.contains("refuses connections"), "{said}");
    daemon.signal("TERM");
    assert!(daemon.ended().success());
}

#[test]
fn the_lines_of_the_greeting_work_in_two_terminals() {
    let home = Home::new("");
    let mut daemon = home.start();
    let mut pasted = |text: &str| {
        let line = daemon.said(text);
        let mut shell = Command::new("sh");
        shell.args(["-c", line.trim()]).stdin(Stdio::null());
        shell.stdout(Stdio::piped()).stderr(Stdio::piped());
        shell.spawn().unwrap()
    };
    let mut listener = Background(pasted("listen menu --respond"));
    lines_of(&mut listener.0).until("confirmed the channel");
    let answered = pasted("broadcast menu hi").wait_with_output().unwrap();
    assert_eq!(stdout(&answered), "\"on it\"\n", "{answered:?}");
}

#[test]
fn the_greeting_names_a_socket_that_another_terminal_would_not_find() {
    let folder = tempfile::tempdir().unwrap();
    for is_relative in [true, false] {
        let mut serve = expd();
        serve.args(["serve", "--embedded"]).stdin(Stdio::null());
        serve
            .current_dir(&folder)
            .env("XDG_STATE_HOME", folder.path());
        if is_relative {
            serve.args(["--socket", "here.sock"]);
        } else {
            serve.env("EXPD_SOCKET", folder.path().join("there.sock"));
        }
        let mut daemon = Daemon::spawn(&mut serve);
        let line = daemon.said("broadcast menu hi");
        let mut shell = Command::new("sh");
        shell.args(["-c", line.trim()]).env_remove("EXPD_SOCKET");
        let sent = shell
            .current_dir("/")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(sent.status.success(), "{line}: {sent:?}");
        daemon.signal("TERM");
        assert!(daemon.ended().success(), "{}", daemon.heard());
    }
}
