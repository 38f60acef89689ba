//! Long polling in the older generation (Engine.IO 3), put right in two respects.
//!
//! A client in a browser takes bytes (it does not ask for `b64`), and the clients of Socket.IO 1, which the EXP SDK's browser
//! bundle carries, then read nothing but the bytes form of an answer: the servers of their time sent no other. The Socket.IO
//! library answers in the text form where no packet is binary, like the servers of Socket.IO 2, and such a client polls on for
//! ever without hearing a thing. Later clients take either, so what goes to those that take bytes goes in the bytes form.
//!
//! In the text form, the length before each packet counts UTF-16 units, since it is JavaScript's. The library counts characters,
//! so that a client of that generation could not read anything past a character outside the basic plane, 🍽 for one.

use axum::body::{Body, Bytes};
use axum::extract::{Query, Request};
use axum::http::{HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::Response;
use serde::Deserialize;

/// Above everything that one poll can answer: the library ends an answer at the largest body, or after one packet.
const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// How an answer is to be framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Bytes,
    Text,
}

/// What a poll says of its client.
#[derive(Deserialize)]
struct Poll {
    #[serde(rename = "EIO")]
    generation: String,
    transport: String,
    b64: Option<String>,
}

/// Frames the answers to polls of the older generation as their clients read them. What it does not understand it leaves alone.
pub(super) async fn put_right(request: Request, next: Next) -> Response {
    let form = form_for(&request);
    let response = next.run(request).await;
    let text = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/plain"));
    let (Some(form), true, true) = (form, text, response.status().is_success()) else {
        return response;
    };
    let (mut parts, body) = response.into_parts();
    // The library has the whole answer in memory; nothing is waited for, and nothing can break off.
    let answer = axum::body::to_bytes(body, MAX_ANSWER)
        .await
        .unwrap_or_default();
    let framed = match form {
        Form::Bytes => in_bytes(&answer).map(|framed| {
            let kind = HeaderValue::from_static("application/octet-stream");
            parts.headers.insert(header::CONTENT_TYPE, kind);
            Bytes::from(framed)
        }),
        Form::Text => corrected(&answer).map(Bytes::from),
    };
    let answer = framed.unwrap_or(answer);
    parts
        .headers
        .insert(header::CONTENT_LENGTH, HeaderValue::from(answer.len()));
    Response::from_parts(parts, Body::from(answer))
}

fn form_for(request: &Request) -> Option<Form> {
    if request.method() != Method::GET || !request.uri().path().starts_with("/socket.io") {
        return None;
    }
    let Query(poll) = Query::<Poll>::try_from_uri(request.uri()).ok()?;
    if poll.generation != "3" || poll.transport != "polling" {
        return None;
    }
    Some(if poll.b64.is_none() {
        Form::Bytes
    } else {
        Form::Text
    })
}

/// `LENGTH:PACKET…`, lengths in characters, as `0 DIGITS 255 PACKET…`, lengths in bytes; nothing where it is no list of packets.
fn in_bytes(answer: &[u8]) -> Option<Vec<u8>> {
    let mut text = std::str::from_utf8(answer).ok()?;
    let mut framed = Vec::with_capacity(text.len() + 16);
    while !text.is_empty() {
        let (length, rest) = text.split_once(':')?;
        let length: usize = length.parse().ok()?;
        let end = match rest.char_indices().nth(length) {
            Some((end, _)) => end,
            None if rest.chars().count() == length => rest.len(),
            None => return None,
        };
        let (packet, rest) = rest.split_at_checked(end)?;
        framed.push(0);
        framed.extend(packet.len().to_string().bytes().map(|digit| digit - b'0'));
        framed.push(255);
        framed.extend_from_slice(packet.as_bytes());
        text = rest;
    }
    Some(framed)
}

/// The answer with its lengths in UTF-16 units; nothing where they are that already.
fn corrected(answer: &[u8]) -> Option<String> {
    // Only characters of four bytes are two units; they begin with 0xF0 or above.
    if !answer.iter().any(|byte| *byte >= 0xF0) {
        return None;
    }
    let mut rest = std::str::from_utf8(answer).ok()?;
    let mut text = String::with_capacity(answer.len() + 16);
    while !rest.is_empty() {
        let (length, tail) = rest.split_once(':')?;
        let length: usize = length.parse().ok()?;
        let end = tail
            .char_indices()
            .nth(length)
            .map_or(tail.len(), |(at, _)| at);
        let (packet, next) = tail.split_at(end);
        text.push_str(&packet.encode_utf16().count().to_string());
        text.push(':');
        text.push_str(packet);
        rest = next;
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_count_utf16_units() {
        assert_eq!(corrected("3:4é:2:40".as_bytes()), None);
        assert_eq!(
            corrected("4:42🍽:1:23:4🍽🍽".as_bytes()).as_deref(),
            Some("5:42🍽:1:25:4🍽🍽")
        );
        assert_eq!(corrected("no frames 🍽".as_bytes()), None);
    }

    #[test]
    fn packets_keep_their_text_and_are_counted_in_bytes() {
        assert_eq!(in_bytes(b"2:40").unwrap(), b"\x00\x02\xff40");
        let long = format!("12:4{}", "ü".repeat(11));
        let mut expected = b"\x00\x02\x03\xff4".to_vec();
        expected.extend("ü".repeat(11).bytes());
        assert_eq!(in_bytes(long.as_bytes()).unwrap(), expected);
        assert_eq!(
            in_bytes(b"1:62:40").unwrap(),
            b"\x00\x01\xff6\x00\x02\xff40"
        );
        assert_eq!(in_bytes(b"").unwrap(), b"");
    }

    #[test]
    fn what_is_no_list_of_packets_stays_as_it_is() {
        for text in ["ok", "5:40", "x:40", "2:40rest"] {
            assert_eq!(in_bytes(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn only_polls_of_the_older_generation_are_touched() {
        let form = |method: Method, uri: &str| {
            let request = Request::builder().method(method).uri(uri);
            form_for(&request.body(Body::empty()).unwrap())
        };
        let poll = "/socket.io/?EIO=3&transport=polling";
        assert_eq!(form(Method::GET, poll), Some(Form::Bytes));
        assert_eq!(
            form(Method::GET, &format!("{poll}&b64=1")),
            Some(Form::Text)
        );
        assert_eq!(form(Method::POST, poll), None);
        assert_eq!(
            form(Method::GET, "/socket.io/?EIO=4&transport=polling"),
            None
        );
        assert_eq!(
            form(Method::GET, "/socket.io/?EIO=3&transport=websocket"),
            None
        );
        assert_eq!(
            form(Method::GET, "/api/devices?EIO=3&transport=polling"),
            None
        );
    }
}
