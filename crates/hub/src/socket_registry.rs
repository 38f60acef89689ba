//! Open sockets, their subscriptions, and delivery of messages.
//!
//! Everything is behind one lock, under which a message goes to the outboxes of all its sockets at
//! once, so every socket receives messages in the order in which they were accepted. A message is
//! encoded once for each spelling of its channel's ID, and shared. Delivery never waits: a socket
//! that does not read is cut; no message is ever skipped.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use super::error::ApiError;
use super::outbox::{self, Delivery, Order, Outbox, OutboxSender, SlowSocket};
use expd_domain::{BroadcastId, Channel, ChannelId, Identity, IdentityKind, Payload};
use expd_server::engine::Packet;
use expd_server::lock::lock;
use expd_server::network_events;
use expd_server::socket_memory::{Full, SocketUse};

/// Maximum number of channels of one socket. A daemon uses one socket for all programs of its host.
const MAX_SUBSCRIPTIONS: usize = 16_384;

/// Maximum number of subscriptions. A channel exists while it is subscribed to.
const MAX_ALL_SUBSCRIPTIONS: usize = 262_144;

/// Maximum size of the channel IDs of one socket: 16,384 of 1 KiB each.
const MAX_ID_BYTES: usize = 16 * 1024 * 1024;

/// Maximum size of the channel IDs of all sockets.
const MAX_ALL_ID_BYTES: usize = 256 * 1024 * 1024;

/// Limits of the subscriptions of one identity, and of their channel IDs.
const MAX_SUBSCRIPTIONS_OF_IDENTITY: usize = MAX_ALL_SUBSCRIPTIONS / 2;
const MAX_ID_BYTES_OF_IDENTITY: usize = 64 * 1024 * 1024;

/// Maximum number of spellings of a channel's ID whose packets are cached during a delivery.
const MAX_KEPT_SPELLINGS: usize = 8;

#[derive(Default)]
pub(super) struct SocketRegistry(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    /// Number of the newest socket.
    last: u64,
    sockets: HashMap<u64, LiveSocket>,
    /// Subscribers of each channel, with the channel ID as each spelled it.
    channels: HashMap<Channel, HashMap<u64, ChannelId>>,
    all: Usage,
    of_identity: HashMap<Arc<str>, Usage>,
}

/// Sockets, subscriptions, and bytes of channel IDs.
#[derive(Clone, Copy, Default)]
struct Usage {
    sockets: usize,
    subscriptions: usize,
    id_bytes: usize,
}

/// One open socket.
pub(super) struct LiveSocket {
    pub identity: Identity,
    /// Name of the identity, unique across all kinds.
    owner: Arc<str>,
    outbox: OutboxSender,
    channels: HashSet<Channel>,
    id_bytes: usize,
}

impl LiveSocket {
    /// Orders the socket's task to end.
    pub(super) fn end(&self, order: Order) {
        self.outbox.order(order);
    }
}

pub(super) struct Message<'a> {
    pub id: &'a BroadcastId,
    pub name: &'a str,
    pub payload: &'a Payload,
}

/// Packets of one message, by the channel ID that they carry.
struct Packets<'a> {
    message: &'a Message<'a>,
    kept: Vec<(&'a ChannelId, Packet)>,
}

impl<'a> Packets<'a> {
    fn spelled(&mut self, id: &'a ChannelId) -> Packet {
        if let Some((_, packet)) = self.kept.iter().find(|(kept, _)| *kept == id) {
            return packet.clone();
        }
        let Message {
            id: broadcast,
            name,
            payload,
        } = self.message;
        let packet = network_events::broadcast(broadcast.as_str(), name, id, payload.as_str());
        if self.kept.len() < MAX_KEPT_SPELLINGS {
            self.kept.push((id, packet.clone()));
        }
        packet
    }
}

/// Selects among the subscribers of a channel.
#[derive(Clone, Copy)]
pub(super) enum Audience<'a> {
    Everyone,
    /// Only the device that waits with this pairing code.
    PairingCode(&'a str),
}

/// Result of a delivery.
#[derive(Default)]
pub(super) struct Delivered {
    pub delivered: usize,
    /// Sockets that do not read. They are already removed; the caller closes them.
    pub slow: Vec<LiveSocket>,
}

/// Current totals.
pub(super) struct SocketCounts {
    pub sockets: usize,
    pub subscriptions: usize,
    pub channels: Vec<(Channel, usize)>,
}

