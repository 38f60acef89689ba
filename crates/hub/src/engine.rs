//! Requests for live sockets: routing to a Socket.IO server, bookkeeping, and early refusals.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use socketioxide::SocketIo;
use socketioxide::socket::Sid;
use tower::ServiceExt as _;

use super::connection::{ClientConnection, RequestConnection};
use super::engine_query::EngineQuery;
use super::engine_sessions::{SessionOwner, SessionSlot, SocketClass};
use super::error::ApiError;
use super::login::Login;
use super::polling_body;
use super::socket;
use super::state::HubState;

/// The three Socket.IO servers.
#[derive(Clone)]
pub(super) struct Engine {
    logged_in: (Router, SocketIo),
    waiting: (Router, SocketIo),
    refused: (Router, SocketIo),
}

/// Start of a handshake response, in either generation.
const HANDSHAKE: &str = "0{\"sid\":\"";

/// Upper bound of a handshake response.
const MAX_HANDSHAKE: usize = 4096;

impl Engine {
    pub(super) fn new(hub: &Arc<HubState>) -> Self {
        Self {
            logged_in: socket::server(hub, SocketClass::LoggedIn),
            waiting: socket::server(hub, SocketClass::AwaitingPairing),
            refused: socket::server(hub, SocketClass::Refused),
        }
    }

    pub(super) async fn close(&self) {
        let all = [&self.logged_in, &self.waiting, &self.refused];
        futures_util::future::join_all(all.map(|(_, io)| io.close())).await;
    }

    async fn serve(&self, class: SocketClass, request: Request) -> Response {
        let (server, _) = match class {
            SocketClass::LoggedIn => &self.logged_in,
            SocketClass::AwaitingPairing => &self.waiting,
            SocketClass::Refused => &self.refused,
        };
        match server.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}

/// Middleware that takes requests for live sockets out of the router.
pub(super) async fn route_socket_requests(
    State((hub, engine)): State<(Arc<HubState>, Engine)>,
    request: Request,
    next: Next,
) -> Response {
    if EngineQuery::of(request.uri()).is_none() {
        return next.run(request).await;
    }
    let served = serve(&hub, &engine, request).await;
    served.unwrap_or_else(IntoResponse::into_response)
}

async fn serve(
    hub: &Arc<HubState>,
    engine: &Engine,
    request: Request,
) -> Result<Response, ApiError> {
    let connection = connection_of(&request)?;
    let query = EngineQuery::of(request.uri()).ok_or_else(unknown_session)?;
    if query.opens() {
        return open(hub, engine, request, &connection).await;
    }
    let sid = query.sid().ok_or_else(unknown_session)?;
    let (class, owner) = hub.engine_sessions.owner(sid).ok_or_else(unknown_session)?;
    if let SessionOwner::Identity(identity) = &owner {
        hub.admission.identify(&connection, identity)?;
    }
    let by_websocket = query.is_websocket();
    if by_websocket && !hub.engine_sessions.upgrade(sid, &connection) {
        return Err(ApiError::bad_request(
            "network.socket.upgraded",
            "this socket goes on over another connection already",
        ));
    }
    let polls = !by_websocket && request.method() == Method::GET;
    let answered = async {
        let request = if request.method() == Method::GET {
            request
        } else {
            polling_body::check(hub, &connection, &owner, request).await?
        };
        Ok::<_, ApiError>(engine.serve(class, request).await)
    };
    let response = tokio::select! {
        biased;
        () = hub.engine_sessions.dismissed(sid) => return Err(ApiError::bad_request(
            "network.socket.closed",
            "this socket was closed by the network; open a new one",
        )),
        response = answered => response?,
    };
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        hub.sockets.attach(sid, &connection);
        charge(hub, &connection, &owner);
    }
    if polls {
        let length = response.headers().get(header::CONTENT_LENGTH);
        let length = length.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        hub.sockets.taken_by_polling(sid, length.unwrap_or(0));
    }
    Ok(response)
}

