//! Text of Engine.IO and Socket.IO packets in both generations, as far as EXP uses them.
//!
//! Parsing borrows from its input and never fails on a valid packet: those without a meaning for
//! EXP (binary ones, other namespaces, acknowledgements) are parsed as well.
//! [`event`](super::event) decodes the contents of events.

use std::time::Duration;

use serde::Deserialize;

use expd_domain::ChannelId;

/// Maximum size of a packet that is read, in bytes: EXP's largest payload, the envelope, and room
/// for a server that escapes what could be plain.
pub(super) const MAX_PACKET: usize = 20 << 20;

/// Maximum size of the channel IDs of one `subscribe` packet, in bytes. Socket.IO 3 and later cut
/// the connection at a message of 1 MB.
const SUBSCRIBE_BYTES: usize = 128 << 10;

/// Limits of announced times in milliseconds: none may make the client spin or wait forever.
const PING_INTERVAL: std::ops::RangeInclusive<u64> = 50..=3_600_000;
const PING_TIMEOUT: std::ops::RangeInclusive<u64> = 50..=3_600_000;

/// An Engine.IO packet.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Packet<'a> {
    /// The server's handshake.
    Open(Handshake),
    /// The connection ends.
    Close,
    /// Asks for a [`Packet::Pong`] with the same text.
    Ping(&'a str),
    /// A pong to a ping.
    Pong,
    /// Carries a Socket.IO packet.
    Message(Message<'a>),
    /// Carries nothing; ends a pending poll.
    Noop,
}

/// The server's announcements when it opens a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Handshake {
    /// ID of the session, in every later request of long polling.
    pub sid: String,
    /// Time between two pings.
    pub ping_interval: Duration,
    /// Time within which a ping must be answered.
    pub ping_timeout: Duration,
    /// The largest message that the server accepts. Only recent servers of generation 4 announce
    /// it.
    pub max_payload: Option<u64>,
}

