//! What a client sends, as h2 will take it.

use http::uri::Authority;

use super::frame::{
    CONTINUATION, END_HEADERS, END_STREAM, HEAD_LENGTH, HEADERS, Head, HeaderBlock, HeadersPayload,
    LONGEST_PAYLOAD, PUSH_PROMISE,
};
use super::hpack::{Decoder, Field, HpackError, NO_TABLE};

/// How an HTTP/2 client begins (RFC 9113, section 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The authority of a client whose own is none.
const LOCALHOST: &[u8] = b"localhost";

/// The client's dynamic table: the protocol's default, as tonic never announces another `SETTINGS_HEADER_TABLE_SIZE`.
const LARGEST_TABLE: usize = 4096;

/// The largest list of fields, counted as in `SETTINGS_MAX_HEADER_LIST_SIZE`. h2 refuses a request of more than the 16 KiB that hyper
/// announces, and gives the connection up at four times as much: so do we.
const LARGEST_LIST: usize = 64 << 10;

/// The largest header block as it comes. A literal is never longer than what it counts in the list, unless its integers are drawn out
/// on purpose.
const LARGEST_BLOCK: usize = LARGEST_LIST;

/// How many CONTINUATION frames a block may take; four full ones carry the largest. h2 stops at five that do not end the block.
const MOST_CONTINUATIONS: usize = 16;

/// How much is made ready for h2 before it has read some; twice this is never exceeded by more than what was fed at once.
const ENOUGH: usize = LARGEST_LIST;

/// How much of a bad authority is logged.
const LOGGED: usize = 128;

/// A frame that h2 answers with GOAWAY: HEADERS whose block is field 0, which no table has.
const POISON: &[u8] = &[0, 0, 1, HEADERS, END_HEADERS | END_STREAM, 0, 0, 0, 1, 0x80];

/// Follows what a client sends on one connection, in pieces of any size.
///
/// Until the first request is in full, everything but that request's header block is handed on as it comes. Then the block is judged: where
/// h2 would take its `:authority`, or where there is anything that is h2's to refuse, the client's own bytes are handed on, and nothing
/// is looked at any more. Otherwise this and every later block is written anew.
pub struct Rewriter {
    at: At,
    mode: Mode,
    /// The header block that is coming in.
    block: Option<Block>,
    decoder: Decoder,
}

/// Where in the client's bytes.
enum At {
    /// In the preface, of which so much came.
    Preface(usize),
    /// In a frame's head.
    Head(Vec<u8>),
    /// In the payload of a frame that is none of ours; so much is to come.
    Payload(usize),
    /// In the payload of a frame with a part of a header block, of which so much came.
    Part(Head, Vec<u8>),
    /// Whatever comes is handed on.
    Untouched,
    /// Whatever comes is dropped.
    Refused,
}

enum Mode {
    /// The first request is not in yet. The client's own bytes of its header block are kept, at most [`LARGEST_BLOCK`] and some
    /// padding.
    Waiting(Vec<u8>),
    /// Each header block is written anew; the flag says whether one was.
    Rewriting(bool),
}

struct Block {
    stream: u32,
    end_stream: bool,
    priority: Vec<u8>,
    /// At most [`LARGEST_BLOCK`].
    octets: Vec<u8>,
    /// At most [`MOST_CONTINUATIONS`].
    continuations: usize,
}

/// How the connection goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Course {
    /// What comes must be fed.
    Followed,
    /// What comes can go to h2 as it is.
    Untouched,
    /// What comes must not reach h2 any more.
    Refused,
}

/// What is wrong with what came; h2 will say so to the client.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("a header block cannot be read: {0}")]
    Hpack(#[from] HpackError),
    #[error("a frame of kind {0} came where it must not")]
    Misplaced(u8),
    #[error(
        "a header block has more than {LARGEST_BLOCK} bytes or {MOST_CONTINUATIONS} CONTINUATION frames"
    )]
    Flood,
    #[error("the padding or priority of a HEADERS frame is longer than the frame")]
    Padding,
    #[error("a frame with a header block has more than {LONGEST_PAYLOAD} bytes")]
    FrameSize(Head),
}

