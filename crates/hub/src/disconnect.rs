//! Disconnecting live sockets.

use std::sync::Arc;
use std::time::Duration;

use socketioxide::extract::SocketRef;
use socketioxide::socket::Sid;

use super::connection::ClientConnection;
use super::socket_registry::LiveSocket;
use super::state::HubState;
use expd_domain::Quoted;

/// Time that a client has to leave after it was told to disconnect.
const DISCONNECT_GRACE: Duration = Duration::from_secs(1);

/// Disconnects a socket after everything that was sent to it before, and closes its connection if
/// the client stays.
pub(super) fn disconnect(hub: &Arc<HubState>, socket: SocketRef) {
    let sid = socket.id;
    let connection = hub
        .sockets
        .remove(sid)
        .and_then(|live_socket| live_socket.connection);
    if let Err(error) = socket.disconnect() {
        log::debug!("cannot send a disconnect packet: {error}");
    }
    dismiss_after_grace(hub, sid, connection);
}

/// Closes sockets that do not read what they are sent. Their buffers are full, so a disconnect
/// packet could not be sent either.
pub(super) fn disconnect_slow(hub: &Arc<HubState>, slow: Vec<LiveSocket>) {
    for live_socket in slow {
        hub.counters.slow_disconnects.increment();
        log::warn!(
            "disconnected a socket of {} {}: it does not read what it is sent",
            live_socket.identity.kind,
            Quoted(&live_socket.identity.uuid)
        );
        dismiss(hub, live_socket.socket.id, live_socket.connection.as_ref());
    }
}

pub(super) fn dismiss_after_grace(
    hub: &Arc<HubState>,
    sid: Sid,
    connection: Option<Arc<ClientConnection>>,
) {
    let hub_of_task = hub.clone();
    hub.tasks.spawn(async move {
        tokio::select! {
            () = hub_of_task.stopping.cancelled() => {}
            () = tokio::time::sleep(DISCONNECT_GRACE) => dismiss(&hub_of_task, sid, connection.as_ref()),
        }
    });
}

fn dismiss(hub: &HubState, sid: Sid, connection: Option<&Arc<ClientConnection>>) {
    let heartbeats = 2 * (hub.ping_interval + hub.ping_timeout);
    hub.engine_sessions.dismiss(sid, heartbeats);
    if let Some(connection) = connection {
        connection.cut();
    }
}
