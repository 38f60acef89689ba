//! Packets of Engine.IO, and of Socket.IO within them.

use std::fmt;

use axum::body::Bytes;
use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::legacy_framing;
use crate::socket_memory::Charge;
use expd_domain::Generation;

/// Maximum length of a ping's text, which the answer repeats.
const MAX_PING: usize = 64;

/// Maximum length of a namespace's name, which the refusal repeats.
const MAX_NAMESPACE: usize = 256;

/// Packet separator of the current generation's long polling.
const SEPARATOR: char = '\u{1e}';

/// One outgoing packet, shared by all sockets that send it.
pub type Packet = Utf8Bytes;

/// A packet queued for a client, with the memory that it is charged to until it is sent.
pub struct QueuedPacket {
    pub packet: Packet,
    pub charge: Option<Charge>,
}

impl From<Packet> for QueuedPacket {
    fn from(packet: Packet) -> Self {
        Self {
            packet,
            charge: None,
        }
    }
}

/// A packet of a client.
#[derive(Debug)]
pub enum ClientPacket {
    /// A ping; the answer repeats its text.
    Ping(String),
    /// The client answered a ping.
    Pong,
    /// The client upgrades to the WebSocket that it probed.
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
    /// A packet that a server ignores: acknowledgements, empty packets, other namespaces.
    Other,
}

impl ClientPacket {
    /// Parses a packet; `None` if it is malformed.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut chars = text.chars();
        let kind = chars.next()?;
        let rest = chars.as_str();
        Some(match kind {
            '1' => Self::Close,
            '2' if rest.len() > MAX_PING => return None,
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
            '0' if namespace.len() > MAX_NAMESPACE => return None,
            '0' => Self::ConnectElsewhere(namespace.to_owned()),
            '1' if default => Self::Disconnect,
            '2' if default => {
                // An acknowledgement's number may precede the list. This server acknowledges
                // nothing.
                let list = rest.trim_start_matches(|c: char| c.is_ascii_digit());
                let EventList(name, argument) = serde_json::from_str(list).ok()?;
                Self::Event(name, argument)
            }
            '0'..='6' => Self::Other,
            _ => return None,
        })
    }
}

/// Name and first argument of an event. Further arguments are skipped without being stored.
struct EventList(String, Option<Box<RawValue>>);

impl<'de> Deserialize<'de> for EventList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = EventList;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list that begins with the name of an event")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<EventList, A::Error> {
                let name = list.next_element()?;
                let name = name.ok_or_else(|| A::Error::invalid_length(0, &self))?;
                let argument = list.next_element()?;
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(EventList(name, argument))
            }
        }
        deserializer.deserialize_seq(List)
    }
}

/// The packet of an event whose argument is already JSON text.
#[must_use]
pub fn event(name: &str, argument: &str) -> Packet {
    let name = serde_json::Value::from(name);
    format!("42[{name},{argument}]").into()
}

/// The packet with which a server closes the default namespace. The client then leaves.
#[must_use]
pub fn disconnect_packet() -> Packet {
    "41".into()
}

/// Framing of packets that a long-polling client understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PollForm {
    Current,
    LegacyText,
    /// The only framing that browser clients of Socket.IO 1 understand.
    LegacyBytes,
}

/// Body of a poll's response. Its packets stay charged until it is sent.
struct PollBody {
    bytes: Vec<u8>,
    _charges: Vec<Charge>,
}

impl AsRef<[u8]> for PollBody {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl PollForm {
    pub(super) fn new(generation: Generation, wants_text: bool) -> Self {
        match generation {
            Generation::V4 => Self::Current,
            Generation::V3 if wants_text => Self::LegacyText,
            Generation::V3 => Self::LegacyBytes,
        }
    }

    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::LegacyBytes => "application/octet-stream",
            Self::Current | Self::LegacyText => "text/plain; charset=UTF-8",
        }
    }

    pub(super) fn write(self, packets: Vec<QueuedPacket>) -> Bytes {
        let length = packets.iter().map(|queued| queued.packet.len() + 8);
        let mut bytes = Vec::with_capacity(length.sum());
        let mut charges = Vec::new();
        for (index, QueuedPacket { packet, charge }) in packets.into_iter().enumerate() {
            match self {
                Self::Current => {
                    if index > 0 {
                        let mut separator = [0; 4];
                        bytes.extend(SEPARATOR.encode_utf8(&mut separator).as_bytes());
                    }
                    bytes.extend_from_slice(packet.as_bytes());
                }
                Self::LegacyText => legacy_framing::write_text(&packet, &mut bytes),
                Self::LegacyBytes => legacy_framing::write_bytes(&packet, &mut bytes),
            }
            charges.extend(charge);
        }
        if charges.is_empty() {
            return bytes.into();
        }
        Bytes::from_owner(PollBody {
            bytes,
            _charges: charges,
        })
    }
}

