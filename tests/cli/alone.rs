//! Commands that need no daemon.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::process::Stdio;

use expd_test_support::DEADLINE;
use serde_json::{Value, json};

use super::{Background, expd, fed, lines_of, run, stderr, stdout};

#[test]
fn a_channel_id_is_printed_in_either_alphabet() {
    let id = |arguments: &[&str]| {
        let output = run(&[&["channel-id"], arguments].concat());
        assert_eq!(output.status.code(), Some(0));
        stdout(&output).to_owned()
    };
    assert_eq!(id(&["demo", "menu"]), "WyJkZW1vIiwibWVudSIsMCwwXQ==\n");
    assert_eq!(
        id(&["demo", "menu", "--system", "--consumer"]),
        "WyJkZW1vIiwibWVudSIsMSwxXQ==\n"
    );
    assert_eq!(id(&["demo", "~~~>>>"]), "WyJkZW1vIiwifn5-Pj4-IiwwLDBd\n");
    assert_eq!(
        id(&["demo", "~~~>>>", "--standard"]),
        "WyJkZW1vIiwifn5+Pj4+IiwwLDBd\n"
    );
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    for arguments in [
        &["completions", "bash"][..],
        &["--help"],
        &["channel-id", "demo", "menu"],
    ] {
        let mut child = expd()
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert_eq!(stderr(&output), "", "{arguments:?}");
    }
}

#[test]
fn a_password_is_hashed_from_standard_input() {
    let hash = |input: &str| fed(expd().args(["hub", "hash-password"]), input);
    let hashed = hash("correct horse\n");
    assert_eq!(hashed.status.code(), Some(0), "{}", stderr(&hashed));
    assert!(stdout(&hashed).starts_with("$argon2id$"));
    assert_eq!(stdout(&hashed).lines().count(), 1);
    assert_eq!(hash("\n").status.code(), Some(2));
}

#[test]
fn the_network_serves_its_operator_and_ends_when_told_to() {
    let state = tempfile::tempdir().unwrap();
    let expd = || {
        let mut command = expd();
        command.env("EXPD__DAEMON__STATE_DIR", state.path());
        command
    };
    let run = |arguments: &[&str]| expd().args(arguments).output().unwrap();
    let mut network = expd()
        .args(["hub", "--listen", "127.0.0.1:0"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = lines_of(&mut network);
    // The log may speak first.
    let words = said.until("http://").pop().unwrap();
    let (_, address) = words.split_once("http://").unwrap();
    let address = address.split(',').next().unwrap();
    for arguments in [
        &["hub", "pair", "abc-def"][..],
        &["hub", "unpair", "no-such-device"],
    ] {
        let refused = run(&[arguments, &["--network", address]].concat());
        assert_eq!(refused.status.code(), Some(1), "{}", stderr(&refused));
        assert!(
            stderr(&refused).contains("the network refused"),
            "{}",
            stderr(&refused)
        );
    }
    let pid = i32::try_from(network.id()).unwrap();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(network.wait().unwrap().code(), Some(0));
    let gone = run(&["hub", "pair", "abc-def", "--network", address]);
    assert_eq!(gone.status.code(), Some(1));
    assert!(
        stderr(&gone).contains("cannot be reached"),
        "{}",
        stderr(&gone)
    );
}

#[test]
fn a_script_never_reads_half_a_line_of_standard_error() {
    let (ours, theirs) = UnixDatagram::pair().unwrap();
    ours.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut network = expd();
    network.args(["hub", "--listen", "127.0.0.1:0"]);
    network.stdout(Stdio::null()).stderr(OwnedFd::from(theirs));
    let _network = Background(network.spawn().unwrap());
    // A datagram is what one write wrote.
    let mut text = [0; 4096];
    let mut said = String::new();
    while !said.contains("http://") {
        let length = ours.recv(&mut text).unwrap();
        said = String::from_utf8_lossy(&text[..length]).into_owned();
        assert!(said.ends_with('\n'), "{said:?}");
    }
}

#[test]
fn check_config_names_every_mistake_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("expd.toml");
    let check = |text: &str| {
        std::fs::write(&file, text).unwrap();
        let mut command = expd();
        command.args(["check-config", "--config"]).arg(&file);
        command.output().unwrap()
    };
    let sound = check("[hub]\norganization = \"demo\"\n");
    assert_eq!(sound.status.code(), Some(0), "{}", stderr(&sound));
    assert!(stderr(&sound).contains("no mistakes"), "{}", stderr(&sound));
    // The parameters are those that Argon2 itself refuses.
    let hash = "$argon2id$v=19$m=1,t=1,p=1$c29tZSBzYWx0IHRleHQ$hFzl9CsXFVBeHLQ7WC8c9A";
    let user = format!("[[hub.users]]\nusername = \"u\"\npassword_hash = \"{hash}\"\n");
    let refused = check(&user);
    assert_eq!(refused.status.code(), Some(1), "{}", stderr(&refused));
    assert!(
        stderr(&refused).contains("hub.users[0].password_hash"),
        "{}",
        stderr(&refused)
    );
    let wrong = check("[hub]\norganisation = \"demo\"\ntoken_ttl = \"soon\"\n");
    let said = stderr(&wrong);
    assert_eq!(wrong.status.code(), Some(1), "{said}");
    for words in ["expd.toml:2", "organization", "expd.toml:3", "2 mistakes"] {
        assert!(said.contains(words), "{said}");
    }
}

#[test]
fn web_policy_permits_each_configured_origin_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("expd.toml");
    let policy = |text: &str| {
        std::fs::write(&file, text).unwrap();
        let mut command = expd();
        command.args(["web", "policy", "--config"]).arg(&file);
        command.output().unwrap()
    };
    let app = |name: &str, origins: &str| {
        format!(
            "[[web.apps]]\nname = \"{name}\"\nuuid = \"{name}\"\napi_key = \"k\"\norigins = [{origins}]\n"
        )
    };
    let door = "[web]\nlisten = \"127.0.0.1:9980\"\n";
    let board = app(
        "board",
        r#""https://kiosk.example", "http://127.0.0.1:9980""#,
    );
    let till = app(
        "till",
        r#""http://till.example:8080", "https://kiosk.example""#,
    );
    let printed = policy(&format!("{door}{board}{till}"));
    assert_eq!(printed.status.code(), Some(0), "{}", stderr(&printed));
    // Chromium takes a pattern without a port for all ports.
    let origins = json!(["http://till.example:8080", "https://kiosk.example:443"]);
    let document: Value = serde_json::from_str(stdout(&printed)).unwrap();
    let both = json!({
        "LocalNetworkAccessAllowedForUrls": origins,
        "LoopbackNetworkAllowedForUrls": origins,
    });
    assert_eq!(document, both);
    for words in ["139", "146", "/etc/chromium/policies/managed/expd.json"] {
        assert!(stderr(&printed).contains(words), "{}", stderr(&printed));
    }
    let local = policy(&format!(
        "{door}{}",
        app("board", r#""http://localhost:9980""#)
    ));
    assert!(
        stderr(&local).contains("no policy is needed"),
        "{}",
        stderr(&local)
    );
    let none = policy(door);
    assert_eq!(none.status.code(), Some(1), "{}", stdout(&none));
    assert_eq!(stdout(&none), "");
    assert!(stderr(&none).contains("[[web.apps]]"), "{}", stderr(&none));
    let wrong = policy(&app("board", r#""https://kiosk.example""#));
    assert_eq!(wrong.status.code(), Some(1), "{}", stdout(&wrong));
    assert!(stderr(&wrong).contains("web.listen"), "{}", stderr(&wrong));
}
