//! Handlers of live sockets: admission, subscriptions, expiry.
//!
//! The token is the query parameter `token`. An invalid one is refused the Socket.IO way
//! (`connect_error` with a message), and the transport is closed a moment later. A socket ends with
//! its token, as a disconnect by the server.
//!
//! A client sends `subscribe` with a list of channel IDs. Granted ones are confirmed with
//! `subscribed` and the IDs as the client spelled them; refused ones with one event
//! `subscribe_error`: a list of `{"channel","code","message"}`.

use std::future::{Ready, ready};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::Uri;
use serde::Serialize;
use socketioxide::extract::{SocketRef, TryData};
use socketioxide::handler::ConnectHandler as _;
use socketioxide::{ParserConfig, SocketIo, TransportType};

use super::body::PAYLOAD_BODY;
use super::connection::{ClientConnection, RequestConnection};
use super::disconnect::{disconnect, dismiss_after_grace};
use super::engine_query::EngineQuery;
use super::engine_sessions::{SocketClass, class_heartbeat};
use super::error::ApiError;
use super::login::{Login, is_pairing_channel};
use super::publish;
use super::socket_registry::LiveSocket;
use super::state::HubState;
use super::tokens::now_millis;
use expd_domain::{Channel, ChannelId};

/// Limit of packets that a socket has not read; with the limit in bytes (see `socket_registry`) it
/// defines a slow client.
const MAX_OUTSTANDING_PACKETS: usize = 4096;

/// Time that a client has to open its namespace.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Limits without a login: of a message, and of packets that are not read.
const ANONYMOUS_MESSAGE: usize = 16 * 1024;
const ANONYMOUS_PACKETS: usize = 64;

/// Interval of checks for a socket that is about to be connected. Other tasks use the runtime's
/// timer, too, so not shorter.
const CONNECT_POLL: Duration = Duration::from_millis(2);

/// Time that a socket has to become connected after its client was told so.
const CONNECT_GRACE: Duration = Duration::from_secs(1);

/// Limit of IDs in one `subscribe`.
const MAX_SUBSCRIBE_IDS: usize = 10_000;

/// Builds the Socket.IO server of a class.
pub(super) fn server(hub: &Arc<HubState>, class: SocketClass) -> (Router, SocketIo) {
    let logged_in = class == SocketClass::LoggedIn;
    let (message, packets) = if logged_in {
        (PAYLOAD_BODY, MAX_OUTSTANDING_PACKETS)
    } else {
        (ANONYMOUS_MESSAGE, ANONYMOUS_PACKETS)
    };
    let (ping_interval, ping_timeout) = class_heartbeat(class, hub.ping_interval, hub.ping_timeout);
    // No binary message is ever sent.
    let parser = ParserConfig::common()
        .max_incoming_binaries(0)
        .max_incoming_binary_buf_size(0);
    let (server, io) = SocketIo::builder()
        .with_parser(parser)
        .ping_interval(ping_interval)
        .ping_timeout(ping_timeout)
        .connect_timeout(CONNECT_TIMEOUT)
        .upgrade_timeout(CONNECT_TIMEOUT)
        .max_buffer_size(packets)
        .max_payload(message as u64)
        .ws_max_message_size(message)
        .ws_max_frame_size(message)
        .build_svc();
    let admitting = hub.clone();
    // Everything happens on admission: the handlers are in place before the client can send
    // anything.
    let nothing_more = || ready(());
    io.ns(
        "/",
        nothing_more.with(move |socket: SocketRef| ready(admit(&admitting, &socket))),
    );
    (Router::new().fallback_service(server), io)
}

/// Login that a request for a live socket proves.
pub(super) fn login_of(hub: &HubState, uri: &Uri) -> Result<Login, ApiError> {
    let token = EngineQuery::of(uri).and_then(EngineQuery::token);
    let token = token.ok_or_else(|| {
        ApiError::unauthorized(
            "authentication.token.missing",
            "the socket needs the token of a login as the query parameter token",
        )
    })?;
    Login::from_socket_token(hub, &token)
}

fn admit(hub: &Arc<HubState>, socket: &SocketRef) -> Result<(), ConnectError> {
    let login = match login_of(hub, &socket.req_parts().uri) {
        Ok(login) if hub.sockets.is_full() => Err((Some(login), too_many_sockets())),
        Ok(login) => Ok(login),
        Err(error) => Err((None, error)),
    };
    let login = login.map_err(|(login, error)| {
        hub.counters.sockets_refused.increment();
        log::info!(code = error.code; "refused a socket of {}: {error}", DisplayLogin(login.as_ref()));
        dismiss_after_grace(hub, socket.id, own_connection(socket));
        ConnectError(error)
    })?;

    let sid = socket.id;
    let subscribing = (hub.clone(), login.clone());
    socket.on(
        "subscribe",
        move |socket: SocketRef, TryData(ids): TryData<Vec<String>>| -> Ready<()> {
            let (hub, login) = &subscribing;
            hub.sockets.message_finished(socket.id);
            match ids {
                Ok(ids) if socket.connected() => subscribe(hub, login, &socket, ids),
                Ok(ids) => subscribe_when_connected(hub, login, socket, ids),
                Err(_) => refuse_subscriptions(
                    &socket,
                    vec![(
                        ChannelId::from_wire(""),
                        ApiError::bad_request(
                            "network.subscribe.malformed",
                            "subscribe takes a list of channel IDs",
                        ),
                    )],
                ),
            }
            ready(())
        },
    );
    let passing = hub.clone();
    socket.on_fallback(move |socket: SocketRef| -> Ready<()> {
        passing.sockets.message_finished(socket.id);
        ready(())
    });
    let leaving = hub.clone();
    socket.on_disconnect(move |socket: SocketRef| -> Ready<()> {
        leaving.sockets.remove(socket.id);
        ready(())
    });

    let owner = login.owner();
    let memory = hub.socket_memory.open(&owner);
    let mut live_socket = LiveSocket::new(socket.clone(), login.identity.clone(), &owner, memory);
    if let Some(connection) = own_connection(socket).or_else(|| hub.engine_sessions.upgraded(sid)) {
        live_socket.attach(connection);
    }
    live_socket.memory.finished();
    let removed = live_socket.removed.clone();
    if !hub.sockets.insert(sid, live_socket) {
        dismiss_after_grace(hub, sid, own_connection(socket));
        return Err(ConnectError(too_many_sockets()));
    }
    hub.counters.sockets_opened.increment();
    log::debug!("a socket of {} is open", DisplayLogin(Some(&login)));

    let (hub_of_task, socket) = (hub.clone(), socket.clone());
    let left = u64::try_from(login.expiration - now_millis()).unwrap_or(0);
    hub.tasks.spawn(async move {
        tokio::select! {
            () = removed.cancelled() => {}
            () = hub_of_task.stopping.cancelled() => {}
            () = tokio::time::sleep(Duration::from_millis(left)) => {
                log::debug!("the token of {} has expired; closing its socket", DisplayLogin(Some(&login)));
                disconnect(&hub_of_task, socket);
            }
        }
    });
    Ok(())
}

