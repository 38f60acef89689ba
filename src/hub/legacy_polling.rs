//! Long polling in the older generation (Engine.IO 3), put right: the length before each packet counts UTF-16 units, since it
//! is JavaScript's. The Socket.IO library counts characters, so that a client of that generation could not read anything
//! past a character outside the basic plane, 🍽 for one.

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, header};
use axum::response::Response;

/// Above everything that one poll can answer: the library ends an answer at the largest body, or after one packet.
const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// Corrects the lengths in the answer to a poll. What it does not understand it leaves alone.
pub(super) async fn correct_lengths(response: Response) -> Response {
    let text = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/plain"));
    if !text {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    // The library has the whole answer in memory; nothing is waited for, and nothing can break off.
    let bytes = axum::body::to_bytes(body, MAX_ANSWER)
        .await
        .unwrap_or_default();
    let bytes = match corrected(&bytes) {
        Some(text) => Bytes::from(text),
        None => bytes,
    };
    parts
        .headers
        .insert(header::CONTENT_LENGTH, HeaderValue::from(bytes.len()));
    Response::from_parts(parts, Body::from(bytes))
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
}
