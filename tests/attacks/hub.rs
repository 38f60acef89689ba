//! Strangers at the embedded network: what they may make it hold, and whom they may keep waiting.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

use futures_util::future::join_all;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::attacked_daemon::{ALONE, STANDSTILL};
use crate::attacked_hub::{Answer, ELSEWHERE, HERE, Hub, app, closed, device, unpaired, user};
use expd_test_support::{DEADLINE, eventually};

/// Bytes that all strangers of one address together may make the hub hold.
const HELD: usize = 8 * 1024 * 1024;

/// Bytes that one identity may make the hub hold.
const HELD_BY_IDENTITY: usize = 64 * 1024 * 1024;

/// Resolution of a memory measurement in bytes; the allocator allows no finer one.
const NOISE: usize = 2 * 1024 * 1024;

/// Opens a session of long polling and gives its path.
async fn polling(hub: &Hub, from: Ipv4Addr, generation: u32, token: &str) -> String {
    let path = format!("/socket.io/?EIO={generation}&transport=polling&b64=1&token={token}");
    let opened = hub.ask(from, &format!("GET {path} HTTP/1.1"), b"").await;
    let opened = opened.unwrap();
    assert_eq!(opened.status, 200, "{opened:?}");
    let (_, rest) = opened.body.split_once("\"sid\":\"").unwrap();
    format!("{path}&sid={}", rest.split('"').next().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_body_of_long_polling_makes_the_hub_spin() {
    let hub = Hub::start();
    let token = hub.token(HERE, &device()).await;
    let bodies: [&[u8]; 16] = [
        "1:🍽a".as_bytes(),
        "1:🍽".as_bytes(),
        "2:🍽🍽".as_bytes(),
        b"5:4",
        b"0:1:2",
        b"99999999999999999999:4",
        b"-1:4",
        b":::::",
        b"1:\xff",
        b"1:4\xff",
        b"\x00\x00\xff",
        b"\x00\x01\xff",
        b"\x01\x01\xff\x04",
        b"\x00\x09\x09\x09\xff4",
        b"\x1e\x1e\x1e\x1e\x1e",
        b"\xff\xff\xff\xff\xff",
    ];
    let mut sessions = 1;
    let types = ["text/plain;charset=UTF-8", "application/octet-stream"];
    for (generation, token) in [(3, &*token), (4, &token), (3, "nonsense"), (4, "nonsense")] {
        for (body, kind) in bodies
            .iter()
            .flat_map(|body| types.map(|kind| (body, kind)))
        {
            // No address may have many sessions without a login.
            let from = Ipv4Addr::new(127, 0, 1, sessions);
            sessions += 1;
            let path = polling(&hub, from, generation, token).await;
            let head = format!("POST {path} HTTP/1.1\r\nContent-Type: {kind}");
            let answer = timeout(STANDSTILL, hub.ask(HERE, &head, body)).await;
            let answer = answer.unwrap_or_else(|_| {
                panic!("generation {generation}, {kind}: {body:?} is never answered")
            });
            let answer = answer.unwrap();
            assert!(answer.status < 500, "{body:?}: {answer:?}");
        }
    }
    hub.token(HERE, &device()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_of_very_many_packets_keeps_nobody_waiting() {
    let hub = Hub::start();
    let token = hub.token(HERE, &device()).await;
    for (generation, packet) in [(3, "1:2"), (4, "2\u{1e}")] {
        let path = polling(&hub, HERE, generation, &token).await;
        let body = packet.repeat(5_000_000);
        let head = format!("POST {path} HTTP/1.1");
        let (flood, device) = (hub.ask(HERE, &head, body.as_bytes()), device());
        let (answer, _) = tokio::join!(flood, hub.token(ELSEWHERE, &device));
        let answer = answer.unwrap();
        assert_eq!(
            (answer.status, &*answer.code()),
            (413, "request.body.tooLarge")
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_connections_lock_nobody_out() {
    let _alone = ALONE.lock().await;
    let hub = Hub::start();
    let token = hub.token(HERE, &device()).await;
    let mut socket = websocket(&hub, HERE, &token).await;
    let before = hub.memory();
    let mut silent = Vec::new();
    for number in 0..4500 {
        let from = if number % 2 == 0 {
            HERE
        } else {
            Ipv4Addr::new(127, 0, 0, 3)
        };
        silent.push(hub.connect(from).await);
    }
    for from in [HERE, ELSEWHERE] {
        hub.token(from, &device()).await;
        let paired = hub.operate(&["pair", "abc-def"]).await;
        let said = String::from_utf8_lossy(&paired.stderr).into_owned();
        assert!(said.contains("pairing.code.unknown"), "{said}");
    }
    hub.holds_at_most(before + HELD + NOISE).await;
    // A live socket stays what it was.
    subscribe(&mut socket).await;
    // Those that had to go were told so by their end.
    closed(&mut silent[0], DEADLINE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_identity_has_two_thousand_broadcasts_in_flight() {
    const CALLS: u64 = 2048;
    let alone = ALONE.lock().await;
    let hub = Hub::start();
    let token = hub.token(HERE, &device()).await;
    let before = hub.memory();
    let request = format!(
        "POST /api/networks/current/broadcasts?timeout=15000 HTTP/1.1\r\nAuthorization: Bearer {token}"
    );
    let body = json!({"name": "n", "channel": {"name": "c"}, "payload": 7}).to_string();
    // Each on a connection of its own, and all of them connect before any speaks.
    let broadcasts = join_all((0..CALLS).map(|_| hub.ask(HERE, &request, body.as_bytes())));
    let all_wait = async {
        eventually("all are in flight", async || {
            let pending = hub.counters().await.pending_broadcasts;
            (pending == CALLS)
                .then_some(())
                .ok_or_else(|| format!("{pending} are in flight"))
        })
        .await;
        let kept = hub.memory().saturating_sub(before);
        // The identity has room for its socket, too, which a daemon has besides.
        subscribe(&mut websocket(&hub, HERE, &token).await).await;
        // From here on they wait, which disturbs no other test.
        drop(alone);
        kept
    };
    let (answers, held) = tokio::join!(broadcasts, all_wait);
    for answer in answers {
        let answer = answer.expect("a broadcast broke off");
        assert_eq!((answer.status, &*answer.body), (200, "[]"));
    }
    assert!(held < HELD_BY_IDENTITY, "{held} bytes are held for it");
    hub.token(ELSEWHERE, &app()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_sent_heads_and_logins_hold_little_and_lock_nobody_out() {
    let _alone = ALONE.lock().await;
    let hub = Hub::start();
    let token = hub.token(HERE, &device()).await;
    let before = hub.memory();
    let begin = format!("GET / HTTP/1.1\r\nHost: {}\r\nX-Filler: ", hub.address);
    let begin = format!("{begin}{}", "x".repeat(15_000));
    let login = format!(
        "POST /api/auth/login HTTP/1.1\r\nHost: {}\r\nContent-Length: 16000\r\n\r\n{{\"filler\":\"{}",
        hub.address,
        "x".repeat(15_000)
    );
    let mut half_sent = Vec::new();
    for number in 0..1000 {
        let mut stream = hub.connect(HERE).await;
        let bytes = if number % 2 == 0 { &begin } else { &login };
        // Those that had to make room already cannot be written to.
        stream.write_all(bytes.as_bytes()).await.ok();
        half_sent.push(stream);
    }
    hub.token(HERE, &device()).await;
    hub.token(ELSEWHERE, &device()).await;
    hub.holds_at_most(before + HELD + NOISE).await;
    websocket(&hub, HERE, &token).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_that_is_too_large_is_refused() {
    let hub = Hub::start();
    let large = format!("GET / HTTP/1.1\r\nX-Filler: {}", "x".repeat(20_000));
    assert_eq!(hub.ask(HERE, &large, b"").await.unwrap().status, 431);
    let mut many = "GET / HTTP/1.1".to_owned();
    for number in 0..100 {
        write!(many, "\r\nX-{number}: x").unwrap();
    }
    assert_eq!(hub.ask(HERE, &many, b"").await.unwrap().status, 431);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sockets_without_a_login_hold_little() {
    let _alone = ALONE.lock().await;
    let hub = Hub::start();
    let before = hub.memory();
    let waiting = hub.token(HERE, &unpaired()).await;
    let mut sockets = Vec::new();
    for number in 0..200 {
        let token = if number % 2 == 0 {
            "nonsense"
        } else {
            &waiting
        };
        let Some(mut socket) = try_websocket(&hub, HERE, token).await else {
            continue;
        };
        // A frame of 16 MB, of which a part comes.
        let mut frame = vec![0x81, 0xff];
        frame.extend(16_000_000_u64.to_be_bytes());
        frame.extend([0; 4]);
        frame.resize(200_000, b'x');
        socket.write_all(&frame).await.ok();
        sockets.push(socket);
    }
    assert!(sockets.len() > 50, "{} were let in", sockets.len());
    hub.holds_at_most(before + HELD + NOISE).await;
    for socket in &mut sockets {
        closed(socket, DEADLINE).await;
    }
    let token = hub.token(HERE, &device()).await;
    subscribe(&mut websocket(&hub, HERE, &token).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_of_long_polling_without_a_login_are_few() {
    let _alone = ALONE.lock().await;
    let hub = Hub::start();
    let token = hub.token(HERE, &device()).await;
    let before = hub.memory();
    let filler = "x".repeat(12_000);
    let mut refused = 0;
    for _ in 0..1000 {
        let head = format!(
            "GET /socket.io/?EIO=4&transport=polling&token=nonsense HTTP/1.1\r\nX-Filler: {filler}"
        );
        let answer = hub.ask(HERE, &head, b"").await.unwrap();
        if answer.status != 200 {
            assert_eq!(
                (answer.status, &*answer.code()),
                (401, "authentication.token.invalid")
            );
            refused += 1;
        }
    }
    assert!(refused > 800, "{refused}");
    hub.holds_at_most(before + HELD + NOISE).await;
    polling(&hub, HERE, 4, &token).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_sent_bodies_of_one_who_is_logged_in_stop_nobody_else() {
    let hub = Hub::start();
    let token = hub.token(HERE, &app()).await;
    let mut half_sent = Vec::new();
    for _ in 0..40 {
        let mut stream = hub.connect(HERE).await;
        let request = format!(
            "POST /api/networks/current/broadcasts HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\nContent-Length: 16000000\r\n\r\n",
            hub.address
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.write_all(&vec![b' '; 100_000]).await.unwrap();
        half_sent.push(stream);
    }
    let other = hub.token(HERE, &device()).await;
    hub.token(HERE, &user("joe", "joe's password")).await;
    let payload = "x".repeat(10_000_000);
    for (token, payload) in [(&other, &*payload), (&token, "small")] {
        let head = format!(
            "POST /api/networks/current/broadcasts?timeout=0 HTTP/1.1\r\nAuthorization: Bearer {token}"
        );
        let body =
            json!({"name": "n", "channel": {"name": "c", "consumer": true}, "payload": payload});
        let body = body.to_string();
        let sent = timeout(2 * STANDSTILL, hub.ask(HERE, &head, body.as_bytes())).await;
        let sent = sent.expect("no broadcast goes through").unwrap();
        assert_eq!(sent.status, 200, "{sent:?}");
    }
    // What brings nothing ends with a reason, and what finds no memory.
    let said = join_all(half_sent.iter_mut().map(closed_or_answered)).await;
    for said in said {
        let answer = Answer::parse(&said).unwrap_or_else(|| panic!("{said:?}"));
        assert!([408, 503].contains(&answer.status), "{answer:?}");
    }
}

async fn closed_or_answered(stream: &mut TcpStream) -> String {
    let mut answer = vec![0; 4096];
    let read = timeout(DEADLINE, stream.read(&mut answer)).await;
    let length = read.expect("it is never answered").unwrap();
    String::from_utf8_lossy(&answer[..length]).into_owned()
}

/// A WebSocket that is open, and its namespace with it.
async fn websocket(hub: &Hub, from: Ipv4Addr, token: &str) -> TcpStream {
    let opened = timeout(STANDSTILL, try_websocket(hub, from, token)).await;
    let mut socket = opened.expect("no answer").expect("no WebSocket");
    said(&mut socket, "0{").await;
    socket.write_all(&masked("40")).await.unwrap();
    said(&mut socket, "40{").await;
    socket
}

async fn try_websocket(hub: &Hub, from: Ipv4Addr, token: &str) -> Option<TcpStream> {
    let mut stream = hub.connect(from).await;
    let request = format!(
        "GET /socket.io/?EIO=4&transport=websocket&token={token} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
        hub.address
    );
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut status = [0; 12];
    stream.read_exact(&mut status).await.ok()?;
    (&status == b"HTTP/1.1 101").then_some(stream)
}

async fn subscribe(socket: &mut TcpStream) {
    let subscribe = masked(r#"42["subscribe",[]]"#);
    socket.write_all(&subscribe).await.unwrap();
    let subscribe = masked(r#"42["subscribe",["nonsense"]]"#);
    socket.write_all(&subscribe).await.unwrap();
    said(socket, "subscribe_error").await;
}

/// Reads until a text has come.
async fn said(socket: &mut TcpStream, text: &str) {
    let mut all = Vec::new();
    let read = async {
        loop {
            let mut part = [0; 1024];
            let length = socket.read(&mut part).await.unwrap();
            assert!(
                length > 0,
                "it is closed: {}",
                String::from_utf8_lossy(&all)
            );
            all.extend_from_slice(&part[..length]);
            if String::from_utf8_lossy(&all).contains(text) {
                return;
            }
        }
    };
    let came = timeout(STANDSTILL, read).await;
    came.unwrap_or_else(|_| panic!("no {text} within {STANDSTILL:?}"));
}

/// A text frame as a client sends it, masked with zeros.
fn masked(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).unwrap();
    assert!(length < 126, "short texts only");
    let mut frame = vec![0x81, 0x80 | length, 0, 0, 0, 0];
    frame.extend_from_slice(text.as_bytes());
    frame
}
