//! The network's HTTP interface: every request is answered in time, with a status that blames the
//! right side.
//!
//! The first line is method and path, the second selects the token, each further one up to an empty
//! line is a header; the rest is the body.
//!
//! ```sh
//! RUSTC_BOOTSTRAP=1 cargo fuzz run hub_http -- -max_total_time=600
//! ```
#![no_main]

mod network;

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use libfuzzer_sys::fuzz_target;
use network::Network;

fuzz_target!(|data: &[u8]| {
    let mut parts = data.splitn(2, |byte| *byte == b'\n');
    let first = String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
    let rest = parts.next().unwrap_or_default();
    let (method, path) = first.split_once(' ').unwrap_or(("GET", &first));
    let (head, body) = match rest.windows(2).position(|two| two == b"\n\n") {
        Some(at) => (&rest[..at], &rest[at + 2..]),
        None => (&[][..], rest),
    };
    let head = String::from_utf8_lossy(head).into_owned();
    Network::with(|network| {
        let mut request = Request::builder().method(method).uri(path);
        let mut lines = head.lines();
        let proof = match lines.next() {
            Some("device") => Some(&*network.token),
            Some("operator") => Some(network::OPERATOR_KEY),
            _ => None,
        };
        if let Some(proof) = proof {
            request = request.header("authorization", format!("Bearer {proof}"));
        }
        for line in lines {
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            request = request.header(name, value);
        }
        // An invalid request does not reach the network: hyper refuses it.
        let Ok(request) = request.body(Body::from(body.to_vec())) else {
            return;
        };
        // The longest timeout that a caller may request is an hour, by a clock that stops only
        // while there is work.
        let answer = network.ask(request, Duration::from_secs(4_000));
        let (status, text) = answer.expect("no answer");
        assert!(!status.is_server_error(), "{status} {text}");
    });
});
