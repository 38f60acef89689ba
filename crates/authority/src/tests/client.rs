//! Bytes that a client sends, and the parsed result of rewriting them.

use std::collections::VecDeque;

use super::super::frame::{
    CONTINUATION, END_HEADERS, END_STREAM, FrameHeader, HEADER_LENGTH, HEADERS, HeadersPayload,
};
use super::super::hpack::{Decoder, Field, STATIC_TABLE};
use super::super::huffman::tests::encode as huffman;
use super::super::rewriter::{Course, Rewriter};

pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let head = FrameHeader {
        length: payload.len(),
        kind,
        flags,
        stream,
    };
    [&head.octets(), payload].concat()
}

/// The preface and empty SETTINGS.
pub(super) fn opening() -> Vec<u8> {
    [PREFACE, &frame(4, 0, 0, &[])].concat()
}

/// Encoding of a field.
#[derive(Clone, Copy, Debug)]
pub(super) enum How {
    /// By its index where a table has it, else inserted into the table.
    Indexed,
    Literal,
    NeverIndexed,
}

/// A client's encoder, with a dynamic table.
pub(super) struct Encoder {
    table: VecDeque<(Vec<u8>, Vec<u8>)>,
    limit: usize,
}

impl Encoder {
    pub(super) fn new() -> Self {
        Self {
            table: VecDeque::new(),
            limit: 4096,
        }
    }

    pub(super) fn resize(&mut self, limit: usize, block: &mut Vec<u8>) {
        integer(limit, 5, 0x20, block);
        self.limit = limit;
        self.evict();
    }

    pub(super) fn field(
        &mut self,
        name: &[u8],
        value: &[u8],
        how: How,
        coded: bool,
        block: &mut Vec<u8>,
    ) {
        let known = STATIC_TABLE
            .iter()
            .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
            .chain(
                self.table
                    .iter()
                    .map(|(name, value)| (&name[..], &value[..])),
            );
        let mut of_name = 0;
        let mut of_both = 0;
        for (place, field) in known.enumerate() {
            if field == (name, value) {
                of_both = place + 1;
            } else if field.0 == name {
                of_name = place + 1;
            }
        }
        let index = if of_both > 0 { of_both } else { of_name };
        match how {
            How::Indexed if of_both > 0 => return integer(of_both, 7, 0x80, block),
            How::Indexed => integer(index, 6, 0x40, block),
            How::Literal => integer(index, 4, 0, block),
            How::NeverIndexed => integer(index, 4, 0x10, block),
        }
        if index == 0 {
            string(name, coded, block);
        }
        string(value, coded, block);
        if matches!(how, How::Indexed) {
            self.table.push_front((name.to_owned(), value.to_owned()));
            self.evict();
        }
    }

    /// A complete block; every field enters the table.
    pub(super) fn block(&mut self, fields: &[(&str, &str)]) -> Vec<u8> {
        let mut block = Vec::new();
        for (name, value) in fields {
            self.field(
                name.as_bytes(),
                value.as_bytes(),
                How::Indexed,
                true,
                &mut block,
            );
        }
        block
    }

    fn evict(&mut self) {
        let size = |table: &VecDeque<(Vec<u8>, Vec<u8>)>| -> usize {
            table
                .iter()
                .map(|(name, value)| name.len() + value.len() + 32)
                .sum()
        };
        while size(&self.table) > self.limit {
            self.table.pop_back();
        }
    }
}

fn string(octets: &[u8], coded: bool, block: &mut Vec<u8>) {
    let (octets, flag) = if coded {
        (huffman(octets), 0x80)
    } else {
        (octets.to_owned(), 0)
    };
    integer(octets.len(), 7, flag, block);
    block.extend(octets);
}

fn integer(value: usize, prefix: u32, flags: u8, block: &mut Vec<u8>) {
    let low_byte = |value: usize| value.to_le_bytes()[0];
    let mask = (1 << prefix) - 1;
    if value < mask {
        return block.push(flags | low_byte(value));
    }
    block.push(flags | low_byte(mask));
    let mut rest = value - mask;
    while rest > 0x7f {
        block.push(low_byte(rest) | 0x80);
        rest >>= 7;
    }
    block.push(low_byte(rest));
}

