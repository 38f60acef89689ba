//! One WebSocket. Packets are queued, and sent as fast as the client reads them.
//!
//! The library reads, and writes the WebSocket protocol's own answers. Packets and fences are
//! frames written here, into the buffer below the library: a call into the library and a copy for
//! each would be a third of the cost of a delivery in a burst.

use std::collections::VecDeque;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_util::{Sink as _, Stream as _};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use super::frame_writer::{FrameWriter, MAX_GATHERED, MAX_HEADER};
use super::packet::{Packet, QueuedPacket};
use crate::socket_memory::SocketUse;

/// Size of the read buffer. Hundreds of sockets are idle most of the time.
const READ_BUFFER: usize = 4 * 1024;

/// Larger packets are sent in fragments of this size, of which two fit into the write buffer.
const FRAGMENT: usize = MAX_GATHERED / 2 - MAX_HEADER;

/// Maximum number of bytes of the library's own frames while the client reads nothing: of a client
/// that pings without reading, only the latest ping is answered then.
const MAX_LIBRARY_FRAMES: usize = 1024;

/// Queue length above which the client is not read: its pings are answered into the same queue.
const MAX_QUEUED: usize = 512;

/// Capacity that an empty queue keeps.
const KEPT_QUEUE: usize = 8;

/// Input from a WebSocket.
pub(super) enum Received {
    Text(Packet),
    /// The pong to a fence's ping.
    Fence(u64),
    /// Everything that was queued is in the kernel.
    Drained,
    /// The WebSocket has ended.
    End,
}

enum Queued {
    Packet(QueuedPacket),
    Fence(u64),
    Close,
}

pub(super) struct WebSocket<S = TokioIo<Upgraded>> {
    stream: Box<WebSocketStream<FrameWriter<S>>>,
    /// Frames that are not in the buffer yet; the sender bounds their number before it waits.
    queue: VecDeque<Queued>,
    /// Bytes of the first packet in the queue that are in the buffer.
    taken: usize,
    /// The library has unsent frames.
    unflushed: bool,
    /// Something was queued since the last [`Received::Drained`].
    announce: bool,
    /// Account of the client's incomplete messages.
    memory: Option<Arc<SocketUse>>,
}

impl WebSocket {
    pub(super) async fn new(
        upgraded: Upgraded,
        max_message: usize,
        memory: Option<Arc<SocketUse>>,
    ) -> Self {
        Self::over(TokioIo::new(upgraded), max_message, memory).await
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    async fn over(stream: S, max_message: usize, memory: Option<Arc<SocketUse>>) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(0)
            .max_write_buffer_size(MAX_LIBRARY_FRAMES)
            .max_message_size(Some(max_message))
            .max_frame_size(Some(max_message));
        let writer = FrameWriter::new(stream);
        let stream = WebSocketStream::from_raw_socket(writer, Role::Server, Some(config)).await;
        Self {
            stream: Box::new(stream),
            queue: VecDeque::new(),
            taken: 0,
            unflushed: false,
            announce: false,
            memory,
        }
    }

    pub(super) fn queue(&mut self, packet: impl Into<QueuedPacket>) {
        self.push(Queued::Packet(packet.into()));
    }

    /// Queues the ping of a fence.
    pub(super) fn queue_fence(&mut self, fence: u64) {
        self.push(Queued::Fence(fence));
    }

    /// Queues the close of the WebSocket.
    pub(super) fn queue_close(&mut self) {
        self.push(Queued::Close);
    }

    /// True once everything queued is in the kernel.
    pub(super) fn is_drained(&self) -> bool {
        self.queue.is_empty() && !self.unflushed && self.stream.get_ref().is_empty()
    }

    /// Ready once everything queued is in the kernel; an error if the WebSocket has ended.
    pub(super) fn poll_written(&mut self, context: &mut Context<'_>) -> Poll<Result<(), ()>> {
        loop {
            self.gather();
            ready!(self.poll_flush(context))?;
            match self.queue.front() {
                // There is room for more.
                Some(Queued::Packet(_) | Queued::Fence(_)) => {}
                Some(Queued::Close) => {
                    let closed = ready!(Pin::new(&mut self.stream).poll_close(context));
                    closed.map_err(drop)?;
                    self.queue.pop_front();
                }
                None => {
                    self.queue.shrink_to(KEPT_QUEUE);
                    return Poll::Ready(Ok(()));
                }
            }
        }
    }

