//! EXP's Socket.IO events, decoded from a packet's text in one pass; payloads keep their exact
//! text.
//!
//! A malformed event becomes [`SocketEvent::Unexpected`] with the reason, which a second pass
//! finds. The reason never contains a payload: serde's messages may quote their input, so they are
//! not used.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::SocketEvent;
use expd_domain::excerpt::excerpt;
use expd_domain::{Broadcast, ChannelId, Payload};

/// Maximum number of channel IDs in one confirmation, far above what a client may subscribe to in
/// both spellings.
const MAX_SUBSCRIBED: usize = 100_000;

/// Decodes the JSON array of an event packet.
pub(super) fn read(array: &str) -> SocketEvent {
    match serde_json::from_str::<Event>(array) {
        Ok(Event::Subscribed(channels)) => SocketEvent::Subscribed(channels),
        Ok(Event::Broadcast(broadcast)) => SocketEvent::Broadcast(broadcast),
        Ok(Event::Refused) => match serde_json::from_str::<Vec<&RawValue>>(array).as_deref() {
            Ok([_, what, ..]) => refused(what.get()),
            _ => refused(""),
        },
        Ok(Event::Other) | Err(_) => SocketEvent::Unexpected(explain(array)),
    }
}

/// Decodes a server's error: a text, an object with `code` and `message`, or a list of such
/// objects, each with the `channel` that it refuses.
pub(super) fn refused(json: &str) -> SocketEvent {
    let mut channels = Vec::new();
    let mut reason = None;
    match serde_json::from_str::<ErrorArgument>(json) {
        Ok(ErrorArgument::Text(text)) => reason = Some(excerpt(&text)),
        Ok(ErrorArgument::One(item)) => {
            channels.extend(item.id());
            reason = Some(item.reason());
        }
        Ok(ErrorArgument::Many(items)) => {
            reason = items.first().map(ErrorItem::reason);
            channels.extend(items.iter().filter_map(ErrorItem::id).take(MAX_SUBSCRIBED));
        }
        Err(_) => {}
    }
    let reason = reason.filter(|reason| !reason.is_empty());
    SocketEvent::Refused {
        channels,
        reason: reason.unwrap_or_else(|| "no reason given".to_owned()),
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ErrorArgument {
    Text(String),
    Many(Vec<ErrorItem>),
    One(ErrorItem),
}

#[derive(Deserialize)]
struct ErrorItem {
    #[serde(default)]
    channel: Option<String>,
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    message: Option<String>,
}

impl ErrorItem {
    fn id(&self) -> Option<ChannelId> {
        let id = self.channel.clone().filter(|id| !id.is_empty())?;
        Some(ChannelId::from_wire(id))
    }

    fn reason(&self) -> String {
        let parts = [self.code.as_deref(), self.message.as_deref()];
        let parts: Vec<&str> = parts.into_iter().flatten().collect();
        excerpt(&parts.join(": "))
    }
}

enum Event {
    Subscribed(Vec<ChannelId>),
    Broadcast(Broadcast),
    Refused,
    Other,
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum Name {
    Subscribed,
    Broadcast,
    /// The name in the embedded network, and Socket.IO's own.
    #[serde(rename = "subscribe_error", alias = "error")]
    Refused,
    #[serde(other)]
    Other,
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Array;

        impl<'de> Visitor<'de> for Array {
            type Value = Event;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an event")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Event, A::Error> {
                let missing = || A::Error::custom("incomplete");
                let event = match array.next_element()?.ok_or_else(missing)? {
                    Name::Subscribed => {
                        let Channels(channels) = array.next_element()?.ok_or_else(missing)?;
                        Event::Subscribed(channels)
                    }
                    Name::Broadcast => Event::Broadcast(array.next_element()?.ok_or_else(missing)?),
                    Name::Refused => Event::Refused,
                    Name::Other => Event::Other,
                };
                while array.next_element::<IgnoredAny>()?.is_some() {}
                Ok(event)
            }
        }

        deserializer.deserialize_seq(Array)
    }
}

/// A bounded list of channel IDs.
struct Channels(Vec<ChannelId>);

impl<'de> Deserialize<'de> for Channels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;

        impl<'de> Visitor<'de> for List {
            type Value = Channels;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of channel IDs")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Channels, A::Error> {
                let mut channels = Vec::new();
                while let Some(channel) = list.next_element()? {
                    if channels.len() == MAX_SUBSCRIBED {
                        return Err(A::Error::custom("too many"));
                    }
                    channels.push(channel);
                }
                Ok(Channels(channels))
            }
        }

        deserializer.deserialize_seq(List)
    }
}