/// Feeds input in pieces of at most this many bytes, as a reader does.
pub(super) fn feed(rewriter: &mut Rewriter, sent: &[u8], piece: usize) -> Vec<u8> {
    let mut seen = Vec::new();
    for mut piece in sent.chunks(piece) {
        while !piece.is_empty() {
            let mut out = Vec::new();
            let taken = rewriter.feed(piece, &mut out);
            assert!(taken > 0, "it takes nothing");
            seen.extend(out);
            piece = &piece[taken..];
        }
    }
    seen
}

/// The bytes that h2 sees of a new connection, which do not depend on how the input is cut.
pub(super) fn seen_by_h2(sent: &[u8]) -> (Vec<u8>, Course) {
    let mut whole = Rewriter::default();
    let seen = feed(&mut whole, sent, usize::MAX);
    for piece in [1, 2, 7, 9, 10, 1000] {
        let mut rewriter = Rewriter::default();
        assert_eq!(
            feed(&mut rewriter, sent, piece),
            seen,
            "in pieces of {piece}"
        );
        assert_eq!(rewriter.course(), whole.course(), "in pieces of {piece}");
    }
    if sent.len() < 1000 {
        for cut in 1..sent.len() {
            let mut rewriter = Rewriter::default();
            let mut both = feed(&mut rewriter, &sent[..cut], usize::MAX);
            both.extend(feed(&mut rewriter, &sent[cut..], usize::MAX));
            assert_eq!(both, seen, "cut at {cut}");
        }
    }
    (seen, whole.course())
}

/// The frames after the preface.
pub(super) fn frames(seen: &[u8]) -> Vec<(FrameHeader, Vec<u8>)> {
    let mut rest = seen.strip_prefix(PREFACE).expect("a preface");
    let mut frames = Vec::new();
    while !rest.is_empty() {
        let head = FrameHeader::read(rest[..HEADER_LENGTH].try_into().unwrap());
        let payload = rest[HEADER_LENGTH..HEADER_LENGTH + head.length].to_owned();
        rest = &rest[HEADER_LENGTH + head.length..];
        frames.push((head, payload));
    }
    frames
}

/// A frame without a header block, or a complete header block, read without a dynamic table.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    Frame(FrameHeader, Vec<u8>),
    Block {
        stream: u32,
        end_stream: bool,
        priority: Vec<u8>,
        fields: Vec<Field>,
    },
}

impl Part {
    pub(super) fn lines(&self) -> Vec<String> {
        let Self::Block { fields, .. } = self else {
            return Vec::new();
        };
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        let line = |field: &Field| format!("{}: {}", text(&field.name), text(&field.value));
        fields.iter().map(line).collect()
    }
}

pub(super) fn parts(seen: &[u8]) -> Vec<Part> {
    let mut decoder = Decoder::new(0, usize::MAX);
    let mut parts = Vec::new();
    let mut block: Option<(FrameHeader, Vec<u8>, Vec<u8>)> = None;
    for (head, payload) in frames(seen) {
        assert!(head.length <= 16_384);
        match head.kind {
            HEADERS => {
                assert!(block.is_none());
                let taken = HeadersPayload::read(head, &payload).unwrap();
                block = Some((head, taken.priority.to_owned(), taken.fragment.to_owned()));
            }
            CONTINUATION => {
                let (first, _, octets) = block.as_mut().expect("HEADERS before CONTINUATION");
                assert_eq!(first.stream, head.stream);
                octets.extend(payload);
            }
            _ => {
                assert!(block.is_none(), "a frame within a header block");
                parts.push(Part::Frame(head, payload));
                continue;
            }
        }
        if head.has(END_HEADERS) {
            let (first, priority, octets) = block.take().unwrap();
            parts.push(Part::Block {
                stream: first.stream,
                end_stream: first.has(END_STREAM),
                priority,
                fields: decoder.decode(&octets).unwrap(),
            });
        }
    }
    assert!(block.is_none());
    parts
}
