//! Secrets where nobody may see them: in the log, in a core dump, in the daemon's memory.

use std::io::{Read as _, Write as _};
use std::process::Command;

use crate::attacked_daemon::APP;
use crate::files::as_user;
use expd_test_support::http2::is_root;
use expd_test_support::process::{Daemon, Home, program};
use expd_test_support::{DEADLINE, eventually_blocking};

/// The command line against a daemon; what it prints.
fn expd(home: &Home, arguments: &[&str]) -> String {
    let output = Command::new(program())
        .args(arguments)
        .arg("--socket")
        .arg(home.socket())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// Pairs a device on a daemon that logs all that it can, and looks for the secret in what it said.
fn nothing_of_a_pairing_is_logged(instance: &str) {
    let home = Home::new(&format!(
        "log = \"trace\"\n[instances.default]\nhost = \"http://127.0.0.1:0\"\n{instance}\n[instances.default.credentials]\ntype = \"device\"\nallow_pairing = true\n"
    ));
    let mut daemon = home.start();
    // An app that listens where the network tells the device its credentials.
    let mut curious = Command::new(program())
        .args(["listen", "pairing", "--system", "--json", "--socket"])
        .arg(home.socket())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let network = daemon.said("EXP network    http://");
    let network = network.split("http://").nth(1).unwrap();
    let network: String = network
        .chars()
        .take_while(|c| c.is_ascii_digit() || matches!(c, '.' | ':'))
        .collect();
    let code = daemon.said("the pairing code is ");
    let code = code.split("the pairing code is ").nth(1).unwrap();
    let code = code.split(';').next().unwrap();
    let paired = Command::new(program())
        .args(["hub", "pair", code, "--network"])
        .arg(format!("http://{network}"))
        .arg("--config")
        .arg(home.config())
        .output()
        .unwrap();
    assert!(paired.status.success(), "{paired:?}");
    daemon.said("paired as device ");
    daemon.said("logged in as device ");
    // What is no secret is shown at this level, if expd reads it itself.
    let mut listener = Command::new(program())
        .args(["listen", "menu", "--count", "1", "--socket"])
        .arg(home.socket())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let order = ["broadcast", "menu", "order", "\"seen-in-the-log\""];
    eventually_blocking("a broadcast ends the listener", || {
        let ended = listener.try_wait().unwrap();
        ended.ok_or_else(|| format!("it goes on after another{}", expd(&home, &order)))
    });
    let stored = home.folder.path().join("state/default.credentials.json");
    let stored: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(stored).unwrap()).unwrap();
    let secret = stored["secret"].as_str().unwrap();
    assert!(secret.len() > 10, "{secret}");
    daemon.signal("TERM");
    assert!(daemon.ended().success());
    let heard = daemon.heard();
    assert!(!heard.contains(secret), "the log has the secret:\n{heard}");
    curious.kill().unwrap();
    let told = curious.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&told.stdout);
    assert!(!told.contains(secret), "an app has the secret:\n{told}");
    if !instance.contains("rust_socketio") {
        assert!(heard.contains("seen-in-the-log"), "{heard}");
        assert!(heard.contains("of credentials, not shown"), "{heard}");
    }
}

#[test]
fn a_devices_credentials_are_not_logged_over_websocket() {
    nothing_of_a_pairing_is_logged("transport = \"websocket\"");
}

#[test]
fn a_devices_credentials_are_not_logged_over_long_polling() {
    nothing_of_a_pairing_is_logged("transport = \"polling\"");
}

#[test]
fn a_devices_credentials_are_not_logged_in_the_older_generation() {
    nothing_of_a_pairing_is_logged("protocol = \"3\"");
}

#[cfg(feature = "rust-socketio")]
#[test]
fn a_devices_credentials_are_not_logged_by_the_library() {
    nothing_of_a_pairing_is_logged("socket_library = \"rust_socketio\"");
}