/// Opens a session on the server that its token leads to.
async fn open(
    hub: &Arc<HubState>,
    engine: &Engine,
    request: Request,
    connection: &Arc<ClientConnection>,
) -> Result<Response, ApiError> {
    if request.method() != Method::GET {
        // The library answers with the reason, and needs no body for that.
        let (parts, _) = request.into_parts();
        return Ok(engine
            .serve(
                SocketClass::Refused,
                Request::from_parts(parts, Body::empty()),
            )
            .await);
    }
    let (owner, refusal) = match socket::login_of(hub, request.uri()) {
        Ok(login) => (owner_of(&login, connection), None),
        Err(error) => (
            SessionOwner::Address(SocketClass::Refused, connection.address()),
            Some(error),
        ),
    };
    let (class, slot) = match (&owner, hub.engine_sessions.open(owner.clone())) {
        (SessionOwner::Identity(identity), slot) => {
            let slot = slot?;
            hub.admission.identify(connection, identity)?;
            (SocketClass::LoggedIn, slot)
        }
        (SessionOwner::Address(class, _), Ok(slot)) => (*class, slot),
        // Too many sockets are being refused the Socket.IO way, so this one is refused over HTTP.
        (SessionOwner::Address(..), Err(full)) => return Err(refusal.unwrap_or(full)),
    };
    let polls = EngineQuery::of(request.uri()).is_some_and(EngineQuery::is_polling);
    if !polls {
        // The slot lasts as long as the connection.
        connection.keep(slot);
        let response = engine.serve(class, request).await;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            charge(hub, connection, &owner);
        }
        return Ok(response);
    }
    let response = engine.serve(class, request).await;
    register_session(hub, response, slot).await
}

/// Charges the memory of a WebSocket to its identity from the first frame on, before the client has
/// opened its namespace.
fn charge(hub: &HubState, connection: &ClientConnection, owner: &SessionOwner) {
    if let SessionOwner::Identity(identity) = owner {
        connection.carry(hub.socket_memory.open(identity));
    }
}

/// Registers the session ID that a handshake response assigns.
async fn register_session(
    hub: &HubState,
    response: Response,
    slot: SessionSlot,
) -> Result<Response, ApiError> {
    if !response.status().is_success() {
        return Ok(response);
    }
    let (parts, body) = response.into_parts();
    // The library has the whole response in memory, so nothing is waited for and nothing can break
    // off.
    let answer = axum::body::to_bytes(body, MAX_HANDSHAKE)
        .await
        .map_err(|error| ApiError::internal(error.to_string()))?;
    let text = std::str::from_utf8(&answer).unwrap_or_default();
    let sid = text
        .split_once(HANDSHAKE)
        .and_then(|(_, rest)| rest.split_once('"')?.0.parse::<Sid>().ok());
    let sid = sid.ok_or_else(|| ApiError::internal("the handshake names no session"))?;
    hub.engine_sessions.register(sid, slot);
    Ok(Response::from_parts(parts, Body::from(answer)))
}

fn owner_of(login: &Login, connection: &ClientConnection) -> SessionOwner {
    if login.identity.pairing_code.is_some() {
        SessionOwner::Address(SocketClass::AwaitingPairing, connection.address())
    } else {
        SessionOwner::Identity(login.owner())
    }
}

fn connection_of(request: &Request) -> Result<Arc<ClientConnection>, ApiError> {
    let peer = request.extensions().get::<ConnectInfo<RequestConnection>>();
    let ConnectInfo(RequestConnection(connection)) =
        peer.ok_or_else(|| ApiError::internal("a request came over no connection"))?;
    Ok(connection.clone())
}

fn unknown_session() -> ApiError {
    ApiError::bad_request(
        "network.socket.unknown",
        "there is no such socket; open a new one",
    )
}
