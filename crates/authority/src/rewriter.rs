//! Rewrites a client's bytes into a form that h2 accepts.

use http::uri::Authority;

use super::frame::{
    CONTINUATION, END_HEADERS, END_STREAM, FrameHeader, HEADER_LENGTH, HEADERS, HeaderBlock,
    HeadersPayload, MAX_PAYLOAD, PUSH_PROMISE,
};
use super::hpack::{Decoder, Field, HpackError, NO_TABLE};

/// Connection preface of an HTTP/2 client (RFC 9113, section 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Replacement for an invalid authority.
const LOCALHOST: &[u8] = b"localhost";

/// Maximum size of the client's dynamic table: the protocol's default, since tonic never announces
/// another `SETTINGS_HEADER_TABLE_SIZE`.
const MAX_TABLE_SIZE: usize = 4096;

/// Maximum size of a list of fields, counted as in `SETTINGS_MAX_HEADER_LIST_SIZE`. h2 refuses a
/// request above the 16 KiB that hyper announces, and closes the connection at four times as much;
/// so does the rewriter.
const MAX_LIST_SIZE: usize = 64 << 10;

/// Maximum length of a header block. A literal is never longer than its size in the list, unless
/// its integers are padded on purpose.
const MAX_BLOCK: usize = MAX_LIST_SIZE;

/// Maximum number of CONTINUATION frames in a block; four full ones carry the largest. h2 stops at
/// five that do not end the block.
const MAX_CONTINUATIONS: usize = 16;

/// Number of ready bytes at which no more input is taken. Ready bytes exceed twice this by at most
/// one input.
const MAX_READY: usize = MAX_LIST_SIZE;

/// Maximum length of an invalid authority in the log.
const MAX_LOGGED: usize = 128;

/// A frame that h2 answers with GOAWAY: HEADERS whose block refers to field 0, which no table has.
const POISON: &[u8] = &[0, 0, 1, HEADERS, END_HEADERS | END_STREAM, 0, 0, 0, 1, 0x80];

/// Rewriter of one connection. It takes a client's bytes in pieces of any size.
///
/// Until the first request is complete, everything but its header block passes unchanged. Then the
/// block decides. Where h2 accepts its `:authority`, or has anything in it to refuse, the client's
/// own bytes follow and the rest of the connection passes through. Otherwise this block and every
/// later one is rewritten.
pub struct Rewriter {
    parser: Parser,
    mode: Mode,
    /// The incomplete header block.
    block: Option<Block>,
    decoder: Decoder,
}

/// Position in the client's bytes.
enum Parser {
    /// In the preface, after this many bytes.
    Preface(usize),
    /// In the header of a frame.
    Header(Vec<u8>),
    /// In the payload of a frame without a header block, with this many bytes missing.
    Payload(usize),
    /// In the payload of a frame with a fragment of a header block. Holds the bytes so far.
    Fragment(FrameHeader, Vec<u8>),
    /// All further bytes pass unchanged.
    PassThrough,
    /// All further bytes are discarded.
    Discard,
}

enum Mode {
    /// The first request is incomplete. Holds the client's bytes of its header block, at most
    /// [`MAX_BLOCK`] and some padding.
    Undecided(Vec<u8>),
    /// Header blocks are rewritten. The flag is true once one has been.
    Rewriting(bool),
}

struct Block {
    stream: u32,
    end_stream: bool,
    priority: Vec<u8>,
    /// At most [`MAX_BLOCK`].
    octets: Vec<u8>,
    /// At most [`MAX_CONTINUATIONS`].
    continuations: usize,
}

/// Treatment of the further bytes of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Course {
    /// They must be fed to the rewriter.
    Inspect,
    /// They can go to h2 unchanged.
    PassThrough,
    /// They must not reach h2.
    Discard,
}

/// A violation of HTTP/2. h2 reports it to the client.
#[derive(Debug, thiserror::Error)]
enum Violation {
    #[error("a header block cannot be read: {0}")]
    Hpack(#[from] HpackError),
    #[error("a frame of type {0} is not allowed here")]
    Misplaced(u8),
    #[error(
        "a header block has more than {MAX_BLOCK} bytes or {MAX_CONTINUATIONS} CONTINUATION frames"
    )]
    Flood,
    #[error("the padding or priority of a HEADERS frame is longer than the frame")]
    Padding,
    #[error("a frame with a header block has more than {MAX_PAYLOAD} bytes")]
    FrameSize(FrameHeader),
}