/// Explains why an event could not be decoded.
fn explain(array: &str) -> String {
    let Ok(parts) = serde_json::from_str::<Vec<&RawValue>>(array) else {
        return "an event that is not a JSON array".to_owned();
    };
    let Some(name) = parts
        .first()
        .and_then(|name| serde_json::from_str::<String>(name.get()).ok())
    else {
        return "an event without a name".to_owned();
    };
    match (name.as_str(), parts.get(1)) {
        ("broadcast", Some(broadcast)) => {
            format!("an undeliverable broadcast: {}", fault(broadcast))
        }
        ("subscribed", Some(_)) => {
            format!("a confirmation that is not a list of at most {MAX_SUBSCRIBED} channel IDs")
        }
        ("broadcast" | "subscribed", None) => format!("the event {name:?} without its argument"),
        _ => format!(
            "an event named {:?}, which EXP does not have",
            excerpt(&name)
        ),
    }
}

/// Explains why an object is not a broadcast.
fn fault(broadcast: &RawValue) -> String {
    let Ok(fields) = serde_json::from_str::<BTreeMap<Cow<'_, str>, &RawValue>>(broadcast.get())
    else {
        return "it is not a JSON object".to_owned();
    };
    for field in ["id", "name", "channel"] {
        match fields.get(field) {
            None => return format!("it has no {field:?}"),
            Some(value) if serde_json::from_str::<String>(value.get()).is_err() => {
                return format!("its {field:?} is not text");
            }
            Some(_) => {}
        }
    }
    match fields.get("payload").map(|text| Payload::parse(text.get())) {
        Some(Err(error)) => error.to_string(),
        _ => "it has a field twice".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expd_domain::payload::MAX_DEPTH;

    fn unexpected(array: &str) -> String {
        match read(array) {
            SocketEvent::Unexpected(why) => why,
            other => panic!("{array} is {other:?}"),
        }
    }

    #[test]
    fn a_broadcast_keeps_its_payload_to_the_letter() {
        for payload in [
            "123456789012345678901234567890",
            "1e400",
            "0.10",
            r#"{"z":1,"a":{"y":[],"b":null}}"#,
            r#""\u00e9\n\ud83c\udf7d é 🍽""#,
            "{ \"spaced\" : [ 1 , 2 ] }",
            "null",
        ] {
            let array = format!(
                r#"["broadcast",{{"id":"1","extra":[],"payload":{payload},"name":"hi","channel":"c"}}]"#
            );
            match read(&array) {
                SocketEvent::Broadcast(broadcast) => {
                    assert_eq!(broadcast.payload.as_str(), payload);
                    assert_eq!(broadcast.id.as_str(), "1");
                    assert_eq!(broadcast.name, "hi");
                    assert_eq!(broadcast.channel.as_str(), "c");
                }
                other => panic!("{array} is {other:?}"),
            }
        }
        let without = r#"["broadcast",{"id":"1","name":"hi","channel":"c"},"more"]"#;
        assert!(matches!(read(without), SocketEvent::Broadcast(b) if b.payload.as_str() == "null"));
    }

    #[test]
    fn a_confirmation_lists_channels() {
        match read(r#"["subscribed",["a","b"]]"#) {
            SocketEvent::Subscribed(channels) => {
                assert_eq!(channels, ["a", "b"].map(ChannelId::from_wire));
            }
            other => panic!("{other:?}"),
        }
        let many = format!(
            r#"["subscribed",[{}"x"]]"#,
            r#""x","#.repeat(MAX_SUBSCRIBED)
        );
        assert!(unexpected(&many).contains("at most"));
    }

    #[test]
    fn what_does_not_fit_is_explained_without_its_payload() {
        let deep = "[".repeat(MAX_DEPTH + 1) + &"]".repeat(MAX_DEPTH + 1);
        let very_deep = "[".repeat(100_000) + &"]".repeat(100_000);
        for (array, why) in [
            ("[", "not a JSON array"),
            ("{}", "not a JSON array"),
            ("[]", "without a name"),
            ("[7]", "without a name"),
            (r#"["broadcast"]"#, "without its argument"),
            (r#"["broadcast","hunter2"]"#, "not a JSON object"),
            (r#"["broadcast",{"id":"1","name":"n"}]"#, "no \"channel\""),
            (
                r#"["broadcast",{"id":{"hunter2":1},"name":"n","channel":"c"}]"#,
                "\"id\" is not text",
            ),
            (
                r#"["broadcast",{"id":"1","id":"1","name":"n","channel":"c"}]"#,
                "twice",
            ),
            (
                r#"["broadcast",{"id":"1","name":"n","channel":"c","payload":"\ud800"}]"#,
                "surrogate",
            ),
            (r#"["subscribed","hunter2"]"#, "not a list"),
            (r#"["hello","hunter2"]"#, "\"hello\""),
            (
                &format!(r#"["broadcast",{{"id":"1","name":"n","channel":"c","payload":{deep}}}]"#),
                "nests deeper",
            ),
            (
                &format!(
                    r#"["broadcast",{{"id":"1","name":"n","channel":"c","payload":{very_deep}}}]"#
                ),
                "nests deeper",
            ),
            (&format!(r#"["other",{very_deep}]"#), "\"other\""),
        ] {
            let said = unexpected(array);
            assert!(said.contains(why), "{why:?} is not in {said:?}");
            assert!(!said.contains("hunter2"), "{said}");
        }
    }
}
