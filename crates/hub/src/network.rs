//! Who listens where: the open sockets, their subscriptions, and handing messages out.
//!
//! Everything sits behind one lock, under which a message is handed to all its sockets at once. So messages reach every
//! socket in the order in which they were accepted. Handing out never waits: a socket that does not take what it is sent
//! is disconnected, never skipped.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use serde::Serialize;
use socketioxide::SocketError;
use socketioxide::extract::SocketRef;
use socketioxide::socket::Sid;
use tokio_util::sync::CancellationToken;

use super::connection::Connection;
use super::error::ApiError;
use super::state::lock;
use expd_domain::{BroadcastId, Channel, ChannelId, Identity, IdentityKind, Payload};

/// How many sockets are open at once.
pub(super) const MAX_SOCKETS: usize = 4096;

/// How many of them one identity may have.
const MAX_SOCKETS_OF_IDENTITY: usize = MAX_SOCKETS / 2;

/// How many channels one socket may subscribe to. A daemon uses one socket for all programs of its host.
const MAX_SUBSCRIPTIONS: usize = 16_384;

/// How many subscriptions there are in all; a channel exists by being subscribed to.
const MAX_ALL_SUBSCRIPTIONS: usize = 262_144;

/// How much text the channel IDs of one socket's subscriptions take together: 16,384 of 1 KiB each.
const MAX_ID_BYTES: usize = 16 * 1024 * 1024;

/// How much text the channel IDs of all subscriptions take together.
const MAX_ALL_ID_BYTES: usize = 256 * 1024 * 1024;

/// How much a socket may have yet to take before it counts as slow: three of the largest payloads.
const MAX_OUTSTANDING_BYTES: u64 = 48 * 1024 * 1024;

/// The open sockets and their subscriptions.
#[derive(Default)]
pub(super) struct Network(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    sockets: HashMap<Sid, Member>,
    /// For each channel, who listens and how each spelled the channel's ID.
    channels: HashMap<Channel, HashMap<Sid, ChannelId>>,
    subscriptions: usize,
    id_bytes: usize,
}

/// One open socket.
pub(super) struct Member {
    pub socket: SocketRef,
    pub identity: Identity,
    pub flow: Flow,
    /// Cancelled when the socket is no longer here.
    pub gone: CancellationToken,
    channels: HashSet<Channel>,
    id_bytes: usize,
}

impl Member {
    pub(super) fn new(socket: SocketRef, identity: Identity, flow: Flow) -> Self {
        Self {
            socket,
            identity,
            flow,
            gone: CancellationToken::new(),
            channels: HashSet::new(),
            id_bytes: 0,
        }
    }