/// A Socket.IO packet.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Message<'a> {
    /// The root namespace is open; generation 4 adds a JSON object with a `sid`.
    Connect(&'a str),
    /// The server closed the root namespace.
    Disconnect,
    /// A JSON array: the event's name and its arguments.
    Event(&'a str),
    /// The server refuses to open the root namespace, or reports an error; JSON with the reason.
    Refused(&'a str),
    /// A message that EXP does not use, by name.
    Other(&'static str),
}

/// Reason why a text is not a packet. Never quotes the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Malformed {
    #[error("an empty packet")]
    Empty,
    #[error("a packet of an unknown type")]
    Type,
    #[error("a malformed handshake")]
    Handshake,
    #[error("a message of an unknown type")]
    MessageType,
    #[error("a message with an incomplete header")]
    Head,
}

impl<'a> Packet<'a> {
    /// Parses one packet.
    pub fn parse(text: &'a str) -> Result<Self, Malformed> {
        let kind = text.chars().next().ok_or(Malformed::Empty)?;
        let rest = text.get(kind.len_utf8()..).unwrap_or_default();
        Ok(match kind {
            '0' => Self::Open(Handshake::parse(rest)?),
            '1' => Self::Close,
            '2' => Self::Ping(rest),
            '3' => Self::Pong,
            '4' => Self::Message(Message::parse(rest)?),
            '5' | '6' => Self::Noop,
            'b' => Self::Message(Message::Other("a binary message")),
            _ => return Err(Malformed::Type),
        })
    }
}

impl Handshake {
    fn parse(json: &str) -> Result<Self, Malformed> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct RawHandshake {
            sid: String,
            ping_interval: u64,
            ping_timeout: u64,
            max_payload: Option<u64>,
        }
        let raw: RawHandshake = serde_json::from_str(json).map_err(|_| Malformed::Handshake)?;
        let within = |millis: u64, bounds: std::ops::RangeInclusive<u64>| {
            Duration::from_millis(millis.clamp(*bounds.start(), *bounds.end()))
        };
        // The session ID goes into every URL of long polling.
        if raw.sid.is_empty() || raw.sid.len() > 1024 {
            return Err(Malformed::Handshake);
        }
        Ok(Self {
            sid: raw.sid,
            ping_interval: within(raw.ping_interval, PING_INTERVAL),
            ping_timeout: within(raw.ping_timeout, PING_TIMEOUT),
            max_payload: raw.max_payload,
        })
    }
}

impl<'a> Message<'a> {
    fn parse(text: &'a str) -> Result<Self, Malformed> {
        let kind = text.chars().next().ok_or(Malformed::MessageType)?;
        let rest = text.get(kind.len_utf8()..).unwrap_or_default();
        match kind {
            '5' | '6' => return Ok(Self::Other("a binary message")),
            '0'..='4' => {}
            _ => return Err(Malformed::MessageType),
        }
        let (namespace, rest) = match rest.strip_prefix('/') {
            // Older servers omit the comma where nothing follows.
            Some(named) => named.split_once(',').unwrap_or((named, "")),
            None => ("", rest),
        };
        let namespace = namespace.split('?').next().unwrap_or_default();
        if !namespace.is_empty() {
            return Ok(Self::Other("a message of another namespace"));
        }
        // A number here asks for an acknowledgement, which EXP never does.
        let body = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        Ok(match kind {
            '0' => Self::Connect(rest),
            '1' => Self::Disconnect,
            '2' if body.is_empty() => return Err(Malformed::Head),
            '2' => Self::Event(body),
            '3' => Self::Other("an unsolicited acknowledgement"),
            // An error may itself be a number, so no number is stripped.
            _ => Self::Refused(rest),
        })
    }
}

/// Packets that request subscriptions to `channels`: as few as possible, none long enough for a
/// server to cut the connection.
pub(super) fn subscribe(channels: &[ChannelId]) -> Vec<String> {
    let mut packets = Vec::new();
    let mut ids = String::new();
    for channel in channels {
        let id = ascii_json(channel.as_str());
        if !ids.is_empty() && ids.len() + id.len() > SUBSCRIBE_BYTES {
            packets.push(subscribe_packet(&ids));
            ids.clear();
        }
        if !ids.is_empty() {
            ids.push(',');
        }
        ids.push_str(&id);
    }
    if !ids.is_empty() {
        packets.push(subscribe_packet(&ids));
    }
    packets
}

fn subscribe_packet(ids: &str) -> String {
    format!(r#"42["subscribe",[{ids}]]"#)
}

/// A text as an ASCII-only JSON string. Implementations of generation 3 differ in how they count
/// and encode other characters in long polling.
fn ascii_json(text: &str) -> String {
    use std::fmt::Write as _;
    let mut json = String::with_capacity(text.len() + 2);
    json.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                json.push('\\');
                json.push(c);
            }
            ' '..='~' => json.push(c),
            _ => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    // Writing to a `String` cannot fail.
                    write!(json, "\\u{unit:04x}").ok();
                }
            }
        }
    }
    json.push('"');
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_packet_exp_uses_is_read() {
        let handshake =
            r#"0{"sid":"abc","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":60000}"#;
        assert_eq!(
            Packet::parse(handshake).unwrap(),
            Packet::Open(Handshake {
                sid: "abc".into(),
                ping_interval: Duration::from_secs(25),
                ping_timeout: Duration::from_secs(60),
                max_payload: None,
            })
        );
        let message = |text| match Packet::parse(text).unwrap() {
            Packet::Message(message) => message,
            other => panic!("{text} is {other:?}"),
        };
        assert_eq!(Packet::parse("1").unwrap(), Packet::Close);
        assert_eq!(Packet::parse("2probe").unwrap(), Packet::Ping("probe"));
        assert_eq!(Packet::parse("3").unwrap(), Packet::Pong);
        assert_eq!(Packet::parse("6").unwrap(), Packet::Noop);
        assert_eq!(message("40"), Message::Connect(""));
        assert_eq!(message("40{\"sid\":1}"), Message::Connect("{\"sid\":1}"));
        assert_eq!(message("40/"), Message::Connect(""));
        assert_eq!(message("41"), Message::Disconnect);
        assert_eq!(message("42[\"a\"]"), Message::Event("[\"a\"]"));
        assert_eq!(message("4217[\"a\"]"), Message::Event("[\"a\"]"));
        assert_eq!(message("42/,[\"a\"]"), Message::Event("[\"a\"]"));
        assert_eq!(message("44\"no\""), Message::Refused("\"no\""));
        assert_eq!(message("4412"), Message::Refused("12"));
        for other in ["42/x,[]", "41/x", "40/x?a=b,", "43[1]", "451-[]", "bAAEC"] {
            assert!(matches!(message(other), Message::Other(_)), "{other}");
        }
    }

    #[test]
    fn garbage_has_a_name_and_no_echo() {
        for (text, expected) in [
            ("", Malformed::Empty),
            ("9", Malformed::Type),
            ("é", Malformed::Type),
            ("\u{1F37D}4", Malformed::Type),
            ("0", Malformed::Handshake),
            ("0[]", Malformed::Handshake),
            (
                r#"0{"sid":"","pingInterval":1,"pingTimeout":1}"#,
                Malformed::Handshake,
            ),
            (
                r#"0{"sid":"a","pingInterval":-1,"pingTimeout":1}"#,
                Malformed::Handshake,
            ),
            ("4", Malformed::MessageType),
            ("49", Malformed::MessageType),
            ("42", Malformed::Head),
            ("4212", Malformed::Head),
        ] {
            assert_eq!(Packet::parse(text).unwrap_err(), expected, "{text:?}");
        }
    }

    #[test]
    fn announced_times_are_kept_within_reason() {
        let Packet::Open(handshake) =
            Packet::parse(r#"0{"sid":"a","pingInterval":0,"pingTimeout":99999999999999}"#).unwrap()
        else {
            panic!("no handshake");
        };
        assert_eq!(handshake.ping_interval, Duration::from_millis(50));
        assert_eq!(handshake.ping_timeout, Duration::from_secs(3600));
    }

    #[test]
    fn subscriptions_are_ascii_and_split_by_size() {
        assert!(subscribe(&[]).is_empty());
        let odd = ChannelId::from_wire("a\"\\\u{7f}é\u{1F37D}");
        assert_eq!(
            subscribe(&[odd, ChannelId::from_wire("b")]),
            [r#"42["subscribe",["a\"\\\u007f\u00e9\ud83c\udf7d","b"]]"#]
        );
        let long = vec![ChannelId::from_wire("x".repeat(50_000)); 5];
        let packets = subscribe(&long);
        assert_eq!(packets.len(), 3);
        assert!(packets.iter().all(|packet| packet.len() < 140_000));
    }
}
