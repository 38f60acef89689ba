//! Delivery of broadcasts: those of clients, and the server's own on system channels.

use std::sync::Arc;

use super::disconnect;
use super::socket_registry::{Audience, Message};
use super::state::HubState;
use super::tokens::hex;
use expd_domain::{BroadcastId, Channel, Payload};

/// Sends a message of the server on a system channel.
pub(super) fn announce(
    hub: &Arc<HubState>,
    channel: &Channel,
    name: &str,
    payload: &Payload,
    audience: Audience<'_>,
) {
    publish(hub, channel, &new_id(), name, payload, audience);
}

pub(super) fn publish(
    hub: &Arc<HubState>,
    channel: &Channel,
    id: &BroadcastId,
    name: &str,
    payload: &Payload,
    audience: Audience<'_>,
) {
    let message = Message { id, name, payload };
    let delivered = hub.sockets.publish(channel, &message, audience);
    hub.counters.deliveries.add(delivered.delivered);
    disconnect::disconnect_slow(hub, delivered.slow);
}

pub(super) fn new_id() -> BroadcastId {
    BroadcastId::new(hex(&rand::random::<[u8; 16]>()))
}

/// Sends the credentials to the device with this code, if it is paired and listening.
pub(super) fn send_credentials(hub: &Arc<HubState>, code: &str) {
    if let Some(credentials) = hub.directory.credentials_for(code) {
        let payload = Payload::from(serde_json::json!({
            "uuid": credentials.uuid,
            "secret": credentials.secret.expose(),
        }));
        let channel = Channel::new("pairing").system();
        let audience = Audience::PairingCode(code);
        announce(hub, &channel, "credentials", &payload, audience);
    }
}
