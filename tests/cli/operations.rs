//! Commands of those who operate a host: doctor, bugreport, check-config for a unit, top.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use expd_test_support::process::{Home, program};
use serde_json::Value;

use super::{Background, device_at, expd, lines_of, nobody, stderr, stdout};

/// Findings of `expd doctor` with these settings.
fn doctor(home: &Home) -> (Option<i32>, Vec<Value>, String) {
    let mut command = expd();
    command.arg("--socket").arg(home.socket());
    command
        .args(["doctor", "--json", "--config"])
        .arg(home.config());
    let output = command.output().unwrap();
    let document: Value = serde_json::from_str(stdout(&output)).unwrap();
    let findings = document["findings"].as_array().unwrap().clone();
    (output.status.code(), findings, stdout(&output).to_owned())
}

/// The finding of a check at this level.
fn found<'f>(findings: &'f [Value], check: &str, level: &str) -> &'f Value {
    findings
        .iter()
        .find(|it| it["check"] == check && it["level"] == level)
        .unwrap_or_else(|| panic!("no {level} of {check}: {findings:#?}"))
}

/// A server that gives each request this answer.
fn server(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    // It ends with the process.
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                let mut head = [0; 4096];
                if stream.read(&mut head).is_ok_and(|read| read > 0) {
                    // The other end may be gone.
                    stream.write_all(answer.as_bytes()).ok();
                }
            });
        }
    });
    url
}

#[test]
fn doctor_without_a_daemon_says_what_to_do_and_prints_no_secret() {
    let home = Home::new(&device_at(&nobody()).replace("\"s\"", "\"planted-secret\""));
    let (status, findings, text) = doctor(&home);
    assert_eq!(status, Some(1));
    let socket = found(&findings, "socket", "fault");
    assert!(
        socket["remedy"]
            .as_str()
            .unwrap()
            .contains("start the daemon")
    );
    let connect = found(&findings, "connect", "fault");
    assert!(
        connect["found"].as_str().unwrap().contains("refused"),
        "{connect}"
    );
    assert!(connect["remedy"].as_str().unwrap().contains("ip route"));
    assert!(!text.contains("planted-secret"), "{text}");

    home.write(&device_at("https://no-such-host.invalid"));
    let (_, findings, _) = doctor(&home);
    let dns = found(&findings, "dns", "fault");
    assert!(
        dns["found"].as_str().unwrap().contains("no-such-host"),
        "{dns}"
    );

    home.write("[daemon.limits]\nlog_event = 5\n");
    let (_, findings, _) = doctor(&home);
    let settings = found(&findings, "settings", "fault");
    assert!(
        settings["remedy"].as_str().unwrap().contains("log_events"),
        "{settings}"
    );
}

#[test]
fn doctor_finds_captive_portals_and_wrong_clocks() {
    let portal = "HTTP/1.1 302 Found\r\nDate: Mon, 01 Jan 2001 00:00:00 GMT\r\n\
                  Location: http://portal.example/login\r\nContent-Length: 0\r\n\r\n";
    let home = Home::new(&device_at(&server(portal)));
    let (_, findings, _) = doctor(&home);
    let found_portal = found(&findings, "portal", "fault");
    assert!(
        found_portal["found"]
            .as_str()
            .unwrap()
            .contains("portal.example")
    );
    let clock = found(&findings, "clock", "warning");
    assert!(
        clock["found"].as_str().unwrap().contains("ahead of EXP's"),
        "{clock}"
    );

    let plain = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
    let host = server(plain).replace("http:", "https:");
    home.write(&device_at(&host));
    let (_, findings, _) = doctor(&home);
    found(&findings, "tls", "fault");
}

#[test]
fn doctor_is_content_with_a_daemon_that_is_online_and_tells_refused_credentials() {
    let home = Home::new("");
    let _daemon = home.start();
    let mut wait = expd();
    wait.arg("--socket").arg(home.socket()).arg("wait-online");
    assert!(wait.status().unwrap().success());
    let (status, findings, text) = doctor(&home);
    assert_eq!(status, Some(0), "{text}");
    found(&findings, "link", "ok");

    let mut command = expd();
    command
        .arg("--socket")
        .arg(home.socket())
        .args(["status", "--json"]);
    let shown: Value = serde_json::from_str(stdout(&command.output().unwrap())).unwrap();
    let network = shown["instances"][0]["host"].as_str().unwrap();
    let other = Home::new(&device_at(network));
    let (_, findings, _) = doctor(&other);
    let login = found(&findings, "login", "fault");
    assert!(
        login["found"]
            .as_str()
            .unwrap()
            .contains("refuses the credentials"),
        "{login}"
    );
}

