//! Payloads: JSON text that belongs to the apps and passes through unchanged. Whitespace around the
//! text is not part of it: inside another document, it could not be told from that document's own.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Maximum nesting of arrays and objects.
///
/// The Socket.IO library parses a packet with a limit of 128 levels and silently drops deeper ones.
/// The envelope takes some of those levels; below this limit every accepted payload is deliverable.
pub const MAX_DEPTH: usize = 100;

/// Maximum length of a payload in bytes of JSON text. EXP accepts documents of up to 16 MB, and a
/// WebSocket frame of the Socket.IO library holds 16 MiB, envelope included.
pub const MAX_BYTES: usize = 16_000_000;

/// A well-formed JSON text, kept and passed on exactly as written: digits, key order and inner
/// whitespace.
#[derive(Clone, Serialize)]
#[serde(transparent)]
pub struct Payload(Box<RawValue>);

impl Payload {
    /// Checks a JSON text and keeps it, without the whitespace around it.
    ///
    /// # Errors
    /// The text is not JSON, nests deeper than [`MAX_DEPTH`], is longer than [`MAX_BYTES`], or
    /// escapes half of a surrogate pair (which no Unicode string holds).
    pub fn parse(text: impl Into<String>) -> Result<Self, PayloadError> {
        let text = text.into();
        if text.len() > MAX_BYTES {
            return Err(PayloadError::TooLarge(text.len()));
        }
        check_depth_and_escapes(text.as_bytes())?;
        RawValue::from_string(text)
            .map(Self)
            .map_err(|error| PayloadError::NotJson(error.to_string()))
    }

    /// Writes a value of a program's own type as JSON text.
    ///
    /// # Errors
    /// The value has no JSON form, or one that breaks the rules of [`parse`](Self::parse).
    pub fn encode(value: &impl Serialize) -> Result<Self, PayloadError> {
        let text = serde_json::to_string(value);
        text.map_err(|error| PayloadError::NotJson(error.to_string()))
            .and_then(Self::parse)
    }

    /// Reads the payload as a value of a program's own type.
    ///
    /// # Errors
    /// The JSON is not such a value.
    pub fn decode<'a, T: Deserialize<'a>>(&'a self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.as_str())
    }

    /// JSON `null`, the form of "no payload".
    #[must_use]
    pub fn null() -> Self {
        Self(RawValue::NULL.to_owned())
    }

    /// The exact text, without a copy.
    #[must_use]
    pub fn into_text(self) -> String {
        Box::<str>::from(self.0).into()
    }

    /// The exact text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.get()
    }
}

impl<'de> Deserialize<'de> for Payload {
    /// Keeps the exact text of a value inside a larger document.
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        if raw.get().len() > MAX_BYTES {
            return Err(serde::de::Error::custom(PayloadError::TooLarge(
                raw.get().len(),
            )));
        }
        check_depth_and_escapes(raw.get().as_bytes()).map_err(serde::de::Error::custom)?;
        Ok(Self(raw))
    }
}

impl From<serde_json::Value> for Payload {
    /// Writes the value as JSON text without whitespace.
    fn from(value: serde_json::Value) -> Self {
        // A `Value` always has a JSON text: its keys are strings and its numbers are finite.
        serde_json::value::to_raw_value(&value).map_or_else(|_| Self::null(), Self)
    }
}

impl Default for Payload {
    fn default() -> Self {
        Self::null()
    }
}

impl PartialEq for Payload {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

/// Prints the size only: payloads must not reach a log above `trace`.
impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload({} bytes)", self.as_str().len())
    }
}

/// Reason why a text is refused as a payload.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// The text is not JSON; the parser's message.
    #[error("the payload is not JSON: {0}")]
    NotJson(String),
    /// The text nests deeper than [`MAX_DEPTH`].
    #[error(
        "the payload nests deeper than {MAX_DEPTH} levels (at byte {0}); flatten it, or send the inner part as text"
    )]
    TooDeep(usize),
    /// The text is longer than [`MAX_BYTES`].
    #[error("the payload has {0} bytes; at most {MAX_BYTES} (16 MB) are allowed")]
    TooLarge(usize),
    /// The text escapes half of a surrogate pair, such as `\ud800`.
    #[error(
        "the payload escapes half of a surrogate pair (at byte {0}), which is not a Unicode character"
    )]
    LoneSurrogate(usize),
}

/// Checks without a copy that a text, whitespace around it included, is a valid payload.
///
/// # Errors
/// As for [`Payload::parse`].
pub fn check(text: &str) -> Result<(), PayloadError> {
    if text.len() > MAX_BYTES {
        return Err(PayloadError::TooLarge(text.len()));
    }
    check_depth_and_escapes(text.as_bytes())?;
    serde_json::from_str::<&RawValue>(text)
        .map(drop)
        .map_err(|error| PayloadError::NotJson(error.to_string()))
}

/// Checks nesting and escaped surrogates. The parser checks everything else.
fn check_depth_and_escapes(text: &[u8]) -> Result<(), PayloadError> {
    // Most texts need no walk: counting brackets is vectorized.
    let (openings, has_escapes) = survey(text);
    if openings <= MAX_DEPTH && !has_escapes {
        return Ok(());
    }
    walk_depth_and_escapes(text)
}

