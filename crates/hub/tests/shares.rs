//! Shares of one identity: connections, and memory of sockets. Large enough for a busy daemon, too
//! small to exhaust the hub.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::io;
use std::net::SocketAddr;

use expd_domain::login::{self, Claims};
use expd_domain::{Alphabet, Channel, ChannelId, Secret};
use expd_hub::{CountersSnapshot, Hub, HubDevice, HubError, HubSettings};
use expd_test_support::{DEADLINE, eventually};
use futures_util::future::join_all;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Broadcasts that one daemon has in flight, each on its own connection.
const CALLS: usize = 2048;

struct RunningHub {
    address: SocketAddr,
    /// Ends the hub on drop.
    _serving: JoinSet<Result<(), HubError>>,
}

impl RunningHub {
    async fn start() -> Self {
        let settings = HubSettings {
            listen: ([127, 0, 0, 1], 0).into(),
            devices: ["screen", "other"]
                .map(|uuid| HubDevice {
                    uuid: uuid.to_owned(),
                    secret: Secret::new("secret"),
                })
                .into(),
            operator_key: Some(operator_key()),
            ..HubSettings::default()
        };
        let hub = Hub::bind(&settings).await.unwrap();
        let address = hub.local_addr();
        let mut serving = JoinSet::new();
        serving.spawn(hub.serve(CancellationToken::new()));
        Self {
            address,
            _serving: serving,
        }
    }