impl Default for Rewriter {
    fn default() -> Self {
        Self {
            at: At::Preface(0),
            mode: Mode::Waiting(Vec::new()),
            block: None,
            decoder: Decoder::new(LARGEST_TABLE, LARGEST_LIST),
        }
    }
}

impl Rewriter {
    /// One that writes every block anew, whatever comes first.
    #[cfg(test)]
    pub(super) fn rewriting() -> Self {
        Self {
            mode: Mode::Rewriting(false),
            ..Self::default()
        }
    }

    /// How the connection goes on after what was fed.
    pub fn course(&self) -> Course {
        match self.at {
            At::Untouched => Course::Untouched,
            At::Refused => Course::Refused,
            _ => Course::Followed,
        }
    }

    /// Takes what came, appends what h2 shall see, and says how much it took: not all once `out` has 64 KiB, as a few octets can
    /// stand for a header block of 64 KiB, and a read can hold hundreds of such blocks.
    pub fn feed(&mut self, input: &[u8], out: &mut Vec<u8>) -> usize {
        let mut rest = input;
        while !rest.is_empty() && out.len() < ENOUGH {
            rest = self.step(rest, out);
        }
        input.len() - rest.len()
    }

    /// The client sends no more: h2 gets what was kept of an unfinished first request.
    pub fn end(&mut self, out: &mut Vec<u8>) {
        if let Mode::Waiting(kept) = &mut self.mode
            && !matches!(self.at, At::Untouched)
        {
            out.append(kept);
            if let At::Head(octets) = &self.at {
                out.extend_from_slice(octets);
            }
            self.at = At::Untouched;
        }
    }

