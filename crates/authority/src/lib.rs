//! Serves clients that send no authority, but a path.
//!
//! On `unix:PATH`, grpcurl 1.8, Python's grpcio, and older Go and Java clients send the socket's path as `:authority`, plain,
//! percent-encoded or empty. h2 answers every such request with `PROTOCOL_ERROR` and has no setting for it. So what a client sends is
//! followed ([`Rewriter`]) up to its first request: where h2 would take that, the connection is not looked at again; where it would not,
//! the header blocks of that connection are written anew with `:authority: localhost`, in literals that need no dynamic table.
//!
//! Promises: a client whose first request is fine reaches h2 byte by byte, and from there on at no cost; what breaks HTTP/2 is
//! refused by h2, whichever way; memory for one connection stays under a few times 64 KiB; nothing that comes in can panic.

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

/// The reading side of one accepted connection.
#[derive(Debug)]
pub struct Reader {
    /// None once nothing is to be done any more.
    followed: Option<Box<Followed>>,
}

/// A connection that is followed.
#[derive(Debug, Default)]
struct Followed {
    rewriter: Rewriter,
    /// What of the last read the rewriter has still to take; less than that read.
    unread: Vec<u8>,
    /// What h2 has still to read; as much as the rewriter makes at a time.
    ready: Vec<u8>,
    /// How much of that it has read.
    taken: usize,
}

impl Reader {
    /// Follows a connection from its first byte.
    #[must_use]
    pub fn new() -> Self {
        Self {
            followed: Some(Box::default()),
        }
    }

    /// Reads from the stream, as h2 shall see it.
    pub fn poll_read(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin),
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let Some(followed) = &mut self.followed else {
                return Pin::new(stream).poll_read(cx, buffer);
            };
            // A read into no room would look like the stream's end.
            if buffer.remaining() == 0 || followed.hand_out(buffer) {
                return Poll::Ready(Ok(()));
            }
            match followed.rewriter.course() {
                Course::Untouched if followed.unread.is_empty() => {
                    self.followed = None;
                    continue;
                }
                Course::Followed | Course::Untouched => {}
                // To h2 the client sends no more.
                Course::Refused => return Poll::Ready(Ok(())),
            }
            if !followed.unread.is_empty() {
                let unread = std::mem::take(&mut followed.unread);
                followed.feed(&unread);
                continue;
            }
            let before = buffer.filled().len();
            ready!(Pin::new(&mut *stream).poll_read(cx, buffer))?;
            let came = buffer.filled().get(before..).unwrap_or_default();
            if came.is_empty() {
                followed.rewriter.end(&mut followed.ready);
                if followed.ready.is_empty() {
                    return Poll::Ready(Ok(()));
                }
            } else {
                followed.feed(came);
                buffer.set_filled(before);
            }
        }
    }
}

impl Followed {
    fn feed(&mut self, came: &[u8]) {
        let taken = self.rewriter.feed(came, &mut self.ready);
        let left = came.get(taken..).unwrap_or_default();
        left.clone_into(&mut self.unread);
    }

    /// Whether there was anything.
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