impl SocketRegistry {
    /// Adds a socket of an identity with the name `owner`. Slots bound their number.
    pub(super) fn insert(&self, identity: Identity, owner: &str, memory: Arc<SocketUse>) -> Outbox {
        let inner = &mut *lock(&self.0);
        inner.last += 1;
        let waits = identity.pairing_code.is_some();
        let (sender, outbox) = outbox::open(inner.last, memory, waits);
        let socket = LiveSocket {
            identity,
            owner: owner.into(),
            outbox: sender,
            channels: HashSet::new(),
            id_bytes: 0,
        };
        inner.all.sockets += 1;
        let own = inner.of_identity.entry(socket.owner.clone()).or_default();
        own.sockets += 1;
        inner.sockets.insert(inner.last, socket);
        outbox
    }

    /// Sends a packet to one socket, after everything that it was sent before.
    pub(super) fn send(&self, socket: u64, packet: &Packet) -> Result<(), SlowSocket> {
        let inner = lock(&self.0);
        let socket = inner.sockets.get(&socket);
        socket.map_or(Ok(()), |socket| socket.outbox.send(packet))
    }

    /// Removes a socket and its subscriptions.
    pub(super) fn remove(&self, socket: u64) -> Option<LiveSocket> {
        lock(&self.0).remove(socket)
    }

    /// Ends the subscriptions of a socket, which stays open.
    pub(super) fn unsubscribe(&self, socket: u64) {
        lock(&self.0).unsubscribe(socket);
    }

    /// Subscribes a socket and confirms it in one step, so that the confirmation precedes the first
    /// message. If the socket is already subscribed, the latest spelling of the ID counts.
    ///
    /// Returns the refusals, one for each ID that was not accepted.
    ///
    /// # Errors
    /// The socket does not read.
    pub(super) fn subscribe(
        &self,
        id: u64,
        wanted: Vec<(ChannelId, Channel)>,
    ) -> Result<Vec<(ChannelId, ApiError)>, SlowSocket> {
        let inner = &mut *lock(&self.0);
        let Some(socket) = inner.sockets.get_mut(&id) else {
            return Ok(Vec::new());
        };
        let mut unaccounted = Usage::default();
        let own = inner.of_identity.get_mut(&socket.owner);
        let own = own.unwrap_or(&mut unaccounted);
        let mut confirmed = Vec::with_capacity(wanted.len());
        let mut refused = Vec::new();
        for (spelling, channel) in wanted {
            let spelled_before = inner.channels.get(&channel).and_then(|l| l.get(&id));
            let new = spelled_before.is_none();
            let before = spelled_before.map_or(0, |before| before.as_str().len());
            let with_id = |id_bytes: usize| id_bytes + spelling.as_str().len() - before;
            let no_room = socket.channels.len() >= MAX_SUBSCRIPTIONS
                || own.subscriptions >= MAX_SUBSCRIPTIONS_OF_IDENTITY
                || inner.all.subscriptions >= MAX_ALL_SUBSCRIPTIONS;
            let long = with_id(socket.id_bytes) > MAX_ID_BYTES
                || with_id(own.id_bytes) > MAX_ID_BYTES_OF_IDENTITY
                || with_id(inner.all.id_bytes) > MAX_ALL_ID_BYTES;
            if (new && no_room) || long {
                let message = format!(
                    "a connection may subscribe to {MAX_SUBSCRIPTIONS} channels with {MAX_ID_BYTES} bytes of IDs, an identity to {MAX_SUBSCRIPTIONS_OF_IDENTITY} with {MAX_ID_BYTES_OF_IDENTITY}, all together to {MAX_ALL_SUBSCRIPTIONS} with {MAX_ALL_ID_BYTES}"
                );
                refused.push((
                    spelling,
                    ApiError::full("network.subscriptions.full", message),
                ));
                continue;
            }
            socket.id_bytes = with_id(socket.id_bytes);
            own.id_bytes = with_id(own.id_bytes);
            inner.all.id_bytes = with_id(inner.all.id_bytes);
            if new {
                socket.channels.insert(channel.clone());
                own.subscriptions += 1;
                inner.all.subscriptions += 1;
            }
            confirmed.push(spelling.clone());
            let subscribers = inner.channels.entry(channel).or_default();
            subscribers.insert(id, spelling);
        }
        if !confirmed.is_empty() {
            let confirmed: Vec<_> = confirmed.iter().collect();
            socket
                .outbox
                .send(&network_events::subscribed(&confirmed))?;
        }
        Ok(refused)
    }

