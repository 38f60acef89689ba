//! Serves gRPC clients that send a socket's path as `:authority`.
//!
//! On `unix:PATH`, grpcurl 1.8, Python's grpcio, and older Go and Java clients send the socket's
//! path as `:authority`: plain, percent-encoded or empty. h2 answers each such request with
//! `PROTOCOL_ERROR`, and has no setting for it. So the [`Rewriter`] reads a client's bytes up to
//! its first request. Where h2 accepts that request, the connection is never looked at again. Where
//! it does not, every header block of the connection is rewritten with `:authority: localhost`, as
//! literals that need no dynamic table.
//!
//! A client whose first request is valid reaches h2 byte for byte, and from then on at no cost.
//! Violations of HTTP/2 are always refused by h2 itself. One connection takes at most a few times
//! 64 KiB of memory. No input can cause a panic.

mod frame;
mod hpack;
mod huffman;
mod rewriter;
#[cfg(test)]
mod tests;

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};

pub use rewriter::{Course, Rewriter};

/// Reading side of an accepted connection.
#[derive(Debug)]
pub struct Reader {
    /// `None` once the connection passes through.
    inspection: Option<Box<Inspection>>,
}

/// State of a connection under inspection.
#[derive(Debug, Default)]
struct Inspection {
    rewriter: Rewriter,
    /// Part of the last read that the rewriter has not taken yet.
    unread: Vec<u8>,
    /// Bytes for h2, as many as the rewriter produces at a time.
    ready: Vec<u8>,
    /// Number of ready bytes that h2 has read.
    taken: usize,
}

impl Default for Reader {
    /// A reader that inspects a connection from its first byte.
    fn default() -> Self {
        Self {
            inspection: Some(Box::default()),
        }
    }
}

impl Reader {
    /// Reads from the stream in the form that h2 accepts.
    pub fn poll_read(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin),
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let Some(inspection) = &mut self.inspection else {
                return Pin::new(stream).poll_read(cx, buffer);
            };
            // A read into an empty buffer would look like the end of the stream.
            if buffer.remaining() == 0 || inspection.hand_out(buffer) {
                return Poll::Ready(Ok(()));
            }
            match inspection.rewriter.course() {
                Course::PassThrough if inspection.unread.is_empty() => {
                    self.inspection = None;
                    continue;
                }
                Course::Inspect | Course::PassThrough => {}
                // To h2, the stream ends here.
                Course::Discard => return Poll::Ready(Ok(())),
            }
            if !inspection.unread.is_empty() {
                let unread = std::mem::take(&mut inspection.unread);
                inspection.feed(&unread);
                continue;
            }
            let before = buffer.filled().len();
            ready!(Pin::new(&mut *stream).poll_read(cx, buffer))?;
            let received = buffer.filled().get(before..).unwrap_or_default();
            if received.is_empty() {
                inspection.rewriter.end(&mut inspection.ready);
                if inspection.ready.is_empty() {
                    return Poll::Ready(Ok(()));
                }
            } else {
                inspection.feed(received);
                buffer.set_filled(before);
            }
        }
    }
}

impl Inspection {
    fn feed(&mut self, received: &[u8]) {
        let taken = self.rewriter.feed(received, &mut self.ready);
        let left = received.get(taken..).unwrap_or_default();
        left.clone_into(&mut self.unread);
    }

    /// Copies ready bytes into the buffer; false where there are none.
    fn hand_out(&mut self, buffer: &mut ReadBuf<'_>) -> bool {
        let ready = self.ready.get(self.taken..).unwrap_or_default();
        if ready.is_empty() {
            return false;
        }
        let length = ready.len().min(buffer.remaining());
        buffer.put_slice(ready.get(..length).unwrap_or_default());
        self.taken += length;
        if self.taken == self.ready.len() {
            self.ready.clear();
            self.taken = 0;
        }
        true
    }
}
