//! A broadcast as it lies in a channel's log: ready bytes, beside those of the broadcasts that came with it.
//!
//! What comes at once is encoded into one piece of memory. A stream that reads on from there sends that memory as it lies,
//! without copying and without looking at each broadcast: with 100 streams that is what a delivery costs (half of it, measured).

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::report::Incoming;

/// Makes the bytes of broadcasts that came together, once for all listeners, the first of them being at `first`; it may take the
/// payloads out. Given by the front door, so that the router knows no encoding.
pub type Encode = fn(first: u64, run: &mut [Incoming]) -> EncodedBatch;

/// The ready bytes of broadcasts that came at once, one after the other.
#[derive(Clone, Debug, Default)]
pub struct EncodedBatch {
    /// All of them.
    pub bytes: Bytes,
    /// Where each ends.
    pub ends: Vec<usize>,
}

/// One broadcast in the log, as the front door encoded it once for everybody.
#[derive(Debug)]
pub struct Record {
    /// The event's name.
    pub name: Arc<str>,
    /// Its position.
    pub sequence: u64,
    /// The same in the other payload form, made when somebody first wants it.
    pub alternative: OnceLock<Bytes>,
    batch: Bytes,
    range: Range<usize>,
}

impl Record {
    /// The broadcast at `range` of a batch's bytes; a range that is not within them is cut.
    pub(super) fn new(name: Arc<str>, sequence: u64, batch: Bytes, range: Range<usize>) -> Self {
        let end = range.end.min(batch.len());
        Self {
            name,
            sequence,
            alternative: OnceLock::new(),
            range: range.start.min(end)..end,
            batch,
        }
    }

    /// The ready bytes.
    pub fn frame(&self) -> Bytes {
        self.batch.slice(self.range.clone())
    }

    /// How many bytes that are.
    pub fn size(&self) -> usize {
        self.range.len()
    }
}

/// Records that lie one behind the other.
#[derive(Debug)]
pub struct FrameSpan {
    batch: Bytes,
    range: Range<usize>,
}

impl FrameSpan {
    /// Of one record.
    pub fn of(record: &Record) -> Self {
        Self {
            batch: record.batch.clone(),
            range: record.range.clone(),
        }
    }

    /// Takes a record in that lies right behind; false where it does not.
    pub fn extend(&mut self, record: &Record) -> bool {
        // Both hold their memory, so that equal addresses mean the same batch.
        let follows =
            self.batch.as_ptr() == record.batch.as_ptr() && self.range.end == record.range.start;
        if follows {
            self.range.end = record.range.end;
        }
        follows
    }

    /// Their ready bytes.
    pub fn bytes(&self) -> Bytes {
        self.batch.slice(self.range.clone())
    }
}
