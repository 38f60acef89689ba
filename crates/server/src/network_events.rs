//! Events of the network, encoded as packets for clients.

use serde::Serialize;

use super::engine::{Packet, event};
use expd_domain::ChannelId;

/// The packet of a broadcast, with the channel's ID as the client spelled it. The payload's JSON
/// text is unchanged.
#[must_use]
pub fn broadcast(id: &str, name: &str, channel: &ChannelId, payload: &str) -> Packet {
    let text = |text: &str| serde_json::Value::from(text).to_string();
    let (id, name, channel) = (text(id), text(name), text(channel.as_str()));
    let length = id.len() + name.len() + channel.len() + payload.len() + 64;
    let mut packet = String::with_capacity(length);
    for part in [
        "42[\"broadcast\",{\"id\":",
        &id,
        ",\"name\":",
        &name,
        ",\"channel\":",
        &channel,
        ",\"payload\":",
        payload,
        "}]",
    ] {
        packet.push_str(part);
    }
    packet.into()
}

/// The packet that confirms subscriptions to these channels.
#[must_use]
pub fn subscribed(ids: &[&ChannelId]) -> Packet {
    event("subscribed", &list(ids))
}

/// A refused subscription, and the reason.
#[derive(Serialize)]
pub struct RefusedSubscription {
    pub channel: ChannelId,
    pub code: &'static str,
    pub message: String,
}

/// The packet that refuses subscriptions to these channels.
#[must_use]
pub fn subscribe_error(refused: &[RefusedSubscription]) -> Packet {
    event("subscribe_error", &list(refused))
}

fn list<T: Serialize + ?Sized>(items: &T) -> String {
    // Never fails: all fields are texts.
    serde_json::to_string(items).unwrap_or_else(|_| "[]".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broadcast_is_built_around_the_payloads_own_text() {
        let channel = ChannelId::from_wire("ab+/");
        let packet = broadcast("1\"", "é", &channel, "{ \"b\": 1e400 }");
        assert_eq!(
            packet.as_str(),
            r#"42["broadcast",{"id":"1\"","name":"é","channel":"ab+/","payload":{ "b": 1e400 }}]"#
        );
    }
}
