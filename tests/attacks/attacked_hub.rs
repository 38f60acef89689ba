//! `expd hub` as a process, and strangers who speak to it byte by byte, from any loopback address.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::time::{Duration, Instant};

use expd_domain::Secret;
use expd_domain::login::{self, Claims};
use expd_hub::{CountersSnapshot, operator};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::attacked_daemon::{STANDSTILL, private_memory};
use expd_test_support::eventually_within;
use expd_test_support::process::{Daemon, Home, program};

/// Addresses from which the attacks come, and all others.
pub const HERE: Ipv4Addr = Ipv4Addr::LOCALHOST;
pub const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

pub const WHO: &str = r#"
[[hub.devices]]
uuid = "screen"
secret = "screen secret"
[[hub.users]]
username = "ada"
password = "ada's password"
[[hub.users]]
username = "joe"
password = "joe's password"
[[hub.consumer_apps]]
uuid = "app"
api_key = "app key"
"#;

pub struct Hub {
    pub home: Home,
    pub daemon: Daemon,
    pub address: SocketAddr,
}

impl Hub {
    pub fn start() -> Self {
        Self::with(WHO, &[])
    }

    /// On these settings, and these variables.
    pub fn with(settings: &str, environment: &[(&str, &str)]) -> Self {
        expd::ipc::allow_open_files(8192);
        let home = Home::new(settings);
        let mut command = expd();
        command
            .args(["hub", "--config"])
            .arg(home.config())
            .envs(environment.iter().copied());
        let mut daemon = Daemon::spawn(&mut command);
        let said = daemon.said("an EXP network at http://");
        let (_, address) = said.split_once("http://").unwrap();
        let address = address.split(',').next().unwrap().parse().unwrap();
        Self {
            home,
            daemon,
            address,
        }
    }

    pub fn memory(&self) -> usize {
        private_memory(&self.home, self.daemon.child.id())
    }

    /// Waits until the hub holds no more than this many bytes. The allocator returns freed pages
    /// within a second; the wait is shorter than the time limit of whatever is half-sent.
    pub async fn holds_at_most(&self, bound: usize) {
        let what = format!("fewer than {bound} bytes are held");
        eventually_within(Duration::from_secs(5), &what, async || {
            let held = self.memory();
            (held < bound).then_some(()).ok_or_else(|| held.to_string())
        })
        .await;
    }

    /// `expd hub …` on the hub's settings.
    pub async fn operate(&self, arguments: &[&str]) -> std::process::Output {
        let mut command = expd();
        command
            .arg("hub")
            .args(arguments)
            .arg("--config")
            .arg(self.home.config())
            .args(["--network", &self.address.to_string()]);
        tokio::task::spawn_blocking(move || command.output().unwrap())
            .await
            .unwrap()
    }

    /// Reads the hub's counters as its operator does.
    pub async fn counters(&self) -> CountersSnapshot {
        let key = self.home.folder.path().join("state/hub/operator.key");
        let key = expd_hub::read_key(&key).unwrap();
        let url = format!("http://{}", self.address);
        operator::counters(&url, key.as_ref()).await.unwrap()
    }

    pub async fn connect(&self, from: Ipv4Addr) -> TcpStream {
        self.try_connect(from).await.unwrap()
    }

    async fn try_connect(&self, from: Ipv4Addr) -> std::io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((from, 0).into())?;
        socket.connect(self.address).await
    }

    /// One request on a connection of its own; an error where that breaks off.
    pub async fn ask(&self, from: Ipv4Addr, head: &str, body: &[u8]) -> std::io::Result<Answer> {
        let mut stream = self.try_connect(from).await?;
        let host = if head.to_lowercase().contains("\r\nhost:") {
            String::new()
        } else {
            format!("\r\nHost: {}", self.address)
        };
        let request = format!(
            "{head}{host}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(request.as_bytes()).await?;
        stream.write_all(body).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        Answer::parse(&answer).ok_or_else(|| std::io::ErrorKind::UnexpectedEof.into())
    }

    pub async fn post(&self, from: Ipv4Addr, path: &str, body: &Value) -> std::io::Result<Answer> {
        let head = format!("POST {path} HTTP/1.1\r\nContent-Type: application/json");
        self.ask(from, &head, body.to_string().as_bytes()).await
    }

    pub async fn log_in(&self, from: Ipv4Addr, login: &Value) -> std::io::Result<Answer> {
        self.post(from, "/api/auth/login", login).await
    }

    /// The token of somebody who logs in at once, whatever else goes on.
    pub async fn token(&self, from: Ipv4Addr, login: &Value) -> String {
        let begun = Instant::now();
        let answer = timeout(STANDSTILL, self.log_in(from, login)).await;
        let answer = answer.unwrap_or_else(|_| panic!("no login within {STANDSTILL:?}"));
        let answer = answer.unwrap();
        assert_eq!(answer.status, 200, "{answer:?} after {:?}", begun.elapsed());
        answer.json()["token"].as_str().unwrap().to_owned()
    }
}

fn expd() -> Command {
    let mut command = Command::new(program());
    command
        .env_remove("EXPD_SOCKET")
        .env_remove("NOTIFY_SOCKET")
        .env_remove("JOURNAL_STREAM");
    command
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn parse(text: &str) -> Option<Self> {
        let (head, body) = text.split_once("\r\n\r\n")?;
        Some(Self {
            status: head.split(' ').nth(1)?.parse().ok()?,
            head: head.to_lowercase(),
            body: body.to_owned(),
        })
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{self:?}"))
    }

    /// The code of a refusal, which has its reason.
    pub fn code(&self) -> String {
        let body = self.json();
        assert!(body["message"].as_str().unwrap().len() > 10, "{body}");
        body["code"].as_str().unwrap().to_owned()
    }
}

pub fn user(name: &str, password: &str) -> Value {
    json!({"type": "user", "username": name, "password": password, "organization": "demo"})
}

pub fn device() -> Value {
    device_as("screen", "screen secret", false)
}

/// A device that waits to be paired.
pub fn unpaired() -> Value {
    device_as("_", "_", true)
}

fn device_as(uuid: &str, secret: &str, allow_pairing: bool) -> Value {
    signed(
        &Claims::Device {
            uuid: uuid.into(),
            allow_pairing,
            iat: 0,
            exp: None,
        },
        secret,
    )
}

pub fn app() -> Value {
    signed(
        &Claims::ConsumerApp {
            uuid: "app".into(),
            iat: 0,
            exp: None,
        },
        "app key",
    )
}

fn signed(claims: &Claims, secret: &str) -> Value {
    json!({"token": login::sign(claims, &Secret::new(secret)).expose()})
}

/// Waits until the other side has closed the connection, and gives what it said before.
pub async fn closed(stream: &mut TcpStream, within: Duration) -> String {
    let mut rest = Vec::new();
    // A reset is an end, too.
    let read = timeout(within, stream.read_to_end(&mut rest)).await;
    read.unwrap_or_else(|_| panic!("open after {within:?}"))
        .ok();
    String::from_utf8_lossy(&rest).into_owned()
}
