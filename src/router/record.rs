//! A broadcast in a channel's log: its encoded bytes, adjacent to those received with it.
//!
//! Broadcasts that arrive together are encoded into one allocation. A stream that reads on from
//! there sends that memory as it is, without copying or visiting each broadcast. With 100 streams,
//! that halves the cost of a delivery (measured).

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::report::Incoming;
use expd_server::engine::Packet;

/// Encodes broadcasts of one channel that arrived together, once for all listeners. The first of
/// them has the sequence `first`; the encoder may take the payloads. The gRPC server provides it:
/// the router knows no encoding.
pub type Encode = fn(first: u64, batch: &mut [Incoming]) -> EncodedBatch;

/// The encoded bytes of broadcasts that arrived together, one after the other.
#[derive(Clone, Debug, Default)]
pub struct EncodedBatch {
    /// The bytes of all broadcasts.
    pub bytes: Bytes,
    /// End of each broadcast within `bytes`.
    pub ends: Vec<usize>,
}

/// Decodes a record's bytes. Provided by the server that encodes them.
pub type Decode = fn(&Record) -> Option<PlainBroadcast>;

/// A broadcast, decoded from its record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlainBroadcast {
    pub id: String,
    pub name: String,
    /// JSON text.
    pub payload: String,
}

/// A broadcast as web pages receive it.
#[derive(Clone, Debug)]
pub struct PageForm {
    /// The spelling of the channel's ID in it: nearly all pages use the same.
    pub channel_id: Box<str>,
    /// Empty where the record is no broadcast.
    pub packet: Packet,
}

/// One broadcast in the log, encoded once for all listeners.
#[derive(Debug)]
pub struct Record {
    pub name: Arc<str>,
    /// Its position in the log.
    pub sequence: u64,
    /// Most broadcasts need none, so all of them together take the space of one pointer.
    other_forms: OnceLock<Box<OtherForms>>,
    batch: Bytes,
    range: Range<usize>,
}

/// Forms of a broadcast besides its frame, each encoded on first use.
#[derive(Debug, Default)]
struct OtherForms {
    value_frame: OnceLock<Bytes>,
    page_form: OnceLock<PageForm>,
}

impl Record {
    /// The broadcast at `range` of a batch's bytes. A range that exceeds them is clamped.
    pub(super) fn new(name: Arc<str>, sequence: u64, batch: Bytes, range: Range<usize>) -> Self {
        let end = range.end.min(batch.len());
        Self {
            name,
            sequence,
            other_forms: OnceLock::new(),
            range: range.start.min(end)..end,
            batch,
        }
    }

    /// Its encoded bytes.
    pub fn frame(&self) -> Bytes {
        self.batch.slice(self.range.clone())
    }

    /// The number of encoded bytes.
    pub fn size(&self) -> usize {
        self.range.len()
    }

    /// The frame with a structured payload, made by the first caller.
    pub fn value_frame(&self, make: impl FnOnce() -> Bytes) -> &Bytes {
        self.other_forms().value_frame.get_or_init(make)
    }

    /// True if [`Record::value_frame`] is made already.
    pub fn has_value_frame(&self) -> bool {
        let forms = self.other_forms.get();
        forms.is_some_and(|forms| forms.value_frame.get().is_some())
    }

    /// The form for web pages, made by the first caller.
    pub fn page_form(&self, make: impl FnOnce() -> PageForm) -> &PageForm {
        self.other_forms().page_form.get_or_init(make)
    }

    fn other_forms(&self) -> &OtherForms {
        self.other_forms.get_or_init(Box::default)
    }
}

/// Adjacent records of one batch.
#[derive(Debug)]
pub struct FrameSpan {
    batch: Bytes,
    range: Range<usize>,
}

impl FrameSpan {
    /// The span of one record.
    pub fn of(record: &Record) -> Self {
        Self {
            batch: record.batch.clone(),
            range: record.range.clone(),
        }
    }

    /// Adds the record that follows; returns false where the record does not follow.
    pub fn extend(&mut self, record: &Record) -> bool {
        // Both keep their memory alive, so equal addresses mean the same batch.
        let follows =
            self.batch.as_ptr() == record.batch.as_ptr() && self.range.end == record.range.start;
        if follows {
            self.range.end = record.range.end;
        }
        follows
    }

    /// The encoded bytes of all its records.
    pub fn bytes(&self) -> Bytes {
        self.batch.slice(self.range.clone())
    }
}