/// Subscribes once the socket is connected. The library tells the client a moment before it
/// considers the socket connected, and sends nothing until then: the subscription of a fast client
/// would not be confirmed, and its first messages would be lost.
fn subscribe_when_connected(
    hub: &Arc<HubState>,
    login: &Login,
    socket: SocketRef,
    ids: Vec<String>,
) {
    let (hub_of_task, login) = (hub.clone(), login.clone());
    hub.tasks.spawn(async move {
        let until = tokio::time::Instant::now() + CONNECT_GRACE;
        while !socket.connected() {
            if tokio::time::Instant::now() > until || hub_of_task.stopping.is_cancelled() {
                // The client has left.
                return;
            }
            tokio::time::sleep(CONNECT_POLL).await;
        }
        subscribe(&hub_of_task, &login, &socket, ids);
    });
}

fn subscribe(hub: &Arc<HubState>, login: &Login, socket: &SocketRef, ids: Vec<String>) {
    if ids.len() > MAX_SUBSCRIBE_IDS {
        let message = format!("one subscribe may hold {MAX_SUBSCRIBE_IDS} channel IDs");
        let error = ApiError::bad_request("network.subscribe.tooMany", message);
        return refuse_subscriptions(socket, vec![(ChannelId::from_wire(""), error)]);
    }
    let mut wanted = Vec::with_capacity(ids.len());
    let mut refused = Vec::new();
    let mut waits_to_be_paired = false;
    for id in ids.into_iter().map(ChannelId::from_wire) {
        match decode(hub, login, &id)
            .and_then(|channel| login.may_listen(&channel).map(|()| channel))
        {
            Ok(channel) => {
                waits_to_be_paired |= is_pairing_channel(&channel);
                wanted.push((id, channel));
            }
            Err(error) => refused.push((id, error)),
        }
    }
    refused.extend(hub.sockets.subscribe(socket.id, wanted));
    if !refused.is_empty() {
        refuse_subscriptions(socket, refused);
    }
    if waits_to_be_paired && let Some(code) = &login.identity.pairing_code {
        publish::send_credentials(hub, code);
    }
}

/// The channel of an ID. A device that waits to be paired may know no organization.
fn decode(hub: &HubState, login: &Login, id: &ChannelId) -> Result<Channel, ApiError> {
    match id.decode() {
        Ok((organization, channel))
            if organization.is_empty()
                && login.identity.pairing_code.is_some()
                && is_pairing_channel(&channel) =>
        {
            Ok(channel)
        }
        _ => hub.decode_channel(id),
    }
}

fn refuse_subscriptions(socket: &SocketRef, refused: Vec<(ChannelId, ApiError)>) {
    #[derive(Serialize)]
    struct RefusedSubscription {
        channel: ChannelId,
        code: &'static str,
        message: String,
    }
    let refused: Vec<_> = refused
        .into_iter()
        .map(|(channel, error)| RefusedSubscription {
            channel,
            code: error.code,
            message: error.message,
        })
        .collect();
    if let Err(error) = socket.emit("subscribe_error", &refused) {
        log::debug!("cannot send subscribe_error: {error}");
    }
}

/// Connection of a socket that began as a WebSocket. Long polling shares its connections with other
/// requests.
fn own_connection(socket: &SocketRef) -> Option<Arc<ClientConnection>> {
    let parts = socket.req_parts();
    let began_as_websocket = parts
        .uri
        .query()
        .is_some_and(|query| query.split('&').any(|pair| pair == "transport=websocket"));
    if !began_as_websocket || socket.transport_type() != TransportType::Websocket {
        return None;
    }
    let ConnectInfo(RequestConnection(connection)) =
        parts.extensions.get::<ConnectInfo<RequestConnection>>()?;
    Some(connection.clone())
}

fn too_many_sockets() -> ApiError {
    ApiError::too_many(
        "network.sockets.tooMany",
        "this network has too many sockets open; try again later",
    )
}

/// Refusal of a socket, as its `connect_error` says it.
struct ConnectError(ApiError);

impl std::fmt::Display for ConnectError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.0.code, self.0.message)
    }
}

/// Login in a log line.
struct DisplayLogin<'a>(Option<&'a Login>);

impl std::fmt::Display for DisplayLogin<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(login) => write!(f, "{login}"),
            None => f.write_str("an anonymous client"),
        }
    }
}
