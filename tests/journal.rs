//! The events of the journal: what the code logs, the table, and the catalog say the same.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::process::{Command, Stdio};

use expd::journal::JournalEvent;
use expd_test_support::lines::Lines;
use expd_test_support::process::{Daemon, Home, program};
use serde_json::Value;

const CATALOG: &str = include_str!("../packaging/journal/expd.catalog");
const TABLE: &str = include_str!("../docs/journal.md");

/// A sentence as it is written over several lines or in one.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_table_and_the_catalog_have_each_event_of_the_code_and_no_other() {
    let rows: Vec<Vec<&str>> = TABLE
        .lines()
        .map(|line| line.split('|').map(str::trim).collect::<Vec<_>>())
        .filter(|cells| {
            cells
                .get(2)
                .is_some_and(|id| id.trim_matches('`').len() == 32)
        })
        .collect();
    let entries: Vec<(&str, &str)> = CATALOG
        .split("\n-- ")
        .skip(1)
        .map(|entry| entry.split_once('\n').unwrap())
        .collect();
    assert_eq!(rows.len(), JournalEvent::ALL.len());
    assert_eq!(entries.len(), JournalEvent::ALL.len());
    for (event, (row, (id, entry))) in JournalEvent::ALL.iter().zip(rows.iter().zip(&entries)) {
        let name = event.as_str();
        assert_eq!(row[1], format!("`{name}`"));
        assert_eq!(row[2], format!("`{}`", event.message_id()));
        let priority = match event.level() {
            log::Level::Error => "3 err",
            log::Level::Warn => "4 warning",
            _ => "5 notice",
        };
        assert_eq!(row[3], priority, "{name}");
        assert_eq!(*id, event.message_id(), "{name}");
        assert!(
            entry.starts_with(&format!("Subject: expd: {name}\n")),
            "{entry}"
        );
        let (_, text) = entry.split_once("\n\n").unwrap();
        assert_eq!(
            words(text),
            words(&format!("{} {}", row[4], row[5])),
            "{name}"
        );
    }
    let mut ids: Vec<_> = JournalEvent::ALL
        .iter()
        .map(|one| one.message_id())
        .collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), JournalEvent::ALL.len(), "an ID is used twice");
}

#[test]
fn journalctl_takes_the_catalog() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("usr/lib/systemd/catalog");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("expd.catalog"), CATALOG).unwrap();
    std::fs::create_dir_all(root.path().join("var/lib/systemd/catalog")).unwrap();
    let journalctl = |argument: &str| {
        let mut command = Command::new("journalctl");
        command.arg("--root").arg(root.path()).arg(argument);
        let output = command.output();
        let output = output.expect("this test needs journalctl: install the package systemd");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            output.status.success() && said.is_empty(),
            "{argument}: {said}"
        );
    };
    journalctl("--update-catalog");
    let database = root.path().join("var/lib/systemd/catalog/database");
    let database = String::from_utf8_lossy(&std::fs::read(database).unwrap()).into_owned();
    for event in JournalEvent::ALL {
        let subject = format!("Subject: expd: {}\n", event.as_str());
        assert!(database.contains(&subject), "{subject}");
    }
}

/// The next JSON record of this event.
fn said(daemon: &mut Daemon, event: JournalEvent) -> Value {
    let line = daemon.said(&format!(r#""event":"{}""#, event.as_str()));
    let record: Value =
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
    assert_eq!(record["message_id"], event.message_id(), "{record}");
    record
}

#[test]
fn in_a_container_each_event_is_an_object_of_json_with_its_fields() {
    let own = rustix::process::geteuid().as_raw().to_string();
    let rules = format!(
        "[daemon.limits]\nmax_listeners = 1\n[[access]]\nuid = {own}\nevents = [\"order\"]\n\
         allow = [\"broadcast\", \"listen\"]\n"
    );
    let home = Home::new(&rules);
    let mut command = home.command(&[]);
    command.arg("--socket").arg(home.socket());
    command.args(["--log-format", "json"]);
    let mut daemon = Daemon::spawn(&mut command);
    assert_eq!(
        said(&mut daemon, JournalEvent::Online)["instance"],
        "default"
    );
    said(&mut daemon, JournalEvent::Started);

    let status = Command::new(program())
        .args(["status", "--socket"])
        .arg(home.socket())
        .output()
        .unwrap();
    assert!(!status.status.success());
    let denied = said(&mut daemon, JournalEvent::AccessDenied);
    assert_eq!(
        (&denied["level"], &denied["verb"]),
        (&"warn".into(), &"status".into()),
        "{denied}"
    );
    assert_eq!(denied["peer_uid"], own, "{denied}");
    assert!(denied["peer_pid"].is_string(), "{denied}");
    assert!(denied["channel"].is_null(), "{denied}");

    let expd = |arguments: &[&str]| {
        let mut command = Command::new(program());
        command.args(arguments).arg("--socket").arg(home.socket());
        command
    };
    let broadcast = expd(&["broadcast", "menu", "secret"]).output().unwrap();
    assert!(!broadcast.status.success());
    let denied = said(&mut daemon, JournalEvent::AccessDenied);
    for (field, value) in [
        ("instance", "default"),
        ("channel", "menu"),
        ("verb", "broadcast"),
        ("peer_kind", "program"),
        ("peer_uid", &own),
    ] {
        assert_eq!(denied[field], value, "{field}: {denied}");
    }

    let mut first = expd(&["listen", "menu", "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // Its first line tells of its listener.
    let mut heard = Lines::of(first.stdout.take().unwrap());
    heard.line();
    // It waits for room, and asks again.
    let second = expd(&["listen", "board", "--json"])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let limit = said(&mut daemon, JournalEvent::LimitHit);
    for (field, value) in [
        ("instance", "default"),
        ("channel", "board"),
        ("peer_uid", &own),
    ] {
        assert_eq!(limit[field], value, "{field}: {limit}");
    }
    for mut program in [first, second] {
        program.kill().unwrap();
        program.wait().unwrap();
    }

    home.write("nonsense = 1\n");
    daemon.signal("HUP");
    let refused = said(&mut daemon, JournalEvent::SettingsRefused);
    assert_eq!(refused["level"], "error", "{refused}");
    let message = refused["message"].as_str().unwrap();
    assert!(
        message.contains("daemon.nonsense: unknown key"),
        "{message}"
    );
    daemon.signal("TERM");
    said(&mut daemon, JournalEvent::Stopped);
    assert!(daemon.ended().success(), "{}", daemon.heard());
}
