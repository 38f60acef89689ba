//! Requests for live sockets: their identity, and the limits of a new socket.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::Uri;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::body::PAYLOAD_BODY;
use super::error::ApiError;
use super::login::Login;
use super::session_slots::{SessionOwner, SocketClass};
use super::socket::{self, SocketTask};
use super::state::HubState;
use expd_server::connection::{ClientConnection, RequestConnection};
use expd_server::engine::{Heartbeat, SocketTerms};
use expd_server::engine_query::EngineQuery;

/// Maximum number of packets in one body of long polling.
const MAX_PACKETS: usize = 1024;

/// Limits without a login: of a message and a body, and of the packets in a body. Such clients have
/// little to send.
const ANONYMOUS_MESSAGE: usize = 16 * 1024;
const ANONYMOUS_PACKETS: usize = 16;

/// Maximum ping interval and ping timeout of a refused socket.
const REFUSED_HEARTBEAT: Duration = Duration::from_secs(5);

/// Middleware that intercepts requests for live sockets.
pub(super) async fn route_socket_requests(
    State(hub): State<Arc<HubState>>,
    request: Request,
    next: Next,
) -> Response {
    let Some(query) = EngineQuery::of(request.uri()) else {
        return next.run(request).await;
    };
    let served = if query.opens() {
        open(&hub, request)
    } else {
        serve(&hub, request).await
    };
    served.unwrap_or_else(IntoResponse::into_response)
}

/// Answers a request of an open socket.
async fn serve(hub: &Arc<HubState>, request: Request) -> Result<Response, ApiError> {
    let connection = connection_of(&request)?;
    let owner = hub.sessions.owner(&request)?;
    let budget = match &owner {
        SessionOwner::Identity(identity) => {
            hub.admission.identify(&connection, identity)?;
            Some(&**identity)
        }
        SessionOwner::Address(..) => None,
    };
    hub.sessions
        .serve(request, &connection, &hub.body_memory, budget, &hub.tasks)
        .await
}

/// Opens a socket. One without a valid token is refused by Socket.IO's `connect_error`, unless
/// there are too many of those.
fn open(hub: &Arc<HubState>, mut request: Request) -> Result<Response, ApiError> {
    let connection = connection_of(&request)?;
    let login = login_of(hub, request.uri());
    let owner = owner_of(login.as_ref().ok(), &connection);
    let slot = hub.session_slots.take(owner.clone());
    let slot = slot.map_err(|full| login.as_ref().err().cloned().unwrap_or(full))?;
    if let SessionOwner::Identity(identity) = &owner {
        hub.admission.identify(&connection, identity)?;
    }
    let memory = login.as_ref().ok().map(Login::owner);
    let memory = memory.map(|owner| hub.socket_memory.open(&owner));
    let terms = Arc::new(SocketTerms {
        memory: memory.clone(),
        refusal: login.as_ref().err().map(socket::refusal),
        ..terms(hub, owner.class())
    });
    let opened = hub
        .sessions
        .open_session(&mut request, &connection, owner, terms);
    let (response, opening) = opened?;
    let task = SocketTask::new(hub, login, memory);
    hub.tasks.spawn(async move {
        let _slot = slot;
        if let Some(socket) = opening.socket().await {
            // Boxed, so that a socket that is never opened takes little memory.
            Box::pin(task.run(socket)).await;
        }
    });
    Ok(response)
}

fn terms(hub: &HubState, class: SocketClass) -> SocketTerms {
    let (interval, timeout) = (hub.ping_interval, hub.ping_timeout);
    // A refused client that polls without opening its namespace ends with its heartbeat.
    let heartbeat = match class {
        SocketClass::Refused => Heartbeat {
            interval: interval.min(REFUSED_HEARTBEAT),
            timeout: timeout.min(REFUSED_HEARTBEAT),
        },
        SocketClass::LoggedIn | SocketClass::AwaitingPairing => Heartbeat { interval, timeout },
    };
    let (max_message, max_packets) = match class {
        SocketClass::LoggedIn => (PAYLOAD_BODY, MAX_PACKETS),
        SocketClass::AwaitingPairing | SocketClass::Refused => {
            (ANONYMOUS_MESSAGE, ANONYMOUS_PACKETS)
        }
    };
    SocketTerms {
        heartbeat,
        max_message,
        max_packets,
        memory: None,
        refusal: None,
    }
}

/// The login that a request for a live socket proves.
fn login_of(hub: &HubState, uri: &Uri) -> Result<Login, ApiError> {
    let token = EngineQuery::of(uri).and_then(EngineQuery::token);
    let token = token.ok_or_else(|| {
        ApiError::unauthorized(
            "authentication.token.missing",
            "the socket needs the token of a login as the query parameter token",
        )
    })?;
    Login::from_socket_token(hub, &token)
}

fn owner_of(login: Option<&Login>, connection: &ClientConnection) -> SessionOwner {
    match login {
        Some(login) if login.identity.pairing_code.is_none() => {
            SessionOwner::Identity(login.owner().into())
        }
        Some(_) => SessionOwner::Address(SocketClass::AwaitingPairing, connection.address()),
        None => SessionOwner::Address(SocketClass::Refused, connection.address()),
    }
}

fn connection_of(request: &Request) -> Result<Arc<ClientConnection>, ApiError> {
    let peer = request.extensions().get::<ConnectInfo<RequestConnection>>();
    let ConnectInfo(RequestConnection(connection)) =
        peer.ok_or_else(|| ApiError::internal("a request has no connection"))?;
    Ok(connection.clone())
}
