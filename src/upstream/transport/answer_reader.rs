//! Reads an answer's body piece by piece; its memory is accounted for before it is allocated.

use std::time::Duration;

use tokio::time::Instant;

use super::answer_room::AnswerRoom;
use super::decoder::{Coding, DecodeError, Decoder};
use super::error::CallError;

/// Bytes that the HTTP library reads ahead of an answer without a length: each read doubles, up to
/// 408 KiB, and the library holds the next chunk and the one being read besides the current one.
const FIRST_READS: usize = 64 << 10;
const READ_AHEAD_FACTOR: usize = 7;
const MAX_READ_AHEAD: usize = READ_AHEAD_FACTOR * (408 << 10);

/// Bytes that are decoded at a time; other tasks run in between.
const DECODED_AT_ONCE: usize = 64 << 10;

/// A decoder with its buffer.
pub(super) struct Decoding {
    pub(super) decoder: Decoder,
    output: Vec<u8>,
}

impl Decoding {
    pub(super) fn new(coding: Coding) -> Self {
        Self {
            decoder: Decoder::new(coding),
            output: Vec::new(),
        }
    }

    /// Accounts for the decoder's memory before the first bytes are decoded.
    pub(super) async fn begin(
        &mut self,
        chunk: &[u8],
        room: &dyn AnswerRoom,
    ) -> Result<(), CallError> {
        if self.output.is_empty() && !chunk.is_empty() {
            let bytes = DECODED_AT_ONCE + self.decoder.memory(chunk);
            reserve(bytes, room).await?;
            self.output = vec![0; DECODED_AT_ONCE];
        }
        Ok(())
    }

    /// Decodes the next piece, and removes the decoded bytes from the input; `None` if more input
    /// is needed.
    pub(super) fn piece(&mut self, input: &mut &[u8]) -> Result<Option<&[u8]>, DecodeError> {
        loop {
            let done = self.decoder.decode(input, &mut self.output)?;
            *input = input.get(done.taken..).unwrap_or_default();
            if done.made > 0 {
                return Ok(self.output.get(..done.made));
            }
            if input.is_empty() {
                return Ok(None);
            }
            if done.taken == 0 {
                // If there is room for output, a decoder takes all of its input.
                return Err(self.decoder.stuck());
            }
        }
    }
}

/// Accounts for what the HTTP library reads ahead of an answer without a length.
#[derive(Default)]
pub(super) struct ReadAhead {
    reserved: usize,
}

impl ReadAhead {
    /// Continues with `reserved` bytes accounted for already.
    pub(super) fn with_reserved(reserved: usize) -> Self {
        Self { reserved }
    }

    /// Accounts for the first reads. Returns the time waited.
    pub(super) async fn begin(&mut self, room: &dyn AnswerRoom) -> Result<Duration, CallError> {
        self.reserve(FIRST_READS, room).await
    }

    /// Accounts for the reads that follow a chunk of this length. Returns the time waited.
    pub(super) async fn grow(
        &mut self,
        chunk: usize,
        room: &dyn AnswerRoom,
    ) -> Result<Duration, CallError> {
        self.reserve(chunk.saturating_mul(READ_AHEAD_FACTOR), room)
            .await
    }

    /// Reserves `ahead` bytes in all, up to the bound.
    async fn reserve(
        &mut self,
        ahead: usize,
        room: &dyn AnswerRoom,
    ) -> Result<Duration, CallError> {
        let more = ahead.min(MAX_READ_AHEAD).saturating_sub(self.reserved);
        if more == 0 {
            return Ok(Duration::ZERO);
        }
        let waited = reserve(more, room).await?;
        self.reserved += more;
        Ok(waited)
    }
}

/// Grows a body by `more` bytes, and accounts for them first. Returns the time waited.
pub(super) async fn grow_body(
    body: &mut Vec<u8>,
    more: usize,
    most: usize,
    room: &dyn AnswerRoom,
) -> Result<Duration, CallError> {
    let needed = body.len().saturating_add(more);
    if needed > most {
        return Err(CallError::TooLarge { most });
    }
    if needed <= body.capacity() {
        return Ok(Duration::ZERO);
    }
    let capacity = match body.capacity() {
        0 => needed,
        before => needed.max(2 * before).min(most),
    };
    // Twice: the chunks as they arrive, and the buffer that they are copied to.
    let waited = reserve(2 * (capacity - body.capacity()), room).await?;
    body.reserve_exact(capacity - body.len());
    Ok(waited)
}

/// Accounts for bytes of an answer. Returns the time waited.
async fn reserve(bytes: usize, room: &dyn AnswerRoom) -> Result<Duration, CallError> {
    let asked = Instant::now();
    if room.reserve(bytes).await {
        Ok(asked.elapsed())
    } else {
        Err(CallError::NoRoom)
    }
}
