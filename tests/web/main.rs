//! The door for pages, spoken to by hand over real sockets: who is let in, and what tokens are
//! worth.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod delivery;
mod journal;
mod logins;
mod page;
mod page_host;
mod refresh;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use expd_domain::{Alphabet, Channel, ChannelId, Secret, login};
use expd_test_support::DEADLINE;
use expd_test_support::process::{Daemon, Home, program};
use serde_json::{Value, json};

const ORIGIN: &str = "https://kiosk.example";

const NETWORK: &str = r#"
[hub]
organization = "demo"
[[hub.devices]]
uuid = "d-1"
secret = "device-secret"
[instances.default]
host = "http://127.0.0.1:0"
[instances.default.credentials]
type = "device"
uuid = "d-1"
secret = "device-secret"
[web]
listen = "127.0.0.1:0"
"#;

/// Both apps may log in; only one of them has a rule.
const BOARD: &str = r#"
[[web.apps]]
name = "board"
uuid = "board"
api_key = "board-key"
origins = ["https://kiosk.example"]
[[access]]
app = "board"
allow = ["listen", "broadcast", "respond", "request"]
"#;
const TILL: &str = r#"
[[web.apps]]
name = "till"
uuid = "till"
api_key = "till-key"
origins = ["https://kiosk.example"]
"#;

/// A daemon with its network, online, and its door.
struct Door {
    home: Home,
    daemon: Daemon,
    port: u16,
}

impl Door {
    fn open() -> Self {
        let home = Home::new("");
        let door = Self::start(home, &[BOARD, TILL]);
        assert_ne!(door.port, 0);
        door
    }

    fn start(home: Home, apps: &[&str]) -> Self {
        write(&home, apps);
        let mut daemon = home.start();
        let line = daemon.said("serving pages on http://127.0.0.1:");
        let (_, rest) = line.split_once("http://127.0.0.1:").unwrap();
        let digits = rest.split(|c: char| !c.is_ascii_digit()).next();
        let port = digits.unwrap().parse().unwrap();
        daemon.said(" online ");
        Self { home, daemon, port }
    }

    /// The same door after a restart of the daemon, at another port.
    fn restart(mut self) -> Self {
        self.daemon.signal("TERM");
        assert!(self.daemon.ended().success());
        Self::start(self.home, &[BOARD, TILL])
    }

    /// Sends a request with exactly these headers.
    fn ask(&self, line: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let length = body.len();
        let mut request = Vec::new();
        write!(
            request,
            "{line} HTTP/1.1\r\nConnection: close\r\nContent-Length: {length}\r\n"
        )
        .unwrap();
        if !headers.iter().any(|(name, _)| *name == "Host") {
            write!(request, "Host: 127.0.0.1:{}\r\n", self.port).unwrap();
        }
        for (name, value) in headers {
            write!(request, "{name}: {value}\r\n").unwrap();
        }
        write!(request, "\r\n{body}").unwrap();
        stream.write_all(&request).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        Answer(text)
    }

    fn log_in_as(&self, app: &str, headers: &[(&str, &str)]) -> Answer {
        self.log_in_with(app, &format!("{app}-key"), headers)
    }

    /// Logs in as the SDK does: with a token that the app's key signs.
    fn log_in_with(&self, app: &str, key: &str, headers: &[(&str, &str)]) -> Answer {
        let expires = SystemTime::now() + Duration::from_secs(30);
        let expires = expires.duration_since(UNIX_EPOCH).unwrap().as_millis();
        let claims = json!({
            "type": "consumerApp",
            "uuid": app,
            "exp": u64::try_from(expires).unwrap(),
        });
        let token = login::sign(&claims, &Secret::new(key));
        let login = json!({"token": token.expose()}).to_string();
        let json = [("Content-Type", "application/json")];
        self.ask("POST /api/auth/login", &[&json, headers].concat(), &login)
    }

    fn handshake(&self, token: &str) -> Answer {
        let line = format!("GET /socket.io/?EIO=4&transport=polling&token={token}");
        self.ask(&line, &[("Origin", ORIGIN)], "")
    }
}

fn write(home: &Home, apps: &[&str]) {
    // The home's own settings have the network's address and the daemon's folder.
    home.write("");
    let own = std::fs::read_to_string(home.config()).unwrap();
    let (_, rest) = own.split_once("[hub]\n").unwrap();
    let (listen, daemon) = rest.split_once('\n').unwrap();
    let network = NETWORK.replacen("[hub]\n", &format!("[hub]\n{listen}\n"), 1);
    let settings = [daemon, &network, &apps.concat()].concat();
    std::fs::write(home.config(), settings).unwrap();
}

/// An answer with its head.
struct Answer(String);

impl Answer {
    fn status(&self) -> u16 {
        let status = self.0.split(' ').nth(1);
        status.unwrap_or_else(|| panic!("{self}")).parse().unwrap()
    }

