//! Requests of Engine.IO: handshakes, polls, bodies of packets, upgrades.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use hyper::upgrade::OnUpgrade;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_util::task::TaskTracker;

use super::entry::{Inbound, SocketTerms};
use super::packet::{BodyFault, PollForm, QueuedPacket, read_body};
use super::sessions::{EngineSession, EngineSessions};
use super::socket::EngineSocket;
use super::websocket::WebSocket;
use crate::body::{self, BodyTerms};
use crate::body_memory::BodyMemory;
use crate::connection::ClientConnection;
use crate::engine_query::EngineQuery;
use crate::error::ApiError;

/// Time for a connection to become a WebSocket after `101 Switching Protocols`.
const UPGRADE_TIMEOUT: Duration = Duration::from_secs(10);

/// A socket whose handshake is being answered.
pub struct Opening {
    socket: EngineSocket,
    upgrade: Option<OnUpgrade>,
    terms: Arc<SocketTerms>,
}

impl Opening {
    /// The socket, once its transport is ready; `None` if the client has left.
    pub async fn socket(mut self) -> Option<EngineSocket> {
        if let Some(upgrade) = self.upgrade {
            let upgraded = timeout(UPGRADE_TIMEOUT, upgrade).await.ok()?.ok()?;
            let memory = self.terms.memory.clone();
            let websocket = WebSocket::new(upgraded, self.terms.max_message, memory).await;
            self.socket.begin_as_websocket(websocket);
        }
        Some(self.socket)
    }
}

impl<O: Clone + Send + 'static> EngineSessions<O> {
    /// Answers a request that opens a session.
    ///
    /// # Errors
    /// The request is not a handshake.
    pub fn open_session(
        &self,
        request: &mut Request,
        connection: &ClientConnection,
        owner: O,
        terms: Arc<SocketTerms>,
    ) -> Result<(Response, Opening), ApiError> {
        let uri = request.uri().clone();
        let query = EngineQuery::of(&uri).ok_or_else(unknown)?;
        let generation = query.generation().ok_or_else(|| {
            ApiError::bad_request(
                "network.socket.generation",
                "the query's EIO must be 3 or 4, the supported generations of Engine.IO",
            )
        })?;
        if request.method() != Method::GET {
            return Err(ApiError::bad_request(
                "network.socket.handshake",
                "a socket is opened with GET",
            ));
        }
        if query.is_websocket() {
            let (upgrade, response) = websocket_upgrade(request)?;
            charge(connection, &terms);
            let opening = Opening {
                socket: self.open(owner, generation, terms.clone(), &[]),
                upgrade: Some(upgrade),
                terms,
            };
            return Ok((response, opening));
        }
        if !query.is_polling() {
            return Err(ApiError::bad_request(
                "network.socket.transport",
                "the query's transport must be polling or websocket",
            ));
        }
        let mut socket = self.open(owner, generation, terms.clone(), &["websocket"]);
        let form = PollForm::new(generation, query.wants_text());
        let response = poll_response(form, socket.take_handshake().into_iter().collect());
        let opening = Opening {
            socket,
            upgrade: None,
            terms,
        };
        Ok((response, opening))
    }

    /// Owner of the session that a request names.
    ///
    /// # Errors
    /// There is no such session.
    pub fn owner(&self, request: &Request) -> Result<O, ApiError> {
        Ok(self.session_of(request)?.owner)
    }

    /// Answers a request of an open session. Bodies are charged to `budget`; without one, only
    /// small bodies are accepted. `tasks` run what continues after the answer.
    ///
    /// # Errors
    /// There is no such session, or the request is malformed.
    pub async fn serve(
        &self,
        mut request: Request,
        connection: &ClientConnection,
        memory: &BodyMemory,
        budget: Option<&str>,
        tasks: &TaskTracker,
    ) -> Result<Response, ApiError> {
        let session = self.session_of(&request)?;
        let uri = request.uri().clone();
        let query = EngineQuery::of(&uri).ok_or_else(unknown)?;
        let form = PollForm::new(session.generation, query.wants_text());
        if query.is_websocket() {
            if session.upgraded.load(Ordering::Relaxed) {
                return Err(ApiError::bad_request(
                    "network.socket.upgraded",
                    "this socket has already moved to another connection",
                ));
            }
            let (upgrade, response) = websocket_upgrade(&mut request)?;
            charge(connection, &session.terms);
            tasks.spawn(async move {
                // The client may leave before the upgrade; its session then continues by polling.
                if let Ok(Ok(upgraded)) = timeout(UPGRADE_TIMEOUT, upgrade).await {
                    let (most, memory) = (session.terms.max_message, session.terms.memory.clone());
                    let websocket = WebSocket::new(upgraded, most, memory).await;
                    session
                        .inbound
                        .send(Inbound::WebSocket(websocket))
                        .await
                        .ok();
                }
            });
            return Ok(response);
        }
        if request.method() == Method::GET {
            let (poll, packets) = oneshot::channel();
            let sent = session.inbound.send(Inbound::Poll(poll)).await;
            sent.map_err(|_| unknown())?;
            let packets = packets.await.map_err(|_| unknown())?;
            return Ok(poll_response(form, packets));
        }
        if request.method() != Method::POST {
            return Err(ApiError::bad_request(
                "network.socket.method",
                "a socket takes GET and POST",
            ));
        }
        let (parts, body) = request.into_parts();
        let as_bytes = is(
            &parts.headers,
            &header::CONTENT_TYPE,
            "application/octet-stream",
        );
        let terms = BodyTerms {
            owner: budget,
            content_length: body::content_length(&parts.headers),
            limit: session.terms.max_message,
        };
        let (bytes, reservation) = body::read(memory, connection, body, terms).await?;
        let most = session.terms.max_packets;
        let packets = read_body(session.generation, as_bytes, &bytes, most);
        let packets = packets.map_err(|fault| match fault {
            BodyFault::Malformed => ApiError::bad_request(
                "network.polling.malformed",
                "the body is not a list of packets of this Engine.IO generation",
            ),
            BodyFault::TooManyPackets => {
                ApiError::too_large(format!("the body exceeds the limit of {most} packets"))
            }
        })?;
        drop(bytes);
        let sent = session.inbound.send(Inbound::Packets(packets, reservation));
        sent.await.map_err(|_| unknown())?;
        Ok(response("text/html", Bytes::from_static(b"ok")))
    }

    fn session_of(&self, request: &Request) -> Result<EngineSession<O>, ApiError> {
        let query = EngineQuery::of(request.uri()).ok_or_else(unknown)?;
        let sid = query.session().ok_or_else(unknown)?;
        self.find(sid).ok_or_else(unknown)
    }
}

