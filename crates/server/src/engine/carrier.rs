//! Carriers of a socket's packets: a `WebSocket`, or polls.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Bytes;
use futures_util::{Sink as _, Stream as _};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::sync::oneshot;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use super::packet::Packet;

/// Limit of a client's message: pages send lists of channels.
pub(super) const MAX_MESSAGE: usize = 256 * 1024;

/// Size of a WebSocket's buffer for reading. Hundreds of pages are idle most of the time.
const READ_BUFFER: usize = 4 * 1024;

/// Messages of a client.
pub(super) enum Received {
    Text(Packet),
    /// The pong to the ping of a mark.
    Mark(u64),
    /// The WebSocket has ended.
    End,
}

/// One WebSocket. Messages are queued, and leave as far as the client takes them.
pub(super) struct WebSocket {
    stream: Box<WebSocketStream<TokioIo<Upgraded>>>,
    /// Messages that the library has not taken yet; as many as their sender queues before it waits.
    queue: VecDeque<Message>,
    unflushed: bool,
}

impl WebSocket {
    pub(super) async fn new(upgraded: Upgraded) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .max_message_size(Some(MAX_MESSAGE))
            .max_frame_size(Some(MAX_MESSAGE));
        let io = TokioIo::new(upgraded);
        let stream = WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;
        Self {
            stream: Box::new(stream),
            queue: VecDeque::new(),
            unflushed: false,
        }
    }

    pub(super) fn queue(&mut self, packet: Packet) {
        self.queue.push_back(Message::Text(packet));
    }

    /// Queues the ping of a mark.
    pub(super) fn queue_mark(&mut self, mark: u64) {
        let number = Bytes::copy_from_slice(&mark.to_be_bytes());
        self.queue.push_back(Message::Ping(number));
    }

    /// Ready once everything queued is in the kernel; an error where the WebSocket has ended.
    pub(super) fn poll_written(&mut self, context: &mut Context<'_>) -> Poll<Result<(), ()>> {
        let mut stream = Pin::new(&mut self.stream);
        while !self.queue.is_empty() {
            match stream.as_mut().poll_ready(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(_)) => return Poll::Ready(Err(())),
                Poll::Ready(Ok(())) => {}
            }
            if let Some(message) = self.queue.pop_front() {
                if stream.as_mut().start_send(message).is_err() {
                    return Poll::Ready(Err(()));
                }
                self.unflushed = true;
            }
        }
        if self.unflushed {
            match stream.poll_flush(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(_)) => return Poll::Ready(Err(())),
                Poll::Ready(Ok(())) => self.unflushed = false,
            }
        }
        Poll::Ready(Ok(()))
    }

    pub(super) fn poll_received(&mut self, context: &mut Context<'_>) -> Poll<Received> {
        loop {
            let next = Pin::new(&mut self.stream).poll_next(context);
            return Poll::Ready(match next {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(Message::Text(text)))) => Received::Text(text),
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
                    continue;
                }
                Poll::Ready(Some(Ok(_) | Err(_)) | None) => Received::End,
            });
        }
    }
}

/// A poll that waits for its answer.
pub(super) type WaitingPoll = oneshot::Sender<Vec<Packet>>;

/// Carrier of the packets of a socket.
pub(super) enum Carrier {
    Polling {
        /// The poll that waits; none between two.
        poll: Option<WaitingPoll>,
        /// The WebSocket that the client is trying.
        probe: Option<WebSocket>,
    },
    WebSocket(WebSocket),
}
