//! HTTP/2 frames (RFC 9113, sections 4.1 and 6), as far as header blocks need them.

/// Length of a frame's header, in octets.
pub(super) const HEADER_LENGTH: usize = 9;

/// The longest payload that the server accepts (`SETTINGS_MAX_FRAME_SIZE`). It is the protocol's
/// default and the smallest value that a server may announce, so frames of this size always fit.
pub(super) const MAX_PAYLOAD: usize = 16_384;

pub(super) const HEADERS: u8 = 0x1;
pub(super) const PUSH_PROMISE: u8 = 0x5;
pub(super) const CONTINUATION: u8 = 0x9;

pub(super) const END_STREAM: u8 = 0x1;
pub(super) const END_HEADERS: u8 = 0x4;
pub(super) const PADDED: u8 = 0x8;
pub(super) const PRIORITY: u8 = 0x20;

/// Length of the dependency and weight at the start of HEADERS with PRIORITY.
pub(super) const PRIORITY_LENGTH: usize = 5;

/// Header of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameHeader {
    pub(super) length: usize,
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
}

impl FrameHeader {
    pub(super) fn read(octets: [u8; HEADER_LENGTH]) -> Self {
        let [l0, l1, l2, kind, flags, s0, s1, s2, s3] = octets;
        Self {
            length: usize::from(l0) << 16 | usize::from(l1) << 8 | usize::from(l2),
            kind,
            flags,
            // The highest bit is reserved.
            stream: u32::from_be_bytes([s0, s1, s2, s3]) & 0x7fff_ffff,
        }
    }

    pub(super) fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    pub(super) fn octets(self) -> [u8; HEADER_LENGTH] {
        // The length fits into 24 bits: it was read from 24 bits, or cut to MAX_PAYLOAD.
        let [.., l0, l1, l2] = self.length.to_be_bytes();
        let [s0, s1, s2, s3] = self.stream.to_be_bytes();
        [l0, l1, l2, self.kind, self.flags, s0, s1, s2, s3]
    }
}

/// Parts of a HEADERS payload.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct HeadersPayload<'a> {
    /// Dependency and weight as received; empty without PRIORITY.
    pub(super) priority: &'a [u8],
    /// First fragment of the header block, or all of it.
    pub(super) fragment: &'a [u8],
}

impl<'a> HeadersPayload<'a> {
    /// Splits a payload; `None` where the padding or the priority is longer than the payload.
    pub(super) fn read(head: FrameHeader, payload: &'a [u8]) -> Option<Self> {
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

/// A complete header block.
#[derive(Debug)]
pub(super) struct HeaderBlock<'a> {
    pub(super) stream: u32,
    pub(super) end_stream: bool,
    pub(super) priority: &'a [u8],
    pub(super) block: &'a [u8],
}

impl HeaderBlock<'_> {
    /// Appends the block as HEADERS, with CONTINUATION frames where it is too long for one frame.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let room = MAX_PAYLOAD - self.priority.len();
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
            let (next, after) = split_at_most(rest, MAX_PAYLOAD);
            let flags = if after.is_empty() { END_HEADERS } else { 0 };
            self.head(CONTINUATION, flags, next.len(), out);
            out.extend_from_slice(next);
            rest = after;
        }
    }

    fn head(&self, kind: u8, flags: u8, length: usize, out: &mut Vec<u8>) {
        let head = FrameHeader {
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
