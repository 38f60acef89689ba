//! Framing of packets in the bodies of long polling.
//!
//! Generation 4 separates packets by U+001E. Generation 3 counts, in one of two forms: text,
//! `LENGTH:PACKET`, or bytes, `0 DIGITS 255 PACKET` with one digit per byte, which Socket.IO 1
//! always uses towards a client that accepts bytes. In the text form JavaScript servers count
//! UTF-16 units and others count characters; only the right measure fits the body's length. We
//! request neither form: with `b64=1` Socket.IO 1 would encode Unicode twice, undetectably.

use bytes::Bytes;

use super::{Received, Text};
use crate::socket::packet::MAX_PACKET;
use expd_domain::Generation;

/// Packets of one body, extracted one by one without copying.
#[derive(Debug)]
pub(in crate::socket) struct Packets {
    body: Bytes,
    at: usize,
    framing: Framing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    Separated,
    Bytes,
    Counted(Measure),
}

/// Unit of the lengths in the text form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Measure {
    Utf16,
    Characters,
}

/// Reason why a body cannot be split into packets. Never quotes the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::socket) enum Malformed {
    #[error("a polling response that is not UTF-8")]
    NotText,
    #[error("a polling response with wrong packet lengths")]
    Length,
    #[error("a packet of more than {MAX_PACKET} bytes")]
    TooLarge,
}

impl Packets {
    /// Detects the framing of `body`.
    pub fn new(generation: Generation, body: Bytes) -> Result<Self, Malformed> {
        let mut packets = Self {
            body,
            at: 0,
            framing: Framing::Separated,
        };
        if generation == Generation::V4 {
            return Ok(packets);
        }
        if matches!(packets.body.first(), Some(0 | 1)) {
            packets.framing = Framing::Bytes;
            return Ok(packets);
        }
        // Validated as a whole, so that the slices below start and end at character boundaries.
        let text = std::str::from_utf8(&packets.body)
            .map_err(|_| Malformed::NotText)?
            .as_bytes();
        let measure = [Measure::Utf16, Measure::Characters]
            .into_iter()
            .find(|measure| measure.comes_out_even(text))
            .ok_or(Malformed::Length)?;
        packets.framing = Framing::Counted(measure);
        Ok(packets)
    }

    /// The next packet.
    pub fn next(&mut self) -> Option<Result<Received, Malformed>> {
        loop {
            let rest = self.body.get(self.at..).unwrap_or_default();
            if rest.is_empty() {
                return None;
            }
            let found = match self.framing {
                Framing::Separated => Ok(separated(rest)),
                Framing::Bytes => counted_bytes(rest),
                Framing::Counted(measure) => counted_text(rest, measure),
            };
            let frame = match found {
                Ok(frame) => frame,
                Err(error) => {
                    self.at = self.body.len();
                    return Some(Err(error));
                }
            };
            let start = self.at + frame.head;
            let end = start + frame.length;
            self.at = end + frame.tail;
            if frame.length == 0 {
                continue;
            }
            if frame.length > MAX_PACKET {
                return Some(Err(Malformed::TooLarge));
            }
            let packet = self.body.slice(start..end);
            return Some(if frame.binary {
                Ok(Received::Binary(packet.len()))
            } else {
                Text::try_from(packet)
                    .map(Received::Text)
                    .map_err(|_| Malformed::NotText)
            });
        }
    }
}

/// Position of a packet in the rest of a body.
struct Frame {
    head: usize,
    length: usize,
    tail: usize,
    binary: bool,
}

fn separated(rest: &[u8]) -> Frame {
    let end = rest.iter().position(|byte| *byte == 0x1e);
    Frame {
        head: 0,
        length: end.unwrap_or(rest.len()),
        tail: usize::from(end.is_some()),
        binary: false,
    }
}

fn counted_bytes(rest: &[u8]) -> Result<Frame, Malformed> {
    let (kind, digits) = rest.split_first().ok_or(Malformed::Length)?;
    let count = digits
        .iter()
        .position(|byte| *byte == 0xff)
        .ok_or(Malformed::Length)?;
    let length = number(digits.iter().take(count).copied())?;
    let head = count + 2;
    if *kind > 1 || rest.len() - head < length {
        return Err(Malformed::Length);
    }
    Ok(Frame {
        head,
        length,
        tail: 0,
        binary: *kind == 1,
    })
}

fn counted_text(rest: &[u8], measure: Measure) -> Result<Frame, Malformed> {
    // Nine digits and the colon: the search stays short for any body.
    let colon = rest
        .iter()
        .take(10)
        .position(|byte| *byte == b':')
        .ok_or(Malformed::Length)?;
    let (digits, packets) = rest.split_at_checked(colon).ok_or(Malformed::Length)?;
    let packets = packets.get(1..).unwrap_or_default();
    let count = number(digits.iter().map(|byte| byte.wrapping_sub(b'0')))?;
    Ok(Frame {
        head: colon + 1,
        length: measure.bytes(packets, count).ok_or(Malformed::Length)?,
        tail: 0,
        binary: false,
    })
}

/// Parses decimal digits. Nine of them exceed any body.
fn number(digits: impl ExactSizeIterator<Item = u8>) -> Result<usize, Malformed> {
    if !(1..=9).contains(&digits.len()) {
        return Err(Malformed::Length);
    }
    digits
        .map(|digit| (digit < 10).then_some(usize::from(digit)))
        .try_fold(0, |number, digit| Some(number * 10 + digit?))
        .ok_or(Malformed::Length)
}

