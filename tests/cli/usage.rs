//! Help, arguments, and a daemon that is not there.

use std::path::Path;

use super::{expd, fed, run, stderr, stdout};

const COMMANDS: [&str; 26] = [
    "serve",
    "hub",
    "status",
    "wait-online",
    "top",
    "doctor",
    "reload",
    "bugreport",
    "listen",
    "broadcast",
    "respond",
    "devices",
    "things",
    "experiences",
    "locations",
    "feeds",
    "data",
    "content",
    "fling",
    "identify",
    "restart",
    "api",
    "channel-id",
    "check-config",
    "web",
    "completions",
];

/// Those that need a daemon, with arguments that suffice.
const CLIENTS: [&[&str]; 13] = [
    &["status"],
    &["reload"],
    &["status", "--check"],
    &["wait-online", "--timeout", "0s"],
    &["status", "--watch", "--json"],
    &["broadcast", "menu", "hi", "-5"],
    &["respond", "id", "WyJd", "null"],
    &["api", "get", "/api/devices", "-q", "limit=1"],
    &["things", "list", "name=x", "--limit", "1"],
    &["feeds", "delete", "u"],
    &["data", "create", "key", "-1"],
    &["content", "get", "/menus/lunch.png"],
    &["fling", "u", "{}"],
];

#[test]
fn every_command_has_help_that_teaches() {
    let overview = run(&["--help"]);
    assert_eq!(overview.status.code(), Some(0));
    for command in COMMANDS {
        assert!(stdout(&overview).contains(&format!("\n  {command}")));
        let help = run(&[command, "--help"]);
        assert_eq!(help.status.code(), Some(0), "{command}");
        let text = stdout(&help);
        assert!(text.contains("Examples:\n  "), "{command}: {text}");
        assert!(text.contains("Usage: expd "), "{command}: {text}");
        assert!(
            !text.contains('\x1b'),
            "{command}: colours without a terminal"
        );
    }
}

#[test]
fn wrong_usage_ends_with_2_and_says_what_is_wrong() {
    let cases: [(&[&str], &str); 17] = [
        (&[], "Usage"),
        (&["nonsense"], "unrecognized subcommand"),
        (&["listen"], "<CHANNEL>"),
        (&["listen", "menu", "--count", "0"], "--count"),
        (&["broadcast", "menu", "hi", "hello"], "not JSON"),
        (&["broadcast", "menu", "hi", "1", "--timeout", "5"], "500ms"),
        (
            &["broadcast", "menu", "hi", "--timeout", "2h"],
            "at most 1h",
        ),
        (&["broadcast", "menu", "hi", "1", "--lines"], "--lines"),
        (&["serve", "--log", "loud"], "error, warn, info"),
        (&["api", "GET", "/api/devices", "-q", "limit"], "KEY=VALUE"),
        (&["listen", "menu", "--resume", "17"], "LOG_ID:SEQUENCE"),
        (&["completions", "cobol"], "zsh"),
        (&["devices", "list", "name"], "FIELD=VALUE"),
        (&["devices", "list", "a=1", "a=2"], "given twice"),
        (&["content", "get", "u", "--offset", "5"], "begins with a /"),
        (&["content", "get", "film.mp4"], "a path begins with a /"),
        (&["devices", "edit", "u", "{"], "not JSON"),
    ];
    for (arguments, words) in cases {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(
            stderr(&output).contains(words),
            "{arguments:?}: {}",
            stderr(&output)
        );
        assert_eq!(stdout(&output), "", "{arguments:?}");
    }
}

#[test]
fn a_daemon_that_is_not_there_ends_with_3_and_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("none.sock");
    let stale = folder.path().join("stale.sock");
    drop(std::os::unix::net::UnixListener::bind(&stale).unwrap());
    for (socket, reason) in [
        (&missing, "there is no socket"),
        (&stale, "nobody listens on it"),
    ] {
        for arguments in CLIENTS {
            for by_variable in [true, false] {
                let mut command = expd();
                if by_variable {
                    command.env("EXPD_SOCKET", socket);
                } else {
                    command.arg("--socket").arg(socket);
                }
                let output = command.args(arguments).output().unwrap();
                let said = stderr(&output);
                assert_eq!(output.status.code(), Some(3), "{arguments:?}: {said}");
                assert!(said.contains(socket.to_str().unwrap()), "{said}");
                assert!(said.contains(reason), "{said}");
                assert!(said.contains("expd serve"), "{said}");
                assert!(!said.contains('\x1b'), "colours without a terminal: {said}");
            }
        }
    }
}

#[test]
fn the_socket_that_was_meant_is_the_one_in_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("none.sock");
    let said = |by_variable: bool| {
        let mut command = expd();
        if by_variable {
            command.env("EXPD_SOCKET", &missing).arg("status");
        } else {
            command.env("EXPD_SOCKET", "/elsewhere/expd.sock");
            command.arg("status").arg("--socket").arg(&missing);
        }
        stderr(&command.output().unwrap()).to_owned()
    };
    let (option, variable) = (said(false), said(true));
    assert!(option.contains("the socket is from --socket"), "{option}");
    assert!(!option.contains("elsewhere"), "{option}");
    assert!(variable.contains("is from EXPD_SOCKET"), "{variable}");
}

#[test]
fn help_shows_no_option_that_a_command_does_not_use() {
    for command in ["channel-id", "check-config", "completions", "hub", "web"] {
        let help = run(&[command, "--help"]);
        assert!(!stdout(&help).contains("--socket"), "{command}");
        let refused = run(&[command, "--socket", "/x"]);
        assert_eq!(refused.status.code(), Some(2), "{}", stderr(&refused));
    }
    for command in ["status", "listen", "serve", "wait-online", "api"] {
        assert!(stdout(&run(&[command, "--help"])).contains("--socket"));
    }
}

#[test]
fn a_socket_of_something_else_is_no_daemon() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let output = run(&["status", "--socket", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
}

#[test]
fn completions_exist_for_every_shell() {
    for shell in ["bash", "zsh", "fish"] {
        let output = run(&["completions", shell]);
        assert_eq!(output.status.code(), Some(0), "{shell}");
        for command in COMMANDS {
            assert!(stdout(&output).contains(command), "{shell}: {command}");
        }
    }
}

#[test]
fn a_payload_is_checked_before_a_daemon_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("payload.json");
    std::fs::write(&file, "{\n  \"a\": 1\n}\n").unwrap();
    let nowhere = Path::new("/nowhere/expd.sock");
    let send = |payload: &str, input: &str| {
        let mut command = expd();
        command.args(["broadcast", "menu", "hi", payload, "--socket"]);
        fed(command.arg(nowhere), input).status.code()
    };
    assert_eq!(send(&format!("@{}", file.display()), ""), Some(3));
    assert_eq!(send("-", "[1, 2]"), Some(3));
    assert_eq!(send("-", "[1, 2"), Some(2));
    assert_eq!(send("@/nowhere/payload.json", ""), Some(1));
}