    fn header(&self, name: &str) -> Option<&str> {
        let (head, _) = self.0.split_once("\r\n\r\n").unwrap();
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        let found = lines.find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value)
    }

    fn json(&self) -> Value {
        let (_, body) = self.0.split_once("\r\n\r\n").unwrap();
        let document = body.find('{').unwrap_or_else(|| panic!("{self}"));
        let mut documents = serde_json::Deserializer::from_str(&body[document..]).into_iter();
        documents.next().unwrap().unwrap()
    }

    fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

fn text(document: &Value, name: &str) -> String {
    let found = document[name].as_str();
    found.unwrap_or_else(|| panic!("{document}")).to_owned()
}

#[test]
fn a_foreign_origin_or_host_gets_no_login() {
    let door = Door::open();
    for origin in ["https://evil.example", "null", "http://kiosk.example"] {
        let refused = door.log_in_as("board", &[("Origin", origin)]);
        assert_eq!(refused.status(), 403, "{refused}");
        assert_eq!(refused.header("access-control-allow-origin"), None);
    }
    let without = door.log_in_as("board", &[]);
    assert_eq!(without.status(), 403, "{without}");
    for host in ["evil.example", "kiosk.example:443", "127.0.0.1:1"] {
        let rebound = door.log_in_as("board", &[("Origin", ORIGIN), ("Host", host)]);
        assert_eq!(rebound.status(), 421, "{rebound}");
    }
    let own = door.log_in_as("board", &[("Origin", ORIGIN)]);
    assert_eq!(own.status(), 200, "{own}");
    let allowed = own.header("access-control-allow-origin");
    assert_eq!(allowed, Some(ORIGIN), "{own}");
    let wrong = door.log_in_with("board", "till-key", &[("Origin", ORIGIN)]);
    assert_eq!(wrong.status(), 401, "{wrong}");
}

#[test]
fn a_token_outlives_the_daemon_and_its_first_handshake_is_refused_once() {
    let door = Door::open();
    let login = door.log_in_as("board", &[("Origin", ORIGIN)]).json();
    let token = text(&login, "token");
    let opened = door.handshake(&token);
    assert_eq!(opened.status(), 200, "{opened}");
    let door = door.restart();
    let refused = door.handshake(&token);
    assert_eq!(refused.status(), 503, "{refused}");
    assert_eq!(refused.code(), "network.socket.missed", "{refused}");
    let opened = door.handshake(&token);
    assert_eq!(opened.status(), 200, "{opened}");
}

#[test]
fn an_app_that_a_reload_removes_is_gone() {
    let mut door = Door::open();
    let login = door.log_in_as("board", &[("Origin", ORIGIN)]).json();
    let bearer = format!("Bearer {}", text(&login, "token"));
    let headers = [("Origin", ORIGIN), ("Authorization", &bearer)];
    let list = door.ask("GET /api/devices", &headers, "");
    assert_eq!(list.status(), 200, "{list}");
    let others_rule = "[[access]]\napp = \"till\"\nallow = [\"request\"]\n";
    write(&door.home, &[TILL, others_rule]);
    door.daemon.signal("HUP");
    door.daemon.said("settings reloaded");
    let list = door.ask("GET /api/devices", &headers, "");
    assert_eq!(list.status(), 401, "{list}");
    let login = door.log_in_as("board", &[("Origin", ORIGIN)]);
    assert_eq!(login.status(), 401, "{login}");
}

#[test]
fn what_no_rule_allows_is_forbidden_and_no_reason_to_refresh() {
    let door = Door::open();
    let login = door.log_in_as("till", &[("Origin", ORIGIN)]).json();
    let bearer = format!("Bearer {}", text(&login, "token"));
    let headers = [("Origin", ORIGIN), ("Authorization", &bearer)];
    let list = door.ask("GET /api/devices", &headers, "");
    assert_eq!(list.status(), 403, "{list}");
}