impl Measure {
    /// Number of bytes of the first `count` units of a UTF-8 text; `None` if the text is shorter or
    /// a character would be cut.
    fn bytes(self, text: &[u8], count: usize) -> Option<usize> {
        // Most text is ASCII, where all units agree.
        if text.get(..count)?.is_ascii() {
            return Some(count);
        }
        let mut left = count;
        let mut at = 0;
        while left > 0 {
            let (length, utf16) = match text.get(at)? {
                0..0x80 => (1, 1),
                0x80..0xe0 => (2, 1),
                0xe0..0xf0 => (3, 1),
                0xf0.. => (4, 2),
            };
            left = left.checked_sub(match self {
                Self::Utf16 => utf16,
                Self::Characters => 1,
            })?;
            at += length;
        }
        (at <= text.len()).then_some(at)
    }

    fn comes_out_even(self, text: &[u8]) -> bool {
        let mut rest = text;
        while !rest.is_empty() {
            let next = counted_text(rest, self)
                .ok()
                .and_then(|frame| rest.get(frame.head + frame.length..));
            match next {
                Some(next) => rest = next,
                None => return false,
            }
        }
        true
    }
}

/// Joins packets for one request. In generation 3 they are ASCII, which every server counts alike.
pub(in crate::socket) fn join(generation: Generation, packets: &[&str]) -> String {
    match generation {
        Generation::V4 => packets.join("\u{1e}"),
        Generation::V3 => packets.iter().fold(String::new(), |mut body, packet| {
            body.push_str(&packet.encode_utf16().count().to_string());
            body.push(':');
            body.push_str(packet);
            body
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(generation: Generation, body: impl Into<Vec<u8>>) -> Result<Vec<String>, Malformed> {
        let mut packets = Packets::new(generation, Bytes::from(body.into()))?;
        let mut texts = Vec::new();
        while let Some(packet) = packets.next() {
            texts.push(match packet? {
                Received::Text(text) => text.as_str().to_owned(),
                Received::Binary(length) => format!("binary {length}"),
            });
        }
        Ok(texts)
    }

    fn bytes(kind: u8, packet: &[u8]) -> Vec<u8> {
        let mut body = vec![kind];
        body.extend(packet.len().to_string().bytes().map(|digit| digit - b'0'));
        body.push(255);
        body.extend_from_slice(packet);
        body
    }

    #[test]
    fn generation_4_separates() {
        use Generation::V4;
        assert_eq!(read(V4, "0{}").unwrap(), ["0{}"]);
        assert_eq!(read(V4, "2\u{1e}42[\"é🍽\"]").unwrap(), ["2", "42[\"é🍽\"]"]);
        assert_eq!(read(V4, "\u{1e}\u{1e}6").unwrap(), ["6"]);
        assert_eq!(read(V4, "").unwrap(), Vec::<String>::new());
        assert_eq!(read(V4, [b'4', 0xff]).unwrap_err(), Malformed::NotText);
    }

    #[test]
    fn generation_3_counts_text_in_either_measure() {
        use Generation::V3;
        assert_eq!(read(V3, "3:0{}2:40").unwrap(), ["0{}", "40"]);
        assert_eq!(read(V3, "0:").unwrap(), Vec::<String>::new());
        assert_eq!(read(V3, "7:42[\"é\"]2:40").unwrap(), ["42[\"é\"]", "40"]);
        // One character beyond the basic plane: two UTF-16 units.
        assert_eq!(read(V3, "8:42[\"🍽\"]2:40").unwrap(), ["42[\"🍽\"]", "40"]);
        assert_eq!(read(V3, "7:42[\"🍽\"]2:40").unwrap(), ["42[\"🍽\"]", "40"]);
    }

    #[test]
    fn generation_3_counts_bytes() {
        use Generation::V3;
        let mut body = bytes(0, "42[\"é🍽\"]".as_bytes());
        body.extend(bytes(1, &[4, 1, 2, 3]));
        body.extend(bytes(0, b"6"));
        assert_eq!(read(V3, body).unwrap(), ["42[\"é🍽\"]", "binary 4", "6"]);
        let long = "x".repeat(123_456);
        assert_eq!(read(V3, bytes(0, long.as_bytes())).unwrap(), [long]);
    }

    #[test]
    fn broken_bodies_are_refused() {
        use Generation::V3;
        for body in [
            "5:40",
            "40",
            ":",
            "x:40",
            "-1:40",
            "1 :4",
            "99999999999999999999:4",
            "999999999:4",
            "2:403",
            "1:é2",
            "18446744073709551618:40",
        ] {
            assert_eq!(read(V3, body).unwrap_err(), Malformed::Length, "{body}");
        }
        // Half a character in UTF-16, and too short for characters.
        assert_eq!(read(V3, "1:🍽x").unwrap_err(), Malformed::Length);
        for body in [
            vec![0],
            vec![0, 255],
            vec![0, 3, 255, b'4', b'0'],
            vec![0, 12, 255, b'4'],
            vec![0, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 255],
            [bytes(0, b"40"), vec![2, 1, 255, b'6']].concat(),
        ] {
            assert_eq!(
                read(V3, body.clone()).unwrap_err(),
                Malformed::Length,
                "{body:?}"
            );
        }
        assert_eq!(
            read(V3, bytes(0, &[b'4', 0xff])).unwrap_err(),
            Malformed::NotText
        );
        let large = "x".repeat(MAX_PACKET + 1);
        assert_eq!(
            read(V3, bytes(0, large.as_bytes())).unwrap_err(),
            Malformed::TooLarge
        );
    }

    #[test]
    fn what_is_joined_is_read_again() {
        for generation in [Generation::V3, Generation::V4] {
            let body = join(generation, &["40", "42[\"a\"]", "2"]);
            assert_eq!(read(generation, body).unwrap(), ["40", "42[\"a\"]", "2"]);
        }
    }
}
