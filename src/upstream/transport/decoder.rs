//! Content codings of answers: gzip, deflate and br, decoded piece by piece into the caller's
//! buffer.
//!
//! Promises: a decoder holds its window and nothing else, and never more output than the given
//! buffer, so that a small answer which decodes to a huge one costs only what was taken of it.

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};
use flate2::{Decompress, FlushDecompress, Status};
use reqwest::header::{CONTENT_ENCODING, HeaderMap};

use expd_domain::excerpt::excerpt;

/// `Accept-Encoding` of calls whose answers are read as a whole.
pub(super) const ACCEPTED: &str = "gzip, deflate, br";

/// The largest window of deflate, as a power of two.
const DEFLATE_WINDOW: u8 = 15;

/// Memory of an inflater: its window and its tables.
const INFLATER_BYTES: usize = 48 << 10;

/// Memory of the tables of a Brotli decoder: three groups of 256 trees at the most.
const BROTLI_TABLES: usize = 4 << 20;

/// The largest window of Brotli, as a power of two (RFC 7932, section 9.1).
const BROTLI_WINDOW: u32 = 24;

/// Beginning of a gzip member, of which several may follow each other (RFC 1952, section 2.2).
const GZIP_MAGIC: u8 = 0x1f;

/// A content coding that is decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Gzip,
    /// With zlib's frame, as HTTP defines it, or without, as some servers send it.
    Deflate,
    Brotli,
}

impl Coding {
    /// The coding of an answer; `None` for a plain one.
    ///
    /// # Errors
    /// It is not one of these.
    pub(super) fn of(headers: &HeaderMap) -> Result<Option<Self>, UnknownCoding> {
        let mut names = headers
            .get_all(CONTENT_ENCODING)
            .iter()
            .flat_map(|value| value.to_str().unwrap_or("unreadable").split(','))
            .map(str::trim)
            .filter(|name| !name.is_empty() && !name.eq_ignore_ascii_case("identity"));
        let Some(name) = names.next() else {
            return Ok(None);
        };
        let rest: Vec<&str> = names.collect();
        if !rest.is_empty() {
            return Err(UnknownCoding(excerpt(&format!(
                "{name}, {}",
                rest.join(", ")
            ))));
        }
        match name.to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => Ok(Some(Self::Gzip)),
            "deflate" => Ok(Some(Self::Deflate)),
            "br" => Ok(Some(Self::Brotli)),
            _ => Err(UnknownCoding(excerpt(name))),
        }
    }

    /// The coding's name in HTTP.
    fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Brotli => "br",
        }
    }
}

/// A coding, or a stack of several, that expd does not decode.
#[derive(Debug, thiserror::Error)]
#[error(
    "unsupported Content-Encoding {0}; make the server, or the proxy on the way, send the answer plain, or in gzip, deflate or br"
)]
pub(super) struct UnknownCoding(String);

/// Error of an answer that is not encoded as its header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum DecodeError {
    #[error("invalid {0} data in the answer")]
    Malformed(&'static str),
    #[error("truncated {0} data in the answer")]
    CutShort(&'static str),
}

/// Bytes taken from the input, and bytes put into the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decoded {
    pub(super) taken: usize,
    pub(super) made: usize,
}

/// Decoder of one answer.
pub(super) struct Decoder {
    coding: Coding,
    state: State,
    /// The coded data has ended; trailing bytes are ignored, as browsers do.
    is_over: bool,
}

enum State {
    /// No bytes have arrived that tell which decoder is needed, or how large its window is.
    Empty,
    Inflate(Decompress),
    Brotli(Box<BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>>),
}

impl Decoder {
    pub(super) fn new(coding: Coding) -> Self {
        Self {
            coding,
            state: State::Empty,
            is_over: false,
        }
    }

    /// Bytes of memory that the decoder takes for an answer with this start.
    pub(super) fn memory(&self, start: &[u8]) -> usize {
        match (self.coding, start.first()) {
            (_, None) => 0,
            (Coding::Gzip | Coding::Deflate, _) => INFLATER_BYTES,
            (Coding::Brotli, Some(first)) => (1 << brotli_window(*first)) + BROTLI_TABLES,
        }
    }

