//! Frames of HTTP/2 (RFC 9113, sections 4.1 and 6), as far as header blocks need.

/// The octets before a frame's payload.
pub(super) const HEAD_LENGTH: usize = 9;

/// The longest payload that the server takes (`SETTINGS_MAX_FRAME_SIZE`). It is the protocol's default, and the least that a
/// server may announce, so that what is written in frames of this size always fits.
pub(super) const LONGEST_PAYLOAD: usize = 16_384;

pub(super) const HEADERS: u8 = 0x1;
pub(super) const PUSH_PROMISE: u8 = 0x5;
pub(super) const CONTINUATION: u8 = 0x9;

pub(super) const END_STREAM: u8 = 0x1;
pub(super) const END_HEADERS: u8 = 0x4;
pub(super) const PADDED: u8 = 0x8;
pub(super) const PRIORITY: u8 = 0x20;

/// How long the dependency and weight are that come first in HEADERS with PRIORITY.
pub(super) const PRIORITY_LENGTH: usize = 5;

/// What is said before a frame's payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) length: usize,
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
}

impl Head {
    pub(super) fn read(octets: [u8; HEAD_LENGTH]) -> Self {
        let [l0, l1, l2, kind, flags, s0, s1, s2, s3] = octets;
        Self {
            length: usize::from(l0) << 16 | usize::from(l1) << 8 | usize::from(l2),
            kind,
            flags,
            // The highest bit means nothing.
            stream: u32::from_be_bytes([s0, s1, s2, s3]) & 0x7fff_ffff,
        }
    }

    pub(super) fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    pub(super) fn octets(self) -> [u8; HEAD_LENGTH] {
        // A payload is never longer than 24 bits say: it was read from as many, or cut to LONGEST_PAYLOAD.
        let [.., l0, l1, l2] = self.length.to_be_bytes();
        let [s0, s1, s2, s3] = self.stream.to_be_bytes();
        [l0, l1, l2, self.kind, self.flags, s0, s1, s2, s3]
    }
}

/// The payload of HEADERS, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct HeadersPayload<'a> {
    /// Dependency and weight, as they came; empty without PRIORITY.
    pub(super) priority: &'a [u8],
    /// The beginning of the header block, or all of it.
    pub(super) fragment: &'a [u8],
}

impl<'a> HeadersPayload<'a> {
    /// None where the padding or the priority is longer than the payload.
    pub(super) fn read(head: Head, payload: &'a [u8]) -> Option<Self> {
        let (padding, payload) = if head.has(PADDED) {
            let (padding, payload) = payload.split_first()?;
            (usize::from(*padding), payload)
        } else {
            (0, payload)
        };
        let priority_length = if head.has(PRIORITY) {
            PRIORITY_LENGTH
        } else {
            0
        };
        let (priority, payload) = payload.split_at_checked(priority_length)?;
        let fragment = payload.get(..payload.len().checked_sub(padding)?)?;
        Some(Self { priority, fragment })
    }
}

/// A header block that is complete.
#[derive(Debug)]
pub(super) struct HeaderBlock<'a> {
    pub(super) stream: u32,
    pub(super) end_stream: bool,
    pub(super) priority: &'a [u8],
    pub(super) block: &'a [u8],
}

impl HeaderBlock<'_> {
    /// Appends it as HEADERS, and CONTINUATION where it is too long for one frame.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let room = LONGEST_PAYLOAD - self.priority.len();
        let (first, mut rest) = split_at_most(self.block, room);
        let mut flags = 0;
        if self.end_stream {
            flags |= END_STREAM;
        }
        if !self.priority.is_empty() {
            flags |= PRIORITY;
        }
        if rest.is_empty() {
            flags |= END_HEADERS;
        }
        self.head(HEADERS, flags, self.priority.len() + first.len(), out);
        out.extend_from_slice(self.priority);
        out.extend_from_slice(first);
        while !rest.is_empty() {
            let (next, after) = split_at_most(rest, LONGEST_PAYLOAD);
            let flags = if after.is_empty() { END_HEADERS } else { 0 };
            self.head(CONTINUATION, flags, next.len(), out);
            out.extend_from_slice(next);
            rest = after;
        }
    }

    fn head(&self, kind: u8, flags: u8, length: usize, out: &mut Vec<u8>) {
        let head = Head {
            length,
            kind,
            flags,
            stream: self.stream,
        };
        out.extend_from_slice(&head.octets());
    }
}

fn split_at_most(octets: &[u8], length: usize) -> (&[u8], &[u8]) {
    octets.split_at_checked(length).unwrap_or((octets, &[]))
}