    fn deliver(&mut self, event: &BroadcastEvent<'_>) -> Delivery {
        let size = event.size();
        let outstanding = self.flow.outstanding();
        if outstanding > 0 && outstanding + size > MAX_OUTSTANDING_BYTES {
            return Delivery::Slow;
        }
        match self.socket.emit("broadcast", event) {
            Ok(()) => {
                self.flow.sent += size;
                Delivery::Sent
            }
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
}

/// How much of what a socket was sent it has yet to take. The figure is a little too low (frames and heartbeats count as
/// taken, too) and comes right whenever the socket has caught up.
#[derive(Default)]
pub(super) struct Flow {
    sent: u64,
    /// What left in answers to long polling.
    polled: u64,
    /// The connection of a WebSocket, and what it had written before.
    wire: Option<(Arc<Connection>, u64)>,
}

impl Flow {
    pub(super) fn attach(&mut self, connection: Arc<Connection>) {
        let written = connection.written();
        self.wire = Some((connection, written));
    }

    pub(super) fn connection(&self) -> Option<&Arc<Connection>> {
        self.wire.as_ref().map(|(connection, _)| connection)
    }

    fn outstanding(&mut self) -> u64 {
        let written = self.wire.as_ref().map_or(0, |(connection, before)| {
            connection.written().saturating_sub(*before)
        });
        let outstanding = self.sent.saturating_sub(self.polled + written);
        if outstanding == 0 {
            (self.sent, self.polled) = (0, 0);
            if let Some((connection, before)) = &mut self.wire {
                *before = connection.written();
            }
        }
        outstanding
    }
}

/// A message as the network sends it. Serializing copies the payload's text as it is.
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

/// A message to hand out.
pub(super) struct Message<'a> {
    pub id: &'a BroadcastId,
    pub name: &'a str,
    pub payload: &'a Payload,
}

/// Who of a channel's listeners gets a message.
#[derive(Clone, Copy)]
pub(super) enum Audience<'a> {
    Everyone,
    /// Only the device that waits with this pairing code.
    PairingCode(&'a str),
}

/// What became of a message.
#[derive(Default)]
pub(super) struct HandedOut {
    pub delivered: usize,
    /// Sockets that do not take what they are sent. They are members no more; the caller ends them.
    pub slow: Vec<Member>,
}

/// How many there are of what.
pub(super) struct Census {
    pub sockets: usize,
    pub subscriptions: usize,
    pub channels: Vec<(Channel, usize)>,
}

impl Network {
    pub(super) fn is_full(&self) -> bool {
        lock(&self.0).sockets.len() >= MAX_SOCKETS
    }

    /// Takes a socket in; false when there is no room.
    pub(super) fn join(&self, sid: Sid, member: Member) -> bool {
        let mut inner = lock(&self.0);
        // A client may ask twice for its namespace on one connection; the second takes the first one's place.
        inner.remove(sid);
        let own = |other: &&Member| {
            (other.identity.kind, &other.identity.uuid)
                == (member.identity.kind, &member.identity.uuid)
        };
        let waits = member.identity.pairing_code.is_some();
        if inner.sockets.len() >= MAX_SOCKETS
            || !waits && inner.sockets.values().filter(own).count() >= MAX_SOCKETS_OF_IDENTITY
        {
            return false;
        }
        inner.sockets.insert(sid, member);
        true
    }

    /// Forgets a socket and its subscriptions.
    pub(super) fn leave(&self, sid: Sid) -> Option<Member> {
        lock(&self.0).remove(sid)
    }

    /// Subscribes a socket and confirms it, in one step, so that the confirmation comes before the first message. Where
    /// the socket listens already, the spelling given last is the one it hears.
    ///
    /// Returns the refusals, one for each ID that could not be taken.
    pub(super) fn subscribe(
        &self,
        sid: Sid,
        wanted: Vec<(ChannelId, Channel)>,
    ) -> Vec<(ChannelId, ApiError)> {
        let inner = &mut *lock(&self.0);
        let Some(member) = inner.sockets.get_mut(&sid) else {
            return Vec::new();
        };
        let mut confirmed = Vec::with_capacity(wanted.len());
        let mut refused = Vec::new();
        for (id, channel) in wanted {
            let spelled_before = inner.channels.get(&channel).and_then(|l| l.get(&sid));
            let new = spelled_before.is_none();
            let before = spelled_before.map_or(0, |before| before.as_str().len());
            let id_bytes = member.id_bytes + id.as_str().len() - before;
            let all_id_bytes = inner.id_bytes + id.as_str().len() - before;
            let no_room = member.channels.len() >= MAX_SUBSCRIPTIONS
                || inner.subscriptions >= MAX_ALL_SUBSCRIPTIONS;
            if (new && no_room) || id_bytes > MAX_ID_BYTES || all_id_bytes > MAX_ALL_ID_BYTES {
                let message = format!(
                    "a connection may subscribe to {MAX_SUBSCRIPTIONS} channels with {MAX_ID_BYTES} bytes of IDs, all together to {MAX_ALL_SUBSCRIPTIONS} with {MAX_ALL_ID_BYTES}"
                );
                refused.push((id, ApiError::full("network.subscriptions.full", message)));
                continue;
            }
            member.id_bytes = id_bytes;
            inner.id_bytes = all_id_bytes;
            if new {
                member.channels.insert(channel.clone());
                inner.subscriptions += 1;
            }
            confirmed.push(id.clone());
            inner.channels.entry(channel).or_default().insert(sid, id);
        }
        if !confirmed.is_empty()
            && let Err(error) = member.socket.emit("subscribed", &confirmed)
        {
            // A client that is not told asks again; one whose connection is gone has nothing to be told.
            log::debug!("a subscription could not be confirmed: {error}");
        }
        refused
    }

