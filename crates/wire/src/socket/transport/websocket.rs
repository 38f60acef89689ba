//! Packets as WebSocket messages, on a connection that was dialled here.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::{Sink, Stream as _, StreamExt as _};
use tokio::io::{AsyncRead, AsyncWrite, BufReader};
use tokio::sync::oneshot;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::error::{CapacityError, ProtocolError};
use tokio_tungstenite::tungstenite::http::header::{
    HeaderValue, SEC_WEBSOCKET_EXTENSIONS, USER_AGENT,
};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::dial::{Stream, dial};
use super::{Address, ConnectionLost, OpenFailure, Received, Rejection, ToSend};
use crate::tls::explain;
use crate::trust::Trust;
use expd_domain::Generation;
use expd_domain::excerpt::{excerpt, sentence};

/// Size of one read from the connection.
const READ_BYTES: usize = 32 << 10;

/// Bytes that the library reads from that buffer at a time. It zeroes as many before each read, and
/// a single broadcast takes two reads; with all of [`READ_BYTES`] that was a third of the
/// instructions from socket to stream, and evicted the L1 cache.
const TAKEN_BYTES: usize = 4 << 10;

/// Maximum number of pongs that the server has not read. Beyond it reading stops: the library
/// queues them without a limit.
const MAX_PONGS: usize = 64;

/// An open WebSocket.
pub(in crate::socket) struct WebSocket<S = BufReader<Stream>> {
    stream: WebSocketStream<S>,
    outbox: VecDeque<ToSend>,
    /// Packets that were written and not flushed yet. At most as many as in a full outbox.
    written: Vec<oneshot::Sender<()>>,
    flushed: bool,
    /// Pongs that the library has queued since it last wrote everything.
    pongs: usize,
}

impl WebSocket {
    /// Opens a WebSocket in `generation`.
    pub async fn open(
        address: &Address<'_>,
        generation: Generation,
        trust: &Trust,
    ) -> Result<Self, OpenFailure> {
        let broken = |reason: String| OpenFailure::Broken(address.failed(reason));
        let mut request = address
            .websocket(generation)
            .as_str()
            .into_client_request()
            .map_err(|error| broken(error.to_string()))?;
        request.headers_mut().insert(
            USER_AGENT,
            HeaderValue::from_static(concat!("expd/", env!("CARGO_PKG_VERSION"))),
        );
        let stream = dial(address, trust)
            .await
            .map_err(|error| broken(error.to_string()))?;
        let stream = BufReader::with_capacity(READ_BYTES, stream);
        let config = WebSocketConfig::default()
            .read_buffer_size(TAKEN_BYTES)
            .max_message_size(Some(address.max_message()))
            .max_frame_size(Some(address.max_message()));
        match tokio_tungstenite::client_async_with_config(request, stream, Some(config)).await {
            Ok((_, answer)) if answer.headers().contains_key(SEC_WEBSOCKET_EXTENSIONS) => {
                let extensions = answer.headers().get(SEC_WEBSOCKET_EXTENSIONS);
                let named = extensions.and_then(|value| value.to_str().ok());
                Err(broken(format!(
                    "the server chose a WebSocket extension that was not requested ({}); disable it on the server or the proxy",
                    excerpt(named.unwrap_or_default())
                )))
            }
            Ok((stream, _)) => Ok(Self::over(stream)),
            Err(Error::Http(answer)) => Err(OpenFailure::Rejected(Rejection::read(
                answer.status(),
                answer.headers(),
                answer.body().as_deref().unwrap_or_default(),
            ))),
            Err(error) => Err(broken(format!(
                "the WebSocket handshake failed: {}",
                explain(&error, address.host())
            ))),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    fn over(stream: WebSocketStream<S>) -> Self {
        Self {
            stream,
            outbox: VecDeque::new(),
            written: Vec::new(),
            flushed: true,
            pongs: 0,
        }
    }

    pub(super) fn outbox(&mut self) -> &mut VecDeque<ToSend> {
        &mut self.outbox
    }

    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        read: bool,
    ) -> Poll<Result<Received, ConnectionLost>> {
        if let Poll::Ready(Err(error)) = self.poll_write(cx) {
            return Poll::Ready(Err(lost(&error)));
        }
        if !read {
            return Poll::Pending;
        }
        loop {
            if self.pongs >= MAX_PONGS {
                ready!(self.poll_flush(cx)).map_err(|error| lost(&error))?;
            }
            return Poll::Ready(match ready!(Pin::new(&mut self.stream).poll_next(cx)) {
                Some(Ok(Message::Text(text))) => Ok(Received::Text(text)),
                Some(Ok(Message::Binary(bytes))) => Ok(Received::Binary(bytes.len())),
                Some(Ok(Message::Close(frame))) => Err(ConnectionLost(match frame {
                    Some(frame) => format!(
                        "the server closed the connection (code {} {})",
                        u16::from(frame.code),
                        excerpt(frame.reason.as_str())
                    ),
                    None => "the server closed the connection".to_owned(),
                })),
                // The library answers WebSocket's own pings, which some proxies send.
                Some(Ok(Message::Ping(_))) => {
                    self.pongs += 1;
                    continue;
                }
                Some(Ok(_)) => continue,
                Some(Err(error)) => Err(lost(&error)),
                None => Err(ConnectionLost("the server ended the connection".to_owned())),
            });
        }
    }

    /// Writes the outbox as far as the connection accepts it.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        while !self.outbox.is_empty() {
            ready!(Pin::new(&mut self.stream).poll_ready(cx))?;
            if let Some(packet) = self.outbox.pop_front() {
                Pin::new(&mut self.stream).start_send(Message::text(packet.text))?;
                self.flushed = false;
                self.written.extend(packet.sent);
            }
        }
        if !self.flushed {
            ready!(self.poll_flush(cx))?;
            self.flushed = true;
            for sent in self.written.drain(..) {
                // The requester may have stopped waiting.
                sent.send(()).ok();
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        self.pongs = 0;
        Poll::Ready(Ok(()))
    }

    pub(super) async fn close(mut self) {
        // A failure changes nothing: the connection ends either way.
        if std::future::poll_fn(|cx| self.poll_write(cx))
            .await
            .is_err()
            || self.stream.close(None).await.is_err()
        {
            return;
        }
        while let Some(Ok(_)) = self.stream.next().await {}
    }
}

impl<S> fmt::Debug for WebSocket<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebSocket")
    }
}

