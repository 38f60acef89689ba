//! Requests for the live socket: which server gets them, what is kept of them, and which are refused before.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use socketioxide::SocketIo;
use socketioxide::socket::Sid;
use tower::ServiceExt as _;

use super::connection::{Connection, Peer};
use super::engine_query::EngineQuery;
use super::engine_sessions::{Opening, Owner, Side};
use super::error::ApiError;
use super::login::Session;
use super::polling_body;
use super::socket;
use super::state::HubState;

/// The three Socket.IO servers.
#[derive(Clone)]
pub(super) struct Engine {
    member: (Router, SocketIo),
    waiting: (Router, SocketIo),
    refused: (Router, SocketIo),
}

/// Beginning of the handshake's answer, in either generation.
const HANDSHAKE: &str = "0{\"sid\":\"";

/// Above the answer to a handshake.
const MAX_HANDSHAKE: usize = 4096;

impl Engine {
    pub(super) fn new(hub: &Arc<HubState>) -> Self {
        Self {
            member: socket::server(hub, Side::Member),
            waiting: socket::server(hub, Side::Waiting),
            refused: socket::server(hub, Side::Refused),
        }
    }

    /// Closes all sockets.
    pub(super) async fn close(&self) {
        let all = [&self.member, &self.waiting, &self.refused];
        futures_util::future::join_all(all.map(|(_, io)| io.close())).await;
    }

    async fn serve(&self, side: Side, request: Request) -> Response {
        let (server, _) = match side {
            Side::Member => &self.member,
            Side::Waiting => &self.waiting,
            Side::Refused => &self.refused,
        };
        match server.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}

/// Takes the requests for the live socket out of the way of all others.
pub(super) async fn sort_out(
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
    let (side, owner) = hub.engine_sessions.owner(sid).ok_or_else(unknown_session)?;
    if let Owner::Identity(identity) = &owner {
        hub.admission.know(&connection, identity)?;
    }
    let by_websocket = query.is_websocket();
    if by_websocket {
        if !hub.engine_sessions.upgrade(sid, &connection) {
            return Err(ApiError::bad_request(
                "network.socket.upgraded",
                "this socket goes on over another connection already",
            ));
        }
        hub.network.attach(sid, &connection);
    }
    let polls = !by_websocket && request.method() == Method::GET;
    let answered = async {
        let request = if request.method() == Method::GET {
            request
        } else {
            polling_body::checked(hub, &connection, &owner, request).await?
        };
        Ok::<_, ApiError>(engine.serve(side, request).await)
    };
    let response = tokio::select! {
        biased;
        () = hub.engine_sessions.dismissed(sid) => return Err(ApiError::bad_request(
            "network.socket.closed",
            "this socket was closed by the network; open a new one",
        )),
        response = answered => response?,
    };
    if polls {
        let length = response.headers().get(header::CONTENT_LENGTH);
        let length = length.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        hub.network.polled(sid, length.unwrap_or(0));
    }
    Ok(response)
}

/// Opens a session, with the server that its token leads to.
async fn open(
    hub: &Arc<HubState>,
    engine: &Engine,
    request: Request,
    connection: &Arc<Connection>,
) -> Result<Response, ApiError> {
    if request.method() != Method::GET {
        // The library says what is wrong with it, and needs no body for that.
        let (parts, _) = request.into_parts();
        return Ok(engine
            .serve(Side::Refused, Request::from_parts(parts, Body::empty()))
            .await);
    }
    let (owner, refusal) = match socket::session_of(hub, request.uri()) {
        Ok(session) => (owner_of(&session, connection), None),
        Err(error) => (
            Owner::Address(Side::Refused, connection.address()),
            Some(error),
        ),
    };
    let (side, opening) = match (&owner, hub.engine_sessions.open(owner.clone())) {
        (Owner::Identity(identity), opening) => {
            let opening = opening?;
            hub.admission.know(connection, identity)?;
            (Side::Member, opening)
        }
        (Owner::Address(side, _), Ok(opening)) => (*side, opening),
        // Where too many are there to be told the Socket.IO way, HTTP's has to do.
        (Owner::Address(..), Err(full)) => return Err(refusal.unwrap_or(full)),
    };
    let polls = EngineQuery::of(request.uri()).is_some_and(EngineQuery::is_polling);
    if !polls {
        // It is the connection's from here on, and ends with it.
        connection.keep(opening);
        return Ok(engine.serve(side, request).await);
    }
    let response = engine.serve(side, request).await;
    noted(hub, response, opening).await
}

/// Takes note of the ID that a handshake's answer gives to a session.
async fn noted(hub: &HubState, response: Response, opening: Opening) -> Result<Response, ApiError> {
    if !response.status().is_success() {
        return Ok(response);
    }
    let (parts, body) = response.into_parts();
    // The library has the whole answer in memory; nothing is waited for, and nothing can break off.
    let answer = axum::body::to_bytes(body, MAX_HANDSHAKE)
        .await
        .map_err(|error| ApiError::internal(error.to_string()))?;
    let text = std::str::from_utf8(&answer).unwrap_or_default();
    let sid = text
        .split_once(HANDSHAKE)
        .and_then(|(_, rest)| rest.split_once('"')?.0.parse::<Sid>().ok());
    let sid = sid.ok_or_else(|| ApiError::internal("the handshake names no session"))?;
    hub.engine_sessions.began(sid, opening);
    Ok(Response::from_parts(parts, Body::from(answer)))
}

fn owner_of(session: &Session, connection: &Connection) -> Owner {
    if session.identity.pairing_code.is_some() {
        Owner::Address(Side::Waiting, connection.address())
    } else {
        Owner::Identity(session.name())
    }
}

fn connection_of(request: &Request) -> Result<Arc<Connection>, ApiError> {
    let peer = request.extensions().get::<ConnectInfo<Peer>>();
    let ConnectInfo(Peer(connection)) =
        peer.ok_or_else(|| ApiError::internal("a request came over no connection"))?;
    Ok(connection.clone())
}

fn unknown_session() -> ApiError {
    ApiError::bad_request(
        "network.socket.unknown",
        "there is no such socket; open a new one",
    )
}