#[test]
fn a_layout_is_read_by_the_restricted_token_in_its_url_or_in_the_cookie() {
    let door = Door::open();
    let answer = door.log_in_as("board", &[("Origin", ORIGIN)]);
    let login = answer.json();
    let (token, restricted) = (text(&login, "token"), text(&login, "restrictedToken"));
    let bearer = format!("Bearer {token}");
    let headers = [
        ("Origin", ORIGIN),
        ("Authorization", &bearer),
        ("Content-Type", "application/json"),
    ];
    let location = door.ask("POST /api/locations", &headers, r#"{"name": "Lobby"}"#);
    assert!((200..300).contains(&location.status()), "{location}");
    let path = format!("/api/locations/{}/layout", text(&location.json(), "uuid"));
    let cookie = answer.header("set-cookie").unwrap();
    for part in [
        "HttpOnly",
        "Secure",
        "SameSite=None",
        "Partitioned",
        "Path=/api",
    ] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let (cookie, _) = cookie.split_once(';').unwrap();
    // An image of a page comes without Origin.
    let image = ("Sec-Fetch-Site", "cross-site");
    let without = door.ask(&format!("GET {path}"), &[image], "");
    assert_eq!(without.status(), 401, "{without}");
    let by_cookie = door.ask(&format!("GET {path}"), &[image, ("Cookie", cookie)], "");
    let by_url = door.ask(&format!("GET {path}?_rt={restricted}"), &[image], "");
    // The network answers: it knows the location, which has no layout.
    for read in [by_cookie, by_url] {
        assert_eq!(read.status(), 404, "{read}");
        assert!(read.0.contains("this location has no layout"), "{read}");
    }
    // It reads content alone.
    let bearer = format!("Bearer {restricted}");
    let headers = [("Origin", ORIGIN), ("Authorization", &bearer)];
    let list = door.ask("GET /api/devices", &headers, "");
    assert_eq!(list.status(), 401, "{list}");
    let url = format!("GET /api/devices?_rt={restricted}");
    let list = door.ask(&url, &[("Origin", ORIGIN)], "");
    assert_eq!(list.status(), 401, "{list}");
}

#[test]
fn the_pairing_page_is_for_screens_and_not_for_frames() {
    let door = Door::open();
    let page = door.ask("GET /pairing", &[("Sec-Fetch-Site", "none")], "");
    assert_eq!(page.status(), 200, "{page}");
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    let state = door.ask("GET /pairing/state", &[], "");
    assert!(state.0.contains(r#""state":"online""#), "{state}");
    let foreign = door.ask(
        "GET /pairing/state",
        &[("Sec-Fetch-Site", "cross-site")],
        "",
    );
    assert_eq!(foreign.status(), 403, "{foreign}");
}

#[test]
fn a_page_hears_and_sends_the_events_that_its_rules_let_through() {
    let home = Home::new("");
    let rules = BOARD.replace(
        r#"allow = ["listen", "broadcast", "respond", "request"]"#,
        "events = [\"price-*\"]\nallow = [\"listen\", \"broadcast\"]\n\
         [[access]]\napp = \"board\"\npaths = [\"/api/devices\"]\nmethods = [\"GET\"]\nallow = [\"request\"]",
    );
    let mut door = Door::start(home, &[&rules]);
    let login = door.log_in_as("board", &[("Origin", ORIGIN)]).json();
    let token = text(&login, "token");
    let bearer = format!("Bearer {token}");
    let headers = [
        ("Origin", ORIGIN),
        ("Authorization", &*bearer),
        ("Content-Type", "application/json"),
    ];
    for (line, status) in [
        ("GET /api/devices", 200),
        ("HEAD /api/devices", 200),
        ("POST /api/devices", 403),
        ("GET /api/things", 403),
    ] {
        let answer = door.ask(line, &headers, "");
        assert_eq!(answer.status(), status, "{line}: {answer}");
    }
    let sid = text(&door.handshake(&token).json(), "sid");
    let socket = format!("/socket.io/?EIO=4&transport=polling&sid={sid}");
    let post = |packet: &str| {
        let answer = door.ask(&format!("POST {socket}"), &[("Origin", ORIGIN)], packet);
        assert_eq!(answer.status(), 200, "{answer}");
    };
    let poll = |until: &str| {
        let mut heard = String::new();
        while !heard.contains(until) {
            let answer = door.ask(&format!("GET {socket}"), &[("Origin", ORIGIN)], "");
            assert_eq!(answer.status(), 200, "{until}: {answer}");
            if answer.0.ends_with("\r\n\r\n2") {
                post("3");
            }
            heard.push_str(&answer.0);
        }
        heard
    };
    post("40");
    poll("40");
    let channel = ChannelId::encode("demo", &Channel::new("menu"), Alphabet::UrlSafe);
    post(&format!("42[\"subscribe\",[\"{}\"]]", channel.as_str()));
    poll("subscribed");
    for event in ["secret", "price-1"] {
        let mut broadcast = Command::new(program());
        broadcast.args(["broadcast", "menu", event, "--socket"]);
        let sent = broadcast.arg(door.home.socket()).output().unwrap();
        assert!(sent.status.success(), "{sent:?}");
    }
    let heard = poll("price-1");
    assert!(!heard.contains("secret"), "{heard}");
    for (event, status) in [("price-2", 200), ("secret", 403)] {
        let channel = channel.as_str();
        let body = json!({"name": event, "channel": channel, "payload": null}).to_string();
        let answer = door.ask("POST /api/networks/current/broadcasts", &headers, &body);
        assert_eq!(answer.status(), status, "{event}: {answer}");
    }
    let denied = door.daemon.said("event \"secret\"");
    assert!(
        denied.contains(
            "the app board (https://kiosk.example) may not broadcast on channel \"menu\""
        ),
        "{denied}"
    );
}