    /// Decodes some of `input` into `output`. More can be decoded from the same input where all of
    /// `output` was used.
    pub(super) fn decode(
        &mut self,
        input: &[u8],
        output: &mut [u8],
    ) -> Result<Decoded, DecodeError> {
        let Some(first) = input.first() else {
            return self.step(input, output);
        };
        if matches!(self.state, State::Empty) {
            self.state = self.coding.state(*first);
        } else if self.is_over && self.coding == Coding::Gzip && *first == GZIP_MAGIC {
            self.state = self.coding.state(*first);
            self.is_over = false;
        }
        self.step(input, output)
    }

    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Decoded, DecodeError> {
        if self.is_over {
            return Ok(Decoded {
                taken: input.len(),
                made: 0,
            });
        }
        let malformed = self.stuck();
        match &mut self.state {
            State::Empty => Ok(Decoded { taken: 0, made: 0 }),
            State::Inflate(inflate) => {
                let before = (inflate.total_in(), inflate.total_out());
                let status = inflate
                    .decompress(input, output, FlushDecompress::None)
                    .map_err(|_| malformed)?;
                self.is_over = status == Status::StreamEnd;
                let moved = |after: u64, before: u64| usize::try_from(after - before);
                let taken = moved(inflate.total_in(), before.0);
                let made = moved(inflate.total_out(), before.1);
                match (taken, made) {
                    (Ok(taken), Ok(made)) => Ok(Decoded { taken, made }),
                    _ => Err(malformed),
                }
            }
            State::Brotli(state) => {
                let (mut left, mut taken) = (input.len(), 0);
                let (mut room, mut made, mut all) = (output.len(), 0, 0);
                let result = BrotliDecompressStream(
                    &mut left, &mut taken, input, &mut room, &mut made, output, &mut all, state,
                );
                match result {
                    BrotliResult::ResultFailure => return Err(malformed),
                    BrotliResult::ResultSuccess => self.is_over = true,
                    BrotliResult::NeedsMoreInput | BrotliResult::NeedsMoreOutput => {}
                }
                Ok(Decoded { taken, made })
            }
        }
    }

    /// Error for input that yields nothing.
    pub(super) fn stuck(&self) -> DecodeError {
        DecodeError::Malformed(self.coding.name())
    }

    /// Checks at the end of the answer that it is whole. An answer without any bytes is empty,
    /// whatever its head says.
    pub(super) fn finish(&self) -> Result<(), DecodeError> {
        if self.is_over || matches!(self.state, State::Empty) {
            Ok(())
        } else {
            Err(DecodeError::CutShort(self.coding.name()))
        }
    }
}

impl Coding {
    /// The decoder for an answer that begins with this byte.
    fn state(self, first: u8) -> State {
        match self {
            Self::Gzip => State::Inflate(Decompress::new_gzip(DEFLATE_WINDOW)),
            // The method's number and a window of at most 32 KiB (RFC 1950, section 2.2): no
            // compressor begins plain deflate with these bits.
            Self::Deflate => {
                let has_frame = first & 0x8f == 8;
                State::Inflate(Decompress::new(has_frame))
            }
            Self::Brotli => State::Brotli(Box::new(BrotliState::new_strict(
                StandardAlloc::default(),
                StandardAlloc::default(),
                StandardAlloc::default(),
            ))),
        }
    }
}