    /// Ready once the buffer and the library have nothing left.
    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<Result<(), ()>> {
        if self.unflushed {
            let flushed = ready!(Pin::new(&mut self.stream).poll_flush(context));
            flushed.map_err(drop)?;
            self.unflushed = false;
        }
        let drained = ready!(self.stream.get_mut().poll_drain(context));
        Poll::Ready(drained.map_err(drop))
    }

    /// As [`Self::poll_written`], for a sender that waits and needs no [`Received::Drained`].
    pub(super) fn poll_sent(&mut self, context: &mut Context<'_>) -> Poll<Result<(), ()>> {
        let written = self.poll_written(context);
        self.announce &= written.is_pending();
        written
    }

    /// Writes the queue, and reads the next message.
    pub(super) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Received> {
        if let Poll::Ready(Err(())) = self.poll_written(context) {
            return Poll::Ready(Received::End);
        }
        let received = self.poll_received(context);
        if received.is_ready() {
            return received;
        }
        // The library answers the client's pings while it reads.
        if self.unflushed
            && let Poll::Ready(Err(())) = self.poll_written(context)
        {
            return Poll::Ready(Received::End);
        }
        if self.announce && self.is_drained() {
            self.announce = false;
            return Poll::Ready(Received::Drained);
        }
        Poll::Pending
    }

    fn poll_received(&mut self, context: &mut Context<'_>) -> Poll<Received> {
        // The queue is written first, so that a full one wakes the task when it moves.
        while self.queue.len() < MAX_QUEUED {
            let next = Pin::new(&mut self.stream).poll_next(context);
            return Poll::Ready(match next {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(Message::Text(text)))) => {
                    if let Some(memory) = &self.memory {
                        memory.finished();
                    }
                    Received::Text(text)
                }
                Poll::Ready(Some(Ok(Message::Pong(number)))) => {
                    match <[u8; 8]>::try_from(&*number) {
                        Ok(number) => Received::Fence(u64::from_be_bytes(number)),
                        // An unsolicited pong.
                        Err(_) => continue,
                    }
                }
                // The library has queued the pong.
                Poll::Ready(Some(Ok(Message::Ping(_)))) => {
                    self.unflushed = true;
                    continue;
                }
                Poll::Ready(Some(Ok(Message::Close(_)))) => {
                    // The library has queued the answer; a client that does not read it has left.
                    drop(Pin::new(&mut self.stream).poll_flush(context));
                    Received::End
                }
                Poll::Ready(Some(Ok(_) | Err(_)) | None) => Received::End,
            });
        }
        Poll::Pending
    }

    fn push(&mut self, queued: Queued) {
        self.announce = true;
        self.queue.push_back(queued);
        if self.queue.len() == 1 {
            self.gather();
        }
    }

    /// Moves the queue into the buffer, as far as there is room.
    fn gather(&mut self) {
        let writer = self.stream.get_mut();
        while let Some(first) = self.queue.front() {
            match first {
                Queued::Packet(queued) => {
                    let bytes = queued.packet.as_bytes();
                    let fragment = Fragment::next(&queued.packet, self.taken);
                    let payload = bytes.get(fragment.range.clone()).unwrap_or_default();
                    if !writer.has_room(payload.len()) {
                        return;
                    }
                    let is_last = fragment.is_last(bytes.len());
                    writer.put(OpCode::Data(fragment.code()), is_last, payload);
                    if !is_last {
                        self.taken = fragment.range.end;
                        continue;
                    }
                    self.taken = 0;
                }
                Queued::Fence(fence) => {
                    let fence = fence.to_be_bytes();
                    if !writer.has_room(fence.len()) {
                        return;
                    }
                    writer.put(OpCode::Control(Control::Ping), true, &fence);
                }
                Queued::Close => return,
            }
            if let Some(Queued::Packet(QueuedPacket {
                charge: Some(charge),
                ..
            })) = self.queue.pop_front()
            {
                writer.charge(charge);
            }
        }
    }
}

/// A part of a packet that becomes one frame.
struct Fragment {
    range: Range<usize>,
}

impl Fragment {
    /// The fragment that starts at this offset of a packet.
    fn next(packet: &Packet, taken: usize) -> Self {
        let mut end = packet.len().min(taken + FRAGMENT);
        // Some old clients validate the text of each fragment.
        while !packet.is_char_boundary(end) {
            end -= 1;
        }
        Self { range: taken..end }
    }

    fn code(&self) -> Data {
        if self.range.start == 0 {
            Data::Text
        } else {
            Data::Continue
        }
    }

    /// True if a packet of this length ends with the fragment.
    fn is_last(&self, length: usize) -> bool {
        self.range.end == length
    }
}

#[cfg(test)]
mod tests;
