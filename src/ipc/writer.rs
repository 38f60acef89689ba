//! Write coalescing: small writes to a connection that follow each other closely leave together.
//!
//! The HTTP/2 library writes for each stream of a connection as soon as that stream has data, so
//! that a broadcast to ten streams of one application would be ten system calls, each of which
//! wakes the application. Here the first write leaves at once, and those that follow closely wait
//! until every ready task has run. At 500 broadcasts a second that saves a fifth of a core for ten
//! streams of one connection, and a third for a hundred.
//!
//! The writer is not vectored: the library then gathers frames of up to 1 KB itself, and passes a
//! larger one in two parts. The first part is buffered here until the second comes.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::AsyncWrite;
use tokio::time::Instant;

/// Limit on a write that is buffered until it is flushed or another follows: copying it costs less
/// than a system call.
const SMALL_WRITE: usize = 4 << 10;

/// Time after a write within which a flush is deferred. Too short costs a system call, too long one
/// more poll of the connection.
const COALESCE_WITHIN: Duration = Duration::from_micros(250);

/// The writing half of a connection.
#[derive(Debug, Default)]
pub(super) struct Writer {
    /// Bytes accepted and not yet written.
    buffer: Vec<u8>,
    /// Time of the last write.
    last_write: Option<Instant>,
    /// True once the buffer's flush has been deferred.
    is_deferred: bool,
    /// True if the socket had no room for the last write.
    is_blocked: bool,
}

impl Writer {
    /// True if the socket had no room for the last write.
    pub fn is_blocked(&self) -> bool {
        self.is_blocked
    }

    /// As [`AsyncWrite::poll_write`].
    pub fn poll_write(
        &mut self,
        stream: &mut (impl AsyncWrite + Unpin),
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.buffer.is_empty() && bytes.len() <= SMALL_WRITE {
            self.buffer.extend_from_slice(bytes);
            return Poll::Ready(Ok(bytes.len()));
        }
        loop {
            let buffered = self.buffer.len();
            let written = ready!(self.poll_write_out(stream, cx, bytes))?;
            // Accepting no bytes would mean that none are ever accepted.
            if written > buffered || written == 0 {
                return Poll::Ready(Ok(written.saturating_sub(buffered)));
            }
        }
    }

    /// As [`AsyncWrite::poll_flush`].
    pub fn poll_flush(
        &mut self,
        stream: &mut (impl AsyncWrite + Unpin),
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let is_recent = |at: Instant| at.elapsed() < COALESCE_WITHIN;
        if !self.buffer.is_empty() && !self.is_deferred && self.last_write.is_some_and(is_recent) {
            self.is_deferred = true;
            // Back to the end of the run queue, behind every ready task. A hundred streams of one
            // connection, 500 broadcasts a second: 2,300 writes a second instead of 8,800.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.poll_flush_now(stream, cx)
    }

    /// As [`AsyncWrite::poll_shutdown`].
    pub fn poll_shutdown(
        &mut self,
        stream: &mut (impl AsyncWrite + Unpin),
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_flush_now(stream, cx))?;
        Pin::new(stream).poll_shutdown(cx)
    }

    fn poll_flush_now(
        &mut self,
        stream: &mut (impl AsyncWrite + Unpin),
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while !self.buffer.is_empty() {
            if ready!(self.poll_write_out(stream, cx, &[]))? == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
        }
        Pin::new(stream).poll_flush(cx)
    }

    /// Writes the buffer and these bytes after it; returns how much of both was written.
    fn poll_write_out(
        &mut self,
        stream: &mut (impl AsyncWrite + Unpin),
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        // If the socket has no room for all of it, the rest waits for room alone.
        self.is_deferred = true;
        let slices = [IoSlice::new(&self.buffer), IoSlice::new(bytes)];
        let written = Pin::new(stream).poll_write_vectored(cx, &slices);
        self.is_blocked = written.is_pending();
        let written = ready!(written)?;
        self.buffer.drain(..written.min(self.buffer.len()));
        if self.buffer.is_empty() {
            self.is_deferred = false;
        }
        self.last_write = Some(Instant::now());
        Poll::Ready(Ok(written))
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    /// Records each write, and has room for this many bytes of it. Unless the room is unlimited,
    /// every second write finds none.
    #[derive(Debug)]
    struct Kernel {
        room: usize,
        is_full: bool,
        writes: Vec<Vec<u8>>,
        is_shut: bool,
    }

    impl Kernel {
        fn new(room: usize) -> Self {
            Self {
                room,
                is_full: false,
                writes: Vec::new(),
                is_shut: false,
            }
        }
    }

    impl AsyncWrite for Kernel {
        fn poll_write(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
        }

        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            slices: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            if self.room < usize::MAX {
                self.is_full = !self.is_full;
                if self.is_full {
                    return Poll::Pending;
                }
            }
            let mut bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
            bytes.truncate(self.room);
            let count = bytes.len();
            self.writes.push(bytes);
            Poll::Ready(Ok(count))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.is_shut = true;
            Poll::Ready(Ok(()))
        }
    }