    /// Delivers a message to the subscribers of a channel.
    pub(super) fn publish(
        &self,
        channel: &Channel,
        message: &Message<'_>,
        audience: Audience<'_>,
    ) -> Delivered {
        let inner = &mut *lock(&self.0);
        let mut out = Delivered::default();
        let (mut slow, mut gone) = (Vec::new(), Vec::new());
        let mut packets = Packets {
            message,
            kept: Vec::new(),
        };
        for (id, spelling) in inner.channels.get(channel).into_iter().flatten() {
            let Some(socket) = inner.sockets.get(id) else {
                continue;
            };
            if let Audience::PairingCode(code) = audience
                && socket.identity.pairing_code.as_deref() != Some(code)
            {
                continue;
            }
            let packet = packets.spelled(spelling);
            let mut delivery = socket.outbox.deliver(&packet);
            while let Delivery::NoRoom(full) = delivery
                && let Some(largest) = largest(&inner.sockets, socket, full)
                && largest != *id
                && let Some(evicted) = inner.sockets.get(&largest)
            {
                evicted.outbox.memory.close();
                slow.push(largest);
                delivery = socket.outbox.deliver(&packet);
            }
            match delivery {
                Delivery::Sent => out.delivered += 1,
                Delivery::Slow | Delivery::NoRoom(_) => slow.push(*id),
                Delivery::Gone => gone.push(*id),
                Delivery::Evicted => {}
            }
        }
        for id in gone {
            inner.remove(id);
        }
        out.slow = slow.into_iter().filter_map(|id| inner.remove(id)).collect();
        out
    }

    pub(super) fn sockets_of(&self, uuid: &str) -> Vec<u64> {
        self.numbers(|identity| identity.kind == IdentityKind::Device && identity.uuid == uuid)
    }

    /// Sockets of the device that waits with a pairing code.
    pub(super) fn sockets_of_code(&self, code: &str) -> Vec<u64> {
        self.numbers(|identity| identity.pairing_code.as_deref() == Some(code))
    }

    fn numbers(&self, wanted: impl Fn(&Identity) -> bool) -> Vec<u64> {
        let inner = lock(&self.0);
        let wanted = inner.sockets.iter().filter(|(_, s)| wanted(&s.identity));
        wanted.map(|(id, _)| *id).collect()
    }

    pub(super) fn counts(&self, listed_channels: usize) -> SocketCounts {
        let inner = lock(&self.0);
        let mut channels: Vec<_> = inner
            .channels
            .iter()
            .take(listed_channels)
            .map(|(channel, listeners)| (channel.clone(), listeners.len()))
            .collect();
        channels.sort();
        SocketCounts {
            sockets: inner.sockets.len(),
            subscriptions: inner.all.subscriptions,
            channels,
        }
    }
}

impl Inner {
    fn remove(&mut self, id: u64) -> Option<LiveSocket> {
        self.unsubscribe(id);
        let socket = self.sockets.remove(&id)?;
        self.all.sockets = self.all.sockets.saturating_sub(1);
        if let Some(own) = self.of_identity.get_mut(&socket.owner) {
            own.sockets = own.sockets.saturating_sub(1);
            if own.sockets == 0 {
                self.of_identity.remove(&socket.owner);
            }
        }
        Some(socket)
    }

    /// Ends all subscriptions of a socket.
    fn unsubscribe(&mut self, id: u64) {
        let Some(socket) = self.sockets.get_mut(&id) else {
            return;
        };
        let channels = std::mem::take(&mut socket.channels);
        let id_bytes = std::mem::take(&mut socket.id_bytes);
        let own = self.of_identity.get_mut(&socket.owner);
        for usage in own.into_iter().chain([&mut self.all]) {
            usage.subscriptions = usage.subscriptions.saturating_sub(channels.len());
            usage.id_bytes = usage.id_bytes.saturating_sub(id_bytes);
        }
        for channel in &channels {
            if let Some(listeners) = self.channels.get_mut(channel) {
                listeners.remove(&id);
                if listeners.is_empty() {
                    self.channels.remove(channel);
                }
            }
        }
    }
}

/// Finds the socket to evict: the one that holds the most, of the identity of `socket` or of the
/// identity that holds the most.
fn largest(sockets: &HashMap<u64, LiveSocket>, socket: &LiveSocket, full: Full) -> Option<u64> {
    let chosen = sockets.iter().filter(|(_, other)| {
        !other.outbox.memory.is_closed()
            && (full == Full::Total
                || other
                    .outbox
                    .memory
                    .is_of_the_identity_of(&socket.outbox.memory))
    });
    chosen
        .max_by_key(|(_, other)| {
            (
                other.outbox.memory.held_by_identity(),
                other.outbox.memory.held(),
            )
        })
        .map(|(id, _)| *id)
}
