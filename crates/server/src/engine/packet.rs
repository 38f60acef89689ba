//! Packets of Engine.IO, and of Socket.IO within them.

use axum::body::Bytes;
use serde_json::value::RawValue;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::engine_query::Generation;
use crate::legacy_framing;

/// Limit of the packets in one body of long polling.
const MAX_PACKETS: usize = 256;

/// Packet separator of the current generation's long polling.
const SEPARATOR: char = '\u{1e}';

/// One packet as it is sent, shared by all sockets that send it.
pub type Packet = Utf8Bytes;

/// A packet of a client.
#[derive(Debug)]
pub enum ClientPacket {
    /// The client asks whether the server is there; with the text that the answer repeats.
    Ping(String),
    /// The client answered a ping.
    Pong,
    /// The client goes on over the WebSocket that it probed.
    Upgrade,
    /// The client closes the transport.
    Close,
    /// The client opens the default namespace.
    Connect,
    /// The client opens a namespace that does not exist.
    ConnectElsewhere(String),
    /// The client leaves the default namespace.
    Disconnect,
    /// An event: its name, and its first argument's text.
    Event(String, Option<Box<RawValue>>),
    /// Nothing that a server acts on: acknowledgements, empty packets, other namespaces.
    Other,
}

impl ClientPacket {
    /// Reads a packet; none where it is malformed.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut chars = text.chars();
        let kind = chars.next()?;
        let rest = chars.as_str();
        Some(match kind {
            '1' => Self::Close,
            '2' => Self::Ping(rest.to_owned()),
            '3' => Self::Pong,
            '4' => return Self::parse_message(rest),
            '5' => Self::Upgrade,
            '6' => Self::Other,
            _ => return None,
        })
    }

    fn parse_message(text: &str) -> Option<Self> {
        let mut chars = text.chars();
        let kind = chars.next()?;
        let rest = chars.as_str();
        let (namespace, rest) = match rest.strip_prefix('/') {
            Some(_) => rest.split_once(',').unwrap_or((rest, "")),
            None => ("/", rest),
        };
        let namespace = namespace.split('?').next().unwrap_or_default();
        let default = namespace == "/";
        Some(match kind {
            '0' if default => Self::Connect,
            '0' => Self::ConnectElsewhere(namespace.to_owned()),
            '1' if default => Self::Disconnect,
            '2' if default => {
                // An acknowledgement's number may precede the list. Nothing is acknowledged here.
                let list = rest.trim_start_matches(|c: char| c.is_ascii_digit());
                let mut items: Vec<Box<RawValue>> = serde_json::from_str(list).ok()?;
                items.truncate(2);
                let argument = (items.len() > 1).then(|| items.pop()).flatten();
                let name = serde_json::from_str(items.pop()?.get()).ok()?;
                Self::Event(name, argument)
            }
            '0'..='6' => Self::Other,
            _ => return None,
        })
    }
}

/// The packet of an event whose argument is JSON text already.
#[must_use]
pub fn event(name: &str, argument: &str) -> Packet {
    let name = serde_json::Value::from(name);
    format!("42[{name},{argument}]").into()
}

/// Packets in the body of a poll's answer.
pub(super) struct PollBody {
    pub bytes: Vec<u8>,
    pub content_type: &'static str,
}

/// Form in which a client of long polling reads packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PollForm {
    Current,
    LegacyText,
    /// The clients of Socket.IO 1 in browsers read no other.
    LegacyBytes,
}

impl PollForm {
    pub(super) fn new(generation: Generation, wants_text: bool) -> Self {
        match generation {
            Generation::V4 => Self::Current,
            Generation::V3 if wants_text => Self::LegacyText,
            Generation::V3 => Self::LegacyBytes,
        }
    }

