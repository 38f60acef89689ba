
use super::outbox::Order;
use super::socket_registry::LiveSocket;
use super::state::HubState;
use expd_domain::Quoted;

/// Disconnects a socket after everything that was sent to it before, and closes its transport if
/// the client stays.
pub(super) fn disconnect(hub: &HubState, socket: u64) {
    if let Some(live_socket) = hub.sockets.remove(socket) {
        live_socket.end(Order::Leave);
    }
}

/// Cuts sockets that do not read. Delivery does not wait for them, so a disconnect packet could not
/// be sent either.
pub(super) fn disconnect_slow(hub: &HubState, slow: impl IntoIterator<Item = LiveSocket>) {
    for live_socket in slow {
        hub.counters.slow_disconnects.increment();
        log::warn!(
            "disconnected a socket of {} {}: it does not read what it is sent",
            live_socket.identity.kind,
            Quoted(&live_socket.identity.uuid)
        );
        live_socket.end(Order::Cut);
    }
}
