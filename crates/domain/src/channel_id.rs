//! IDs of channels on the wire.

use std::fmt::{self, Write as _};

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::engine::{DecodePaddingMode, general_purpose};
use serde::{Deserialize, Serialize};

use super::channel::{Channel, MAX_NAME_BYTES};
use super::quoted::Quoted;

/// Base64 alphabet of a channel ID. The specification prescribes the URL-safe one; the vendor's
/// SDKs use the standard one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alphabet {
    /// `-` and `_`.
    UrlSafe,
    /// `+` and `/`.
    Standard,
}

/// A channel's name on the wire: Base64 of the JSON text `[organization, name, system, consumer]`.
///
/// One channel has several [spellings](ChannelId::spellings) (two alphabets, escaped or plain).
/// Compare two IDs by their [decoded](ChannelId::decode) channels, never as text.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChannelId(String);

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);

/// The longest channel ID that is decoded, in bytes: a name and an organization of maximum length,
/// every character escaped.
pub const MAX_ID_BYTES: usize = MAX_NAME_BYTES * 16;

impl ChannelId {
    /// The ID of `channel` in `organization`, as the specification and the vendor's JS SDK spell
    /// it. An unknown (empty) organization is `null`.
    #[must_use]
    pub fn encode(organization: &str, channel: &Channel, alphabet: Alphabet) -> Self {
        let organization = Some(organization).filter(|text| !text.is_empty());
        Self::of_text(json_text(organization, channel).as_bytes(), alphabet)
    }

    /// The IDs of `channel` in `organization` that the vendor's SDKs send, each once, the
    /// specification's first.
    ///
    /// They differ in the alphabet; in the escapes of `/` (iOS), of `<`, `>`, `&`, `=` and `'`
    /// (Android) and of what is not printable ASCII (Python); and in the bytes of letters up to
    /// U+00FF (browsers). An unknown (empty) organization is `null` or the empty text.
    #[must_use]
    pub fn spellings(organization: &str, channel: &Channel, alphabets: &[Alphabet]) -> Vec<Self> {
        let mut texts = vec![json_text(Some(organization), channel)];
        if organization.is_empty() {
            texts.insert(0, json_text(None, channel));
        }
        let mut spellings = Vec::new();
        for text in &texts {
            let escaped = [
                escaped(text, |c| {
                    if c == '/' {
                        Escape::Slash
                    } else {
                        Escape::None
                    }
                }),
                escaped(text, |c| match c {
                    '<' | '>' | '&' | '=' | '\'' | '\u{2028}' | '\u{2029}' => Escape::Unicode,
                    _ => Escape::None,
                }),
                escaped(text, |c| match c {
                    ' '..='~' => Escape::None,
                    _ => Escape::Unicode,
                }),
            ];
            let latin: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(c).ok()).collect();
            let mut forms = vec![text.as_bytes()];
            forms.extend(escaped.iter().map(String::as_bytes));
            forms.extend(latin.as_deref());
            for form in forms {
                for alphabet in alphabets {
                    let id = Self::of_text(form, *alphabet);
                    if !spellings.contains(&id) {
                        spellings.push(id);
                    }
                }
            }
        }
        spellings
    }

    fn of_text(text: &[u8], alphabet: Alphabet) -> Self {
        Self(match alphabet {
            Alphabet::UrlSafe => general_purpose::URL_SAFE.encode(text),
            Alphabet::Standard => general_purpose::STANDARD.encode(text),
        })
    }

    /// Wraps an ID as it was received.
    pub fn from_wire(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The ID as it is sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The organization and the channel that this ID names, in any spelling. The organization is
    /// empty where the ID has `null`.
    ///
    /// # Errors
    /// The text is not the Base64 of such a JSON array.
    pub fn decode(&self) -> Result<(String, Channel), ChannelIdError> {
        let refused = |reason: &'static str| ChannelIdError {
            id: Quoted(&self.0).to_string(),
            reason,
        };
        if self.0.len() > MAX_ID_BYTES {
            return Err(refused("it is too long"));
        }
        let engine = if self.0.contains(['-', '_']) {
            &URL_SAFE
        } else {
            &STANDARD
        };
        let json = engine
            .decode(&self.0)
            .map_err(|_| refused("it is not Base64"))?;
        // A browser's `btoa` takes letters up to U+00FF and makes one byte of each.
        let text = String::from_utf8(json)
            .unwrap_or_else(|error| error.as_bytes().iter().copied().map(char::from).collect());
        let (organization, name, system, consumer): (Option<String>, String, Flag, Flag) =
            serde_json::from_str(&text)
                .map_err(|_| refused("it has no [organization, name, system, consumer]"))?;
        let channel = Channel {
            name,
            system: system.0,
            consumer: consumer.0,
        };
        Ok((organization.unwrap_or_default(), channel))
    }
}

fn json_text(organization: Option<&str>, channel: &Channel) -> String {
    let (system, consumer) = (u8::from(channel.system), u8::from(channel.consumer));
    serde_json::json!([organization, channel.name, system, consumer]).to_string()
}

/// Form of one character inside a JSON string.
enum Escape {
    None,
    Slash,
    Unicode,
}

