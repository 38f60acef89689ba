//! The network's sockets: any body of long polling is answered, and the network continues to serve.
//!
//! The first byte chooses the generation, the form of the body (text or bytes), and whether the
//! client is logged in; the rest is the body of one request of long polling, as on the wire.
//! Well-framed packets are the same as WebSocket messages.
//!
//! ```sh
//! RUSTC_BOOTSTRAP=1 cargo fuzz run hub_socket -- -max_total_time=600
//! ```
#![no_main]

mod network;

use std::time::Duration;

use axum::body::Body;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use axum::http::{Request, StatusCode};
use libfuzzer_sys::fuzz_target;
use network::Network;

fuzz_target!(|data: &[u8]| {
    let [kind, packets @ ..] = data else {
        return;
    };
    let generation = if kind & 1 == 0 { 3 } else { 4 };
    Network::with(|network| {
        let token = if kind & 8 == 0 {
            &*network.token
        } else {
            "nonsense"
        };
        let base = format!("/socket.io/?EIO={generation}&transport=polling&b64=1&token={token}");
        let get = |url: &str| Request::get(url).body(Body::empty()).expect("no request");
        let short = Duration::from_millis(50);
        let (status, opened) = network.ask(get(&base), short).expect("no handshake");
        if [StatusCode::UNAUTHORIZED, StatusCode::SERVICE_UNAVAILABLE].contains(&status) {
            // The limit of sessions is reached; they expire by the clock, which only advances while
            // the runtime is idle.
            network.rest(Duration::from_secs(100));
            return;
        }
        assert_eq!(status, StatusCode::OK, "{opened}");
        let sid = opened
            .split("\"sid\":\"")
            .nth(1)
            .and_then(|rest| rest.split('"').next());
        let url = format!("{base}&sid={}", sid.expect("no session"));
        let post = |body: Vec<u8>| {
            Request::post(&url)
                .body(Body::from(body))
                .expect("no request")
        };
        // Generation 4 opens its namespace itself.
        if generation == 4 && kind & 2 == 0 {
            network.ask(post(b"40".to_vec()), short);
        }
        network.ask(get(&url), short);
        let form = if kind & 4 == 0 {
            "text/plain;charset=UTF-8"
        } else {
            "application/octet-stream"
        };
        let mut request = post(packets.to_vec());
        request
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static(form));
        let (status, answer) = network
            .ask(request, short)
            .expect("the body is never answered");
        assert!(!status.is_server_error(), "{status} {answer}");
        network.ask(get(&url), short);
        let goodbye = if generation == 4 { "1" } else { "1:1" };
        network.ask(post(goodbye.into()), short);
        let mut counters = get("/hub/counters");
        let key = format!("Bearer {}", network::OPERATOR_KEY);
        counters
            .headers_mut()
            .insert(AUTHORIZATION, HeaderValue::try_from(key).expect("no key"));
        let (status, _) = network.ask(counters, short).expect("it serves no more");
        assert_eq!(status, StatusCode::OK);
    });
});
