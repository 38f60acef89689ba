//! Packet framing of long polling in Engine.IO 3: text form `LENGTH:PACKET…`, with lengths in
//! UTF-16 units (JavaScript's characters), or binary form `0 DIGITS 255 PACKET…`, with lengths in
//! bytes.

/// Markers of the binary form.
const TEXT_PACKET: u8 = 0;
const END_OF_LENGTH: u8 = 255;

/// Maximum number of digits in a length: 20 MiB has eight.
const MAX_DIGITS: usize = 9;

/// Parses the text form. An item is `None` if the text is malformed there, and ends the list.
pub fn parse_text(text: &str) -> impl Iterator<Item = Option<&str>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = text.get(at..).filter(|rest| !rest.is_empty())?;
        let found = first_of_text(rest);
        at = found.map_or(text.len(), |(_, length)| at + length);
        Some(found.map(|(packet, _)| packet))
    })
}

/// First packet, and the number of bytes that it takes with its length prefix.
fn first_of_text(text: &str) -> Option<(&str, usize)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 || digits > MAX_DIGITS {
        return None;
    }
    let (length, rest) = text.split_at_checked(digits)?;
    let (length, rest) = (length.parse::<usize>().ok()?, rest.strip_prefix(':')?);
    let mut units = 0;
    let mut characters = rest.char_indices();
    let end = loop {
        if units == length {
            break characters.offset();
        }
        units += characters.next()?.1.len_utf16();
        // The length ends within a character.
        if units > length {
            return None;
        }
    };
    let packet = rest.get(..end)?;
    Some((packet, digits + 1 + end))
}

/// Parses the binary form. An item is `None` if the bytes are malformed there or hold a binary
/// packet, and ends the list.
pub fn parse_bytes(bytes: &[u8]) -> impl Iterator<Item = Option<&str>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let found = first_of_bytes(rest);
        rest = found.map_or(&[], |(_, rest)| rest);
        Some(found.map(|(packet, _)| packet))
    })
}

fn first_of_bytes(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let rest = bytes.strip_prefix(&[TEXT_PACKET])?;
    let digits = rest.iter().take_while(|byte| **byte < 10).count();
    if digits == 0 || digits > MAX_DIGITS {
        return None;
    }
    let (digits, rest) = rest.split_at_checked(digits)?;
    let length = digits
        .iter()
        .fold(0, |length, digit| 10 * length + usize::from(*digit));
    let (packet, rest) = rest
        .strip_prefix(&[END_OF_LENGTH])?
        .split_at_checked(length)?;
    Some((std::str::from_utf8(packet).ok()?, rest))
}

/// Appends a packet in the text form.
pub fn write_text(packet: &str, into: &mut Vec<u8>) {
    into.extend(packet.encode_utf16().count().to_string().bytes());
    into.push(b':');
    into.extend_from_slice(packet.as_bytes());
}

/// Appends a packet in the binary form.
pub fn write_bytes(packet: &str, into: &mut Vec<u8>) {
    into.push(TEXT_PACKET);
    into.extend(packet.len().to_string().bytes().map(|digit| digit - b'0'));
    into.push(END_OF_LENGTH);
    into.extend_from_slice(packet.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Option<Vec<&str>> {
        parse_text(text).collect()
    }

    #[test]
    fn text_lengths_count_utf16_units() {
        assert_eq!(text("3:4é:2:40"), Some(vec!["4é:", "40"]));
        assert_eq!(text("5:42🍽:1:25:4🍽🍽"), Some(vec!["42🍽:", "2", "4🍽🍽"]));
        assert_eq!(text(""), Some(vec![]));
        assert_eq!(text("1:22:4ü"), Some(vec!["2", "4ü"]));
    }

    #[test]
    fn what_is_no_list_of_packets_is_told() {
        for bad in [
            "ok",
            ":",
            "1:",
            "5:40",
            "x:40",
            "2:40rest",
            "-1:4",
            "+1:4",
            "1:🍽",
            "1:🍽a",
            "1234567890:4",
        ] {
            assert_eq!(text(bad), None, "{bad}");
        }
        let bytes: [&[u8]; 8] = [
            b"40",
            b"\x00\x02\xff4",
            b"\x00\xff",
            b"\x00\x00\x02",
            b"\x01\x02\xff\x04a",
            b"\x00\x0a\xff40",
            b"\x00\x01\xff\xff",
            b"\x00\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\xff4",
        ];
        for bad in bytes {
            assert_eq!(
                parse_bytes(bad).collect::<Option<Vec<_>>>(),
                None,
                "{bad:?}"
            );
        }
    }

    #[test]
    fn both_forms_read_what_they_write() {
        let packets = ["40", "4ü🍽", "2", &format!("4{}", "ü".repeat(1000))];
        let (mut as_text, mut as_bytes) = (Vec::new(), Vec::new());
        for packet in packets {
            write_text(packet, &mut as_text);
            write_bytes(packet, &mut as_bytes);
        }
        let as_text = String::from_utf8(as_text).unwrap();
        assert_eq!(text(&as_text).unwrap(), packets);
        let read: Option<Vec<_>> = parse_bytes(&as_bytes).collect();
        assert_eq!(read.unwrap(), packets);
    }
}
