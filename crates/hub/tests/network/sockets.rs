//! The life of a socket: admitted, refused, expired, too slow, shut down.

use std::time::Duration;

use expd_domain::{Alphabet, Channel};
use expd_test_support::in_time;
use reqwest::StatusCode;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use expd_test_support::network::http_client;

use crate::running_hub::*;

fn menu_id() -> String {
    channel_id(&Channel::new("menu"), Alphabet::UrlSafe)
}

#[tokio::test]
async fn a_socket_without_a_token_that_holds_is_refused_and_closed() {
    let hub = RunningHub::start().await;
    for generation in [3, 4] {
        let mut socket = Polling::open(&hub.url, "nonsense", generation).await;
        let refused = socket.next().await;
        assert!(refused.starts_with("44"), "{refused}");
        assert!(
            refused.contains("authentication.token.invalid"),
            "{refused}"
        );
        assert_eq!(socket.try_next().await, None);
    }
    let counters = hub.counters().await;
    assert_eq!((counters.connections, counters.connections_refused), (0, 2));
}

#[tokio::test]
async fn a_refused_web_socket_is_closed() {
    let hub = RunningHub::start().await;
    let mut stream = raw_websocket(&hub, "nonsense").await;
    stream.write_all(&masked_text("40")).await.unwrap();
    let mut text = Vec::new();
    let read = stream.read_to_end(&mut text);
    let read = tokio::time::timeout(Duration::from_secs(10), read).await;
    assert!(read.is_ok(), "the connection stays open");
    let text = String::from_utf8_lossy(&text);
    assert!(text.contains("authentication.token.invalid"), "{text}");
}

#[tokio::test]
async fn a_socket_ends_with_its_token() {
    let mut settings = settings();
    settings.token_ttl = Duration::from_secs(3);
    let hub = RunningHub::with(settings).await;
    let device = hub.device().await;
    for generation in [3, 4] {
        let device = hub
            .session(&device_login("device-2", "device secret", false))
            .await;
        let mut socket = device
            .socket(generation)
            .await
            .subscribed(&[&menu_id()])
            .await;
        assert_eq!(socket.next().await, "41");
        assert_eq!(socket.try_next().await, None);
    }
    drop(device);
    assert_eq!(hub.counters().await.connections, 0);
}

#[tokio::test]
async fn a_client_that_does_not_poll_is_disconnected_and_nobody_else() {
    let hub = RunningHub::start().await;
    let device = hub.device().await;
    let slow = device.socket(4).await.subscribed(&[&menu_id()]).await;
    let mut good = device.socket(4).await.subscribed(&[&menu_id()]).await;
    let payload = format!("\"{}\"", "x".repeat(8_000_000));
    for _ in 0..8 {
        let channel = json!({"name": "menu"});
        let (response, heard) =
            tokio::join!(device.broadcast(&channel, "hi", &payload, 0), good.next());
        assert_eq!(response.status(), StatusCode::OK);
        assert!(heard.len() > 8_000_000);
    }
    let counters = hub.counters().await;
    assert_eq!((counters.slow_disconnects, counters.connections), (1, 1));
    let url = format!(
        "{}/socket.io/?EIO=4&transport=polling&sid={}",
        hub.url,
        slow.sid()
    );
    assert_eq!(hub.http.get(url).send().await.unwrap().status(), 400);
}

#[tokio::test]
async fn a_web_socket_that_does_not_read_is_cut() {
    let hub = RunningHub::start().await;
    let device = hub.device().await;
    let mut stream = raw_websocket(&hub, device.auth.token.expose()).await;
    stream.write_all(&masked_text("40")).await.unwrap();
    let subscribe = format!("42{}", json!(["subscribe", [menu_id()]]));
    hub.counters_become(|c| c.connections == 1).await;
    stream.write_all(&masked_text(&subscribe)).await.unwrap();
    hub.counters_become(|c| c.subscriptions == 1).await;
    let payload = format!("\"{}\"", "x".repeat(8_000_000));
    for _ in 0..10 {
        device
            .broadcast(&json!({"name": "menu"}), "hi", &payload, 0)
            .await;
    }
    hub.counters_become(|c| c.slow_disconnects == 1 && c.connections == 0)
        .await;
    let mut rest = Vec::new();
    let read = stream.read_to_end(&mut rest);
    let read = tokio::time::timeout(Duration::from_secs(10), read).await;
    assert!(read.is_ok(), "the connection stays open");
}

