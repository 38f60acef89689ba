//! Subscriptions of live sockets.
//!
//! Granted channels are confirmed with `subscribed` and the IDs as the client spelled them; refused
//! ones with one event `subscribe_error`: a list of `{"channel","code","message"}`.

use std::fmt;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::disconnect;
use super::error::ApiError;
use super::login::{Login, is_pairing_channel};
use super::publish;
use super::state::HubState;
use expd_domain::{Channel, ChannelId};
use expd_server::network_events::{RefusedSubscription, subscribe_error};

/// Maximum number of IDs in one `subscribe`.
const MAX_SUBSCRIBE_IDS: usize = 10_000;

/// Subscribes a socket to the channels of a list of IDs, and sends the result.
pub(super) fn subscribe(hub: &Arc<HubState>, login: &Login, socket: u64, list: Option<&RawValue>) {
    let ids = list.and_then(|list| serde_json::from_str(list.get()).ok());
    let Some(IdList(ids)) = ids else {
        let malformed = ApiError::bad_request(
            "network.subscribe.malformed",
            "subscribe takes a list of channel IDs",
        );
        return refuse(hub, socket, vec![(ChannelId::from_wire(""), malformed)]);
    };
    if ids.len() > MAX_SUBSCRIBE_IDS {
        let message = format!("one subscribe may contain at most {MAX_SUBSCRIBE_IDS} channel IDs");
        let error = ApiError::bad_request("network.subscribe.tooMany", message);
        return refuse(hub, socket, vec![(ChannelId::from_wire(""), error)]);
    }
    let mut wanted = Vec::with_capacity(ids.len());
    let mut refused = Vec::new();
    let mut waits_to_be_paired = false;
    for id in ids {
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
    match hub.sockets.subscribe(socket, wanted) {
        Ok(more) => refused.extend(more),
        Err(_) => return disconnect::disconnect_slow(hub, hub.sockets.remove(socket)),
    }
    if !refused.is_empty() {
        refuse(hub, socket, refused);
    }
    if waits_to_be_paired && let Some(code) = &login.identity.pairing_code {
        publish::send_credentials(hub, code);
    }
}

/// The channel of an ID. A device that waits to be paired may not know its organization.
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

fn refuse(hub: &Arc<HubState>, socket: u64, refused: Vec<(ChannelId, ApiError)>) {
    let refused: Vec<_> = refused
        .into_iter()
        .map(|(channel, error)| RefusedSubscription {
            channel,
            code: error.code,
            message: error.message,
        })
        .collect();
    if hub
        .sockets
        .send(socket, &subscribe_error(&refused))
        .is_err()
    {
        disconnect::disconnect_slow(hub, hub.sockets.remove(socket));
    }
}

/// IDs of a list; of one above the limit, one too many.
struct IdList(Vec<ChannelId>);

impl<'de> Deserialize<'de> for IdList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = IdList;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of channel IDs")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<IdList, A::Error> {
                let mut ids = Vec::new();
                while ids.len() <= MAX_SUBSCRIBE_IDS
                    && let Some(id) = list.next_element()?
                {
                    ids.push(id);
                }
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(IdList(ids))
            }
        }
        deserializer.deserialize_seq(List)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_list_that_is_too_long_only_so_many_are_held() {
        let list = |length: usize| format!("[{}\"a\"]", "\"a\",".repeat(length - 1));
        for (length, held) in [
            (1, 1),
            (MAX_SUBSCRIBE_IDS, MAX_SUBSCRIBE_IDS),
            (MAX_SUBSCRIBE_IDS + 1, MAX_SUBSCRIBE_IDS + 1),
            (3 * MAX_SUBSCRIBE_IDS, MAX_SUBSCRIBE_IDS + 1),
        ] {
            let IdList(ids) = serde_json::from_str(&list(length)).unwrap();
            assert_eq!(ids.len(), held, "{length}");
        }
        for bad in ["7", "[7]", "[\"a\",7]", "{}"] {
            assert!(serde_json::from_str::<IdList>(bad).is_err(), "{bad}");
        }
    }
}
