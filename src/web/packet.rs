//! Socket.IO packets to pages. A broadcast's is made once, and shared by all pages that spell its
//! channel alike.

use bytes::Bytes;
use serde::Serialize;

use crate::router::{Decode, PageForm, PlainBroadcast, Record};
use expd_domain::ChannelId;
use expd_server::engine::{Packet, event};

/// The packet of a broadcast, with the channel's ID as the page spelled it.
pub(super) fn broadcast(record: &Record, id: &ChannelId, decode: Decode) -> Option<Packet> {
    let shared = record.page_form.get_or_init(|| PageForm {
        channel_id: id.as_str().into(),
        packet: decode(record)
            .map(|plain| encode(&plain, id))
            .unwrap_or_default(),
    });
    let packet = if *shared.channel_id == *id.as_str() {
        shared.packet.clone()
    } else {
        encode(&decode(record)?, id)
    };
    // Never fails: it is JSON text. An empty one was no broadcast.
    Packet::try_from(packet)
        .ok()
        .filter(|packet| !packet.is_empty())
}

fn encode(plain: &PlainBroadcast, id: &ChannelId) -> Bytes {
    let text = |text: &str| serde_json::Value::from(text).to_string();
    let (broadcast, name) = (text(&plain.id), text(&plain.name));
    let (channel, payload) = (text(id.as_str()), &plain.payload);
    // Built around the payload's own text, which nothing may change.
    let packet = format!(
        "42[\"broadcast\",{{\"id\":{broadcast},\"name\":{name},\"channel\":{channel},\"payload\":{payload}}}]"
    );
    packet.into()
}

/// Confirmation of these channels.
pub(super) fn subscribed(ids: &[&ChannelId]) -> Packet {
    event("subscribed", &list(ids))
}

/// A channel that was not subscribed, and the reason.
#[derive(Serialize)]
pub(super) struct RefusedSubscription {
    pub channel: ChannelId,
    pub code: &'static str,
    pub message: String,
}

/// Refusal of these channels.
pub(super) fn subscribe_error(refused: &[RefusedSubscription]) -> Packet {
    event("subscribe_error", &list(refused))
}

fn list<T: Serialize + ?Sized>(items: &T) -> String {
    // Never fails: texts alone.
    serde_json::to_string(items).unwrap_or_else(|_| "[]".to_owned())
}
