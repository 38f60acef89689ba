//! Open sockets, their subscriptions, and delivery of messages.
//!
//! Everything is behind one lock, under which a message goes to all its sockets at once, so every
//! socket receives messages in the order in which they were accepted. Delivery never waits: a
//! socket that does not read is disconnected, never skipped.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use serde::Serialize;
use socketioxide::SocketError;
use socketioxide::extract::SocketRef;
use socketioxide::socket::Sid;
use tokio_util::sync::CancellationToken;

use super::connection::ClientConnection;
use super::error::ApiError;
use super::lock::lock;
use super::socket_memory::{Full, SocketUse};
use expd_domain::{BroadcastId, Channel, ChannelId, Identity, IdentityKind, Payload};

/// Limit of open sockets.
pub(super) const MAX_SOCKETS: usize = 4096;

/// Limit of the sockets of one identity.
const MAX_SOCKETS_OF_IDENTITY: usize = MAX_SOCKETS / 2;

/// Limit of channels of one socket. A daemon uses one socket for all programs of its host.
const MAX_SUBSCRIPTIONS: usize = 16_384;

/// Limit of all subscriptions. A channel exists by being subscribed to.
const MAX_ALL_SUBSCRIPTIONS: usize = 262_144;

/// Limit of the channel IDs of one socket: 16,384 of 1 KiB each.
const MAX_ID_BYTES: usize = 16 * 1024 * 1024;

/// Limit of the channel IDs of all sockets.
const MAX_ALL_ID_BYTES: usize = 256 * 1024 * 1024;

/// Limits of the subscriptions of one identity, and of their channel IDs.
const MAX_SUBSCRIPTIONS_OF_IDENTITY: usize = MAX_ALL_SUBSCRIPTIONS / 2;
const MAX_ID_BYTES_OF_IDENTITY: usize = 64 * 1024 * 1024;

/// Limit of bytes that a socket has not read: three of the largest payloads.
const MAX_OUTSTANDING_BYTES: u64 = 48 * 1024 * 1024;

#[derive(Default)]
pub(super) struct SocketRegistry(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    sockets: HashMap<Sid, LiveSocket>,
    /// Subscribers of each channel, with the channel ID as each spelled it.
    channels: HashMap<Channel, HashMap<Sid, ChannelId>>,
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
    pub socket: SocketRef,
    pub identity: Identity,
    /// Name of the identity, unique across all kinds.
    owner: Arc<str>,
    pub memory: Arc<SocketUse>,
    /// Connection of a WebSocket.
    pub connection: Option<Arc<ClientConnection>>,
    /// Cancelled when the socket is removed.
    pub removed: CancellationToken,
    channels: HashSet<Channel>,
    id_bytes: usize,
}

impl LiveSocket {
    pub(super) fn new(
        socket: SocketRef,
        identity: Identity,
        owner: &str,
        memory: Arc<SocketUse>,
    ) -> Self {
        Self {
            socket,
            identity,
            owner: owner.into(),
            memory,
            connection: None,
            removed: CancellationToken::new(),
            channels: HashSet::new(),
            id_bytes: 0,
        }
    }

    /// Notes that the socket uses a WebSocket from here on.
    pub(super) fn attach(&mut self, connection: Arc<ClientConnection>) {
        self.memory = connection.carry(self.memory.clone());
        self.connection = Some(connection);
    }

    fn deliver(&self, event: &BroadcastEvent<'_>) -> Delivery {
        let size = event.size();
        let outstanding = self.memory.outstanding();
        if outstanding > 0 && outstanding + size > MAX_OUTSTANDING_BYTES {
            return Delivery::Slow;
        }
        if self.memory.is_closed() {
            return Delivery::Evicted;
        }
        if let Err(full) = self.memory.room_for(size) {
            return Delivery::NoRoom(full);
        }
        // Charged first: another thread may write the message at once.
        self.memory.sent(size);
        let sent = self.socket.emit("broadcast", event);
        if sent.is_err() {
            self.memory.taken(size);
        }
        match sent {
            Ok(()) => Delivery::Sent,
            Err(socketioxide::SendError::Socket(SocketError::InternalChannelFull)) => {
                Delivery::Slow
            }
            Err(_) => Delivery::Gone,
        }
    }
}

