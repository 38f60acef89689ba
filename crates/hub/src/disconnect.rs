//! Disconnects live sockets: on request, and those of slow readers.

use super::outbox::Order;
use super::socket_registry::LiveSocket;
use super::state::HubState;

/// Disconnects a socket after everything that was sent to it before, and closes its transport if
/// the client stays.
pub(super) fn disconnect(hub: &HubState, socket: u64) {
    if let Some(live_socket) = hub.sockets.remove(socket) {
        live_socket.end(Order::Disconnect);
    }
}

/// Cuts sockets that do not read. Delivery does not wait for them, so a disconnect packet could not
/// be sent either.
pub(super) fn disconnect_slow(hub: &HubState, slow: impl IntoIterator<Item = LiveSocket>) {
    for live_socket in slow {
        hub.counters.slow_disconnects.increment();
        let identity = &live_socket.identity;
        log::warn!(kind = identity.kind.as_word(), uuid = identity.uuid.as_str(); "slow reader disconnected");
        live_socket.end(Order::Cut);
    }
}