/// The window that the first byte of a Brotli stream asks for, as a power of two; the largest one
/// for an invalid byte.
fn brotli_window(first: u8) -> u32 {
    let first = u32::from(first);
    match (first & 1, first >> 1 & 7, first >> 4 & 7) {
        (0, _, _) => 16,
        (_, 0, 0) => 17,
        (_, 0, 1) => BROTLI_WINDOW,
        (_, 0, n) => 8 + n,
        (_, n, _) => 17 + n,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use reqwest::header::HeaderValue;

    use super::*;

    const TEXT: &[u8] = b"soup of the day: leek, leek, leek and more leek\n";

    /// `TEXT`, made by the reference implementation of Brotli.
    const TEXT_IN_BROTLI: &[u8] =
        b"\x1b\x2f\x00\xf8\x8d\xd4\x4e\xf9\xc3\x4e\xe5\x36\x36\xd6\x16\x74\x29\x18\x44\xa3\
        \x06\x51\x60\xd1\x09\x1b\x70\xc0\x1e\x46\x1e\xc9\xa0\x74\x1f\xd0\x01\x37\x03\x69\
        \x7b\xa3\xe3\x24\xfe\x22\x79\x6c\xe3\xa2\x01";

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn zlib(text: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn raw(text: &[u8]) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    /// Decodes pieces of these lengths into a buffer of that one.
    fn decode(
        coding: Coding,
        coded: &[u8],
        piece: usize,
        room: usize,
    ) -> Result<Vec<u8>, DecodeError> {
        let mut decoder = Decoder::new(coding);
        let mut buffer = vec![0; room];
        let mut all = Vec::new();
        for mut input in coded.chunks(piece) {
            loop {
                let done = decoder.decode(input, &mut buffer)?;
                input = &input[done.taken..];
                all.extend_from_slice(&buffer[..done.made]);
                if done.made == 0 && input.is_empty() {
                    break;
                }
                if done.made == 0 && done.taken == 0 {
                    return Err(decoder.stuck());
                }
            }
        }
        decoder.finish().map(|()| all)
    }

    #[test]
    fn each_coding_is_decoded_however_it_arrives() {
        let twice = [gzip(TEXT), gzip(TEXT)].concat();
        let padded = [gzip(TEXT), vec![0; 9]].concat();
        let doubled = [TEXT, TEXT].concat();
        for (coding, coded, text) in [
            (Coding::Gzip, gzip(TEXT), TEXT),
            (Coding::Gzip, twice, &doubled),
            (Coding::Gzip, padded, TEXT),
            (Coding::Gzip, gzip(b""), b""),
            (Coding::Deflate, zlib(TEXT), TEXT),
            (Coding::Deflate, raw(TEXT), TEXT),
            (Coding::Brotli, TEXT_IN_BROTLI.to_vec(), TEXT),
            (Coding::Brotli, Vec::new(), b""),
        ] {
            for (piece, room) in [(1, 1), (3, 2), (1, 4096), (4096, 1), (4096, 4096)] {
                let decoded = decode(coding, &coded, piece, room).unwrap();
                assert_eq!(decoded, text, "{coding:?} {piece} {room}");
            }
        }
    }

    #[test]
    fn what_is_cut_short_or_something_else_is_an_error_that_names_the_coding() {
        for (coding, coded) in [
            (Coding::Gzip, gzip(TEXT)),
            (Coding::Deflate, zlib(TEXT)),
            (Coding::Brotli, TEXT_IN_BROTLI.to_vec()),
        ] {
            let cut = &coded[..coded.len() - 1];
            let error = decode(coding, cut, 7, 4096).unwrap_err();
            assert_eq!(error, DecodeError::CutShort(coding.name()));
        }
        for (coding, other) in [
            (Coding::Gzip, &b"<html>"[..]),
            (Coding::Deflate, b"\x78\x9c\xff\xff\xff\xff"),
            (Coding::Brotli, b"\x11\xff\xff\xff\xff"),
            (Coding::Deflate, b"[]"),
        ] {
            let error = decode(coding, other, 7, 4096).unwrap_err();
            assert!(error.to_string().contains(coding.name()), "{error}");
        }
        let mut damaged = gzip(TEXT);
        let middle = damaged.len() - 6;
        damaged[middle] ^= 1;
        assert!(decode(Coding::Gzip, &damaged, 7, 4096).is_err());
    }

    /// Neither a panic nor a loop, whatever arrives.
    #[test]
    fn no_bytes_hurt_a_decoder() {
        let mut state = 7_u64;
        let mut random = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        for (coding, coded) in [
            (Coding::Gzip, gzip(TEXT)),
            (Coding::Deflate, raw(TEXT)),
            (Coding::Brotli, TEXT_IN_BROTLI.to_vec()),
        ] {
            for _ in 0..2000 {
                let mut coded = coded.clone();
                for _ in 0..=random() % 4 {
                    let at = usize::try_from(random()).unwrap() % coded.len();
                    coded[at] = random().to_le_bytes()[0];
                }
                let piece = 1 + usize::try_from(random() % 64).unwrap();
                decode(coding, &coded, piece, 512).ok();
            }
        }
    }

    #[test]
    fn the_window_of_brotli_is_known_from_its_first_byte() {
        for (first, window) in [
            (0x00, 16),
            (0x01, 17),
            (0x03, 18),
            (0x0b, 22),
            (0x0f, 24),
            (0x21, 10),
            (0x71, 15),
            (0x11, 24),
        ] {
            assert_eq!(brotli_window(first), window, "{first:#x}");
        }
    }

    #[test]
    fn an_unknown_coding_and_several_are_named() {
        let of = |values: &[&str]| {
            let fields = values
                .iter()
                .map(|value| (CONTENT_ENCODING, HeaderValue::from_str(value).unwrap()));
            Coding::of(&fields.collect()).map_err(|error| error.to_string())
        };
        assert_eq!(of(&[]).unwrap(), None);
        assert_eq!(of(&["", "Identity"]).unwrap(), None);
        assert_eq!(of(&["GZIP"]).unwrap(), Some(Coding::Gzip));
        assert_eq!(of(&["identity, br"]).unwrap(), Some(Coding::Brotli));
        for values in [
            &["zstd"][..],
            &["compress"],
            &["gzip, zstd"],
            &["gzip", "br"],
        ] {
            let error = of(values).unwrap_err();
            assert!(
                error.contains(&format!("Content-Encoding {};", values.join(", "))),
                "{error}"
            );
        }
        assert!(of(&[&"x".repeat(9000)]).unwrap_err().len() < 300);
    }
}