enum Delivery {
    Sent,
    Slow,
    Gone,
    NoRoom(Full),
    /// The socket was evicted to make room for another one.
    Evicted,
}

/// Message in its wire form. Serializing copies the payload's text unchanged.
#[derive(Serialize)]
struct BroadcastEvent<'a> {
    id: &'a BroadcastId,
    name: &'a str,
    channel: &'a ChannelId,
    payload: &'a Payload,
}

impl BroadcastEvent<'_> {
    fn size(&self) -> u64 {
        let texts = [
            self.id.as_str(),
            self.name,
            self.channel.as_str(),
            self.payload.as_str(),
        ];
        texts.iter().map(|text| text.len() as u64).sum()
    }
}

/// Message to deliver.
pub(super) struct Message<'a> {
    pub id: &'a BroadcastId,
    pub name: &'a str,
    pub payload: &'a Payload,
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
    /// Sockets that do not read. They are removed already; the caller closes them.
    pub slow: Vec<LiveSocket>,
}

/// Current totals.
pub(super) struct SocketCounts {
    pub sockets: usize,
    pub subscriptions: usize,
    pub channels: Vec<(Channel, usize)>,
}

impl SocketRegistry {
    pub(super) fn is_full(&self) -> bool {
        lock(&self.0).sockets.len() >= MAX_SOCKETS
    }

    /// Adds a socket; false when there is no room.
    pub(super) fn insert(&self, sid: Sid, socket: LiveSocket) -> bool {
        let mut inner = lock(&self.0);
        // A client may open its namespace twice on one connection; the second replaces the first.
        inner.remove(sid);
        let waits = socket.identity.pairing_code.is_some();
        let own = inner.of_identity.get(&socket.owner);
        let own = own.map_or(0, |holdings| holdings.sockets);
        if inner.sockets.len() >= MAX_SOCKETS || !waits && own >= MAX_SOCKETS_OF_IDENTITY {
            return false;
        }
        inner.all.sockets += 1;
        let own = inner.of_identity.entry(socket.owner.clone()).or_default();
        own.sockets += 1;
        inner.sockets.insert(sid, socket);
        true
    }

    /// Removes a socket and its subscriptions.
    pub(super) fn remove(&self, sid: Sid) -> Option<LiveSocket> {
        lock(&self.0).remove(sid)
    }

    /// Subscribes a socket and confirms it in one step, so that the confirmation comes before the
    /// first message. Where the socket is subscribed already, the latest spelling of the ID counts.
    ///
    /// Returns the refusals, one for each ID that was not accepted.
    pub(super) fn subscribe(
        &self,
        sid: Sid,
        wanted: Vec<(ChannelId, Channel)>,
    ) -> Vec<(ChannelId, ApiError)> {
        let inner = &mut *lock(&self.0);
        let Some(socket) = inner.sockets.get_mut(&sid) else {
            return Vec::new();
        };
        let mut unaccounted = Usage::default();
        let own = inner.of_identity.get_mut(&socket.owner);
        let own = own.unwrap_or(&mut unaccounted);
        let mut confirmed = Vec::with_capacity(wanted.len());
        let mut refused = Vec::new();
        for (id, channel) in wanted {
            let spelled_before = inner.channels.get(&channel).and_then(|l| l.get(&sid));
            let new = spelled_before.is_none();
            let before = spelled_before.map_or(0, |before| before.as_str().len());
            let with_id = |id_bytes: usize| id_bytes + id.as_str().len() - before;
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
                refused.push((id, ApiError::full("network.subscriptions.full", message)));
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
            confirmed.push(id.clone());
            inner.channels.entry(channel).or_default().insert(sid, id);
        }
        if !confirmed.is_empty()
            && let Err(error) = socket.socket.emit("subscribed", &confirmed)
        {
            // A client without a confirmation asks again; one that has disconnected needs none.
            log::debug!("cannot confirm a subscription: {error}");
        }
        refused
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
        for (sid, spelling) in inner.channels.get(channel).into_iter().flatten() {
            let Some(socket) = inner.sockets.get(sid) else {
                continue;
            };
            if let Audience::PairingCode(code) = audience
                && socket.identity.pairing_code.as_deref() != Some(code)
            {
                continue;
            }
            let event = BroadcastEvent {
                id: message.id,
                name: message.name,
                channel: spelling,
                payload: message.payload,
            };
            let mut delivery = socket.deliver(&event);
            while let Delivery::NoRoom(full) = delivery
                && let Some(largest) = largest(&inner.sockets, socket, full)
                && largest != *sid
                && let Some(evicted) = inner.sockets.get(&largest)
            {
                evicted.memory.close();
                slow.push(largest);
                delivery = socket.deliver(&event);
            }
            match delivery {
                Delivery::Sent => out.delivered += 1,
                Delivery::Slow | Delivery::NoRoom(_) => slow.push(*sid),
                Delivery::Gone => gone.push(*sid),
                Delivery::Evicted => {}
            }
        }
        for sid in gone {
            inner.remove(sid);
        }
        out.slow = slow
            .into_iter()
            .filter_map(|sid| inner.remove(sid))
            .collect();
        out
    }