fn lost(error: &Error) -> ConnectionLost {
    ConnectionLost(match error {
        Error::Capacity(CapacityError::MessageTooLong { max_size, .. }) => {
            format!("the server sent a message of more than {max_size} bytes")
        }
        Error::ConnectionClosed | Error::AlreadyClosed => {
            "the server ended the connection".to_owned()
        }
        Error::Protocol(ProtocolError::NonZeroReservedBits) => {
            "the server breaks the WebSocket protocol (reserved bits are set): it compresses, which was not requested, or speaks another protocol; disable it on the server or the proxy, and leave protocol at auto".to_owned()
        }
        error => format!("the connection broke: {}", sentence(error)),
    })
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::poll_fn;
    use std::pin::pin;
    use std::time::Duration;

    use futures_util::future::join;
    use tokio::io::{AsyncWriteExt as _, duplex};
    use tokio::time::timeout;
    use tokio_tungstenite::tungstenite::protocol::Role;
    use tokio_tungstenite::tungstenite::protocol::frame::Frame;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_server_that_pings_and_does_not_read_is_not_read_either() {
        const PINGS: usize = 5000;
        const KERNEL: usize = 1000;
        let (stream, mut server) = duplex(KERNEL);
        let config = WebSocketConfig::default().read_buffer_size(TAKEN_BYTES);
        let stream = WebSocketStream::from_raw_socket(stream, Role::Client, Some(config)).await;
        let mut websocket = WebSocket::over(stream);
        let mut ping = Vec::new();
        Frame::ping(vec![0; 125]).format(&mut ping).unwrap();
        let sent = Cell::new(0);
        let pinging = pin!(async {
            while sent.get() < PINGS {
                server.write_all(&ping).await.unwrap();
                sent.set(sent.get() + 1);
            }
        });
        let reading = poll_fn(|cx| websocket.poll(cx, true));
        let both = timeout(Duration::from_secs(1), join(pinging, reading));
        assert!(both.await.is_err(), "all pings were read");
        let most = MAX_PONGS + (TAKEN_BYTES + 2 * KERNEL) / ping.len();
        assert!((MAX_PONGS..=most).contains(&sent.get()), "{}", sent.get());
    }
}
