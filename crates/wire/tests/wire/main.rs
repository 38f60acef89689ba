//! The wire against real servers: Socket.IO 1, 2, 3 and 4 from npm, a CONNECT proxy, middleboxes,
//! TLS with a private authority.
//!
//! Run `tests/servers/install` first.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may fail by panicking"
)]

mod client;
mod node;
mod ours;
mod trust;

use std::time::Duration;

use expd_domain::Secret;
use expd_wire::ProtocolChoice;
use expd_wire::TransportChoice::{self, Auto, Polling, Websocket};
use expd_wire::socket::{EVENT_QUEUE, SocketError};

use client::{Client, endpoint};
use expd_test_support::certificates::Authority;
use expd_test_support::front::{Front, FrontKind};
use expd_test_support::{DEADLINE, in_time, until};
use node::{Node, PING_INTERVAL};
use ours::Ours;

/// Makes the same tests for every server, so that each is reported by its name.
macro_rules! every_server {
    ($($test:ident)*) => {
        mod socket_io_1 { $( #[tokio::test] async fn $test() { super::$test(1).await; } )* }
        mod socket_io_2 { $( #[tokio::test] async fn $test() { super::$test(2).await; } )* }
        mod socket_io_3 { $( #[tokio::test] async fn $test() { super::$test(3).await; } )* }
        mod socket_io_4 { $( #[tokio::test] async fn $test() { super::$test(4).await; } )* }
    };
}

every_server! {
    the_generation_is_found_out_and_no_ghost_is_left
    subscriptions_are_confirmed_and_payloads_arrive_to_the_letter
    what_does_not_fit_is_reported_and_the_connection_stays
    a_connection_lives_through_many_pings
    a_burst_waits_for_a_slow_reader_and_loses_nothing
    sixteen_megabytes_pass
    what_is_too_large_closes_the_connection_with_that_said
    a_disconnect_by_the_server_is_heard_once
    a_client_leaves_politely_or_by_being_dropped
    a_restart_closes_and_the_next_opening_works
    a_refused_token_is_told_from_a_failure
    what_was_found_out_is_remembered
    a_blocked_websocket_is_carried_by_polling
    a_server_without_polling_is_reached_by_websocket
    a_proxy_carries_both_transports
    tls_with_a_private_authority
    a_silent_connection_is_found_dead
    a_forced_generation_is_kept_or_refused_with_a_reason
    thousands_of_channels_are_subscribed_in_bearable_messages
}

fn engine(socket_io: u32) -> u32 {
    if socket_io <= 2 { 3 } else { 4 }
}

async fn the_generation_is_found_out_and_no_ghost_is_left(server: u32) {
    let mut node = Node::start(server).await;
    for transport in [Auto, Websocket, Polling] {
        let client = Client::open(&node.url(), transport).await;
        assert_eq!(client.generation(), engine(server), "{transport:?}");
        node.has(1).await;
        client.close().await;
        node.has(0).await;
    }
}

async fn subscriptions_are_confirmed_and_payloads_arrive_to_the_letter(server: u32) {
    let mut node = Node::start(server).await;
    for transport in [Websocket, Polling] {
        let mut client = Client::open(&node.url(), transport).await;
        let token = node.says_all("connected").await;
        assert_eq!(token["token"], "token & more");
        client
            .subscribe(&["WyJvIiwibSIsMCwwXQ==", "a+/b-_", "é \u{1F37D} \"\\"])
            .await;
        for payload in [
            "123456789012345678901234567890",
            "1e400",
            "0.10",
            r#"{"z":1,"a":{"y":[],"b":null}}"#,
            r#""\u00e9\ud83c\udf7d é 🍽 \u0000""#,
            "\"Ã© â\u{80}\u{a8} \u{7f}\"",
            "{ \"spaced\" : [ 1 , 2 ] }",
            "null",
        ] {
            let broadcast =
                format!(r#"{{"id":"1","name":"hé🍽","channel":"c","payload":{payload}}}"#);
            node.tell(&format!("broadcast {broadcast}")).await;
            let broadcast = client.broadcast().await;
            assert_eq!(broadcast.payload.as_str(), payload, "{transport:?}");
            assert_eq!(broadcast.name, "hé🍽");
        }
        client.close().await;
    }
}

async fn what_does_not_fit_is_reported_and_the_connection_stays(server: u32) {
    let mut node = Node::start(server).await;
    for transport in [Websocket, Polling] {
        let mut client = Client::open(&node.url(), transport).await;
        node.has(1).await;
        let deep = "[".repeat(101) + &"]".repeat(101);
        for (command, why) in [
            (
                format!(r#"broadcast {{"id":"1","name":"n","channel":"c","payload":{deep}}}"#),
                "nests deeper",
            ),
            (r#"broadcast {"id":1}"#.to_owned(), "\"id\" is not text"),
            ("emit greeting {}".to_owned(), "greeting"),
            ("raw 2{".to_owned(), "not a JSON array"),
            ("raw 9".to_owned(), "unknown type"),
        ] {
            node.tell(&command).await;
            let said = client.unexpected().await;
            assert!(said.contains(why), "{why:?} is not in {said:?}");
        }
        node.tell("binary").await;
        // A placeholder and the bytes themselves.
        assert!(client.unexpected().await.contains("binary"));
        assert!(client.unexpected().await.contains("binary"));
        node.tell(r#"broadcast {"id":"2","name":"n","channel":"c"}"#)
            .await;
        assert_eq!(client.broadcast().await.id.as_str(), "2");
        client.close().await;
        node.has(0).await;
    }
}

async fn a_connection_lives_through_many_pings(server: u32) {
    let mut node = Node::start(server).await;
    let mut clients = Vec::new();
    for transport in [Auto, Websocket, Polling] {
        clients.push(Client::open(&node.url(), transport).await);
    }
    node.has(3).await;
    // No client reads, and the pings continue by themselves, for longer than their timeout.
    node.beats(5).await;
    node.tell(r#"broadcast {"id":"1","name":"n","channel":"c"}"#)
        .await;
    // It is the first thing that each hears.
    for client in &mut clients {
        assert_eq!(client.broadcast().await.id.as_str(), "1");
    }
    assert_eq!(node.count().await.0, 3);
}

/// Lets two pings go by on a server's only client: what is sent then is what it hears next.
async fn hears_nothing_but_what_is_sent(node: &mut Node, client: &mut Client) {
    node.beats(2).await;
    node.tell(r#"broadcast {"id":"after pings","name":"n","channel":"c"}"#)
        .await;
    assert_eq!(client.broadcast().await.id.as_str(), "after pings");
}

async fn a_burst_waits_for_a_slow_reader_and_loses_nothing(server: u32) {
    let mut node = Node::start_patient(server).await;
    for transport in [Websocket, Polling] {
        let mut client = Client::open(&node.url(), transport).await;
        node.has(1).await;
        let count = EVENT_QUEUE * 3;
        for id in 0..count {
            node.tell(&format!(
                r#"broadcast {{"id":"{id}","name":"n","channel":"é"}}"#
            ))
            .await;
        }
        // All of them have been sent before the first one is taken.
        node.has(1).await;
        for id in 0..count {
            assert_eq!(client.broadcast().await.id.as_str(), id.to_string());
        }
        // Nothing comes twice.
        node.tell(r#"broadcast {"id":"last","name":"n","channel":"é"}"#)
            .await;
        assert_eq!(client.broadcast().await.id.as_str(), "last");
        client.close().await;
        node.has(0).await;
    }
}

async fn sixteen_megabytes_pass(server: u32) {
    let mut node = Node::start_patient(server).await;
    for transport in [Websocket, Polling] {
        let mut client = Client::open(&node.url(), transport).await;
        node.has(1).await;
        let payload = format!("\"{}é\"", "x".repeat(15_999_996));
        node.tell(&format!(
            r#"broadcast {{"id":"1","name":"n","channel":"c","payload":{payload}}}"#
        ))
        .await;
        assert!(client.broadcast().await.payload.as_str() == payload);
        client.close().await;
        node.has(0).await;
    }
}

async fn what_is_too_large_closes_the_connection_with_that_said(server: u32) {
    let mut node = Node::start_patient(server).await;
    for transport in [Websocket, Polling] {
        let mut client = Client::open(&node.url(), transport).await;
        node.has(1).await;
        node.tell(&format!("raw {}", "x".repeat(21 << 20))).await;
        let reason = client.closed().await;
        assert!(reason.contains("20971520 bytes"), "{transport:?}: {reason}");
    }
}

async fn a_disconnect_by_the_server_is_heard_once(server: u32) {
    let mut node = Node::start(server).await;
    for transport in [Websocket, Polling] {
        for command in ["disconnect", "kick"] {
            let mut client = Client::open(&node.url(), transport).await;
            node.has(1).await;
            node.tell(command).await;
            let reason = client.closed().await;
            assert!(
                reason.contains("the server"),
                "{transport:?} {command}: {reason}"
            );
            node.has(0).await;
        }
    }
}

async fn a_client_leaves_politely_or_by_being_dropped(server: u32) {
    let mut node = Node::start(server).await;
    for transport in [Websocket, Polling] {
        let client = Client::open(&node.url(), transport).await;
        node.has(1).await;
        client.close().await;
        let left = node.says_all("disconnected").await;
        // Over polling both closing packets travel in one body, and the servers act on the second
        // one first.
        let expected = match transport {
            Polling => ["client namespace disconnect", "transport close"],
            _ => ["client namespace disconnect"; 2],
        };
        let reason = left["reason"].as_str().unwrap();
        assert!(expected.contains(&reason), "{transport:?}: {reason}");
        let client = Client::open(&node.url(), transport).await;
        node.has(1).await;
        drop(client);
        node.has(0).await;
    }
}

async fn a_restart_closes_and_the_next_opening_works(server: u32) {
    let mut node = Node::start(server).await;
    for transport in [Auto, Polling] {
        let memory = &mut None;
        let endpoint = endpoint(&node.url());
        let mut client = Client::open_at(&endpoint, transport, memory).await.unwrap();
        client.subscribe(&["a"]).await;
        let port = node.kill().await;
        client.closed().await;
        let error = Client::open_at(&endpoint, transport, memory)
            .await
            .err()
            .unwrap();
        assert!(matches!(error, SocketError::Connect { .. }), "{error}");
        assert!(memory.is_none());
        node = Node::start_on(server, port, "").await;
        let mut client = Client::open_at(&endpoint, transport, memory).await.unwrap();
        client.subscribe(&["a"]).await;
        client.close().await;
    }
}

async fn a_refused_token_is_told_from_a_failure(server: u32) {
    let node = Node::start(server).await;
    for transport in [Auto, Websocket, Polling] {
        for token in ["refused", "forbidden"] {
            let mut endpoint = endpoint(&node.url());
            endpoint.token = Secret::new(token);
            match Client::open_at(&endpoint, transport, &mut None).await.err() {
                Some(SocketError::Refused { reason, .. }) => {
                    assert!(!reason.contains(token), "{reason}");
                }
                other => panic!("{transport:?} {token}: {other:?}"),
            }
        }
    }
}

async fn what_was_found_out_is_remembered(server: u32) {
    let mut node = Node::start(server).await;
    let memory = &mut None;
    for expected in [(1, 1), (1, 2), (1, 3)] {
        let client = Client::open_at(&endpoint(&node.url()), Auto, memory)
            .await
            .unwrap();
        node.has(1).await;
        let (_, polling, websocket) = node.count().await;
        assert_eq!((polling, websocket), expected);
        client.close().await;
        node.has(0).await;
    }
    assert_eq!(
        memory.as_ref().unwrap().generation().number(),
        engine(server)
    );
    // A server of the other generation takes its place.
    let other = [3, 4, 2, 1][server as usize - 1];
    let port = node.kill().await;
    let node = Node::start_on(other, port, "").await;
    let client = Client::open_at(&endpoint(&node.url()), Auto, memory)
        .await
        .unwrap();
    assert_eq!(client.generation(), engine(other));
    assert!(!memory.as_ref().unwrap().websocket_blocked());
}

async fn a_blocked_websocket_is_carried_by_polling(server: u32) {
    let mut node = Node::start(server).await;
    for kind in [
        FrontKind::NoUpgrade(node.port, "HTTP/1.1 403 Forbidden"),
        FrontKind::NoUpgrade(node.port, "HTTP/1.1 426 Upgrade Required"),
        FrontKind::NoUpgrade(node.port, "HTTP/1.1 200 OK"),
        FrontKind::SilentUpgrade(node.port),
    ] {
        let front = Front::start(kind).await;
        let mut endpoint = endpoint(&front.url());
        endpoint.timeout = Duration::from_secs(4);
        let memory = &mut None;
        let mut client = Client::open_at(&endpoint, Auto, memory).await.unwrap();
        assert_eq!(client.generation(), engine(server));
        client.subscribe(&["a"]).await;
        hears_nothing_but_what_is_sent(&mut node, &mut client).await;
        assert!(memory.as_ref().unwrap().websocket_blocked());
        client.close().await;
        node.has(0).await;
        // Now that the block is known, no time is spent on WebSocket.
        endpoint.timeout = DEADLINE * 20;
        let opened = Client::open_at(&endpoint, Auto, memory);
        let mut client = in_time("the connection", opened).await.unwrap();
        endpoint.timeout = Duration::from_secs(4);
        client.subscribe(&["a"]).await;
        client.close().await;
        node.has(0).await;
        assert!(Client::open_at(&endpoint, Websocket, memory).await.is_err());
    }
}

async fn a_server_without_polling_is_reached_by_websocket(server: u32) {
    let mut node = Node::start_on(server, 0, "websocket").await;
    for transport in [Auto, Websocket] {
        let mut client = Client::open(&node.url(), transport).await;
        assert_eq!(client.generation(), engine(server));
        client.subscribe(&["a"]).await;
        client.close().await;
        node.has(0).await;
    }
    let error = Client::open_at(&endpoint(&node.url()), Polling, &mut None)
        .await
        .err()
        .unwrap();
    assert!(
        matches!(&error, SocketError::Connect { reason, .. } if reason.contains("Transport unknown")),
        "{error}"
    );
}

async fn a_proxy_carries_both_transports(server: u32) {
    let mut node = Node::start(server).await;
    let proxy = Front::start(FrontKind::Proxy(Some("Basic bWU6c2VjcmV0"))).await;
    // A name that only the proxy can resolve.
    let mut endpoint = endpoint(&format!("http://network.test:{}", node.port));
    for transport in [Auto, Websocket, Polling] {
        endpoint.proxy = Some(format!("http://me:secret@127.0.0.1:{}", proxy.port));
        let before = proxy.passed();
        let mut client = Client::open_at(&endpoint, transport, &mut None)
            .await
            .unwrap();
        assert_eq!(client.generation(), engine(server));
        client.subscribe(&["a"]).await;
        hears_nothing_but_what_is_sent(&mut node, &mut client).await;
        assert!(proxy.passed() > before);
        client.close().await;
        node.has(0).await;
        endpoint.proxy = Some(proxy.url());
        let error = Client::open_at(&endpoint, transport, &mut None)
            .await
            .err()
            .unwrap();
        assert!(error.to_string().contains("credentials"), "{error}");
    }
}

async fn tls_with_a_private_authority(server: u32) {
    let mut node = Node::start(server).await;
    let authority = Authority::new();
    let good = Front::start(FrontKind::Tls(
        node.port,
        authority.sign("127.0.0.1", false),
    ))
    .await;
    let named = Front::start(FrontKind::Tls(
        node.port,
        authority.sign("localhost", false),
    ))
    .await;
    let expired = Front::start(FrontKind::Tls(node.port, authority.sign("127.0.0.1", true))).await;
    let proxy = Front::start(FrontKind::Proxy(None)).await;
    let secure = |front: &Front| {
        let mut endpoint = endpoint(&format!("https://127.0.0.1:{}", front.port));
        endpoint.ca_file = Some(authority.file());
        endpoint
    };
    for transport in [Websocket, Polling] {
        for proxied in [false, true] {
            let mut endpoint = secure(&good);
            if proxied {
                endpoint.proxy = Some(proxy.url());
            }
            let mut client = Client::open_at(&endpoint, transport, &mut None)
                .await
                .unwrap();
            client.subscribe(&["a"]).await;
            client.close().await;
            node.has(0).await;
        }
        let fails = async |endpoint: expd_wire::socket::Endpoint, why: &str| {
            let error = Client::open_at(&endpoint, transport, &mut None)
                .await
                .err()
                .unwrap();
            assert!(
                error.to_string().contains(why),
                "{transport:?}: {why:?} is not in {error}"
            );
        };
        fails(secure(&named), "another name").await;
        fails(secure(&expired), "has expired").await;
        let mut unknown = secure(&good);
        unknown.ca_file = None;
        fails(unknown, "set ca_file").await;
        let mut missing = secure(&good);
        missing.ca_file = Some("/nowhere/ca.pem".into());
        fails(missing, "/nowhere/ca.pem").await;
        let mut plain = endpoint(&format!("https://127.0.0.1:{}", node.port));
        plain.ca_file = Some(authority.file());
        fails(plain, "does not speak TLS").await;
    }
}

async fn a_silent_connection_is_found_dead(server: u32) {
    let mut node = Node::start(server).await;
    for transport in [Websocket, Polling] {
        let front = Front::start(FrontKind::Pass(node.port)).await;
        let mut client = Client::open(&front.url(), transport).await;
        client.subscribe(&["a"]).await;
        front.freeze();
        let reason = client.closed().await;
        assert!(reason.contains("dead"), "{transport:?}: {reason}");
        drop(front);
        node.has(0).await;
    }
}

async fn a_forced_generation_is_kept_or_refused_with_a_reason(server: u32) {
    let node = Node::start(server).await;
    let (right, wrong) = match engine(server) {
        3 => (ProtocolChoice::V3, ProtocolChoice::V4),
        _ => (ProtocolChoice::V4, ProtocolChoice::V3),
    };
    let mut endpoint = endpoint(&node.url());
    endpoint.timeout = Duration::from_secs(3);
    for transport in [Auto, Websocket, Polling] {
        let client = Client::open_in(&endpoint, transport, right, &mut None)
            .await
            .unwrap();
        assert_eq!(client.generation(), engine(server));
        client.close().await;
    }
    for transport in [Auto, Websocket, Polling] {
        let opened = Client::open_in(&endpoint, transport, wrong, &mut None).await;
        let error = opened.err().unwrap();
        // Socket.IO 3 accepts such a WebSocket and stays silent on it.
        let silent = server == 3 && transport == Websocket;
        assert!(
            error.to_string().contains("protocol")
                || (silent && matches!(error, SocketError::Timeout { .. })),
            "{transport:?}: {error}"
        );
    }
}

async fn thousands_of_channels_are_subscribed_in_bearable_messages(server: u32) {
    let mut node = Node::start_patient(server).await;
    for transport in [Websocket, Polling] {
        let mut client = Client::open(&node.url(), transport).await;
        let ids: Vec<String> = (0..2_000)
            .map(|at| format!("{at}{}", "x".repeat(1_000)))
            .collect();
        let mut confirmed = Vec::new();
        client.ask(&ids).await;
        while confirmed.len() < ids.len() {
            confirmed.extend(client.confirmed().await);
        }
        assert!(
            confirmed
                .iter()
                .zip(&ids)
                .all(|(confirmed, id)| confirmed.as_str() == id)
        );
        client.close().await;
        node.has(0).await;
    }
}

#[tokio::test]
async fn the_embedded_networks_server_is_spoken_to_in_both_generations() {
    let ours = Ours::start().await;
    for (protocol, expected) in [
        (ProtocolChoice::Auto, 4),
        (ProtocolChoice::V4, 4),
        (ProtocolChoice::V3, 3),
    ] {
        for transport in [Auto, Websocket, Polling] {
            let endpoint = endpoint(&ours.url());
            let mut client = Client::open_in(&endpoint, transport, protocol, &mut None)
                .await
                .unwrap();
            assert_eq!(client.generation(), expected, "{transport:?} {protocol:?}");
            client.subscribe(&["a", "é🍽"]).await;
            // Two pings go by, of which this server tells nobody; what comes then shows that they
            // brought nothing else.
            tokio::time::sleep(PING_INTERVAL * 2).await;
            for payload in ["é🍽", "plain", "🍽🍽"] {
                ours.broadcast(&payload.into());
            }
            for payload in ["\"é🍽\"", "\"plain\"", "\"🍽🍽\""] {
                let broadcast = client.broadcast().await;
                assert_eq!(
                    broadcast.payload.as_str(),
                    payload,
                    "{transport:?} {protocol:?}"
                );
            }
            client.close().await;
            // No client is left, neither of the detection nor of the connection.
            until("nobody is left", || ours.server.sockets().is_empty()).await;
        }
    }
}

/// Run by [`the_environment_names_the_proxy`] in its own process, since all tests share one
/// environment.
#[tokio::test]
#[ignore = "needs the environment that the_environment_names_the_proxy makes"]
async fn opened_by_the_environment() {
    let url = std::env::var("WIRE_URL").unwrap();
    for transport in [TransportChoice::Websocket, TransportChoice::Polling] {
        let mut client = Client::open(&url, transport).await;
        client.subscribe(&["a"]).await;
        client.close().await;
    }
}

#[tokio::test]
async fn the_environment_names_the_proxy() {
    let node = Node::start(4).await;
    let proxy = Front::start(FrontKind::Proxy(None)).await;
    for (host, no_proxy, proxied) in [
        ("network.test", "", true),
        ("127.0.0.1", "127.0.0.0/8", false),
        ("localhost", "other.test,localhost", false),
    ] {
        let before = proxy.passed();
        let output = tokio::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--ignored", "opened_by_the_environment"])
            .env("WIRE_URL", format!("http://{host}:{}", node.port))
            .env("HTTP_PROXY", proxy.url())
            .env("http_proxy", proxy.url())
            .env("NO_PROXY", no_proxy)
            .env("no_proxy", no_proxy)
            .output()
            .await
            .unwrap();
        assert!(
            output.status.success(),
            "{host}: {}",
            String::from_utf8_lossy(&output.stdout)
        );
        assert_eq!(proxy.passed() > before, proxied, "{host}");
    }
}
