//! Tests of the log as a whole. A process has one log, so each plays through in a process of its
//! own.

use std::process::Command;

use super::*;

#[test]
fn the_level_can_be_changed_at_run_time() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "logging::tests::played_at_run_time",
            "--ignored",
            "--nocapture",
        ])
        .env_remove("JOURNAL_STREAM")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    let said: Vec<&str> = text
        .lines()
        .filter_map(|line| line.split("said ").nth(1))
        .collect();
    assert_eq!(
        said,
        ["one", "three", "five n=5", "six stream=6 library=h2"],
        "{text}"
    );
}

#[test]
#[ignore = "played by the_level_can_be_changed_at_run_time, in a process of its own"]
fn played_at_run_time() {
    init(LogLevel::Info, LogFormat::Auto).unwrap();
    let again = init(LogLevel::Info, LogFormat::Auto);
    assert!(matches!(again, Err(LoggingError::OpenAlready)), "{again:?}");
    log::info!("said one");
    log::debug!("said two");
    set_level(LogLevel::Debug);
    log::debug!("said three");
    set_level(LogLevel::Warn);
    log::info!("said four");
    log::warn!(n = 5; "said five");
    tracing::warn!(target: "h2::server", stream = 6, "said {}", "six");
    tracing::info!(target: "h2::server", "said seven");
    flush();
}

/// Starts journald in a mount namespace of its own, runs the program of `$1` there with its
/// standard error as the journal's stream, and prints the journal.
const WITH_JOURNALD: &str = r#"
    set -e
    mount -t tmpfs tmpfs /run
    mkdir -p /run/systemd/journal /run/log/journal
    /lib/systemd/systemd-journald >/dev/null 2>&1 &
    journald=$!
    trap 'kill $journald' EXIT
    tries=0
    until [ -S /run/systemd/journal/socket ]; do
        tries=$((tries + 1))
        [ $tries -lt 200 ] || { echo "journald does not start" >&2; exit 1; }
        sleep 0.05
    done
    JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2) "$1" --exact "$2" --ignored >/dev/null
    journalctl -D /run/log/journal --sync >/dev/null 2>&1 || true
    tries=0
    until journalctl -D /run/log/journal -t expd -o json --no-pager | grep -q 'the last one'; do
        tries=$((tries + 1))
        [ $tries -lt 200 ] || { echo "the journal lacks the records" >&2; exit 1; }
        sleep 0.05
    done
    journalctl -D /run/log/journal -t expd -o json --no-pager
"#;

#[test]
fn the_journal_gets_every_record_with_its_fields() {
    let missing = ["/lib/systemd/systemd-journald", "/usr/bin/unshare"]
        .into_iter()
        .find(|path| !std::path::Path::new(path).exists());
    if let Some(path) = missing {
        eprintln!("skipped: {path} is not installed");
        return;
    }
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root may start journald");
        return;
    }
    let stderr = tempfile::tempfile().unwrap();
    let output = Command::new("unshare")
        .args(["-m", "sh", "-c", WITH_JOURNALD, "sh"])
        .arg(std::env::current_exe().unwrap())
        .arg("logging::tests::played_into_the_journal")
        .stderr(stderr.try_clone().unwrap())
        .output()
        .unwrap();
    let said = {
        use std::io::{Read as _, Seek as _};
        let (mut stderr, mut text) = (stderr, String::new());
        stderr.rewind().unwrap();
        stderr.read_to_string(&mut text).unwrap();
        text
    };
    assert!(output.status.success(), "{said}");
    let records: Vec<serde_json::Value> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let field = |record: &serde_json::Value, name: &str| {
        let value = record.get(name).and_then(serde_json::Value::as_str);
        value.unwrap_or_default().to_owned()
    };
    let messages: Vec<_> = records.iter().map(|one| field(one, "MESSAGE")).collect();
    assert_eq!(messages, ["logged in", r"in two\nlines", "the last one"]);
    let first = &records[0];
    assert_eq!(field(first, "PRIORITY"), "5", "{first}");
    assert_eq!(field(first, "SYSLOG_IDENTIFIER"), "expd");
    assert_eq!(field(first, "TARGET"), "expd::upstream::link");
    assert_eq!(field(first, "EXP_INSTANCE"), "default");
    assert_eq!(field(first, "EXP_PEER_PID"), "7");
    assert_eq!(field(first, "EXP_WHY"), "a b");
    assert_eq!(field(first, "EXP_EVENT"), "logged-in");
    let id = JournalEvent::LoggedIn.message_id();
    assert_eq!(field(first, "MESSAGE_ID"), id);
    assert!(first.get("EXP_NOTHING").is_none(), "{first}");
    assert!(field(first, "CODE_FILE").ends_with("tests.rs"), "{first}");
    assert_eq!(field(&records[1], "PRIORITY"), "4");
    assert_eq!(field(&records[2], "PRIORITY"), "3");
    // Standard error has none of them.
    assert!(!said.contains("logged in"), "{said}");
}

#[test]
#[ignore = "played by the_journal_gets_every_record_with_its_fields, in a process of its own"]
fn played_into_the_journal() {
    init(LogLevel::Info, LogFormat::Auto).unwrap();
    log::info!(target: "expd::upstream::link", event = JournalEvent::LoggedIn, instance = "default", peer_pid = 7, why = "a b", nothing = ""; "logged in");
    log::debug!("not shown");
    log::warn!("in two\nlines");
    log::error!("the last one");
    flush();
}