/// A JSON text with more of its characters escaped; none of those that `escape` names stands
/// outside of strings or is part of an escape.
fn escaped(json: &str, escape: impl Fn(char) -> Escape) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        match escape(c) {
            Escape::None => text.push(c),
            Escape::Slash => text.extend(['\\', c]),
            Escape::Unicode => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    // Never fails on a text.
                    write!(text, "\\u{unit:04x}").ok();
                }
            }
        }
    }
    text
}

impl fmt::Display for ChannelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A flag inside a channel ID: 0 or 1; `true` and `false` are accepted too.
struct Flag(bool);

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        match (value.as_u64(), value.as_bool()) {
            (Some(0), _) | (_, Some(false)) => Ok(Self(false)),
            (Some(1), _) | (_, Some(true)) => Ok(Self(true)),
            _ => Err(serde::de::Error::custom("a flag is 0 or 1")),
        }
    }
}

/// Error of a text that is not a channel ID.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{id} is not a channel ID: {reason}")]
pub struct ChannelIdError {
    /// Start of the text, quoted.
    id: String,
    reason: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_the_base64_of_the_specified_array() {
        let channel = Channel::new("menu").consumer();
        let id = ChannelId::encode("scala", &channel, Alphabet::UrlSafe);
        let json = general_purpose::URL_SAFE.decode(id.as_str()).unwrap();
        assert_eq!(json, br#"["scala","menu",0,1]"#);
    }

    #[test]
    fn every_spelling_of_a_channel_decodes_to_it() {
        let channel = Channel::new("café >>>???~~~ \u{1F37D}").system();
        let expected = ("orga\"nization".to_owned(), channel.clone());
        for alphabet in [Alphabet::UrlSafe, Alphabet::Standard] {
            let id = ChannelId::encode(&expected.0, &channel, alphabet);
            assert_eq!(id.decode().unwrap(), expected);
            let unpadded = ChannelId::from_wire(id.as_str().trim_end_matches('='));
            assert_eq!(unpadded.decode().unwrap(), expected);
        }
        let escaped = r#"["orga\"nization", "caf\u00e9 >>>???~~~ \ud83c\udf7d", 1, 0]"#;
        let id = ChannelId::from_wire(general_purpose::STANDARD.encode(escaped));
        assert_eq!(id.decode().unwrap(), expected);
    }

    fn texts(organization: &str, name: &str) -> Vec<Vec<u8>> {
        let ids = ChannelId::spellings(organization, &Channel::new(name), &[Alphabet::Standard]);
        let decode = |id: &ChannelId| general_purpose::STANDARD.decode(id.as_str()).unwrap();
        ids.iter().map(decode).collect()
    }

    #[test]
    fn the_sdks_spell_a_name_in_as_many_ways_as_it_has() {
        assert_eq!(texts("o", "menu"), [br#"["o","menu",0,0]"#]);
        assert_eq!(texts("o", ""), [br#"["o","",0,0]"#]);
        let name = "a/<\u{e9}\t";
        assert_eq!(
            texts("o", name),
            [
                "[\"o\",\"a/<\u{e9}\\t\",0,0]".as_bytes().to_vec(),
                "[\"o\",\"a\\/<\u{e9}\\t\",0,0]".as_bytes().to_vec(),
                "[\"o\",\"a/\\u003c\u{e9}\\t\",0,0]".as_bytes().to_vec(),
                br#"["o","a/<\u00e9\t",0,0]"#.to_vec(),
                b"[\"o\",\"a/<\xe9\\t\",0,0]".to_vec(),
            ]
        );
        assert!(
            texts("o", "\u{1F37D}\u{7f}").contains(&br#"["o","\ud83c\udf7d\u007f",0,0]"#.to_vec())
        );
        assert_eq!(
            texts("", "pairing"),
            [&br#"[null,"pairing",0,0]"#[..], br#"["","pairing",0,0]"#]
        );
    }

    #[test]
    fn a_name_without_escapes_has_two_spellings_at_most() {
        let both = [Alphabet::UrlSafe, Alphabet::Standard];
        for name in ["menu", "", "???~~~", "a b;c#d", "{}[],:", "0"] {
            let ids = ChannelId::spellings("scala", &Channel::new(name).system(), &both);
            assert!(!ids.is_empty() && ids.len() <= 2, "{name}: {ids:?}");
        }
    }

    #[test]
    fn every_spelling_of_any_name_decodes_to_its_channel() {
        let both = [Alphabet::UrlSafe, Alphabet::Standard];
        for name in [
            "",
            "\u{e9}\u{ff}\u{df}",
            "/<>&='\"\\",
            "\\/\\u0041",
            "\u{0}\u{1f}\u{7f}\u{80}\u{a0}\u{2028}\u{fffd}\u{10ffff}",
            "\u{83dc}\u{5355} \u{1F37D}",
        ] {
            for organization in ["", "o", "\u{e9}/'"] {
                let channel = Channel::new(name).consumer();
                for id in ChannelId::spellings(organization, &channel, &both) {
                    let unpadded = ChannelId::from_wire(id.as_str().trim_end_matches('='));
                    for id in [id, unpadded] {
                        let (decoded, of) = (id.decode().unwrap(), organization.to_owned());
                        assert_eq!(decoded, (of, channel.clone()), "{id}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_no_id_is_refused_with_a_reason() {
        for (text, reason) in [
            ("*", "not Base64"),
            ("", "has no"),
            ("WzFd", "has no"),
            ("WyJhIiwiYiIsMiwwXQ==", "has no"),
        ] {
            let error = ChannelId::from_wire(text).decode().unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
