//! Entry points for `fuzz/`: the decoders without a transport, and their invariants.
#![allow(clippy::panic, clippy::expect_used, reason = "a finding is a panic")]

use bytes::Bytes;
use expd_domain::{ChannelId, Generation, Payload};

use super::packet::{self, MAX_PACKET, Message, Packet};
use super::transport::{Packets, Received, join};
use super::{SocketEvent, event};

/// Drives the framing of a long-polling body.
pub fn body(generation: Generation, body: &[u8]) {
    let Ok(mut packets) = Packets::new(generation, Bytes::copy_from_slice(body)) else {
        return;
    };
    let mut texts = Vec::new();
    let mut seen = 0;
    while let Some(next) = packets.next() {
        match next {
            Ok(Received::Text(text)) => {
                assert!(!text.is_empty() && text.len() <= MAX_PACKET);
                seen += text.len();
                packet(&text);
                texts.push(text.to_string());
            }
            Ok(Received::Binary(length)) => seen += length,
            Err(error) => assert!(error.to_string().len() < 100),
        }
        assert!(seen <= body.len(), "more came out than went in");
    }
    // Packets of generation 3 are sent in ASCII only.
    if generation == Generation::V3 && !texts.iter().all(|text| text.is_ascii()) {
        return;
    }
    let joined = join(
        generation,
        &texts.iter().map(String::as_str).collect::<Vec<_>>(),
    );
    let mut again = Packets::new(generation, joined.into()).expect("what was joined is framed");
    for text in texts {
        match again.next() {
            Some(Ok(Received::Text(read))) => assert_eq!(read.as_str(), text),
            other => panic!("{other:?} in place of {text:?}"),
        }
    }
    assert!(again.next().is_none());
}

/// Drives the parser of packets.
pub fn packet(text: &str) {
    match Packet::parse(text) {
        Ok(Packet::Open(handshake)) => {
            assert!((1..=1024).contains(&handshake.sid.len()));
            for time in [handshake.ping_interval, handshake.ping_timeout] {
                assert!((50..=3_600_000).contains(&time.as_millis()));
            }
        }
        Ok(Packet::Message(Message::Event(array))) => event(array),
        Ok(Packet::Message(Message::Refused(json))) => judge(event::refused(json)),
        Ok(_) => {}
        Err(error) => assert!(error.to_string().len() < 100),
    }
}

/// Drives the decoder of events.
pub fn event(array: &str) {
    let read = event::read(array);
    if let SocketEvent::Broadcast(broadcast) = &read {
        let payload = broadcast.payload.as_str();
        assert!(payload == "null" || array.contains(payload));
    }
    judge(read);
}

fn judge(read: SocketEvent) {
    match read {
        SocketEvent::Broadcast(broadcast) => {
            let payload = broadcast.payload.as_str();
            assert!(Payload::parse(payload).is_ok());
        }
        SocketEvent::Refused { channels, reason } => {
            assert!(channels.len() <= 100_000);
            assert!(
                !reason.is_empty() && reason.chars().count() <= 65,
                "{reason}"
            );
            assert!(!reason.chars().any(char::is_control), "{reason:?}");
        }
        SocketEvent::Subscribed(channels) => {
            assert!(channels.len() <= 100_000);
            let mut asked = Vec::new();
            for packet in packet::subscribe(&channels) {
                assert!(packet.is_ascii());
                let Ok(Packet::Message(Message::Event(array))) = Packet::parse(&packet) else {
                    panic!("our own packet is none");
                };
                let (name, ids): (String, Vec<ChannelId>) =
                    serde_json::from_str(array).expect("our own packet is JSON");
                assert_eq!(name, "subscribe");
                asked.extend(ids);
            }
            assert_eq!(asked, channels);
        }
        SocketEvent::Closed(why) => panic!("no packet closes a connection: {why}"),
        SocketEvent::Unexpected(why) => assert!(why.len() < 64 * 12 + 128, "{why}"),
    }
}
