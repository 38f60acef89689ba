//! Detects a server's protocol generation by its response to a handshake.
//!
//! Over long polling, generation 4 is requested first: servers of generation 3 ignore the number
//! and respond in their own framing, those of generation 4 in theirs, so one request is enough. If
//! a server rejects the number (400), generation 3 is requested. Over WebSocket the first packets
//! of most servers look alike, so generation 3 is requested as well, which generation 4 refuses
//! unless it is configured to serve both.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::SocketError;
use super::engine_session::CLOSE_LIMIT;
use super::packet::Packet;
use super::transport::{Address, OpenFailure, Polling, Received, Rejection, Transport, WebSocket};
use crate::trust::Trust;
use expd_domain::Generation;

/// Time for which a blocked WebSocket is not tried again. Networks change, and a kiosk runs for
/// months.
const BLOCKED_FOR: Duration = Duration::from_secs(600);

/// Time within which a server of generation 3 sends its first packet, unprompted, after accepting a
/// WebSocket.
const SILENCE: Duration = Duration::from_secs(2);

/// Facts about a host from an earlier opening. The caller keeps them between openings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detected {
    pub(super) url: String,
    pub(super) generation: Generation,
    pub(super) blocked_at: Option<Instant>,
}

impl Detected {
    /// The host's generation.
    #[must_use]
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// True if WebSocket was blocked, and it is too early for another attempt.
    #[must_use]
    pub fn websocket_blocked(&self) -> bool {
        self.blocked_at.is_some_and(|at| at.elapsed() < BLOCKED_FOR)
    }
}

/// Opens a session over long polling, in the `forced` generation or else the server's.
pub(super) async fn by_polling(
    address: &Address<'_>,
    forced: Option<Generation>,
    trust: &Trust,
) -> Result<Polling, OpenFailure> {
    let asked = forced.unwrap_or(Generation::V4);
    let polling = match Polling::open(address, asked, trust).await {
        Err(OpenFailure::Rejected(Rejection::Generation(_))) if forced.is_none() => {
            Polling::open(address, Generation::V3, trust).await?
        }
        answer => answer?,
    };
    let speaks = polling.generation();
    if forced.is_some_and(|forced| forced != speaks) {
        discard(Transport::Polling(Box::new(polling))).await;
        return Err(OpenFailure::Broken(address.failed(format!(
            "the server speaks Engine.IO {}, but the setting protocol requires {}; set it to auto",
            speaks.number(),
            asked.number()
        ))));
    }
    Ok(polling)
}

/// Detects the generation over WebSocket alone.
pub(super) async fn by_websocket(
    address: &Address<'_>,
    trust: &Trust,
) -> Result<Generation, SocketError> {
    match WebSocket::open(address, Generation::V4, trust).await {
        Ok(websocket) => {
            let mut transport = Transport::WebSocket(Box::new(websocket));
            let first = transport.receive(true).await;
            discard(transport).await;
            if let Ok(Received::Text(text)) = first
                && let Ok(Packet::Open(handshake)) = Packet::parse(text.as_str())
                && handshake.max_payload.is_some()
            {
                // Only recent servers of generation 4 announce this.
                return Ok(Generation::V4);
            }
        }
        Err(OpenFailure::Rejected(Rejection::Generation(_))) => {}
        Err(failure) => return Err(failure.into_error(address)),
    }
    match WebSocket::open(address, Generation::V3, trust).await {
        Ok(websocket) => {
            let mut transport = Transport::WebSocket(Box::new(websocket));
            let first = timeout(SILENCE, transport.receive(true)).await;
            discard(transport).await;
            Ok(match first {
                Ok(Ok(Received::Text(_))) => Generation::V3,
                // Socket.IO 3 refuses by completing the WebSocket handshake and staying silent.
                _ => Generation::V4,
            })
        }
        Err(OpenFailure::Rejected(Rejection::Generation(_))) => Ok(Generation::V4),
        Err(failure) => Err(failure.into_error(address)),
    }
}

/// Closes a session that was opened for detection, so that the server does not keep it until its
/// ping timeout.
pub(super) async fn discard(transport: Transport) {
    // A server that does not accept the close will notice missing pings.
    timeout(CLOSE_LIMIT, transport.close()).await.ok();
}