#[tokio::test]
async fn long_polling_goes_over_to_a_web_socket_and_misses_nothing() {
    let hub = RunningHub::start().await;
    let device = hub.device().await;
    let channel = json!({"name": "menu"});
    for generation in [3, 4] {
        let socket = device
            .socket(generation)
            .await
            .subscribed(&[&menu_id()])
            .await;
        let path = format!(
            "/socket.io/?EIO={generation}&transport=websocket&sid={}",
            socket.sid()
        );
        let mut stream = raw_upgrade(&hub, &path).await;
        stream.write_all(&masked_text("2probe")).await.unwrap();
        assert_eq!(read_message(&mut stream).await, "3probe");
        // The client waits for the end of its last poll.
        let poll = format!("{}{path}", hub.url).replace("=websocket", "=polling&b64=1");
        let ended = hub.http.get(poll).send().await.unwrap();
        let noop = if generation == 3 { "1:6" } else { "6" };
        assert_eq!(ended.text().await.unwrap(), noop);
        device.broadcast(&channel, "between", "1", 0).await;
        stream.write_all(&masked_text("5")).await.unwrap();
        assert!(read_message(&mut stream).await.contains("\"between\""));
        // A large one is sent in many frames.
        let large = format!("\"{}\"", "é".repeat(100_000));
        device.broadcast(&channel, "large", &large, 0).await;
        let message = read_message(&mut stream).await;
        assert!(message.ends_with(&format!("\"payload\":{large}}}]")));
        // Another one for the same session is refused, and does not disturb the first.
        let again = try_raw_upgrade(&hub, &path).await.1;
        assert!(again.starts_with("HTTP/1.1 400"), "{again}");
        device.broadcast(&channel, "after", "1", 0).await;
        assert!(read_message(&mut stream).await.contains("\"after\""));
        if generation == 3 {
            stream.write_all(&masked_text("2")).await.unwrap();
            assert_eq!(read_message(&mut stream).await, "3");
        }
    }
}

#[tokio::test]
async fn answers_that_nobody_polls_end_the_socket() {
    let hub = RunningHub::start().await;
    let device = hub.device().await;
    for (generation, pings) in [(3, "1:2".repeat(100)), (4, ["2"; 100].join("\u{1e}"))] {
        let socket = device.socket(generation).await.connected().await;
        hub.counters_become(|c| c.connections == 1).await;
        let url = format!(
            "{}/socket.io/?EIO={generation}&transport=polling&sid={}",
            hub.url,
            socket.sid()
        );
        let posted = hub.http.post(&url).body(pings).send().await.unwrap();
        assert_eq!(posted.status(), StatusCode::OK);
        hub.counters_become(|c| c.connections == 0).await;
        let polled = hub.http.get(&url).send().await.unwrap();
        assert_eq!(polled.status(), StatusCode::BAD_REQUEST);
    }
}

#[tokio::test]
async fn a_client_that_leaves_frees_its_place_at_once() {
    let hub = RunningHub::start().await;
    let device = hub.device().await;
    for (generation, goodbye) in [(3, "1"), (3, "41"), (4, "1"), (4, "41")] {
        let socket = device.socket(generation).await.connected().await;
        hub.counters_become(|c| c.connections == 1).await;
        socket.send(goodbye).await;
        hub.counters_become(|c| c.connections == 0).await;
    }
}

#[tokio::test]
async fn a_namespace_that_is_opened_again_has_no_subscriptions() {
    let hub = RunningHub::start().await;
    let device = hub.device().await;
    for generation in [3, 4] {
        let socket = device
            .socket(generation)
            .await
            .subscribed(&[&menu_id()])
            .await;
        hub.counters_become(|c| c.subscriptions == 1).await;
        socket.send("41").await;
        socket.send("40").await;
        hub.counters_become(|c| c.subscriptions == 0).await;
        let mut socket = socket.connected().await;
        let channel = json!({"name": "menu"});
        device.broadcast(&channel, "nobody hears", "1", 0).await;
        socket.subscribe(&[&menu_id()]).await;
        socket.event("subscribed").await;
        device.broadcast(&channel, "hi", "2", 0).await;
        assert_eq!(socket.event("broadcast").await["payload"], 2);
        socket.send("1").await;
        hub.counters_become(|c| c.connections == 0).await;
    }
}