impl Default for Rewriter {
    fn default() -> Self {
        Self {
            parser: Parser::Preface(0),
            mode: Mode::Undecided(Vec::new()),
            block: None,
            decoder: Decoder::new(MAX_TABLE_SIZE, MAX_LIST_SIZE),
        }
    }
}

impl Rewriter {
    /// A rewriter that rewrites every block from the start.
    #[cfg(test)]
    pub(super) fn rewriting() -> Self {
        Self {
            mode: Mode::Rewriting(false),
            ..Self::default()
        }
    }

    /// Treatment of the bytes after those that were fed.
    pub fn course(&self) -> Course {
        match self.parser {
            Parser::PassThrough => Course::PassThrough,
            Parser::Discard => Course::Discard,
            _ => Course::Inspect,
        }
    }

    /// Takes input, appends bytes for h2, and returns the number of bytes taken. It stops once
    /// `out` has 64 KiB: a few octets can expand to a header block of 64 KiB, and one read can hold
    /// hundreds of such blocks.
    pub fn feed(&mut self, input: &[u8], out: &mut Vec<u8>) -> usize {
        let mut rest = input;
        while !rest.is_empty() && out.len() < MAX_READY {
            rest = self.step(rest, out);
        }
        input.len() - rest.len()
    }

    /// Ends the input: h2 gets the retained part of an incomplete first request.
    pub fn end(&mut self, out: &mut Vec<u8>) {
        if let Mode::Undecided(kept) = &mut self.mode
            && !matches!(self.parser, Parser::PassThrough)
        {
            out.append(kept);
            if let Parser::Header(octets) = &self.parser {
                out.extend_from_slice(octets);
            }
            self.parser = Parser::PassThrough;
        }
    }

