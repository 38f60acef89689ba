//! Socket.IO packets to pages. A broadcast's packet is made once and shared by all pages that spell
//! its channel alike.

use crate::router::{Decode, PageForm, PlainBroadcast, Record};
use expd_domain::ChannelId;
use expd_server::engine::Packet;
use expd_server::network_events;

/// The packet of a broadcast, with the channel's ID as the page spelled it.
pub(super) fn broadcast(record: &Record, id: &ChannelId, decode: Decode) -> Option<Packet> {
    let shared = record.page_form(|| PageForm {
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
    (!packet.is_empty()).then_some(packet)
}

fn encode(plain: &PlainBroadcast, id: &ChannelId) -> Packet {
    network_events::broadcast(&plain.id, &plain.name, id, &plain.payload)
}
