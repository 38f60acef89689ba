//! Responses to long polling in Engine.IO 3, in the form that its clients read.
//!
//! A client in a browser accepts bytes (it does not send `b64`), and the clients of Socket.IO 1,
//! which the EXP SDK's browser bundle carries, then read only the binary form: servers of their
//! time sent no other. The Socket.IO library responds in the text form where no packet is binary,
//! as servers of Socket.IO 2 do, and such a client polls for ever without receiving anything. Later
//! clients accept either, so clients that accept bytes get the binary form.

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::Response;

use super::engine_query::{EngineQuery, Generation};
use super::legacy_framing;

/// Upper bound of a poll's response: the library ends it at the largest body, or after one packet.
const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// Converts poll responses for clients that read the binary form. Anything unexpected passes
/// unchanged.
pub(super) async fn answer_in_bytes(request: Request, next: Next) -> Response {
    let wanted = takes_bytes(&request);
    let response = next.run(request).await;
    let text = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/plain"));
    if !wanted || !text || !response.status().is_success() {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    // The library has the whole response in memory, so nothing is waited for and nothing can break
    // off.
    let answer = axum::body::to_bytes(body, MAX_ANSWER)
        .await
        .unwrap_or_default();
    let answer = match in_bytes(&answer) {
        Some(framed) => {
            let kind = HeaderValue::from_static("application/octet-stream");
            parts.headers.insert(header::CONTENT_TYPE, kind);
            Bytes::from(framed)
        }
        None => answer,
    };
    parts
        .headers
        .insert(header::CONTENT_LENGTH, HeaderValue::from(answer.len()));
    Response::from_parts(parts, Body::from(answer))
}

fn takes_bytes(request: &Request) -> bool {
    request.method() == Method::GET
        && EngineQuery::of(request.uri()).is_some_and(|query| {
            query.generation() == Some(Generation::V3) && query.is_polling() && !query.wants_text()
        })
}

/// Converts the text form to the binary form; nothing where the text is malformed.
fn in_bytes(answer: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(answer).ok()?;
    let mut framed = Vec::with_capacity(text.len() + 16);
    for packet in legacy_framing::parse_text(text) {
        legacy_framing::write_bytes(packet?.packet, &mut framed);
    }
    Some(framed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_keep_their_text() {
        assert_eq!(
            in_bytes("1:62:40".as_bytes()).unwrap(),
            b"\x00\x01\xff6\x00\x02\xff40"
        );
        let framed = in_bytes("4:42🍽".as_bytes()).unwrap();
        assert_eq!(
            framed,
            "\0\u{6}"
                .bytes()
                .chain([255])
                .chain("42🍽".bytes())
                .collect::<Vec<_>>()
        );
        assert_eq!(in_bytes(b"ok"), None);
    }

    #[test]
    fn only_polls_of_the_older_generation_that_take_bytes_are_touched() {
        let touched = |method: Method, uri: &str| {
            let request = Request::builder().method(method).uri(uri);
            takes_bytes(&request.body(Body::empty()).unwrap())
        };
        let poll = "/socket.io/?EIO=3&transport=polling";
        assert!(touched(Method::GET, poll));
        assert!(!touched(Method::GET, &format!("{poll}&b64=1")));
        assert!(!touched(Method::POST, poll));
        for other in [
            "/socket.io/?EIO=4&transport=polling",
            "/socket.io/?EIO=3&transport=websocket",
            "/api/devices?EIO=3&transport=polling",
        ] {
            assert!(!touched(Method::GET, other), "{other}");
        }
    }
}