    /// Takes part of the input, and returns the rest.
    fn step<'a>(&mut self, input: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
        match &mut self.parser {
            Parser::Preface(length) => {
                let expected = PREFACE.get(*length..).unwrap_or_default();
                let (piece, rest) = split_at_most(input, expected.len());
                if !expected.starts_with(piece) {
                    // The client does not speak HTTP/2.
                    self.parser = Parser::PassThrough;
                    return input;
                }
                out.extend_from_slice(piece);
                *length += piece.len();
                if *length == PREFACE.len() {
                    self.parser = Parser::Header(Vec::new());
                }
                rest
            }
            Parser::Header(octets) => {
                let rest = fill(octets, HEADER_LENGTH, input);
                if let Ok(octets) = <[u8; HEADER_LENGTH]>::try_from(octets.as_slice()) {
                    self.header(octets, out);
                }
                rest
            }
            Parser::Payload(to_come) => {
                let (piece, rest) = split_at_most(input, *to_come);
                out.extend_from_slice(piece);
                *to_come -= piece.len();
                if *to_come == 0 {
                    self.parser = Parser::Header(Vec::new());
                }
                rest
            }
            Parser::Fragment(head, payload) => {
                let before = payload.len();
                let rest = fill(payload, head.length, input);
                if let Mode::Undecided(kept) = &mut self.mode {
                    kept.extend_from_slice(payload.get(before..).unwrap_or_default());
                }
                if payload.len() == head.length {
                    let (head, payload) = (*head, std::mem::take(payload));
                    self.fragment(head, &payload, out);
                }
                rest
            }
            Parser::PassThrough => {
                out.extend_from_slice(input);
                &[]
            }
            Parser::Discard => &[],
        }
    }

    fn header(&mut self, octets: [u8; HEADER_LENGTH], out: &mut Vec<u8>) {
        let head = FrameHeader::read(octets);
        let is_headers = matches!(head.kind, HEADERS | CONTINUATION | PUSH_PROMISE);
        if !is_headers && self.block.is_none() {
            out.extend_from_slice(&octets);
            self.parser = if head.length == 0 {
                Parser::Header(Vec::new())
            } else {
                Parser::Payload(head.length)
            };
            return;
        }
        if let Mode::Undecided(kept) = &mut self.mode {
            kept.extend_from_slice(&octets);
        }
        match self.check_header(head) {
            Err(violation) => self.refuse(&violation, out),
            Ok(()) if head.length == 0 => self.fragment(head, &[], out),
            Ok(()) => self.parser = Parser::Fragment(head, Vec::new()),
        }
    }

    /// Checks that a frame may carry a fragment of a header block here, before its payload is read.
    fn check_header(&mut self, head: FrameHeader) -> Result<(), Violation> {
        match (&mut self.block, head.kind) {
            (None, HEADERS) if head.stream != 0 => {}
            (Some(block), CONTINUATION) if head.stream == block.stream => {
                block.continuations += 1;
                if block.octets.len() + head.length > MAX_BLOCK
                    || block.continuations > MAX_CONTINUATIONS
                {
                    return Err(Violation::Flood);
                }
            }
            _ => return Err(Violation::Misplaced(head.kind)),
        }
        if head.length > MAX_PAYLOAD {
            return Err(Violation::FrameSize(head));
        }
        Ok(())
    }

    /// Handles a complete frame with a fragment of a header block.
    fn fragment(&mut self, head: FrameHeader, payload: &[u8], out: &mut Vec<u8>) {
        self.parser = Parser::Header(Vec::new());
        match &mut self.block {
            Some(block) => block.octets.extend_from_slice(payload),
            None => match HeadersPayload::read(head, payload) {
                Some(HeadersPayload { priority, fragment }) => {
                    self.block = Some(Block {
                        stream: head.stream,
                        end_stream: head.has(END_STREAM),
                        priority: priority.to_owned(),
                        octets: fragment.to_owned(),
                        continuations: 0,
                    });
                }
                None => return self.refuse(&Violation::Padding, out),
            },
        }
        if head.has(END_HEADERS)
            && let Some(block) = self.block.take()
        {
            match self.decoder.decode(&block.octets) {
                Ok(fields) => self.block(&block, fields, out),
                Err(error) => self.refuse(&error.into(), out),
            }
        }
    }

    /// Handles a complete header block.
    fn block(&mut self, block: &Block, fields: Vec<Field>, out: &mut Vec<u8>) {
        let written_before = match &mut self.mode {
            Mode::Undecided(kept) => {
                let Some(bad) = fields.iter().find(|field| is_bad_authority(field)) else {
                    out.append(kept);
                    self.parser = Parser::PassThrough;
                    return;
                };
                log::debug!(
                    "invalid :authority {:?} from a client; using localhost",
                    String::from_utf8_lossy(split_at_most(&bad.value, MAX_LOGGED).0)
                );
                false
            }
            Mode::Rewriting(written) => *written,
        };
        self.mode = Mode::Rewriting(true);
        let mut octets = Vec::new();
        if !written_before {
            octets.push(NO_TABLE);
        }
        for mut field in fields {
            if is_bad_authority(&field) {
                field.value = LOCALHOST.into();
            }
            field.write(&mut octets);
        }
        HeaderBlock {
            stream: block.stream,
            end_stream: block.end_stream,
            priority: &block.priority,
            block: &octets,
        }
        .write(out);
    }

    /// Lets h2 refuse the client: with the client's own bytes while h2 has seen nothing else, or
    /// with bytes that h2 must treat as a violation.
    fn refuse(&mut self, violation: &Violation, out: &mut Vec<u8>) {
        self.block = None;
        match &mut self.mode {
            Mode::Undecided(kept) => {
                out.append(kept);
                self.parser = Parser::PassThrough;
            }
            Mode::Rewriting(_) => {
                log::debug!("refusing a local connection that violates HTTP/2: {violation}");
                match violation {
                    // h2 refuses the length by itself, with the error for that case.
                    Violation::FrameSize(head) => out.extend_from_slice(&head.octets()),
                    _ => out.extend_from_slice(POISON),
                }
                self.parser = Parser::Discard;
            }
        }
    }
}

impl std::fmt::Debug for Rewriter {
    /// Omits the received bytes: header fields may hold secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rewriter")
            .field("course", &self.course())
            .finish_non_exhaustive()
    }
}

/// True for a field for which h2 refuses the request. h2 calls the same function
/// (`convert_poll_message` in its server.rs), and does not check `host`.
fn is_bad_authority(field: &Field) -> bool {
    field.name == ":authority" && Authority::try_from(field.value.as_ref()).is_err()
}

/// Moves input to `octets` until they have `length`, and returns the rest.
fn fill<'a>(octets: &mut Vec<u8>, length: usize, input: &'a [u8]) -> &'a [u8] {
    let (piece, rest) = split_at_most(input, length.saturating_sub(octets.len()));
    octets.extend_from_slice(piece);
    rest
}

fn split_at_most(octets: &[u8], length: usize) -> (&[u8], &[u8]) {
    octets.split_at_checked(length).unwrap_or((octets, &[]))
}