    pub(super) fn sockets_of(&self, uuid: &str) -> Vec<SocketRef> {
        lock(&self.0)
            .sockets
            .values()
            .filter(|socket| {
                socket.identity.kind == IdentityKind::Device && socket.identity.uuid == uuid
            })
            .map(|socket| socket.socket.clone())
            .collect()
    }

    /// Sockets of the device that waits with a pairing code.
    pub(super) fn sockets_of_code(&self, code: &str) -> Vec<SocketRef> {
        lock(&self.0)
            .sockets
            .values()
            .filter(|socket| socket.identity.pairing_code.as_deref() == Some(code))
            .map(|socket| socket.socket.clone())
            .collect()
    }

    /// Notes that a socket was upgraded to a WebSocket.
    pub(super) fn attach(&self, sid: Sid, connection: &Arc<ClientConnection>) {
        if let Some(socket) = lock(&self.0).sockets.get_mut(&sid) {
            socket.attach(connection.clone());
        }
    }

    /// Counts bytes that a socket received by long polling.
    pub(super) fn taken_by_polling(&self, sid: Sid, bytes: u64) {
        if let Some(socket) = lock(&self.0).sockets.get(&sid) {
            socket.memory.taken(bytes);
        }
    }

    /// Notes that a message of a socket has been handled.
    pub(super) fn message_finished(&self, sid: Sid) {
        if let Some(socket) = lock(&self.0).sockets.get(&sid) {
            socket.memory.finished();
        }
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
    fn remove(&mut self, sid: Sid) -> Option<LiveSocket> {
        let socket = self.sockets.remove(&sid)?;
        socket.removed.cancel();
        self.all.give_back(&socket);
        if let Some(own) = self.of_identity.get_mut(&socket.owner) {
            own.give_back(&socket);
            if own.sockets == 0 {
                self.of_identity.remove(&socket.owner);
            }
        }
        for channel in &socket.channels {
            if let Some(listeners) = self.channels.get_mut(channel) {
                listeners.remove(&sid);
                if listeners.is_empty() {
                    self.channels.remove(channel);
                }
            }
        }
        Some(socket)
    }
}

impl Usage {
    fn give_back(&mut self, socket: &LiveSocket) {
        self.sockets = self.sockets.saturating_sub(1);
        self.subscriptions = self.subscriptions.saturating_sub(socket.channels.len());
        self.id_bytes = self.id_bytes.saturating_sub(socket.id_bytes);
    }
}

/// Finds the socket to evict: the one that holds the most, of the identity of `socket` or of the
/// identity that holds the most.
fn largest(sockets: &HashMap<Sid, LiveSocket>, socket: &LiveSocket, full: Full) -> Option<Sid> {
    let chosen = sockets.iter().filter(|(_, other)| {
        !other.memory.is_closed()
            && (full == Full::Total || other.memory.is_of_the_identity_of(&socket.memory))
    });
    chosen
        .max_by_key(|(_, other)| (other.memory.held_by_identity(), other.memory.held()))
        .map(|(sid, _)| *sid)
}
