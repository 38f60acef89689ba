//! Validation of long-polling bodies before the Socket.IO library reads them.
//!
//! The library's parser of the older generation's text form never ends where a length splits a
//! character (`1:🍽a`), and copies the rest of the body for each packet. It therefore receives
//! packet lists that were parsed here, limited in number, with each packet as a chunk of its own,
//! which it reads in one step.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderValue, header};
use futures_util::stream;

use super::body::{self, BodyTerms, PAYLOAD_BODY};
use super::connection::ClientConnection;
use super::engine_query::{EngineQuery, Generation};
use super::engine_sessions::SessionOwner;
use super::error::ApiError;
use super::legacy_framing;
use super::state::HubState;

/// Limit of a body without a login: such clients have little to send.
pub(super) const ANONYMOUS_BODY: usize = 16 * 1024;

/// Limits of the packets in one body.
const MAX_PACKETS: usize = 1024;
const MAX_ANONYMOUS_PACKETS: usize = 16;

/// Packet separator of the current generation.
const SEPARATOR: u8 = 0x1e;

/// Validates the body of a request, and replaces it by one chunk per packet.
pub(super) async fn check(
    hub: &HubState,
    connection: &Arc<ClientConnection>,
    owner: &SessionOwner,
    request: Request,
) -> Result<Request, ApiError> {
    let (mut parts, body) = request.into_parts();
    let (limit, packets) = match owner {
        SessionOwner::Identity(_) => (PAYLOAD_BODY, MAX_PACKETS),
        SessionOwner::Address(..) => (ANONYMOUS_BODY, MAX_ANONYMOUS_PACKETS),
    };
    let generation = EngineQuery::of(&parts.uri).and_then(EngineQuery::generation);
    let bytes_form = parts
        .headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind == "application/octet-stream");
    let owner = match owner {
        SessionOwner::Identity(identity) => Some(identity.as_str()),
        SessionOwner::Address(..) => None,
    };
    let terms = BodyTerms {
        owner,
        content_length: body::content_length(&parts.headers),
        limit,
    };
    // The memory is released before the packets are processed: the library takes them one by one.
    let (bytes, _reservation) = body::read(&hub.body_memory, connection, body, terms).await?;
    let pieces = match (generation, bytes_form) {
        (Some(Generation::V3), false) => of_legacy_text(&bytes.into()),
        (Some(Generation::V3), true) => of_legacy_bytes(&bytes),
        (Some(Generation::V4), _) => of_text(&bytes.into()),
        // The library refuses it, whatever it holds.
        (None, _) => Some(Vec::new()),
    };
    let pieces = pieces.ok_or_else(|| {
        ApiError::bad_request(
            "network.polling.malformed",
            "the body is not a packet list of this Engine.IO generation",
        )
    })?;
    if pieces.len() > packets {
        return Err(ApiError::too_large(format!(
            "the body holds more than the {packets} packets that are allowed here"
        )));
    }
    // From here on, all are text.
    let text = HeaderValue::from_static("text/plain;charset=UTF-8");
    parts.headers.insert(header::CONTENT_TYPE, text);
    let pieces = stream::iter(pieces.into_iter().map(Ok::<Bytes, Infallible>));
    Ok(Request::from_parts(parts, Body::from_stream(pieces)))
}

/// Splits a packet list into one piece per packet; nothing where it is malformed.
fn of_text(bytes: &Bytes) -> Option<Vec<Bytes>> {
    std::str::from_utf8(bytes).ok()?;
    let mut pieces = Vec::new();
    let mut begin = 0;
    for (at, byte) in bytes.iter().enumerate() {
        if *byte == SEPARATOR {
            if at == begin {
                return None;
            }
            pieces.push(bytes.slice(begin..=at));
            begin = at + 1;
        }
        if pieces.len() > MAX_PACKETS {
            return Some(pieces);
        }
    }
    if begin < bytes.len() {
        pieces.push(bytes.slice(begin..));
    }
    Some(pieces)
}

fn of_legacy_text(bytes: &Bytes) -> Option<Vec<Bytes>> {
    let text = std::str::from_utf8(bytes).ok()?;
    legacy_framing::parse_text(text)
        .take(MAX_PACKETS + 1)
        .map(|framed| {
            let framed = framed.filter(|framed| !framed.packet.is_empty())?;
            Some(bytes.slice(framed.span))
        })
        .collect()
}

fn of_legacy_bytes(bytes: &[u8]) -> Option<Vec<Bytes>> {
    legacy_framing::parse_bytes(bytes)
        .take(MAX_PACKETS + 1)
        .map(|packet| {
            let packet = packet.filter(|packet| !packet.is_empty())?;
            let mut piece = Vec::with_capacity(packet.len() + 10);
            legacy_framing::write_text(packet, &mut piece);
            Some(Bytes::from(piece))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    type Pieces = fn(&'static [u8]) -> Option<Vec<Bytes>>;

    const TEXT: Pieces = |bytes| of_text(&Bytes::from_static(bytes));
    const LEGACY_TEXT: Pieces = |bytes| of_legacy_text(&Bytes::from_static(bytes));
    const LEGACY_BYTES: Pieces = |bytes| of_legacy_bytes(bytes);

    #[test]
    fn each_packet_is_a_piece_of_its_own() {
        let both: [&[u8]; 2] = [b"40\x1e", b"2"];
        assert_eq!(TEXT(b"40\x1e2").unwrap(), both);
        let both: [&[u8]; 2] = [b"2:40", b"1:2"];
        assert_eq!(LEGACY_TEXT(b"2:401:2").unwrap(), both);
        assert_eq!(LEGACY_BYTES(b"\0\x02\xff40\0\x01\xff2").unwrap(), both);
        for read in [TEXT, LEGACY_TEXT, LEGACY_BYTES] {
            assert_eq!(read(b"").unwrap(), Vec::<Bytes>::new());
        }
    }

    #[test]
    fn what_is_no_list_of_packets_goes_no_further() {
        for bad in ["\u{1e}", "40\u{1e}\u{1e}2"] {
            assert_eq!(TEXT(bad.as_bytes()), None, "{bad:?}");
        }
        assert_eq!(TEXT(b"4\xff"), None);
        for bad in ["1:🍽a", "0:", "0:1:2", "40", "9:4"] {
            assert_eq!(LEGACY_TEXT(bad.as_bytes()), None, "{bad:?}");
        }
        for bad in [&b"\0\0\xff"[..], b"\0\x05\xff4", b"\x01\x01\xff\x04"] {
            assert_eq!(LEGACY_BYTES(bad), None, "{bad:?}");
        }
    }
}
