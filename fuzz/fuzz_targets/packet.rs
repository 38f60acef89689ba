//! Whatever a server sends, in either generation of the wire: no panic, no packet beyond the bound, a payload passed on to the
//! letter, no packet's text in what is said of a broken one, and what is framed by us is read again.
//!
//! ```sh
//! RUSTC_BOOTSTRAP=1 cargo fuzz run packet -- -max_total_time=600
//! ```
#![no_main]

use libfuzzer_sys::fuzz_target;

#[allow(
    dead_code,
    unused_imports,
    reason = "only what the wire carries is driven"
)]
#[path = "../../src/exp/mod.rs"]
mod exp;

/// The decoders' own files. The few types around them are spelled out here, so that no transport has to be built; where they come to
/// differ from the real ones, this does not compile.
#[allow(dead_code, reason = "only the pure part of the room is driven")]
#[path = "../../src/upstream"]
mod upstream {
    pub mod excerpt;

    #[path = "socket"]
    pub mod socket {
        use crate::exp::{Broadcast, ChannelId};

        mod event;
        mod packet;

        #[path = "transport"]
        mod transport {
            mod framing;
            pub(super) use framing::{Packets, join};
            pub(super) use tungstenite::Utf8Bytes as Text;

            #[derive(Debug)]
            pub(super) enum Incoming {
                Text(Text),
                Binary(usize),
            }
        }

        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Generation {
            V3,
            V4,
        }

        #[derive(Debug)]
        pub enum SocketEvent {
            Subscribed(Vec<ChannelId>),
            Refused {
                channels: Vec<ChannelId>,
                reason: String,
            },
            Broadcast(Broadcast),
            Unexpected(String),
        }

        use packet::{MAX_PACKET, Message, Packet};
        use transport::{Incoming, Packets, join};

        /// A body of long polling, as each generation frames it.
        pub fn body(generation: Generation, body: &[u8]) {
            let Ok(mut packets) = Packets::new(generation, bytes::Bytes::copy_from_slice(body))
            else {
                return;
            };
            let mut texts = Vec::new();
            let mut seen = 0;
            while let Some(next) = packets.next() {
                match next {
                    Ok(Incoming::Text(text)) => {
                        assert!(!text.is_empty() && text.len() <= MAX_PACKET);
                        seen += text.len();
                        packet(&text);
                        texts.push(text.to_string());
                    }
                    Ok(Incoming::Binary(length)) => seen += length,
                    Err(error) => assert!(error.to_string().len() < 100),
                }
                assert!(seen <= body.len(), "more came out than went in");
            }
            // Generation 3 is written in ASCII alone.
            if generation == Generation::V3 && !texts.iter().all(|text| text.is_ascii()) {
                return;
            }
            let joined = join(
                generation,
                &texts.iter().map(String::as_str).collect::<Vec<_>>(),
            );
            let mut again =
                Packets::new(generation, joined.into()).expect("what was joined is framed");
            for text in texts {
                match again.next() {
                    Some(Ok(Incoming::Text(read))) => assert_eq!(read.as_str(), text),
                    other => panic!("{other:?} in place of {text:?}"),
                }
            }
            assert!(again.next().is_none());
        }

        /// One packet.
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

        /// The array of an event.
        pub fn event(array: &str) {
            let event = event::read(array);
            if let SocketEvent::Broadcast(broadcast) = &event {
                let payload = broadcast.payload.as_str();
                assert!(payload == "null" || array.contains(payload));
            }
            judge(event);
        }

        fn judge(event: SocketEvent) {
            match event {
                SocketEvent::Broadcast(broadcast) => {
                    let payload = broadcast.payload.as_str();
                    assert!(crate::exp::Payload::parse(payload).is_ok());
                }
                SocketEvent::Refused { channels, reason } => {
                    assert!(channels.len() <= 100_000);
                    assert!(!reason.is_empty() && reason.chars().count() <= 65, "{reason}");
                    assert!(!reason.chars().any(char::is_control), "{reason:?}");
                }
                SocketEvent::Subscribed(channels) => {
                    assert!(channels.len() <= 100_000);
                    let mut asked = Vec::new();
                    for packet in packet::subscribe(&channels) {
                        assert!(packet.is_ascii());
                        let Ok(Packet::Message(Message::Event(array))) = Packet::parse(&packet)
                        else {
                            panic!("our own packet is none");
                        };
                        let (name, ids): (String, Vec<ChannelId>) =
                            serde_json::from_str(array).expect("our own packet is JSON");
                        assert_eq!(name, "subscribe");
                        asked.extend(ids);
                    }
                    assert_eq!(asked, channels);
                }
                SocketEvent::Unexpected(why) => assert!(why.len() < 64 * 12 + 128, "{why}"),
            }
        }
    }
}

use upstream::socket::{self, Generation};

fuzz_target!(|data: &[u8]| {
    let [kind, rest @ ..] = data else {
        return;
    };
    let text = || std::str::from_utf8(rest).ok();
    match kind % 5 {
        0 => socket::body(Generation::V3, rest),
        1 => socket::body(Generation::V4, rest),
        2 => text().into_iter().for_each(socket::packet),
        3 => text().into_iter().for_each(socket::event),
        // A payload inside a broadcast that is right otherwise.
        _ => text().into_iter().for_each(|payload| {
            socket::event(&format!(
                r#"["broadcast",{{"id":"1","name":"n","channel":"c","payload":{payload}}}]"#
            ));
        }),
    }
});
