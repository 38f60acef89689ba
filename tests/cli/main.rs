//! The command line, as a shell sees it: the real binary, its output and its exit status.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod operations;

use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use expd_test_support::lines::Lines;
use expd_test_support::process::{Daemon, Home, program};
use serde_json::{Value, json};

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

fn expd() -> Command {
    let mut command = Command::new(program());
    command.env_remove("EXPD_SOCKET").stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Output {
    expd().args(arguments).output().unwrap()
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

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
fn a_payload_is_checked_before_a_daemon_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("payload.json");
    std::fs::write(&file, "{\n  \"a\": 1\n}\n").unwrap();
    let nowhere = Path::new("/nowhere/expd.sock");
    let send = |payload: &str, input: &str| {
        let mut child = expd()
            .args(["broadcast", "menu", "hi", payload, "--socket"])
            .arg(nowhere)
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input.as_bytes()).unwrap();
        drop(stdin);
        child.wait_with_output().unwrap().status.code()
    };
    assert_eq!(send(&format!("@{}", file.display()), ""), Some(3));
    assert_eq!(send("-", "[1, 2]"), Some(3));
    assert_eq!(send("-", "[1, 2"), Some(2));
    assert_eq!(send("@/nowhere/payload.json", ""), Some(1));
}

#[test]
fn a_password_is_hashed_from_standard_input() {
    let hash = |input: &str| {
        let mut child = expd()
            .args(["hub", "hash-password"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input.as_bytes()).unwrap();
        drop(stdin);
        child.wait_with_output().unwrap()
    };
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

/// A daemon with its network, for client commands.
struct Served {
    daemon: Daemon,
    home: Home,
}

impl Served {
    fn start() -> Self {
        let home = Home::new("");
        Self {
            daemon: home.start(),
            home,
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = expd();
        command.args(arguments).arg("--socket");
        command.arg(self.home.socket());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn spawn(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    fn stop(mut self) {
        self.daemon.signal("TERM");
        assert!(self.daemon.ended().success(), "{}", self.daemon.heard());
    }
}

/// The next document that has this key.
fn next_with(documents: &mut Lines, key: &str) -> Value {
    loop {
        let document: Value = serde_json::from_str(&documents.line()).unwrap();
        if let Some(value) = document.get(key) {
            return value.clone();
        }
    }
}

#[test]
fn respond_answers_the_broadcast_that_listen_printed() {
    let served = Served::start();
    let mut listener = served.spawn(&["listen", "menu", "--json", "--count", "1"]);
    let mut events = Lines::of(listener.stdout.take().unwrap());
    while next_with(&mut events, "subscription")["state"] != "CONFIRMED" {}
    let broadcaster = served.spawn(&[
        "broadcast",
        "menu",
        "order",
        "{\"table\":4}",
        "--timeout",
        "5s",
    ]);
    let broadcast = next_with(&mut events, "broadcast");
    assert_eq!(broadcast["payload"], json!({ "table": 4 }));
    assert_eq!(listener.wait().unwrap().code(), Some(0));
    let respond = |payload: &str| {
        let id = broadcast["id"].as_str().unwrap();
        let channel = broadcast["channelId"].as_str().unwrap();
        served.run(&["respond", id, channel, payload])
    };

    let responded = respond("{\"ready\": \"in 5 min\"}");
    assert_eq!(responded.status.code(), Some(0), "{}", stderr(&responded));
    assert_eq!(stdout(&responded), "");
    assert_eq!(stderr(&responded), "");
    let answered = broadcaster.wait_with_output().unwrap();
    assert_eq!(answered.status.code(), Some(0), "{}", stderr(&answered));
    assert_eq!(stdout(&answered), "{\"ready\": \"in 5 min\"}\n");

    // Nobody waits for another response.
    let late = respond("null");
    assert_eq!(late.status.code(), Some(5), "{}", stderr(&late));
    assert!(stderr(&late).starts_with("error: "), "{}", stderr(&late));
    served.stop();
}

#[test]
fn api_prints_the_answer_and_fails_where_exp_refuses() {
    let served = Served::start();
    let devices = served.run(&["api", "get", "/api/devices", "-q", "limit=1"]);
    assert_eq!(devices.status.code(), Some(0), "{}", stderr(&devices));
    let listed: Value = serde_json::from_str(stdout(&devices)).unwrap();
    assert_eq!(listed["results"].as_array().unwrap().len(), 1, "{listed}");

    let put = served.run(&["api", "PUT", "/api/data/menu/today", "{\"price\": 3.50}"]);
    assert_eq!(put.status.code(), Some(0), "{}", stderr(&put));
    let read = served.run(&["api", "GET", "/api/data/menu/today"]);
    assert_eq!(read.status.code(), Some(0), "{}", stderr(&read));
    // To the digit.
    assert!(stdout(&read).contains("{\"price\": 3.50}"), "{read:?}");
    assert_eq!(stdout(&read).lines().count(), 1);
    assert_eq!(stderr(&read), "");

    let unknown = served.run(&["api", "GET", "/api/data/menu/tomorrow"]);
    assert_eq!(unknown.status.code(), Some(1), "{}", stderr(&unknown));
    let error: Value = serde_json::from_str(stdout(&unknown)).unwrap();
    assert!(error["code"].is_string(), "{error}");
    let said = "error: EXP answered 404 to GET /api/data/menu/tomorrow\n";
    assert_eq!(stderr(&unknown), said);
    served.stop();
}

/// A process that ends with the test.
struct Background(Child);

impl Drop for Background {
    fn drop(&mut self) {
        // It may have ended already.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[test]
fn resources_are_listed_made_changed_watched_and_deleted() {
    let home = Home::new("");
    let _daemon = home.start();
    let socket = home.socket();
    let expd = |arguments: &[&str]| {
        let mut command = expd();
        command.arg("--socket").arg(&socket).args(arguments);
        command
    };
    let done = |arguments: &[&str]| {
        let output = expd(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {output:?}");
        stdout(&output).to_owned()
    };
    let document = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let created = document(&done(&["things", "create", r#"{"name":"lamp","n":1.00}"#]));
    let uuid = created["uuid"].as_str().unwrap();
    done(&["things", "create"]);

    // Its changes, from when EXP has confirmed the channel.
    let mut watch = expd(&["things", "watch", uuid, "--count", "2"]);
    let mut watch = watch
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut heard = Lines::of(watch.stdout.take().unwrap());
    let mut notes = Lines::of(watch.stderr.take().unwrap());
    let mut watch = Background(watch);
    notes.until("confirmed the");
    let changed = done(&["things", "edit", uuid, r#"{"name":"bulb","at":{"x":1}}"#]);
    assert!(changed.contains(r#""n":1.00"#), "{changed}");
    assert_eq!(document(&changed)["name"], "bulb");
    assert_eq!(document(&heard.line()), document(&changed));
    let same = expd(&["things", "edit", uuid, r#"{"name":"bulb"}"#])
        .output()
        .unwrap();
    assert!(stderr(&same).contains("nothing changed"), "{same:?}");
    let mut edit = expd(&["things", "edit", uuid]);
    let edited = edit
        .env_remove("VISUAL")
        .env("EDITOR", "sed -i s/bulb/torch/")
        .output();
    assert_eq!(document(stdout(&edited.unwrap()))["name"], "torch");
    assert_eq!(document(&heard.line())["name"], "torch");
    assert!(watch.0.wait().unwrap().success());

    let table = done(&["things", "list", "name=torch"]);
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 2, "{table}");
    assert!(
        lines[0].contains("name") && lines[0].contains("uuid"),
        "{table}"
    );
    assert!(
        lines[1].contains("torch") && lines[1].contains(uuid),
        "{table}"
    );
    let all = done(&["things", "list", "--json", "--limit", "1"]);
    assert_eq!(all.lines().count(), 1, "{all}");
    assert_eq!(
        document(&done(&["things", "get", uuid]))["n"].to_string(),
        "1.00"
    );
    assert_eq!(done(&["things", "delete", uuid]), "");
    let gone = expd(&["things", "get", uuid]).output().unwrap();
    assert_eq!(gone.status.code(), Some(1));
    assert!(stderr(&gone).contains("404"), "{gone:?}");

    let item = [
        "data",
        "create",
        "to/day",
        r#"{"soup":"leek","n":0.10}"#,
        "--group",
        "menu",
    ];
    assert!(done(&item).contains(r#"{"soup":"leek","n":0.10}"#));
    let changed = done(&[
        "data",
        "edit",
        "to/day",
        r#"{"soup":null}"#,
        "--group",
        "menu",
    ]);
    assert!(changed.contains(r#""value":{"n":0.10}"#), "{changed}");
    assert_eq!(done(&["data", "get", "to/day", "--group", "menu"]), changed);
    assert!(done(&["data", "list", "group=menu"]).contains("to/day"));
    done(&["data", "delete", "to/day", "--group", "menu"]);
    assert_eq!(done(&["identify", uuid]), "");
    assert_eq!(
        done(&["fling", uuid, r#"{"app":"menu"}"#, "--timeout", "0s"]),
        ""
    );
}

/// Settings of a device whose network is at `host`.
fn device_at(host: &str) -> String {
    format!(
        "[instances.default]\nhost = \"{host}\"\n[instances.default.credentials]\n\
         type = \"device\"\nuuid = \"u\"\nsecret = \"s\"\n"
    )
}

/// An address on which nobody listens.
fn nobody() -> String {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", port.local_addr().unwrap())
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

/// Its standard error, line by line.
fn lines_of(child: &mut Child) -> Lines {
    Lines::of(child.stderr.take().unwrap())
}

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
fn several_broadcasts_are_sent_and_the_first_failure_says_how_many() {
    let served = Served::start();
    let mut listener = served.spawn(&["listen", "menu", "--count", "5"]);
    lines_of(&mut listener).until("confirmed the channel");
    let mut lines = served.command(&["broadcast", "menu", "line", "--lines"]);
    let mut lines = lines
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = lines.stdin.take().unwrap();
    stdin
        .write_all(b"{\"a\": 0.10}\n\n[1e400]\nnonsense\n4\n")
        .unwrap();
    drop(stdin);
    let lines = lines.wait_with_output().unwrap();
    assert_eq!(lines.status.code(), Some(2), "{lines:?}");
    assert!(stderr(&lines).contains("line 4"), "{lines:?}");
    assert!(stderr(&lines).contains("2 sent before it"), "{lines:?}");

    let ticks = [
        "broadcast",
        "menu",
        "tick",
        "--count",
        "3",
        "--interval",
        "10ms",
    ];
    assert_eq!(served.run(&ticks).status.code(), Some(0));
    let heard = listener.wait_with_output().unwrap();
    let heard: Vec<&str> = stdout(&heard)
        .lines()
        .map(|line| line.split_once("  ").unwrap().1)
        .collect();
    assert_eq!(
        heard,
        [
            "line  {\"a\": 0.10}",
            "line  [1e400]",
            "tick  null",
            "tick  null",
            "tick  null"
        ]
    );
    served.stop();
}

#[test]
fn a_broadcast_tells_refused_sent_and_unknown_apart() {
    let home = Home::new(&device_at(&nobody()));
    let expd = |arguments: &[&str]| {
        let mut command = expd();
        command.arg("--socket").arg(home.socket()).args(arguments);
        command
    };
    let mut daemon = home.start();
    let refused = expd(&["broadcast", "menu", "hi"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(5), "{refused:?}");
    daemon.signal("TERM");
    assert!(daemon.ended().success());

    // With --wait it waits for the daemon itself.
    let mut waiting = expd(&["broadcast", "menu", "hi", "--wait", "60s"])
        .spawn()
        .unwrap();
    home.write("");
    let daemon = home.start();
    assert_eq!(waiting.wait().unwrap().code(), Some(0));

    // A daemon that dies with the call under way.
    let mut listener = expd(&["listen", "menu", "--count", "1"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    lines_of(&mut listener).until("confirmed the channel");
    let broadcast = expd(&["broadcast", "menu", "hi", "--timeout", "1m"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    assert_eq!(listener.wait().unwrap().code(), Some(0));
    daemon.signal("KILL");
    let unknown = broadcast.wait_with_output().unwrap();
    assert_eq!(unknown.status.code(), Some(6), "{unknown:?}");
}

/// Output of a command on a terminal.
fn on_a_terminal(socket: &Path, arguments: &str) -> String {
    let line = format!(
        "{} --socket {} {arguments}",
        program().display(),
        socket.display()
    );
    let mut command = Command::new("script");
    command
        .args(["-qec", &line, "/dev/null"])
        .stdin(Stdio::null());
    let output = command.env("TERM", "vt100").output().unwrap();
    String::from_utf8(output.stdout).unwrap().replace('\r', "")
}

#[test]
fn json_is_laid_out_on_a_terminal_and_exact_in_a_pipe() {
    let served = Served::start();
    let put = served.run(&["api", "PUT", "/api/data/menu/today", "{\"price\": 3.50}"]);
    assert_eq!(put.status.code(), Some(0));
    let shown = on_a_terminal(&served.home.socket(), "api GET /api/data/menu/today");
    assert!(
        shown.contains("\n  \"value\": {\n    \"price\": 3.50\n  }"),
        "{shown}"
    );
    let piped = served.run(&["api", "GET", "/api/data/menu/today"]);
    assert!(stdout(&piped).contains("{\"price\": 3.50}"));
    assert_eq!(stdout(&piped).lines().count(), 1);
    served.stop();
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