/// Number of opening brackets and braces, including those in strings: an upper bound of the
/// nesting. The flag is true if the text contains an escape.
fn survey(text: &[u8]) -> (usize, bool) {
    // Block length that a byte can count: wider sums would process fewer bytes at a time.
    let blocks = text.chunks(usize::from(u8::MAX));
    blocks.fold((0, false), |(openings, has_escapes), block| {
        let (mut opens, mut escapes) = (0_u8, 0_u8);
        for byte in block {
            opens += u8::from(matches!(byte, b'[' | b'{'));
            escapes |= u8::from(*byte == b'\\');
        }
        (openings + usize::from(opens), has_escapes || escapes > 0)
    })
}

/// Checks nesting and escaped surrogates in one pass over the bytes.
fn walk_depth_and_escapes(text: &[u8]) -> Result<(), PayloadError> {
    let mut depth = 0_usize;
    let mut in_string = false;
    let mut bytes = text.iter().copied().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => in_string = !in_string,
            b'\\' if in_string => {
                if let Some((_, b'u')) = bytes.next() {
                    match escaped_unit(text, at) {
                        Some(0xD800..=0xDBFF) => {
                            if !matches!(escaped_unit(text, at + 6), Some(0xDC00..=0xDFFF)) {
                                return Err(PayloadError::LoneSurrogate(at));
                            }
                            // Skips the digits of this half and the whole other half.
                            bytes.nth(9);
                        }
                        Some(0xDC00..=0xDFFF) => return Err(PayloadError::LoneSurrogate(at)),
                        _ => {}
                    }
                }
            }
            b'[' | b'{' if !in_string => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Err(PayloadError::TooDeep(at));
                }
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

/// The UTF-16 code unit of the escape `\uXXXX` at `at`.
fn escaped_unit(text: &[u8], at: usize) -> Option<u16> {
    let digits = text.get(at..at + 6)?.strip_prefix(b"\\u")?;
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize, Serialize)]
    struct Document {
        payload: Payload,
    }

    #[test]
    fn the_text_is_kept_to_the_letter() {
        for text in [
            "123456789012345678901234567890",
            "1e400",
            "0.10",
            "-0",
            "1E+2",
            r#"{"z":1,"a":{"y":[],"b":null}}"#,
            "{ \"spaced\" : [ 1 , 2 ] }",
            r#""\u00e9\n\ud83c\udf7d é""#,
            "null",
            "\"\u{0}\"".replace('\u{0}', "\\u0000").as_str(),
            r#"{"$serde_json::private::Number":"1"}"#,
        ] {
            assert_eq!(Payload::parse(text).unwrap().as_str(), text);
            let document = format!(r#"{{"payload":{text}}}"#);
            let read: Document = serde_json::from_str(&document).unwrap();
            assert_eq!(serde_json::to_string(&read).unwrap(), document);
        }
    }

    #[test]
    fn white_space_around_it_is_no_part_of_it_on_either_way() {
        let padded = " \t\r\n{ \"a\" : 1 } \n";
        assert_eq!(Payload::parse(padded).unwrap().as_str(), "{ \"a\" : 1 }");
        let read: Document = serde_json::from_str(&format!(r#"{{"payload":{padded}}}"#)).unwrap();
        assert_eq!(read.payload.as_str(), "{ \"a\" : 1 }");
    }

    #[test]
    fn what_cannot_pass_is_refused_by_name() {
        let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        assert!(Payload::parse(nested(MAX_DEPTH)).is_ok());
        assert_eq!(
            Payload::parse(nested(MAX_DEPTH + 1)).unwrap_err(),
            PayloadError::TooDeep(MAX_DEPTH)
        );
        assert!(Payload::parse(format!("\"{}\"", "[".repeat(1000))).is_ok());
        for levels in [255, 256, 257, 600] {
            let refused = Payload::parse(nested(levels)).unwrap_err();
            assert_eq!(refused, PayloadError::TooDeep(MAX_DEPTH), "{levels} levels");
        }
        assert!(Payload::parse(r#""\\[\"[[""#).is_ok());
        for lone in [r#""\ud800""#, r#""\udc00""#, r#""\ud800\u0041""#] {
            assert!(
                matches!(
                    Payload::parse(lone).unwrap_err(),
                    PayloadError::LoneSurrogate(_)
                ),
                "{lone}"
            );
        }
        assert!(Payload::parse(r#""\ud83c\udf7d\\""#).is_ok());
        for bad in ["", "{", "nul", "1 2", "{'a':1}", "NaN"] {
            assert!(
                matches!(Payload::parse(bad).unwrap_err(), PayloadError::NotJson(_)),
                "{bad}"
            );
        }
        let long = format!("\"{}\"", "x".repeat(MAX_BYTES - 2));
        assert!(Payload::parse(long.clone()).is_ok());
        assert_eq!(
            Payload::parse(long + " ").unwrap_err(),
            PayloadError::TooLarge(MAX_BYTES + 1)
        );
    }
}
