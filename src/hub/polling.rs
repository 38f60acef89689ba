//! Long polling as old browsers take it.
//!
//! A generation-3 client in a browser takes bytes (it does not ask for `b64`), and the clients of Socket.IO 1, which the EXP
//! SDK's browser bundle carries, then read nothing but the bytes form of a body: the servers of their time sent no other.
//! Today's engine, like the servers of Socket.IO 2, answers in the text form where no packet is binary, and such a client polls on
//! for ever without hearing a thing. Later clients take either. So what goes to them goes in the bytes form.

use axum::body::{Body, to_bytes};
use axum::extract::{Query, Request};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use serde::Deserialize;

#[derive(Deserialize)]
struct Polling {
    #[serde(rename = "EIO")]
    generation: String,
    transport: String,
    b64: Option<String>,
}

/// Puts answers to polls of generation-3 clients that take bytes into the bytes form.
pub(super) async fn answer_in_bytes(request: Request, next: Next) -> Response {
    let wanted = takes_bytes(&request);
    let response = next.run(request).await;
    let text = response
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/plain"));
    if !wanted || !text || response.status() != StatusCode::OK {
        return response;
    }
    let (mut head, body) = response.into_parts();
    // The engine has made the whole body already, within its own bound.
    let body = match to_bytes(body, usize::MAX).await {
        Ok(body) => body,
        Err(error) => {
            log::debug!("an answer to a poll broke off: {error}");
            return Response::from_parts(head, Body::empty());
        }
    };
    let framed = std::str::from_utf8(&body).ok().and_then(bytes_form);
    let Some(framed) = framed else {
        return Response::from_parts(head, Body::from(body));
    };
    head.headers.insert(CONTENT_LENGTH, framed.len().into());
    head.headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/octet-stream"),
    );
    Response::from_parts(head, Body::from(framed))
}

fn takes_bytes(request: &Request) -> bool {
    if request.method() != Method::GET || !request.uri().path().starts_with("/socket.io") {
        return false;
    }
    Query::<Polling>::try_from_uri(request.uri()).is_ok_and(|Query(query)| {
        query.generation == "3" && query.transport == "polling" && query.b64.is_none()
    })
}

/// `LENGTH:PACKET…`, lengths in UTF-16 units (see `legacy_polling`), as `0 DIGITS 255 PACKET…`, lengths in bytes; `None` where it is something else.
fn bytes_form(mut text: &str) -> Option<Vec<u8>> {
    let mut framed = Vec::with_capacity(text.len() + 16);
    while !text.is_empty() {
        let (length, rest) = text.split_once(':')?;
        let length: usize = length.parse().ok()?;
        let mut units = 0;
        let end: usize = rest
            .chars()
            .take_while(|character| {
                units += character.len_utf16();
                units <= length
            })
            .map(char::len_utf8)
            .sum();
        let (packet, rest) = rest.split_at_checked(end)?;
        if packet.encode_utf16().count() != length {
            return None;
        }
        framed.push(0);
        framed.extend(packet.len().to_string().bytes().map(|digit| digit - b'0'));
        framed.push(255);
        framed.extend_from_slice(packet.as_bytes());
        text = rest;
    }
    Some(framed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_keep_their_text_and_are_counted_in_bytes() {
        assert_eq!(bytes_form("2:40").unwrap(), b"\x00\x02\xff40");
        let long = format!("12:4{}", "ü".repeat(11));
        let mut expected = b"\x00\x02\x03\xff4".to_vec();
        expected.extend("ü".repeat(11).bytes());
        assert_eq!(bytes_form(&long).unwrap(), expected);
        assert_eq!(
            bytes_form("1:62:40").unwrap(),
            b"\x00\x01\xff6\x00\x02\xff40"
        );
        let mut expected = b"\x00\x07\xff42".to_vec();
        expected.extend("🍽:".bytes());
        expected.extend(b"\x00\x02\xff40");
        assert_eq!(bytes_form("5:42🍽:2:40").unwrap(), expected);
        assert_eq!(bytes_form("").unwrap(), b"");
    }

    #[test]
    fn what_is_no_list_of_packets_stays_as_it_is() {
        for text in ["ok", "5:40", "x:40", "2:40rest"] {
            assert_eq!(bytes_form(text), None, "{text}");
        }
    }

    #[test]
    fn only_old_clients_that_take_bytes_get_them() {
        let takes = |method: Method, uri: &str| {
            takes_bytes(
                &Request::builder()
                    .method(method)
                    .uri(uri)
                    .body(Body::empty())
                    .unwrap(),
            )
        };
        assert!(takes(
            Method::GET,
            "/socket.io/?EIO=3&transport=polling&t=1-0&token=x"
        ));
        assert!(!takes(
            Method::GET,
            "/socket.io/?EIO=3&transport=polling&b64=1"
        ));
        assert!(!takes(Method::GET, "/socket.io/?EIO=4&transport=polling"));
        assert!(!takes(Method::GET, "/socket.io/?EIO=3&transport=websocket"));
        assert!(!takes(Method::POST, "/socket.io/?EIO=3&transport=polling"));
        assert!(!takes(Method::GET, "/api/devices?EIO=3&transport=polling"));
    }
}
