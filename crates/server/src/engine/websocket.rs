//! One WebSocket. Packets are queued, and leave as far as the client takes them.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::Bytes;
use futures_util::{Sink as _, Stream as _};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use super::packet::{Outgoing, Packet};
use crate::socket_memory::SocketUse;

/// Size of the buffer for reading. Hundreds of sockets are idle most of the time.
const READ_BUFFER: usize = 4 * 1024;

/// Larger packets leave in fragments of this size. The library copies each frame into a buffer of
/// this socket that it never shrinks, and moves what is left of it with each write.
const FRAGMENT: usize = 32 * 1024;

/// Bytes that the library gathers before it writes.
const WRITE_BUFFER: usize = 16 * 1024;

/// Packets in the queue beyond which nothing more is read from the client: its pings are answered
/// into the same queue.
const MAX_QUEUED: usize = 512;

/// Pongs that the client has not taken, beyond which nothing more is read from it: the library keeps
/// them without a bound.
const MAX_PONGS: usize = 64;

/// Places of an empty queue that are kept.
const KEPT_QUEUE: usize = 8;

/// Input from a WebSocket.
pub(super) enum Received {
    Text(Packet),
    /// The pong to the ping of a mark.
    Mark(u64),
    /// Everything that was queued is in the kernel.
    Drained,
    /// The WebSocket has ended.
    End,
}

enum Queued {
    Packet(Outgoing),
    Mark(u64),
    Close,
}

pub(super) struct WebSocket<S = TokioIo<Upgraded>> {
    stream: Box<WebSocketStream<S>>,
    /// Frames that the library has not taken yet; as many as the sender queues before it waits.
    queue: VecDeque<Queued>,
    /// Bytes of the first packet in the queue that the library has taken.
    taken: usize,
    unflushed: bool,
    /// Pongs that the library has queued since it last wrote everything.
    pongs: usize,
    /// Something was queued since the last [`Received::Drained`].
    announce: bool,
    /// Account of incomplete messages of the client.
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
            .write_buffer_size(WRITE_BUFFER)
            .max_message_size(Some(max_message))
            .max_frame_size(Some(max_message));
        let stream = WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await;
        Self {
            stream: Box::new(stream),
            queue: VecDeque::new(),
            taken: 0,
            unflushed: false,
            pongs: 0,
            announce: false,
            memory,
        }
    }

    pub(super) fn queue(&mut self, packet: impl Into<Outgoing>) {
        self.push(Queued::Packet(packet.into()));
    }

    /// Queues the ping of a mark.
    pub(super) fn queue_mark(&mut self, mark: u64) {
        self.push(Queued::Mark(mark));
    }

    /// Queues the end of the WebSocket.
    pub(super) fn queue_close(&mut self) {
        self.push(Queued::Close);
    }

    /// True once everything queued is in the kernel.
    pub(super) fn is_drained(&self) -> bool {
        self.queue.is_empty() && !self.unflushed
    }

    /// Ready once everything queued is in the kernel; an error where the WebSocket has ended.
    pub(super) fn poll_written(&mut self, context: &mut Context<'_>) -> Poll<Result<(), ()>> {
        while !self.queue.is_empty() {
            if self.pongs > 0 {
                ready!(self.poll_flush(context))?;
            }
            ready!(Pin::new(&mut self.stream).poll_ready(context)).map_err(drop)?;
            if let Some(message) = self.next_message() {
                if Pin::new(&mut self.stream).start_send(message).is_err() {
                    return Poll::Ready(Err(()));
                }
                self.unflushed = true;
            }
        }
        if self.unflushed {
            ready!(self.poll_flush(context))?;
            self.unflushed = false;
            self.queue.shrink_to(KEPT_QUEUE);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<Result<(), ()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(context)).map_err(drop)?;
        self.pongs = 0;
        Poll::Ready(Ok(()))
    }

    /// As [`Self::poll_written`], for a sender that waits and needs no [`Received::Drained`].
    pub(super) fn poll_sent(&mut self, context: &mut Context<'_>) -> Poll<Result<(), ()>> {
        let written = self.poll_written(context);
        self.announce &= written.is_pending();
        written
    }

    /// Writes what is queued, and reads the next message.
    pub(super) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Received> {
        if let Poll::Ready(Err(())) = self.poll_written(context) {
            return Poll::Ready(Received::End);
        }
        let received = self.poll_received(context);
        if received.is_ready() {
            return received;
        }
        // The library answers pings of the client while it reads.
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
        // Both are written before this, so that the task is woken when they move.
        while self.queue.len() < MAX_QUEUED && self.pongs < MAX_PONGS {
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
                        Ok(number) => Received::Mark(u64::from_be_bytes(number)),
                        // A pong that nobody asked for.
                        Err(_) => continue,
                    }
                }
                // The library has queued the pong.
                Poll::Ready(Some(Ok(Message::Ping(_)))) => {
                    self.unflushed = true;
                    self.pongs += 1;
                    continue;
                }
                Poll::Ready(Some(Ok(Message::Close(_)))) => {
                    // The library has queued the answer; a client that does not take it has left.
                    drop(Pin::new(&mut self.stream).poll_flush(context));
                    Received::End
                }
                Poll::Ready(Some(Ok(_) | Err(_)) | None) => Received::End,
            });
        }
        Poll::Pending
    }

    fn push(&mut self, queued: Queued) {
        self.queue.push_back(queued);
        self.announce = true;
    }

    /// The next message for the library: a whole packet, or a fragment of one.
    fn next_message(&mut self) -> Option<Message> {
        let message = match self.queue.front()? {
            Queued::Packet(outgoing) => {
                let (message, taken) = next_fragment(&outgoing.packet, self.taken);
                self.taken = taken;
                if taken > 0 {
                    return Some(message);
                }
                message
            }
            Queued::Mark(mark) => Message::Ping(Bytes::copy_from_slice(&mark.to_be_bytes())),
            Queued::Close => Message::Close(None),
        };
        self.queue.pop_front();
        Some(message)
    }
}

/// The message that goes on with a packet, and the bytes taken after it; none after the last one.
fn next_fragment(packet: &Packet, taken: usize) -> (Message, usize) {
    let length = packet.len();
    if taken == 0 && length <= FRAGMENT {
        return (Message::Text(packet.clone()), 0);
    }
    let mut end = length.min(taken + FRAGMENT);
    // Some old clients check the text of each fragment.
    while !packet.is_char_boundary(end) {
        end -= 1;
    }
    let code = if taken == 0 {
        Data::Text
    } else {
        Data::Continue
    };
    let fragment = Bytes::from(packet.clone()).slice(taken..end);
    let last = end == length;
    let frame = Frame::message(fragment, OpCode::Data(code), last);
    (Message::Frame(frame), if last { 0 } else { end })
}

#[cfg(test)]
mod tests;
