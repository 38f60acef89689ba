//! Opens a socket in the generation and over the transport that work.

use tokio::time::{Instant, timeout};

use super::detect::{self, Detected};
use super::transport::{Address, OpenFailure, Polling, Rejection, Transport, WebSocket};
use super::{Endpoint, Socket, SocketError, legacy, modern};
use crate::choice::{ProtocolChoice, TransportChoice};
use crate::trust::Trust;
use expd_domain::Generation;

/// Opens a live socket, within [`Endpoint::timeout`] as a whole.
///
/// `detected` holds facts about the host from an earlier opening. They are used and updated, and
/// discarded if opening fails. If the server was replaced by one of the other generation, it is
/// detected again.
///
/// # Errors
/// The server cannot be reached, or refuses the token.
pub async fn open(
    endpoint: &Endpoint,
    transport: TransportChoice,
    protocol: ProtocolChoice,
    detected: &mut Option<Detected>,
) -> Result<Box<dyn Socket>, SocketError> {
    let address = Address::new(endpoint)?;
    let known = detected.take().filter(|known| known.url == endpoint.url);
    let opening = async {
        let trust = Trust::read_async(endpoint.ca_file.as_deref())
            .await
            .map_err(|error| address.failed(error.to_string()))?;
        let opener = Opener {
            address: &address,
            trust: &trust,
            forced: match protocol {
                ProtocolChoice::Auto => None,
                ProtocolChoice::V3 => Some(Generation::V3),
                ProtocolChoice::V4 => Some(Generation::V4),
            },
            known,
            deadline: Instant::now() + endpoint.timeout,
        };
        match transport {
            TransportChoice::Websocket => opener.websocket().await,
            TransportChoice::Polling => opener.polling().await,
            TransportChoice::Auto => opener.websocket_or_polling().await,
        }
    };
    let (socket, blocked_at) = timeout(endpoint.timeout, opening)
        .await
        .map_err(|_| address.timeout(endpoint.timeout))??;
    *detected = Some(Detected {
        url: endpoint.url.clone(),
        generation: socket.generation(),
        blocked_at,
    });
    Ok(socket)
}

/// A socket, and the instant at which WebSocket was found blocked.
type Opened = (Box<dyn Socket>, Option<Instant>);

struct Opener<'a> {
    address: &'a Address<'a>,
    trust: &'a Trust,
    forced: Option<Generation>,
    known: Option<Detected>,
    deadline: Instant,
}

impl Opener<'_> {
    /// The generation, if it is known.
    fn generation(&self) -> Option<Generation> {
        self.forced
            .or(self.known.as_ref().map(Detected::generation))
    }

    async fn websocket(&self) -> Result<Opened, SocketError> {
        if let Some(generation) = self.generation() {
            match self.websocket_in(generation).await {
                Ok(socket) => return Ok((socket, None)),
                Err(error) if self.forced.is_some() => return Err(error),
                Err(error @ (SocketError::Refused { .. } | SocketError::Busy { .. })) => {
                    return Err(error);
                }
                Err(_) => {}
            }
        }
        let generation = detect::by_websocket(self.address, self.trust).await?;
        Ok((self.websocket_in(generation).await?, None))
    }

    async fn polling(&self) -> Result<Opened, SocketError> {
        let polling = detect::by_polling(self.address, self.forced, self.trust)
            .await
            .map_err(|failure| failure.into_error(self.address))?;
        Ok((open_over_polling(self.address, polling).await?, None))
    }

    /// Uses WebSocket if it gets through, else long polling. The WebSocket's error does not matter:
    /// a server that rejects the client also does so over long polling, and a proxy in between does
    /// not.
    async fn websocket_or_polling(&self) -> Result<Opened, SocketError> {
        let blocked_at = self
            .known
            .as_ref()
            .filter(|known| known.websocket_blocked())
            .and_then(|known| known.blocked_at);
        let mut tried = None;
        if let Some(generation) = self.generation()
            && blocked_at.is_none()
        {
            match self.websocket_in_time(generation).await {
                Ok(socket) => return Ok((socket, None)),
                Err(error) => self.note(&error),
            }
            tried = Some(generation);
        }
        let polling = match detect::by_polling(self.address, self.forced, self.trust).await {
            Ok(polling) => polling,
            Err(OpenFailure::Rejected(Rejection::Transport(_))) => return self.websocket().await,
            Err(failure) => return Err(failure.into_error(self.address)),
        };
        let probed_at = Instant::now();
        let generation = polling.generation();
        if blocked_at.is_none() && tried != Some(generation) {
            match self.websocket_in_time(generation).await {
                Ok(socket) => {
                    detect::discard(Transport::Polling(Box::new(polling))).await;
                    return Ok((socket, None));
                }
                Err(error) => self.note(&error),
            }
        }
        let polling = if probed_at.elapsed() < polling.handshake().ping_interval {
            polling
        } else {
            // Its pings went unanswered meanwhile, so the server may have dropped the session.
            detect::discard(Transport::Polling(Box::new(polling))).await;
            detect::by_polling(self.address, Some(generation), self.trust)
                .await
                .map_err(|failure| failure.into_error(self.address))?
        };
        let socket = open_over_polling(self.address, polling).await?;
        if blocked_at.is_none() {
            log::info!(
                "WebSocket to {} failed; using long polling",
                self.address.endpoint.url
            );
        }
        Ok((socket, blocked_at.or_else(|| Some(Instant::now()))))
    }

    fn note(&self, error: &SocketError) {
        log::debug!("WebSocket to {} failed: {error}", self.address.endpoint.url);
    }

    /// As [`Opener::websocket_in`], within half of the remaining time, so that a WebSocket without
    /// a response leaves time for polling.
    async fn websocket_in_time(
        &self,
        generation: Generation,
    ) -> Result<Box<dyn Socket>, SocketError> {
        let limit = self.deadline.saturating_duration_since(Instant::now()) / 2;
        timeout(limit, self.websocket_in(generation))
            .await
            .unwrap_or_else(|_| Err(self.address.timeout(limit)))
    }

    /// Opens a WebSocket in a known generation.
    async fn websocket_in(&self, generation: Generation) -> Result<Box<dyn Socket>, SocketError> {
        #[cfg(feature = "rust-socketio")]
        if super::library::supports(self.address, generation) {
            return super::library::open(self.address.endpoint).await;
        }
        let websocket = WebSocket::open(self.address, generation, self.trust)
            .await
            .map_err(|failure| failure.into_error(self.address))?;
        let transport = Transport::WebSocket(Box::new(websocket));
        match generation {
            Generation::V3 => legacy::open(self.address, transport, None).await,
            Generation::V4 => modern::open(self.address, transport, None).await,
        }
    }
}

/// Opens a connection on a session that was opened over long polling.
async fn open_over_polling(
    address: &Address<'_>,
    polling: Polling,
) -> Result<Box<dyn Socket>, SocketError> {
    let handshake = Some(polling.handshake().clone());
    let generation = polling.generation();
    let transport = Transport::Polling(Box::new(polling));
    match generation {
        Generation::V3 => legacy::open(address, transport, handshake).await,
        Generation::V4 => modern::open(address, transport, handshake).await,
    }
}