#[test]
fn the_daemon_dumps_no_core_and_its_own_user_cannot_look_into_it() {
    let limits = |daemon: &Daemon| {
        let file = format!("/proc/{}/limits", daemon.child.id());
        let limits = std::fs::read_to_string(file).unwrap();
        let line = limits.lines().find(|l| l.starts_with("Max core file size"));
        line.unwrap()
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    };
    let home = Home::new("");
    let daemon = home.start();
    assert_eq!(limits(&daemon), "Max core file size 0 0 bytes");
    drop(daemon);
    if !is_root() {
        return;
    }
    // Root may look into everything, so the daemon is another user here; it works as that, with a
    // narrow umask, too.
    let home = Home::new("metrics = \"127.0.0.1:0\"\n");
    std::os::unix::fs::chown(home.folder.path(), Some(APP), Some(APP)).unwrap();
    let copy = home.folder.path().join("expd");
    let copied = Command::new("cp").arg(program()).arg(&copy).status();
    assert!(copied.unwrap().success());
    let user = APP.to_string();
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid", &user, "--regid", &user, "--clear-groups"])
        .args(["sh", "-c", "umask 0077; exec \"$@\"", "sh"])
        .arg(&copy)
        .args(["serve", "--embedded", "--config"])
        .arg(home.config())
        .arg("--socket")
        .arg(home.socket())
        .env_remove("EXPD_SOCKET")
        .env_remove("NOTIFY_SOCKET")
        .env_remove("JOURNAL_STREAM");
    let mut daemon = Daemon::spawn(&mut command);
    daemon.said("serving on");
    let metrics = daemon.said("metrics at http://");
    let pid = daemon.child.id();
    let mode = std::fs::metadata(home.socket()).unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::mode(&mode) & 0o777, 0o666);
    for name in ["environ", "mem", "maps"] {
        let opened = as_user(APP, move || {
            std::fs::File::open(format!("/proc/{pid}/{name}")).map(drop)
        });
        let refused = opened.join().unwrap().unwrap_err();
        assert_eq!(
            refused.kind(),
            std::io::ErrorKind::PermissionDenied,
            "{name}"
        );
    }
    // What others may know of every process stays readable, and what the daemon reads of itself.
    let status = as_user(APP, move || {
        std::fs::read_to_string(format!("/proc/{pid}/status"))
    });
    assert!(status.join().unwrap().unwrap().contains("RssAnon:"));
    let address = metrics.split("http://").nth(1).unwrap();
    let address = address.trim_end_matches("/metrics");
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    write!(
        stream,
        "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).unwrap();
    for figure in ["process_open_fds ", "process_resident_memory_bytes "] {
        assert!(page.contains(&format!("\n{figure}")), "{page}");
    }
}

/// The copies of a text in a process's memory; nothing where this process may not look.
fn copies(pid: u32, text: &str) -> Option<usize> {
    use std::os::unix::fs::FileExt as _;
    let memory = std::fs::File::open(format!("/proc/{pid}/mem")).ok()?;
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).ok()?;
    let mut found = 0;
    for line in maps.lines() {
        let mut fields = line.split_whitespace();
        let (range, rights) = (fields.next()?, fields.next()?);
        if !rights.starts_with("rw") {
            continue;
        }
        let (start, end) = range.split_once('-')?;
        let start = u64::from_str_radix(start, 16).ok()?;
        let end = u64::from_str_radix(end, 16).ok()?;
        let mut bytes = vec![0; usize::try_from(end - start).ok()?];
        // Some of what is mapped is not there to be read.
        if memory.read_exact_at(&mut bytes, start).is_ok() {
            let windows = bytes.windows(text.len());
            found += windows.filter(|w| *w == text.as_bytes()).count();
        }
    }
    Some(found)
}

#[test]
fn a_secret_is_in_the_memory_as_often_as_it_is_in_use_and_no_more() {
    if !is_root() {
        return;
    }
    let secret = "a secret of these settings, told from any other 8172";
    let uuid = "5b2a1c9e-0d4f-4a57-9a39-2f6d1a7c0001";
    let home = Home::new(&format!(
        "[instances.default]\nhost = \"http://127.0.0.1:0\"\n[instances.default.credentials]\ntype = \"device\"\n\
         uuid = \"{uuid}\"\nsecret = \"{secret}\"\n[[hub.devices]]\nuuid = \"{uuid}\"\nsecret_file = \"secret\"\n"
    ));
    std::fs::write(home.folder.path().join("secret"), secret).unwrap();
    let mut daemon = home.start();
    daemon.said("logged in as device ");
    for _ in 0..3 {
        daemon.signal("HUP");
        daemon.said("settings reloaded");
    }
    let Some(copies) = copies(daemon.child.id(), secret) else {
        eprintln!("SKIPPED: this process may not look into another's memory");
        return;
    };
    // The instance's settings, its bridge, link and session; the network's directory and settings.
    assert!((1..=8).contains(&copies), "{copies} copies");
}