    pub(super) fn write(self, packets: &[Packet]) -> PollBody {
        let mut bytes = Vec::with_capacity(packets.iter().map(|packet| packet.len() + 8).sum());
        for (index, packet) in packets.iter().enumerate() {
            match self {
                Self::Current => {
                    if index > 0 {
                        let mut separator = [0; 4];
                        bytes.extend(SEPARATOR.encode_utf8(&mut separator).as_bytes());
                    }
                    bytes.extend_from_slice(packet.as_bytes());
                }
                Self::LegacyText => legacy_framing::write_text(packet, &mut bytes),
                Self::LegacyBytes => legacy_framing::write_bytes(packet, &mut bytes),
            }
        }
        let content_type = match self {
            Self::LegacyBytes => "application/octet-stream",
            Self::Current | Self::LegacyText => "text/plain; charset=UTF-8",
        };
        PollBody {
            bytes,
            content_type,
        }
    }
}

/// Reads the packets of a body of long polling; none where it is malformed or holds too many.
pub(super) fn read_body(
    generation: Generation,
    as_bytes: bool,
    body: &Bytes,
) -> Option<Vec<ClientPacket>> {
    let read = |packet: Option<&str>| ClientPacket::parse(packet?);
    let most = MAX_PACKETS + 1;
    let packets: Option<Vec<_>> = match (generation, as_bytes) {
        (Generation::V4, _) => {
            let text = std::str::from_utf8(body).ok()?;
            text.split(SEPARATOR)
                .take(most)
                .map(|p| read(Some(p)))
                .collect()
        }
        (Generation::V3, true) => legacy_framing::parse_bytes(body)
            .take(most)
            .map(read)
            .collect(),
        (Generation::V3, false) => {
            let text = std::str::from_utf8(body).ok()?;
            let framed = legacy_framing::parse_text(text).take(most);
            framed
                .map(|framed| read(framed.map(|f| f.packet)))
                .collect()
        }
    };
    packets.filter(|packets| packets.len() <= MAX_PACKETS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_its_name_and_its_first_argument() {
        let Some(ClientPacket::Event(name, Some(argument))) =
            ClientPacket::parse(r#"4212["subscribe", ["a", "b"], 3]"#)
        else {
            panic!("no event");
        };
        assert_eq!((&*name, argument.get()), ("subscribe", r#"["a", "b"]"#));
        assert!(matches!(
            ClientPacket::parse(r#"42["x"]"#),
            Some(ClientPacket::Event(name, None)) if name == "x"
        ));
        for bad in ["", "42", "42[]", "42[1]", "42{", "9", "4", "49", "x"] {
            assert!(ClientPacket::parse(bad).is_none(), "{bad}");
        }
        for other in ["6", "43[1]", "42/a,[\"x\"]", "44"] {
            let read = ClientPacket::parse(other);
            assert!(matches!(read, Some(ClientPacket::Other)), "{other}");
        }
        assert!(matches!(
            ClientPacket::parse("40/admin?a=1,"),
            Some(ClientPacket::ConnectElsewhere(namespace)) if namespace == "/admin"
        ));
    }

    #[test]
    fn each_generation_frames_packets_in_its_way() {
        let packets: [Packet; 2] = ["40".into(), "42é".into()];
        assert_eq!(
            PollForm::Current.write(&packets).bytes,
            "40\u{1e}42é".as_bytes()
        );
        assert_eq!(
            PollForm::LegacyText.write(&packets).bytes,
            "2:403:42é".as_bytes()
        );
        assert_eq!(
            PollForm::LegacyBytes.write(&packets).bytes,
            b"\0\x02\xff40\0\x04\xff42\xc3\xa9"
        );
        for (generation, as_bytes, body) in [
            (Generation::V4, false, "2\u{1e}41".as_bytes()),
            (Generation::V3, false, b"1:22:41"),
            (Generation::V3, true, b"\0\x01\xff2\0\x02\xff41"),
        ] {
            let read = read_body(generation, as_bytes, &Bytes::from(body.to_vec())).unwrap();
            assert!(
                matches!(read[..], [ClientPacket::Ping(_), ClientPacket::Disconnect]),
                "{read:?}"
            );
        }
        let many = Bytes::from("2\u{1e}".repeat(MAX_PACKETS) + "2");
        assert!(read_body(Generation::V4, false, &many).is_none());
    }
}