#[test]
fn a_bugreport_has_no_planted_secret() {
    let settings = "\
[instances.default]
host = \"http://127.0.0.1:9\"
proxy = \"http://joe:planted-1-proxy@127.0.0.1:9\"
[instances.default.credentials]
type = \"user\"
username = \"ada\"
password_file = \"PASSWORD\"
organization = \"demo\"
[[hub.devices]]
uuid = \"planted-uuid-stays\"
secret = \"planted-2-device\" # planted-3-comment
";
    let home = Home::new("");
    let password = home.folder.path().join("password");
    std::fs::write(&password, "planted-4-password\n").unwrap();
    let open = std::fs::Permissions::from_mode;
    std::fs::set_permissions(&password, open(0o600)).unwrap();
    home.write(&settings.replace("PASSWORD", password.to_str().unwrap()));
    let _daemon = home.start();
    let run = |output: &Path, variable: &str| -> Output {
        let mut command = expd();
        command.arg("--socket").arg(home.socket());
        command.env("EXPD__HUB__OPERATOR_KEY", variable);
        command.args(["bugreport", "--config"]).arg(home.config());
        command.arg(output).output().unwrap()
    };
    let key = "planted-5-operator-key-of-forty-characters";
    let folder = home.folder.path().join("report/");
    let report = run(&folder, key);
    assert_eq!(report.status.code(), Some(0), "{}", stderr(&report));
    let mut all = String::new();
    for name in [
        "system.txt",
        "settings.toml",
        "status.json",
        "doctor.txt",
        "units.txt",
    ] {
        all.push_str(&std::fs::read_to_string(folder.join(name)).unwrap());
    }
    let archive = home.folder.path().join("report.tar.gz");
    assert_eq!(run(&archive, key).status.code(), Some(0));
    assert_eq!(
        run(&archive, key).status.code(),
        Some(1),
        "it replaces nothing"
    );
    let mode = std::fs::metadata(&archive).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let mut tar = Command::new("tar");
    let unpacked = tar.arg("-xzOf").arg(&archive).output().unwrap();
    all.push_str(&String::from_utf8_lossy(&unpacked.stdout));
    assert!(all.contains("planted-uuid-stays"), "{all}");
    assert!(all.contains("FAULT"), "{all}");
    for planted in [
        "planted-1",
        "planted-2",
        "planted-3",
        "planted-4",
        "planted-5",
    ] {
        assert!(!all.contains(planted), "{planted}: {all}");
    }
}

#[test]
fn check_config_sees_what_a_unit_will_see() {
    let home = Home::new("");
    let secret = home.folder.path().join("device.secret");
    std::fs::write(&secret, "s").unwrap();
    let open = std::fs::Permissions::from_mode;
    std::fs::set_permissions(&secret, open(0o600)).unwrap();
    let secret = secret.to_str().unwrap();
    let unit = home.folder.path().join("expd.service");
    let check = |settings: &str, service: &str| {
        home.write(settings);
        let text = format!(
            "[Service]\nUser=nobody\nGroup=nogroup\nExecStart=/usr/bin/expd serve --config {}\n{service}",
            home.config().display()
        );
        std::fs::write(&unit, text).unwrap();
        let mut command = expd();
        // The shell's own settings do not count.
        command.env("EXPD__DAEMON__LOG", "nonsense");
        command.args(["check-config", "--unit"]).arg(&unit);
        command.output().unwrap()
    };
    let device = "[instances.default.credentials]\ntype = \"device\"\nuuid = \"u\"\n";
    let in_a_file = format!("{device}secret_file = \"{secret}\"\n");
    let unread = check(&in_a_file, "");
    assert_eq!(unread.status.code(), Some(1), "{}", stderr(&unread));
    assert!(
        stderr(&unread).contains("the user nobody"),
        "{}",
        stderr(&unread)
    );
    let remedy = format!("LoadCredential=expd.default.secret:{secret}");
    assert!(stderr(&unread).contains(&remedy), "{}", stderr(&unread));

    let loaded = check(device, &format!("{remedy}\n"));
    assert_eq!(loaded.status.code(), Some(0), "{}", stderr(&loaded));
    let missing = check(device, "");
    assert_eq!(missing.status.code(), Some(1), "{}", stderr(&missing));
    let wrong = check(
        &in_a_file,
        "User=root\nEnvironment=EXPD__DAEMON__LOG=loud\n",
    );
    assert!(
        stderr(&wrong).contains("EXPD__DAEMON__LOG"),
        "{}",
        stderr(&wrong)
    );
}

#[test]
fn top_works_in_a_pipe_and_on_a_terminal_without_colours() {
    let home = Home::new("");
    let _daemon = home.start();
    let mut command = expd();
    command.arg("--socket").arg(home.socket());
    command.args(["top", "--interval", "100ms", "--count", "2"]);
    let pages = command.output().unwrap();
    assert_eq!(pages.status.code(), Some(0), "{}", stderr(&pages));
    assert_eq!(stdout(&pages).matches("INSTANCE").count(), 2);

    let mut command = expd();
    command.arg("--socket").arg(home.socket());
    command.args(["listen", "caf\u{e9}"]).stderr(Stdio::piped());
    for number in 0..12 {
        command.args(["-c", &format!("menu of the terrace, table {number}")]);
    }
    let mut listener = Background(command.stdout(Stdio::null()).spawn().unwrap());
    lines_of(&mut listener.0).until("listening");
    for terminal in ["vt100", "vt220"] {
        on_a_serial_console(&home, terminal);
    }
    let mut command = expd();
    command.arg("--socket").arg(home.socket());
    command.args(["broadcast", "menu of the terrace, table 3", "tick"]);
    command.args(["--count", "10000", "--interval", "5ms", "--timeout", "0s"]);
    let _broadcaster = Background(command.stdout(Stdio::null()).spawn().unwrap());
    refreshes_fit_a_slow_line(&home);
}

