//! The stream under one WebSocket, with a buffer of whole outgoing frames.
//!
//! A server's frames are not masked: a header, and the bytes unchanged. So data frames go straight
//! into this buffer, many to a write. The library also writes here, whole frames of its own (pongs
//! and the close), which therefore come between two data frames and never into one.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use tokio_tungstenite::tungstenite::protocol::frame::coding::OpCode;

use crate::socket_memory::Charge;

/// Maximum number of bytes gathered for one write.
pub(super) const MAX_GATHERED: usize = 64 * 1024;

/// Longest header of an unmasked frame.
pub(super) const MAX_HEADER: usize = 10;

/// Capacity that an empty buffer keeps, so that occasional packets need no allocation. Hundreds of
/// sockets are idle most of the time.
const KEPT: usize = 512;

/// Capacity for charges that an empty buffer keeps.
const KEPT_CHARGES: usize = 8;

/// Above this capacity, a buffer allocates its maximum at once.
const SMALL: usize = 4 * 1024;

pub(super) struct FrameWriter<S> {
    stream: S,
    /// Whole frames. The stream has taken the first `written` bytes.
    buffer: Vec<u8>,
    written: usize,
    /// Memory that the frames are charged to until they are sent.
    charges: Vec<Charge>,
}

impl<S> FrameWriter<S> {
    pub fn new(stream: S) -> Self {
        Self {
            stream,
            buffer: Vec::new(),
            written: 0,
            charges: Vec::new(),
        }
    }

    /// True if nothing is waiting to be sent.
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// True if a frame with this payload length fits. An empty buffer takes any frame.
    pub fn has_room(&self, payload: usize) -> bool {
        self.buffer.is_empty() || self.buffer.len() + MAX_HEADER + payload <= MAX_GATHERED
    }

    pub fn put(&mut self, code: OpCode, is_final: bool, payload: &[u8]) {
        self.reserve(MAX_HEADER + payload.len());
        let header = FrameHeader {
            is_final,
            opcode: code,
            ..FrameHeader::default()
        };
        // Never fails: a `Vec` accepts all writes.
        header.format(payload.len() as u64, &mut self.buffer).ok();
        self.buffer.extend_from_slice(payload);
    }

    /// Keeps a charge until everything in the buffer is sent.
    pub fn charge(&mut self, charge: Charge) {
        self.charges.push(charge);
    }

    /// Grows the buffer in two steps: doubling would copy everything once more.
    fn reserve(&mut self, bytes: usize) {
        let needed = self.buffer.len() + bytes;
        if needed > self.buffer.capacity() {
            let step = if needed <= SMALL { KEPT } else { MAX_GATHERED };
            self.buffer.reserve(step.max(needed) - self.buffer.len());
        }
    }

    fn clear(&mut self) {
        self.written = 0;
        self.buffer.clear();
        self.buffer.shrink_to(KEPT);
        self.charges.clear();
        self.charges.shrink_to(KEPT_CHARGES);
    }
}

impl<S: AsyncWrite + Unpin> FrameWriter<S> {
    /// Ready once everything in the buffer is in the kernel.
    pub fn poll_drain(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.buffer.is_empty() {
            return Poll::Ready(Ok(()));
        }
        while let Some(rest @ [_, ..]) = self.buffer.get(self.written..) {
            let written = ready!(Pin::new(&mut self.stream).poll_write(context, rest))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += written;
        }
        ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        self.clear();
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for FrameWriter<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

/// For the library, which hands over whole frames, each in one write.
impl<S: AsyncWrite + Unpin> AsyncWrite for FrameWriter<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if !self.has_room(bytes.len()) {
            ready!(self.poll_drain(context))?;
        }
        self.reserve(bytes.len());
        self.buffer.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_drain(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(context))?;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_util::FutureExt as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
    use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data};

    use super::*;
    use crate::socket_memory::SocketMemory;

    const TEXT: OpCode = OpCode::Data(Data::Text);

    /// A writer and its client, connected by a pipe of this many bytes.
    fn pair(bytes: usize) -> (FrameWriter<DuplexStream>, DuplexStream) {
        let (stream, client) = duplex(bytes);
        (FrameWriter::new(stream), client)
    }

    fn drain(writer: &mut FrameWriter<DuplexStream>) -> bool {
        let drained = std::future::poll_fn(|context| writer.poll_drain(context));
        drained
            .now_or_never()
            .is_some_and(|drained| drained.is_ok())
    }

    async fn read(client: &mut DuplexStream, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        client.read_exact(&mut bytes).await.unwrap();
        bytes
    }

    #[tokio::test]
    async fn frames_have_headers_of_three_lengths_and_leave_in_order() {
        let (mut writer, mut client) = pair(1 << 20);
        writer.put(TEXT, true, b"2");
        writer.put(TEXT, false, &[b'a'; 126]);
        writer.put(OpCode::Data(Data::Continue), true, &vec![b'b'; 1 << 16]);
        writer.put(OpCode::Control(Control::Ping), true, &[7; 8]);
        assert!(!writer.is_empty() && drain(&mut writer) && writer.is_empty());
        assert_eq!(read(&mut client, 3).await, b"\x81\x012");
        assert_eq!(read(&mut client, 4).await, b"\x01\x7e\0\x7e");
        assert_eq!(read(&mut client, 126).await, [b'a'; 126]);
        assert_eq!(read(&mut client, 10).await, b"\x80\x7f\0\0\0\0\0\x01\0\0");
        assert_eq!(read(&mut client, 1 << 16).await, vec![b'b'; 1 << 16]);
        assert_eq!(
            read(&mut client, 10).await,
            b"\x89\x08\x07\x07\x07\x07\x07\x07\x07\x07"
        );
    }

    #[tokio::test]
    async fn a_frame_of_the_library_comes_after_one_that_is_partly_written() {
        let (mut writer, mut client) = pair(2);
        writer.put(TEXT, true, b"abc");
        assert!(!drain(&mut writer));
        writer.write_all(b"\x8a\0").await.unwrap();
        let flushed = async { writer.flush().await.unwrap() };
        let (bytes, ()) = tokio::join!(read(&mut client, 7), flushed);
        assert_eq!(bytes, b"\x81\x03abc\x8a\0");
    }

    #[tokio::test]
    async fn what_a_client_does_not_read_is_bounded_and_charged_until_it_has_left() {
        let (mut writer, mut client) = pair(1);
        let memory = Arc::new(SocketMemory::default()).open("a");
        let mut frames = 0;
        while writer.has_room(1000) {
            writer.put(TEXT, true, &[b'a'; 1000]);
            writer.charge(memory.charge(1000));
            frames += 1;
        }
        assert!(!drain(&mut writer));
        assert!(writer.buffer.capacity() <= MAX_GATHERED);
        assert_eq!(memory.outstanding(), frames * 1000);
        // The library's frames wait, too.
        let pong = [0; 1100];
        assert!(writer.write(&pong).now_or_never().is_none());
        let flushed = async { writer.flush().await.unwrap() };
        let length = usize::try_from(frames).unwrap() * 1004;
        tokio::join!(read(&mut client, length), flushed);
        assert_eq!(memory.outstanding(), 0);
        assert!(writer.buffer.capacity() <= KEPT);
    }
}
