//! Calls: broadcast, respond, the network's API and resources.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use expd_test_support::lines::Lines;
use expd_test_support::process::{Home, program};
use serde_json::{Value, json};

use super::{Background, Served, device_at, expd, lines_of, next_with, nobody, stderr, stdout};

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