    /// One request on its own connection.
    async fn ask(&self, head: &str, body: &str) -> io::Result<(u16, String)> {
        let mut stream = TcpStream::connect(self.address).await?;
        let request = format!(
            "{head}\r\nHost: {}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let (head, body) = answer
            .split_once("\r\n\r\n")
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        Ok((status.ok_or(io::ErrorKind::InvalidData)?, body.to_owned()))
    }

    async fn token(&self, uuid: &str) -> String {
        let claims = Claims::Device {
            uuid: uuid.to_owned(),
            allow_pairing: false,
            iat: 0,
            exp: None,
        };
        let login = login::sign(&claims, &Secret::new("secret"));
        let body = json!({"token": login.expose()}).to_string();
        let (status, body) = self
            .ask("POST /api/auth/login HTTP/1.1", &body)
            .await
            .unwrap();
        assert_eq!(status, 200, "{body}");
        let body: Value = serde_json::from_str(&body).unwrap();
        body["token"].as_str().unwrap().to_owned()
    }

    /// A WebSocket that is subscribed to `menu`, of which nothing more is read.
    async fn subscribed(&self, token: &str) -> TcpStream {
        let before = self.counters().await.connections;
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!(
            "GET /socket.io/?EIO=4&transport=websocket&token={token} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
            self.address
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let id = ChannelId::encode("demo", &Channel::new("menu"), Alphabet::UrlSafe);
        let subscribe = format!("42{}", json!(["subscribe", [id.as_str()]]));
        stream.write_all(&masked("40")).await.unwrap();
        self.counters_become(|counters| counters.connections == before + 1)
            .await;
        stream.write_all(&masked(&subscribe)).await.unwrap();
        self.counters_become(|counters| counters.subscriptions == before + 1)
            .await;
        stream
    }

    async fn counters(&self) -> CountersSnapshot {
        let head = format!(
            "GET /hub/counters HTTP/1.1\r\nAuthorization: Bearer {}",
            operator_key().expose()
        );
        let (status, body) = self.ask(&head, "").await.unwrap();
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    }

    async fn counters_become(&self, wanted: impl Fn(&CountersSnapshot) -> bool) {
        eventually("the counters are as wanted", async || {
            let counters = self.counters().await;
            let is_so = wanted(&counters);
            is_so.then_some(()).ok_or_else(|| format!("{counters:?}"))
        })
        .await;
    }
}

fn operator_key() -> Secret {
    Secret::new("the operator's key")
}

/// A text frame as a client sends it, masked with zeros.
fn masked(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).unwrap();
    assert!(length < 126, "short texts only");
    let mut frame = vec![0x81, 0x80 | length, 0, 0, 0, 0];
    frame.extend_from_slice(text.as_bytes());
    frame
}

/// A broadcast's head that waits this long for responses.
fn broadcast(token: &str, timeout_ms: u64) -> String {
    format!(
        "POST /api/networks/current/broadcasts?timeout={timeout_ms} HTTP/1.1\r\nAuthorization: Bearer {token}"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_identity_has_two_thousand_broadcasts_in_flight() {
    let limit = Rlimit {
        current: getrlimit(Resource::Nofile).maximum,
        ..getrlimit(Resource::Nofile)
    };
    setrlimit(Resource::Nofile, limit).unwrap();
    let hub = RunningHub::start().await;
    let token = hub.token("screen").await;
    // As a daemon has one, which takes a slot, too.
    let socket = hub.subscribed(&token).await;
    let head = broadcast(&token, 10_000);
    let body = json!({"name": "n", "channel": {"name": "c"}, "payload": 7}).to_string();
    // All of them connect before any sends.
    let broadcasts = join_all((0..CALLS).map(|_| hub.ask(&head, &body)));
    let all_wait = hub.counters_become(|c| c.pending_broadcasts == CALLS as u64);
    let (answers, ()) = tokio::join!(broadcasts, all_wait);
    for answer in answers {
        let answer = answer.expect("a broadcast broke off");
        assert_eq!(answer, (200, "[]".to_owned()));
    }
    hub.token("other").await;
    drop(socket);
}
#[tokio::test]
async fn sockets_of_one_identity_that_do_not_read_hold_its_share_together() {
    let hub = RunningHub::start().await;
    let (token, other) = (hub.token("screen").await, hub.token("other").await);
    let mut unread = Vec::new();
    for _ in 0..4 {
        unread.push(hub.subscribed(&token).await);
    }
    let mut read = hub.subscribed(&other).await;
    let mut drained = JoinSet::new();
    drained.spawn(async move {
        let mut total = 0;
        let mut part = vec![0; 65_536];
        while let Ok(Ok(length)) = timeout(DEADLINE, read.read(&mut part)).await {
            total += length;
            if length == 0 || total > 9 * 4_000_000 {
                break;
            }
        }
        total
    });
    let payload = "x".repeat(4_000_000);
    let body = json!({"name": "n", "channel": {"name": "menu"}, "payload": payload}).to_string();
    // 36 MB for each of four sockets: too little for any of them to be slow, too much in total.
    for _ in 0..9 {
        let (status, _) = hub.ask(&broadcast(&token, 0), &body).await.unwrap();
        assert_eq!(status, 200);
    }
    let counters = hub.counters().await;
    let slow = counters.slow_disconnects;
    assert!((1..=3).contains(&slow), "{counters:?}");
    assert!(
        drained.join_next().await.unwrap().unwrap() > 9 * 4_000_000,
        "another one's socket was cut"
    );
    drop(unread);
}

#[tokio::test]
async fn unfinished_messages_of_one_identity_are_bounded_together() {
    let hub = RunningHub::start().await;
    let token = hub.token("screen").await;
    let mut sockets = Vec::new();
    for _ in 0..20 {
        sockets.push(hub.subscribed(&token).await);
    }
    let mut unfinished = JoinSet::new();
    for mut socket in sockets {
        unfinished.spawn(async move {
            // A frame of 16 MB, of which 5 MB arrive. Closed connections may reset.
            let mut frame = vec![0x81, 0xff];
            frame.extend(16_000_000_u64.to_be_bytes());
            frame.resize(5_000_000, 0);
            socket.write_all(&frame).await.ok();
            socket.read_to_end(&mut Vec::new()).await.ok();
        });
    }
    // 64 MiB hold thirteen of them.
    for closed in 0..7 {
        let next = timeout(DEADLINE, unfinished.join_next()).await;
        next.unwrap_or_else(|_| panic!("{closed} are closed"));
    }
    hub.counters_become(|c| c.connections <= 13).await;
    hub.token("other").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_that_reads_holds_nothing_however_much_it_was_sent() {
    const MESSAGES: usize = 400;
    const SIZE: usize = 256 * 1024;
    let hub = RunningHub::start().await;
    let token = hub.token("screen").await;
    let mut socket = hub.subscribed(&token).await;
    let mut reading = JoinSet::new();
    reading.spawn(async move {
        let mut part = vec![0; 65_536];
        let mut left = MESSAGES * SIZE;
        while left > 0 {
            let length = timeout(DEADLINE, socket.read(&mut part))
                .await
                .unwrap()
                .unwrap();
            assert!(
                length > 0,
                "the socket was cut, {left} bytes before the end"
            );
            left = left.saturating_sub(length);
        }
    });
    let payload = "x".repeat(SIZE);
    let body = json!({"name": "n", "channel": {"name": "menu"}, "payload": payload}).to_string();
    // More than its share in total.
    for _ in 0..MESSAGES {
        let (status, _) = hub.ask(&broadcast(&token, 0), &body).await.unwrap();
        assert_eq!(status, 200);
    }
    reading.join_next().await.unwrap().unwrap();
    assert_eq!(hub.counters().await.slow_disconnects, 0);
}