    fn accept(writer: &mut Writer, kernel: &mut Kernel, bytes: &[u8]) {
        let mut cx = Context::from_waker(Waker::noop());
        let accepted = writer.poll_write(kernel, &mut cx, bytes);
        assert!(matches!(accepted, Poll::Ready(Ok(count)) if count == bytes.len()));
    }

    fn is_flushed(writer: &mut Writer, kernel: &mut Kernel) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        match writer.poll_flush(kernel, &mut cx) {
            Poll::Ready(flushed) => {
                flushed.unwrap();
                true
            }
            Poll::Pending => false,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_leaves_at_once_and_what_follows_closely_leaves_together() {
        let (mut writer, mut kernel) = (Writer::default(), Kernel::new(usize::MAX));
        accept(&mut writer, &mut kernel, b"first");
        assert!(is_flushed(&mut writer, &mut kernel));
        accept(&mut writer, &mut kernel, b"second ");
        assert!(!is_flushed(&mut writer, &mut kernel));
        accept(&mut writer, &mut kernel, b"third");
        assert!(is_flushed(&mut writer, &mut kernel));
        assert_eq!(kernel.writes, [&b"first"[..], b"second third"]);
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_waits_twice_and_nothing_waits_for_a_later_turn() {
        let (mut writer, mut kernel) = (Writer::default(), Kernel::new(usize::MAX));
        accept(&mut writer, &mut kernel, b"first");
        assert!(is_flushed(&mut writer, &mut kernel));
        accept(&mut writer, &mut kernel, b"second");
        assert!(!is_flushed(&mut writer, &mut kernel));
        assert!(is_flushed(&mut writer, &mut kernel));
        tokio::time::advance(COALESCE_WITHIN).await;
        accept(&mut writer, &mut kernel, b"third");
        assert!(is_flushed(&mut writer, &mut kernel));
        assert_eq!(kernel.writes, [&b"first"[..], b"second", b"third"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_large_frame_leaves_with_its_head_in_one_write() {
        let (mut writer, mut kernel) = (Writer::default(), Kernel::new(usize::MAX));
        let (head, rest) = ([1; 1033], [2; 15 << 10]);
        for _ in 0..2 {
            accept(&mut writer, &mut kernel, &head);
            accept(&mut writer, &mut kernel, &rest);
            assert!(is_flushed(&mut writer, &mut kernel));
        }
        let frame = [&head[..], &rest].concat();
        assert_eq!(kernel.writes, [&frame[..], &frame]);
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_held_is_lost_where_the_connection_is_shut() {
        let (mut writer, mut kernel) = (Writer::default(), Kernel::new(usize::MAX));
        accept(&mut writer, &mut kernel, b"farewell");
        let mut cx = Context::from_waker(Waker::noop());
        assert!(matches!(
            writer.poll_shutdown(&mut kernel, &mut cx),
            Poll::Ready(Ok(()))
        ));
        assert_eq!(kernel.writes, [b"farewell"]);
        assert!(kernel.is_shut);
    }

    #[test]
    fn all_is_written_in_order_however_little_room_there_is() {
        for room in [1, 7, 4096, 5000] {
            let (mut writer, mut kernel) = (Writer::default(), Kernel::new(room));
            let mut cx = Context::from_waker(Waker::noop());
            let mut expected = Vec::new();
            for (number, size) in [3, 5000, 1, 4096, 2, 300, 9000].into_iter().enumerate() {
                let bytes = vec![u8::try_from(number).unwrap(); size];
                let mut rest = &bytes[..];
                while !rest.is_empty() {
                    if let Poll::Ready(accepted) = writer.poll_write(&mut kernel, &mut cx, rest) {
                        let accepted = accepted.unwrap();
                        assert!(accepted > 0, "a write of nothing means the end");
                        rest = &rest[accepted..];
                    }
                }
                if number % 2 == 1 {
                    while !is_flushed(&mut writer, &mut kernel) {}
                }
                expected.extend_from_slice(&bytes);
            }
            while !is_flushed(&mut writer, &mut kernel) {}
            assert!(kernel.writes.concat() == expected, "room for {room}");
        }
    }
}