#[tokio::test]
async fn a_hub_stops_within_a_second_and_its_port_is_free_at_once() {
    let hub = RunningHub::start().await;
    let mut settings = settings();
    settings.listen = hub.url.strip_prefix("http://").unwrap().parse().unwrap();
    let device = hub.device().await;
    let token = device.auth.token.expose().to_owned();
    let mut polling = device.socket(3).await.connected().await;
    let mut websocket = raw_websocket(&hub, &token).await;
    websocket.write_all(&masked_text("40")).await.unwrap();
    let http = http_client();
    let held = http
        .post(format!(
            "{}/api/networks/current/broadcasts?timeout=60000",
            hub.url
        ))
        .bearer_auth(&token)
        .body(r#"{"name":"a","channel":{"name":"b"}}"#)
        .send();
    let idle = TcpStream::connect(settings.listen).await.unwrap();
    let stop = async {
        hub.counters_become(|c| c.pending_broadcasts == 1 && c.connections == 2)
            .await;
        hub.stop().await;
    };
    // None of the three is waited for until it ends by itself: the call lasts a minute.
    let (held, polled, ()) = tokio::join!(held, polling.try_next(), stop);
    assert_eq!(held.unwrap().text().await.unwrap(), "[]");
    assert_eq!(polled, None);
    let mut rest = Vec::new();
    let closed = websocket.read_to_end(&mut rest);
    // A reset counts as an end, too.
    in_time("the socket closes", closed).await.ok();
    drop(idle);

    let again = RunningHub::with(settings).await;
    again.device().await;
    assert_eq!(again.counters().await.logins, 1);
}

#[tokio::test]
async fn many_hubs_live_side_by_side() {
    let (one, other) = (RunningHub::start().await, RunningHub::start().await);
    one.device().await;
    assert_eq!(other.counters().await.logins, 0);
    assert_eq!(one.counters().await.logins, 1);
    one.stop().await;
    other.device().await;
}

/// A WebSocket of which only the beginning of the handshake is read.
async fn raw_websocket(hub: &RunningHub, token: &str) -> TcpStream {
    let path = format!("/socket.io/?EIO=4&transport=websocket&token={token}");
    raw_upgrade(hub, &path).await
}

async fn raw_upgrade(hub: &RunningHub, path: &str) -> TcpStream {
    let (stream, head) = try_raw_upgrade(hub, path).await;
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    stream
}

/// A connection that requested a WebSocket, and the response's head.
async fn try_raw_upgrade(hub: &RunningHub, path: &str) -> (TcpStream, String) {
    let host = hub.url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(host).await.unwrap();
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(in_time("an answer", stream.read_u8()).await.unwrap());
    }
    (stream, String::from_utf8(head).unwrap())
}

/// The next text message, of any number of frames.
async fn read_message(stream: &mut TcpStream) -> String {
    let read = async {
        let mut message = Vec::new();
        loop {
            let mut head = [0; 2];
            stream.read_exact(&mut head).await.unwrap();
            let expected = u8::from(message.is_empty());
            assert_eq!(head[0] & 0x7f, expected, "the frame's opcode");
            let length = match head[1] {
                126 => u64::from(stream.read_u16().await.unwrap()),
                127 => stream.read_u64().await.unwrap(),
                length => u64::from(length),
            };
            let begin = message.len();
            message.resize(begin + usize::try_from(length).unwrap(), 0);
            stream.read_exact(&mut message[begin..]).await.unwrap();
            if head[0] & 0x80 == 0 {
                continue;
            }
            // Pings are skipped.
            let text = String::from_utf8(std::mem::take(&mut message)).unwrap();
            if text != "2" {
                return text;
            }
        }
    };
    in_time("a message", read).await
}

/// A text frame as a client sends it, masked with zeros.
fn masked_text(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).unwrap();
    assert!(length < 126, "short texts only");
    let mut frame = vec![0x81, 0x80 | length, 0, 0, 0, 0];
    frame.extend_from_slice(text.as_bytes());
    frame
}