/// Charges the connection's incomplete messages once it is a WebSocket.
fn charge(connection: &ClientConnection, terms: &SocketTerms) {
    if let Some(memory) = &terms.memory {
        connection.carry(memory.clone());
    }
}

fn poll_response(form: PollForm, packets: Vec<QueuedPacket>) -> Response {
    response(form.content_type(), form.write(packets))
}

fn response(content_type: &'static str, body: Bytes) -> Response {
    let mut response = Response::new(Body::from(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Accepts a request for a WebSocket.
fn websocket_upgrade(request: &mut Request) -> Result<(OnUpgrade, Response), ApiError> {
    let refused = |what: &str| ApiError::bad_request("network.websocket.malformed", what);
    let headers = request.headers();
    let upgrades = is(headers, &header::UPGRADE, "websocket")
        && is(headers, &header::SEC_WEBSOCKET_VERSION, "13")
        && request.method() == Method::GET;
    if !upgrades {
        return Err(refused(
            "transport=websocket needs a WebSocket handshake of version 13",
        ));
    }
    let key = headers.get(header::SEC_WEBSOCKET_KEY);
    let key = key.ok_or_else(|| refused("the header Sec-WebSocket-Key is missing"))?;
    let accept = HeaderValue::try_from(derive_accept_key(key.as_bytes()));
    let accept = accept.map_err(|error| ApiError::internal(error.to_string()))?;
    let upgrade = hyper::upgrade::on(request);
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    Ok((upgrade, response))
}

fn is(headers: &HeaderMap, name: &header::HeaderName, wanted: &str) -> bool {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.is_some_and(|value| value.trim().eq_ignore_ascii_case(wanted))
}

fn unknown() -> ApiError {
    ApiError::bad_request(
        "network.socket.unknown",
        "there is no such socket; open a new one",
    )
}
