//! The Huffman code of HPACK (RFC 7541, section 5.2 and appendix B), read only.

/// One more than the longest code, in bits.
const LENGTH_LIMIT: usize = 31;

/// Number of symbols: all octets, and the end of string.
const SYMBOLS: usize = 257;

/// Length of each symbol's code. The code is canonical: the lengths define it.
pub(super) const LENGTHS: [u8; SYMBOLS] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
    28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5,
    5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6,
    6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22,
    23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22,
    21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20,
    22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19,
    21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22,
    22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
];

/// The codes of one length: consecutive numbers, for symbols in ascending order.
#[derive(Clone, Copy)]
struct Row {
    first_code: u32,
    count: u32,
    /// Index of the row's first symbol in [`SORTED`].
    start: usize,
}

/// Rows by code length.
const ROWS: [Row; LENGTH_LIMIT] = rows();

/// Symbols ordered by the length of their code, then by value.
const SORTED: [u16; SYMBOLS] = sorted();

#[expect(
    clippy::indexing_slicing,
    reason = "worked out by the compiler, for which a wrong index is an error"
)]
const fn rows() -> [Row; LENGTH_LIMIT] {
    let mut rows = [Row {
        first_code: 0,
        count: 0,
        start: 0,
    }; LENGTH_LIMIT];
    let mut symbol = 0;
    while symbol < SYMBOLS {
        rows[LENGTHS[symbol] as usize].count += 1;
        symbol += 1;
    }
    let mut length = 1;
    while length < LENGTH_LIMIT {
        let shorter = rows[length - 1];
        rows[length].first_code = (shorter.first_code + shorter.count) << 1;
        rows[length].start = shorter.start + shorter.count as usize;
        length += 1;
    }
    rows
}

#[expect(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "worked out by the compiler, for which a wrong index is an error; symbols end at 256"
)]
const fn sorted() -> [u16; SYMBOLS] {
    let mut sorted = [0; SYMBOLS];
    let mut filled = 0;
    let mut length = 1;
    while length < LENGTH_LIMIT {
        let mut symbol = 0;
        while symbol < SYMBOLS {
            if LENGTHS[symbol] as usize == length {
                sorted[filled] = symbol as u16;
                filled += 1;
            }
            symbol += 1;
        }
        length += 1;
    }
    sorted
}

/// Decodes a Huffman string. Returns `None` for an invalid one: with the end of string in it, or
/// with padding that is longer than seven bits or not all ones.
pub(super) fn decode(coded: &[u8]) -> Option<Vec<u8>> {
    // The shortest code has five bits.
    let mut octets = Vec::with_capacity(coded.len().saturating_mul(8) / 5);
    let mut code = 0_u32;
    let mut length = 0_usize;
    for byte in coded {
        for bit in (0..8).rev() {
            code = (code << 1) | u32::from((byte >> bit) & 1);
            length += 1;
            let row = ROWS.get(length)?;
            // Codes of this length with a shorter code as prefix are below `first_code`.
            if let Some(place) = code.checked_sub(row.first_code)
                && place < row.count
            {
                let symbol = SORTED.get(row.start + place as usize)?;
                octets.push(u8::try_from(*symbol).ok()?);
                code = 0;
                length = 0;
            }
        }
    }
    (length < 8 && code + 1 == 1 << length).then_some(octets)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Code of a symbol, and its length.
    fn code(symbol: u8) -> (u32, u8) {
        let length = LENGTHS[usize::from(symbol)];
        let row = ROWS[usize::from(length)];
        let place = SORTED[row.start..]
            .iter()
            .position(|other| *other == u16::from(symbol))
            .unwrap();
        (row.first_code + u32::try_from(place).unwrap(), length)
    }

    fn low_byte(bits: u64) -> u8 {
        bits.to_le_bytes()[0]
    }

    /// Encodes octets as a client does.
    pub(crate) fn encode(octets: &[u8]) -> Vec<u8> {
        let mut coded = Vec::new();
        let mut bits = 0_u64;
        let mut held = 0;
        for octet in octets {
            let (code, length) = code(*octet);
            bits = (bits << length) | u64::from(code);
            held += length;
            while held >= 8 {
                held -= 8;
                coded.push(low_byte(bits >> held));
            }
        }
        if held > 0 {
            coded.push(low_byte(bits << (8 - held)) | (0xff >> held));
        }
        coded
    }

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
            .collect()
    }

    #[test]
    fn the_strings_of_the_specification_are_read() {
        for (coded, plain) in [
            ("f1e3c2e5f23a6ba0ab90f4ff", "www.example.com"),
            ("a8eb10649cbf", "no-cache"),
            ("25a849e95ba97d7f", "custom-key"),
            ("25a849e95bb8e8b4bf", "custom-value"),
            ("6402", "302"),
            (
                "d07abe941054d444a8200595040b8166e082a62d1bff",
                "Mon, 21 Oct 2013 20:13:21 GMT",
            ),
            (
                "9d29ad171863c78f0b97c8e9ae82ae43d3",
                "https://www.example.com",
            ),
        ] {
            let coded = hex(coded);
            assert_eq!(decode(&coded).unwrap(), plain.as_bytes(), "{plain}");
            assert_eq!(encode(plain.as_bytes()), coded, "{plain}");
        }
    }

    #[test]
    fn every_octet_comes_back() {
        let all: Vec<u8> = (0..=255).chain((0..=255).rev()).collect();
        assert_eq!(decode(&encode(&all)).unwrap(), all);
        assert_eq!(decode(b"").unwrap(), b"");
        // First and last codes of appendix B.
        assert_eq!(code(0), (0x1ff8, 13));
        assert_eq!(code(b'0'), (0, 5));
        assert_eq!(code(255), (0x03ff_ffee, 26));
    }

    #[test]
    fn what_is_no_huffman_string_is_refused() {
        // Eight bits of padding, padding with a zero, the end of string in full.
        for coded in ["ff", "1fff", "00", "f0", "ffffffff", "fffffffc"] {
            assert_eq!(decode(&hex(coded)), None, "{coded}");
        }
    }
}