    /// Hands a message to who listens.
    pub(super) fn publish(
        &self,
        channel: &Channel,
        message: &Message<'_>,
        audience: Audience<'_>,
    ) -> HandedOut {
        let inner = &mut *lock(&self.0);
        let mut out = HandedOut::default();
        let (mut slow, mut gone) = (Vec::new(), Vec::new());
        for (sid, spelling) in inner.channels.get(channel).into_iter().flatten() {
            let Some(member) = inner.sockets.get_mut(sid) else {
                continue;
            };
            if let Audience::PairingCode(code) = audience
                && member.identity.pairing_code.as_deref() != Some(code)
            {
                continue;
            }
            let event = BroadcastEvent {
                id: message.id,
                name: message.name,
                channel: spelling,
                payload: message.payload,
            };
            match member.deliver(&event) {
                Delivery::Sent => out.delivered += 1,
                Delivery::Slow => slow.push(*sid),
                Delivery::Gone => gone.push(*sid),
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

    /// The sockets of one device.
    pub(super) fn sockets_of(&self, uuid: &str) -> Vec<SocketRef> {
        lock(&self.0)
            .sockets
            .values()
            .filter(|member| {
                member.identity.kind == IdentityKind::Device && member.identity.uuid == uuid
            })
            .map(|member| member.socket.clone())
            .collect()
    }

    /// The sockets of the device that waits with a pairing code.
    pub(super) fn sockets_of_code(&self, code: &str) -> Vec<SocketRef> {
        lock(&self.0)
            .sockets
            .values()
            .filter(|member| member.identity.pairing_code.as_deref() == Some(code))
            .map(|member| member.socket.clone())
            .collect()
    }

    /// A socket goes on over a WebSocket.
    pub(super) fn attach(&self, sid: Sid, connection: &Arc<Connection>) {
        if let Some(member) = lock(&self.0).sockets.get_mut(&sid) {
            member.flow.attach(connection.clone());
        }
    }

    /// A socket took this much by long polling.
    pub(super) fn polled(&self, sid: Sid, bytes: u64) {
        if let Some(member) = lock(&self.0).sockets.get_mut(&sid) {
            member.flow.polled += bytes;
        }
    }

    pub(super) fn census(&self, listed_channels: usize) -> Census {
        let inner = lock(&self.0);
        let mut channels: Vec<_> = inner
            .channels
            .iter()
            .take(listed_channels)
            .map(|(channel, listeners)| (channel.clone(), listeners.len()))
            .collect();
        channels.sort();
        Census {
            sockets: inner.sockets.len(),
            subscriptions: inner.subscriptions,
            channels,
        }
    }
}

impl Inner {
    fn remove(&mut self, sid: Sid) -> Option<Member> {
        let member = self.sockets.remove(&sid)?;
        member.gone.cancel();
        self.subscriptions = self.subscriptions.saturating_sub(member.channels.len());
        self.id_bytes = self.id_bytes.saturating_sub(member.id_bytes);
        for channel in &member.channels {
            if let Some(listeners) = self.channels.get_mut(channel) {
                listeners.remove(&sid);
                if listeners.is_empty() {
                    self.channels.remove(channel);
                }
            }
        }
        Some(member)
    }
}