#[test]
fn a_planted_secret_is_found_nowhere_but_where_it_was_put() {
    const GOOD: &str = "planted-and-good-5f0c";
    const REFUSED: &str = "planted-and-refused-91ab";
    const CREDENTIAL: &str = "planted-as-credential-77de";
    const UUID: &str = "5b2a1c9e-0d4f-4a57-9a39-2f6d1a7c0009";
    let home = Home::new("");
    let inside = |name: &str| home.folder.path().join(name);
    // Each instance has its secret in another way.
    home.write(&format!(
        "log = \"trace\"\nmetrics_socket = \"{}\"\n\
         [instances.default]\nhost = \"http://127.0.0.1:0\"\n[instances.default.credentials]\n\
         type = \"device\"\nuuid = \"{UUID}\"\nsecret_file = \"good\"\n\
         [instances.refused]\nhost = \"http://127.0.0.1:1\"\n[instances.refused.credentials]\n\
         type = \"device\"\nuuid = \"{UUID}\"\nsecret_file = \"refused\"\n\
         [instances.third]\nhost = \"http://127.0.0.1:1\"\n[instances.third.credentials]\n\
         type = \"consumer_app\"\nuuid = \"{UUID}\"\n\
         [[hub.devices]]\nuuid = \"{UUID}\"\nsecret_file = \"good\"\n",
        inside("metrics.sock").display()
    ));
    std::fs::write(inside("good"), GOOD).unwrap();
    std::fs::write(inside("refused"), REFUSED).unwrap();
    let credentials = inside("credentials");
    std::fs::create_dir(&credentials).unwrap();
    std::fs::write(credentials.join("expd.third.api_key"), CREDENTIAL).unwrap();
    let mut command = home.command(&[]);
    command.arg("--socket").arg(home.socket());
    command.env("CREDENTIALS_DIRECTORY", &credentials);
    let mut daemon = Daemon::spawn(&mut command);
    daemon.said("serving on");
    daemon.said("logged in as device ");
    daemon.said("the login failed");
    let mut seen = vec![
        ("status", expd(&home, &["status"])),
        ("status --json", expd(&home, &["status", "--json"])),
    ];
    let checked = Command::new(program())
        .args(["check-config", "--config"])
        .arg(home.config())
        .env("CREDENTIALS_DIRECTORY", &credentials)
        .output()
        .unwrap();
    let checked = [checked.stdout, checked.stderr].concat();
    seen.push(("check-config", String::from_utf8(checked).unwrap()));
    let mut metrics = std::os::unix::net::UnixStream::connect(inside("metrics.sock")).unwrap();
    write!(metrics, "GET /metrics HTTP/1.0\r\n\r\n").unwrap();
    let mut page = String::new();
    metrics.read_to_string(&mut page).unwrap();
    assert!(page.contains("expd_link_state"), "{page}");
    seen.push(("metrics", page));
    for name in ["cmdline", "environ", "status", "comm"] {
        let file = format!("/proc/{}/{name}", daemon.child.id());
        if let Ok(bytes) = std::fs::read(file) {
            seen.push((name, String::from_utf8_lossy(&bytes).into_owned()));
        }
    }
    // A reload that is refused quotes what is wrong, and not what stands beside it.
    let settings = std::fs::read_to_string(home.config()).unwrap();
    let broken = settings.replace(
        "secret_file = \"refused\"",
        &format!("secret = [\"{REFUSED}\"]"),
    );
    std::fs::write(home.config(), broken).unwrap();
    daemon.signal("HUP");
    daemon.said("reload refused: ");
    daemon.signal("TERM");
    assert!(daemon.ended().success());
    seen.push(("the log at trace", daemon.heard()));
    let mut folders = vec![inside("state")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let text = std::fs::read(&path).unwrap();
                seen.push((
                    "a file of state",
                    String::from_utf8_lossy(&text).into_owned(),
                ));
            }
        }
    }
    for (place, text) in seen {
        for secret in [GOOD, REFUSED, CREDENTIAL] {
            assert!(!text.contains(secret), "{place} has {secret}:\n{text}");
        }
    }
}