/// Reason why a body of long polling is refused.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum BodyFault {
    Malformed,
    TooManyPackets,
}

/// Parses the packets of a body of long polling.
pub(super) fn read_body(
    generation: Generation,
    as_bytes: bool,
    body: &[u8],
    max_packets: usize,
) -> Result<Vec<ClientPacket>, BodyFault> {
    let read = |packet: Option<&str>| ClientPacket::parse(packet?);
    let as_text = || std::str::from_utf8(body).map_err(|_| BodyFault::Malformed);
    let most = max_packets + 1;
    let packets: Option<Vec<_>> = match (generation, as_bytes) {
        (Generation::V4, _) => {
            let packets = as_text()?.split(SEPARATOR).take(most);
            packets.map(|packet| read(Some(packet))).collect()
        }
        (Generation::V3, true) => {
            let packets = legacy_framing::parse_bytes(body).take(most);
            packets.map(read).collect()
        }
        (Generation::V3, false) => {
            let packets = legacy_framing::parse_text(as_text()?).take(most);
            packets.map(read).collect()
        }
    };
    let packets = packets.ok_or(BodyFault::Malformed)?;
    if packets.len() > max_packets {
        return Err(BodyFault::TooManyPackets);
    }
    Ok(packets)
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
    fn what_is_repeated_to_a_client_is_short() {
        let long = "x".repeat(MAX_NAMESPACE + 1);
        assert!(ClientPacket::parse(&format!("2{long}")).is_none());
        assert!(ClientPacket::parse(&format!("40/{long},")).is_none());
        assert!(ClientPacket::parse("2probe").is_some());
    }

    #[test]
    fn each_generation_frames_packets_in_its_way() {
        let packets = || ["40", "42é"].map(|text| Packet::from(text).into()).into();
        assert_eq!(PollForm::Current.write(packets()), "40\u{1e}42é".as_bytes());
        assert_eq!(
            PollForm::LegacyText.write(packets()),
            "2:403:42é".as_bytes()
        );
        assert_eq!(
            PollForm::LegacyBytes.write(packets()),
            &b"\0\x02\xff40\0\x04\xff42\xc3\xa9"[..]
        );
        for (generation, as_bytes, body) in [
            (Generation::V4, false, "2\u{1e}41".as_bytes()),
            (Generation::V3, false, b"1:22:41"),
            (Generation::V3, true, b"\0\x01\xff2\0\x02\xff41"),
        ] {
            let read = read_body(generation, as_bytes, body, 2).unwrap();
            assert!(
                matches!(read[..], [ClientPacket::Ping(_), ClientPacket::Disconnect]),
                "{read:?}"
            );
            let many = read_body(generation, as_bytes, body, 1);
            assert_eq!(many.unwrap_err(), BodyFault::TooManyPackets);
        }
    }

    #[test]
    fn what_is_no_list_of_packets_is_malformed() {
        let malformed = |generation, as_bytes, body: &[u8]| {
            let read = read_body(generation, as_bytes, body, 1024);
            assert_eq!(read.unwrap_err(), BodyFault::Malformed, "{body:?}");
        };
        for bad in ["\u{1e}", "40\u{1e}\u{1e}2", "", "x"] {
            malformed(Generation::V4, false, bad.as_bytes());
        }
        malformed(Generation::V4, false, b"4\xff");
        for bad in ["1:🍽a", "0:", "0:1:2", "40", "9:4"] {
            malformed(Generation::V3, false, bad.as_bytes());
        }
        for bad in [&b"\0\0\xff"[..], b"\0\x05\xff4", b"\x01\x01\xff\x04"] {
            malformed(Generation::V3, true, bad);
        }
    }

    #[test]
    fn a_polls_answer_is_charged_until_it_has_left() {
        let memory = std::sync::Arc::new(crate::socket_memory::SocketMemory::default());
        let socket = memory.open("a");
        let queued = QueuedPacket {
            packet: "42[]".into(),
            charge: Some(socket.charge(4)),
        };
        let body = PollForm::Current.write(vec![queued]);
        assert_eq!(socket.outstanding(), 4);
        let rest = body.slice(1..);
        drop(body);
        assert_eq!(socket.outstanding(), 4);
        drop(rest);
        assert_eq!(socket.outstanding(), 0);
    }
}