    /// Takes some of the input, and gives back the rest.
    fn step<'a>(&mut self, input: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
        match &mut self.at {
            At::Preface(came) => {
                let expected = PREFACE.get(*came..).unwrap_or_default();
                let (piece, rest) = split_at_most(input, expected.len());
                if !expected.starts_with(piece) {
                    // No HTTP/2.
                    self.at = At::Untouched;
                    return input;
                }
                out.extend_from_slice(piece);
                *came += piece.len();
                if *came == PREFACE.len() {
                    self.at = At::Head(Vec::new());
                }
                rest
            }
            At::Head(octets) => {
                let rest = fill(octets, HEAD_LENGTH, input);
                if let Ok(octets) = <[u8; HEAD_LENGTH]>::try_from(octets.as_slice()) {
                    self.head(octets, out);
                }
                rest
            }
            At::Payload(to_come) => {
                let (piece, rest) = split_at_most(input, *to_come);
                out.extend_from_slice(piece);
                *to_come -= piece.len();
                if *to_come == 0 {
                    self.at = At::Head(Vec::new());
                }
                rest
            }
            At::Part(head, payload) => {
                let before = payload.len();
                let rest = fill(payload, head.length, input);
                if let Mode::Waiting(kept) = &mut self.mode {
                    kept.extend_from_slice(payload.get(before..).unwrap_or_default());
                }
                if payload.len() == head.length {
                    let (head, payload) = (*head, std::mem::take(payload));
                    self.part(head, &payload, out);
                }
                rest
            }
            At::Untouched => {
                out.extend_from_slice(input);
                &[]
            }
            At::Refused => &[],
        }
    }

    fn head(&mut self, octets: [u8; HEAD_LENGTH], out: &mut Vec<u8>) {
        let head = Head::read(octets);
        let is_headers = matches!(head.kind, HEADERS | CONTINUATION | PUSH_PROMISE);
        if !is_headers && self.block.is_none() {
            out.extend_from_slice(&octets);
            self.at = if head.length == 0 {
                At::Head(Vec::new())
            } else {
                At::Payload(head.length)
            };
            return;
        }
        if let Mode::Waiting(kept) = &mut self.mode {
            kept.extend_from_slice(&octets);
        }
        match self.check_head(head) {
            Err(fault) => self.give_up(&fault, out),
            Ok(()) if head.length == 0 => self.part(head, &[], out),
            Ok(()) => self.at = At::Part(head, Vec::new()),
        }
    }

    /// Whether this frame may carry a part of a header block here, before any of it is taken in.
    fn check_head(&mut self, head: Head) -> Result<(), Fault> {
        match (&mut self.block, head.kind) {
            (None, HEADERS) if head.stream != 0 => {}
            (Some(block), CONTINUATION) if head.stream == block.stream => {
                block.continuations += 1;
                if block.octets.len() + head.length > LARGEST_BLOCK
                    || block.continuations > MOST_CONTINUATIONS
                {
                    return Err(Fault::Flood);
                }
            }
            _ => return Err(Fault::Misplaced(head.kind)),
        }
        if head.length > LONGEST_PAYLOAD {
            return Err(Fault::FrameSize(head));
        }
        Ok(())
    }

    /// A frame with a part of a header block is in.
    fn part(&mut self, head: Head, payload: &[u8], out: &mut Vec<u8>) {
        self.at = At::Head(Vec::new());
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
                None => return self.give_up(&Fault::Padding, out),
            },
        }
        if head.has(END_HEADERS)
            && let Some(block) = self.block.take()
        {
            match self.decoder.decode(&block.octets) {
                Ok(fields) => self.whole(&block, fields, out),
                Err(error) => self.give_up(&error.into(), out),
            }
        }
    }

    /// A header block is in.
    fn whole(&mut self, block: &Block, fields: Vec<Field>, out: &mut Vec<u8>) {
        let written_before = match &mut self.mode {
            Mode::Waiting(kept) => {
                let Some(bad) = fields.iter().find(|field| is_bad_authority(field)) else {
                    out.append(kept);
                    self.at = At::Untouched;
                    return;
                };
                log::debug!(
                    "a client asks for the authority {:?}, which is none: serving it as localhost",
                    String::from_utf8_lossy(split_at_most(&bad.value, LOGGED).0)
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

    /// Leaves it to h2 to refuse the client: by the client's own bytes as long as h2 saw nothing else, else by bytes that h2 cannot take
    /// for anything but a violation.
    fn give_up(&mut self, fault: &Fault, out: &mut Vec<u8>) {
        self.block = None;
        match &mut self.mode {
            Mode::Waiting(kept) => {
                out.append(kept);
                self.at = At::Untouched;
            }
            Mode::Rewriting(_) => {
                log::debug!("a local connection breaks HTTP/2 and is refused: {fault}");
                match fault {
                    // The length alone is what h2 refuses, with the error that is made for it.
                    Fault::FrameSize(head) => out.extend_from_slice(&head.octets()),
                    _ => out.extend_from_slice(POISON),
                }
                self.at = At::Refused;
            }
        }
    }
}

impl std::fmt::Debug for Rewriter {
    /// Without what came: header fields may hold secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rewriter")
            .field("course", &self.course())
            .finish_non_exhaustive()
    }
}

/// Whether h2 would refuse the request for this field. h2 asks this same function (`convert_poll_message` in its server.rs); of `host`,
/// it asks nothing.
fn is_bad_authority(field: &Field) -> bool {
    field.name == ":authority" && Authority::try_from(field.value.as_ref()).is_err()
}

/// Takes from the input until `octets` are `length`, and gives back the rest.
fn fill<'a>(octets: &mut Vec<u8>, length: usize, input: &'a [u8]) -> &'a [u8] {
    let (piece, rest) = split_at_most(input, length.saturating_sub(octets.len()));
    octets.extend_from_slice(piece);
    rest
}

fn split_at_most(octets: &[u8], length: usize) -> (&[u8], &[u8]) {
    octets.split_at_checked(length).unwrap_or((octets, &[]))
}