/// A full screen takes two seconds of 9,600 baud, and each refresh after it one at the most.
fn refreshes_fit_a_slow_line(home: &Home) {
    let line = format!(
        "stty cols 80 rows 24; {} --socket {} top --interval 200ms --count 6",
        program().display(),
        home.socket().display()
    );
    let mut script = Command::new("script");
    script
        .args(["-qec", &line, "/dev/null"])
        .env("TERM", "vt100");
    let output = script.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let bytes = output.stdout.len();
    assert!(bytes > 1000, "{}", String::from_utf8_lossy(&output.stdout));
    assert!(bytes <= 2 * 960 + 5 * 960, "{bytes} bytes of six pages");
}

/// `expd top` on 80 columns and 24 rows, with a channel of which the name is not in ASCII.
fn on_a_serial_console(home: &Home, terminal: &str) {
    let line = format!(
        "stty cols 80 rows 24; {} --socket {} top",
        program().display(),
        home.socket().display()
    );
    let mut script = Command::new("script");
    script
        .args(["-qec", &line, "/dev/null"])
        .env("TERM", terminal);
    let mut script = script
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut shown = Vec::new();
    let mut screen = script.stdout.take().unwrap();
    let mut buffer = [0; 4096];
    while !String::from_utf8_lossy(&shown).contains("scroll") {
        let read = screen.read(&mut buffer).unwrap();
        assert!(read > 0, "{}", String::from_utf8_lossy(&shown));
        shown.extend_from_slice(&buffer[..read]);
    }
    let mut keys = script.stdin.take().unwrap();
    keys.write_all(b"q").unwrap();
    screen.read_to_end(&mut shown).unwrap();
    assert!(script.wait().unwrap().success());
    assert!(shown.is_ascii(), "{}", String::from_utf8_lossy(&shown));
    let shown = String::from_utf8_lossy(&shown);
    assert!(
        shown.contains("INSTANCE") && shown.contains("\"caf?\""),
        "{shown}"
    );
    assert!(
        shown.contains("\u{1b}[?1049l"),
        "the terminal is given back"
    );
    // Attributes are given back; none is a colour.
    for colour in ["\u{1b}[31m", "\u{1b}[32m", "\u{1b}[33m", "\u{1b}[38;"] {
        assert!(!shown.contains(colour), "{shown:?}");
    }
}

#[test]
fn access_explain_says_which_rule_decides_and_ends_as_it_decides() {
    let home = Home::new(
        "[[access]]\nunit = \"docker-*.scope\"\nallow = [\"listen\"]\n\
         [[access]]\nuid = 0\nchannels = [\"menu-*\"]\nallow = [\"broadcast\", \"admin\"]\n",
    );
    let _daemon = home.start();
    let explain = |arguments: &[&str]| {
        let mut command = expd();
        command.arg("--socket").arg(home.socket());
        command.args(["access", "explain"]).args(arguments);
        let output = command.output().unwrap();
        let said = format!("{}{}", stdout(&output), stderr(&output));
        (output.status.code(), said)
    };
    let (status, said) = explain(&["broadcast", "--channel", "menu-left"]);
    assert_eq!(status, Some(0), "{said}");
    assert!(
        said.starts_with("allowed by access[1] (uid = 0, channels = \"menu-*\", allow = broadcast admin)\ncaller: uid 0 (root)"),
        "{said}"
    );
    let (status, said) = explain(&["listen", "-c", "menu-left", "--user", "daemon"]);
    assert_eq!(status, Some(5), "{said}");
    for part in [
        "refused: uid 1 (daemon)",
        "add \"listen\" to a rule",
        "no rule applies to this caller",
    ] {
        assert!(said.contains(part), "{said}");
    }
    let own = std::process::id().to_string();
    let (status, said) = explain(&["broadcast", "-c", "till", "--pid", &own, "--json"]);
    assert_eq!(status, Some(5), "{said}");
    let answer: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(answer["allowed"], false);
    let (status, said) = explain(&["status", "--pid", "2147483647"]);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("there is no process 2147483647"), "{said}");
    for (wrong, remedy) in [
        (&["listen"][..], "--channel"),
        (&["request"], "--path"),
        (&["run"], "--instance"),
        (&["fly"], "possible values"),
        (
            &["status", "--user", "no-such-user-here"],
            "there is no user",
        ),
        (
            &["status", "--uid", "1", "--pid", "1"],
            "cannot be used with",
        ),
    ] {
        let (status, said) = explain(wrong);
        assert_eq!(status, Some(2), "{said}");
        assert!(said.contains(remedy), "{said}");
    }
}
