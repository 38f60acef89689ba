//! The life of a socket: let in, refused, expired, too slow, shut down.

use std::time::Duration;

use expd_domain::{Alphabet, Channel};
use expd_test_support::in_time;
use reqwest::StatusCode;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use expd_test_support::network::http_client;

use crate::world::*;

fn menu_id() -> String {
    channel_id(&Channel::new("menu"), Alphabet::UrlSafe)
}

#[tokio::test]
async fn a_socket_without_a_token_that_holds_is_refused_and_closed() {
    let world = World::start().await;
    for generation in [3, 4] {
        let mut socket = Polling::open(&world.url, "nonsense", generation).await;
        let refused = socket.next().await;
        assert!(refused.starts_with("44"), "{refused}");
        assert!(
            refused.contains("authentication.token.invalid"),
            "{refused}"
        );
        assert_eq!(socket.try_next().await, None);
    }
    let counters = world.counters().await;
    assert_eq!((counters.connections, counters.connections_refused), (0, 2));
}

#[tokio::test]
async fn a_refused_web_socket_is_closed() {
    let world = World::start().await;
    let mut stream = raw_websocket(&world, "nonsense").await;
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
    settings.token_ttl = Duration::from_millis(700);
    let world = World::with(settings).await;
    let device = world.device().await;
    for generation in [3, 4] {
        let device = world
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
    assert_eq!(world.counters().await.connections, 0);
}

#[tokio::test]
async fn a_client_that_does_not_poll_is_disconnected_and_nobody_else() {
    let world = World::start().await;
    let device = world.device().await;
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
    let counters = world.counters().await;
    assert_eq!((counters.slow_disconnects, counters.connections), (1, 1));
    let url = format!(
        "{}/socket.io/?EIO=4&transport=polling&sid={}",
        world.url,
        slow.sid()
    );
    assert_eq!(world.http.get(url).send().await.unwrap().status(), 400);
}

#[tokio::test]
async fn a_web_socket_that_does_not_read_is_cut() {
    let world = World::start().await;
    let device = world.device().await;
    let mut stream = raw_websocket(&world, device.auth.token.expose()).await;
    stream.write_all(&masked_text("40")).await.unwrap();
    let subscribe = format!("42{}", json!(["subscribe", [menu_id()]]));
    world.counters_become(|c| c.connections == 1).await;
    stream.write_all(&masked_text(&subscribe)).await.unwrap();
    world.counters_become(|c| c.subscriptions == 1).await;
    let payload = format!("\"{}\"", "x".repeat(8_000_000));
    for _ in 0..10 {
        device
            .broadcast(&json!({"name": "menu"}), "hi", &payload, 0)
            .await;
    }
    world
        .counters_become(|c| c.slow_disconnects == 1 && c.connections == 0)
        .await;
    let mut rest = Vec::new();
    let read = stream.read_to_end(&mut rest);
    let read = tokio::time::timeout(Duration::from_secs(10), read).await;
    assert!(read.is_ok(), "the connection stays open");
}

#[tokio::test]
async fn a_hub_stops_within_a_second_and_its_port_is_free_at_once() {
    let world = World::start().await;
    let mut settings = settings();
    settings.listen = world.url.strip_prefix("http://").unwrap().parse().unwrap();
    let device = world.device().await;
    let token = device.auth.token.expose().to_owned();
    let mut polling = device.socket(3).await.connected().await;
    let mut websocket = raw_websocket(&world, &token).await;
    websocket.write_all(&masked_text("40")).await.unwrap();
    let http = http_client();
    let held = http
        .post(format!(
            "{}/api/networks/current/broadcasts?timeout=60000",
            world.url
        ))
        .bearer_auth(&token)
        .body(r#"{"name":"a","channel":{"name":"b"}}"#)
        .send();
    let idle = TcpStream::connect(settings.listen).await.unwrap();
    let stop = async {
        world
            .counters_become(|c| c.pending_broadcasts == 1 && c.connections == 2)
            .await;
        world.stop().await;
    };
    // None of the three is waited for until it ends by itself: the call is held for a minute.
    let (held, polled, ()) = tokio::join!(held, polling.try_next(), stop);
    assert_eq!(held.unwrap().text().await.unwrap(), "[]");
    assert_eq!(polled, None);
    let mut rest = Vec::new();
    let closed = websocket.read_to_end(&mut rest);
    // A reset is an end, too.
    in_time("the socket closes", closed).await.ok();
    drop(idle);

    let again = World::with(settings).await;
    again.device().await;
    assert_eq!(again.counters().await.logins, 1);
}

#[tokio::test]
async fn many_hubs_live_side_by_side() {
    let (one, other) = (World::start().await, World::start().await);
    one.device().await;
    assert_eq!(other.counters().await.logins, 0);
    assert_eq!(one.counters().await.logins, 1);
    one.stop().await;
    other.device().await;
}

/// A WebSocket of which nothing is read but the handshake's beginning.
async fn raw_websocket(world: &World, token: &str) -> TcpStream {
    let host = world.url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(host).await.unwrap();
    let request = format!(
        "GET /socket.io/?EIO=4&transport=websocket&token={token} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 101");
    stream
}

/// A text frame as a client sends it, masked with zeros.
fn masked_text(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).unwrap();
    assert!(length < 126, "short texts only");
    let mut frame = vec![0x81, 0x80 | length, 0, 0, 0, 0];
    frame.extend_from_slice(text.as_bytes());
    frame
}
