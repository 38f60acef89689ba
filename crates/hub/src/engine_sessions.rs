//! The sessions of Engine.IO that are open: who may open one, which of the servers has it, and which are no longer welcome.
//!
//! There are three Socket.IO servers. Whoever has a session's token is a member and gets room for large messages. A device that
//! waits to be paired, and whoever has no token that holds, get a server each that takes small messages and few of them, so that
//! strangers cannot make the network hold much.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use socketioxide::socket::Sid;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::address::Address;
use super::connection::ClientConnection;
use super::error::ApiError;
use super::lock::lock;
use super::socket_registry::MAX_SOCKETS;

/// Sockets of strangers: of all of them, and of one address, for each of the two kinds.
const MAX_ANONYMOUS: usize = 256;
const ANONYMOUS_PER_ADDRESS: usize = 40;

/// The longest ping interval, and the longest wait for a pong, of a session that was refused.
const REFUSED_HEARTBEAT: Duration = Duration::from_secs(5);

/// How many dismissed sessions are remembered before those that are gone are swept out.
const SWEEP_AT: usize = 8192;

/// Which Socket.IO server a session belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum SocketClass {
    /// Logged in.
    LoggedIn,
    /// A device that waits to be paired.
    AwaitingPairing,
    /// Without a token that holds: it is told so, and closed.
    Refused,
}

/// The ping interval of a side's sessions, and how long they wait for pongs. One of long polling that was refused ends with its
/// next heartbeat, so these are short.
pub(super) fn class_heartbeat(
    class: SocketClass,
    ping_interval: Duration,
    ping_timeout: Duration,
) -> (Duration, Duration) {
    match class {
        SocketClass::Refused => (
            ping_interval.min(REFUSED_HEARTBEAT),
            ping_timeout.min(REFUSED_HEARTBEAT),
        ),
        SocketClass::LoggedIn | SocketClass::AwaitingPairing => (ping_interval, ping_timeout),
    }
}

/// Whose share a session counts in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum SessionOwner {
    /// Of one who is logged in.
    Identity(String),
    /// Of strangers from one address.
    Address(SocketClass, Address),
}

impl SessionOwner {
    fn limits(&self) -> (usize, usize) {
        match self {
            Self::Identity(_) => (MAX_SOCKETS, MAX_SOCKETS / 2),
            Self::Address(..) => (MAX_ANONYMOUS, ANONYMOUS_PER_ADDRESS),
        }
    }

    fn class(&self) -> SocketClass {
        match self {
            Self::Identity(_) => SocketClass::LoggedIn,
            Self::Address(class, _) => *class,
        }
    }
}

/// The open sessions.
pub(super) struct EngineSessions {
    inner: Mutex<Inner>,
    /// Wakes the polls that are held open, for them to see whether it was their session.
    dismissal: Notify,
    /// How long a session of long polling can live without a request.
    lifetimes: Lifetimes,
}

/// How long sessions can live without a request: until they have missed their heartbeat.
#[derive(Clone, Copy)]
struct Lifetimes {
    accepted: Duration,
    refused: Duration,
}

impl Lifetimes {
    fn of(self, class: SocketClass) -> Duration {
        match class {
            SocketClass::Refused => self.refused,
            SocketClass::LoggedIn | SocketClass::AwaitingPairing => self.accepted,
        }
    }
}

#[derive(Default)]
struct Inner {
    polling: HashMap<Sid, PollingSession>,
    dismissed: HashMap<Sid, Instant>,
    by_owner: HashMap<SessionOwner, usize>,
    by_class: HashMap<SocketClass, usize>,
}

/// A session that began with long polling. The library does not say when it ends; without requests it must have.
struct PollingSession {
    slot: SessionSlot,
    seen: Instant,
    /// The connection that it goes on over, or tries to.
    upgrade: Weak<ClientConnection>,
}

/// A session's place, left when this is dropped.
pub(super) struct SessionSlot {
    sessions: Weak<EngineSessions>,
    owner: SessionOwner,
}

impl Drop for SessionSlot {
    fn drop(&mut self) {
        if let Some(sessions) = self.sessions.upgrade() {
            lock(&sessions.inner).release(&self.owner);
        }
    }
}

impl EngineSessions {
    /// For sessions with these pings and waits for pongs.
    pub(super) fn new(ping_interval: Duration, ping_timeout: Duration) -> Arc<Self> {
        let memory = |class| {
            let (interval, timeout) = class_heartbeat(class, ping_interval, ping_timeout);
            2 * (interval + timeout)
        };
        Arc::new(Self {
            inner: Mutex::default(),
            dismissal: Notify::new(),
            lifetimes: Lifetimes {
                accepted: memory(SocketClass::LoggedIn),
                refused: memory(SocketClass::Refused),
            },
        })
    }

    /// A place for a session.
    ///
    /// # Errors
    /// Where its owner, or all together, have as many as they get.
    pub(super) fn open(self: &Arc<Self>, owner: SessionOwner) -> Result<SessionSlot, ApiError> {
        let mut inner = lock(&self.inner);
        let (all, each) = owner.limits();
        let full = |inner: &Inner| {
            inner.by_class.get(&owner.class()).copied().unwrap_or(0) >= all
                || inner.by_owner.get(&owner).copied().unwrap_or(0) >= each
        };
        if full(&inner) {
            let ended = inner.take_ended(self.lifetimes);
            drop(inner);
            // Each leaves its place, which takes the lock.
            drop(ended);
            inner = lock(&self.inner);
            if full(&inner) {
                return Err(ApiError::busy(
                    "network.sockets.tooMany",
                    "you have as many sockets open as this network takes; close some, or try again later",
                ));
            }
        }
        *inner.by_class.entry(owner.class()).or_default() += 1;
        *inner.by_owner.entry(owner.clone()).or_default() += 1;
        Ok(SessionSlot {
            sessions: Arc::downgrade(self),
            owner,
        })
    }

    /// A session of long polling has this ID.
    pub(super) fn register(&self, sid: Sid, slot: SessionSlot) {
        let session = PollingSession {
            slot,
            seen: Instant::now(),
            upgrade: Weak::new(),
        };
        let replaced = lock(&self.inner).polling.insert(sid, session);
        drop(replaced);
    }

    /// Whose a session of long polling is; nothing where there is none. Counts as a sign of its life.
    pub(super) fn owner(&self, sid: Sid) -> Option<(SocketClass, SessionOwner)> {
        let mut inner = lock(&self.inner);
        let session = inner.polling.get_mut(&sid)?;
        session.seen = Instant::now();
        let owner = session.slot.owner.clone();
        Some((owner.class(), owner))
    }

    /// A session of long polling asks to go on over this connection; false where it does so over another one already.
    pub(super) fn upgrade(&self, sid: Sid, connection: &Arc<ClientConnection>) -> bool {
        let mut inner = lock(&self.inner);
        let Some(session) = inner.polling.get_mut(&sid) else {
            return false;
        };
        if session.upgrade.upgrade().is_some_and(|c| !c.has_ended()) {
            return false;
        }
        session.upgrade = Arc::downgrade(connection);
        true
    }

    /// The connection that a session went on over.
    pub(super) fn upgraded(&self, sid: Sid) -> Option<Arc<ClientConnection>> {
        lock(&self.inner).polling.get(&sid)?.upgrade.upgrade()
    }

    /// Forgets sessions that have ended.
    pub(super) fn remove_ended(&self) {
        let ended = lock(&self.inner).take_ended(self.lifetimes);
        drop(ended);
    }

    /// From now on requests of this session are refused, for at least `memory`: long enough for the session itself to
    /// end, since a session whose requests are refused misses its heartbeat.
    pub(super) fn dismiss(&self, sid: Sid, memory: Duration) {
        let mut inner = lock(&self.inner);
        let now = Instant::now();
        if inner.dismissed.len() >= SWEEP_AT {
            inner.dismissed.retain(|_, until| *until > now);
        }
        if inner.dismissed.len() < SWEEP_AT {
            inner.dismissed.insert(sid, now + memory);
        }
        drop(inner);
        self.dismissal.notify_waiters();
        if let Some(connection) = self.upgraded(sid) {
            connection.cut();
        }
    }

    /// Waits until this session is dismissed.
    pub(super) async fn dismissed(&self, sid: Sid) {
        loop {
            // Made before the look at the map, so that no dismissal falls in between.
            let next = self.dismissal.notified();
            if lock(&self.inner).dismissed.contains_key(&sid) {
                return;
            }
            next.await;
        }
    }
}

impl Inner {
    fn release(&mut self, owner: &SessionOwner) {
        if let Some(count) = self.by_class.get_mut(&owner.class()) {
            *count = count.saturating_sub(1);
        }
        if let Some(count) = self.by_owner.get_mut(owner) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.by_owner.remove(owner);
            }
        }
    }

    /// Takes the sessions out that must have ended. The caller drops them once it has let go of the lock.
    fn take_ended(&mut self, lifetimes: Lifetimes) -> Vec<PollingSession> {
        let ended: Vec<Sid> = self
            .polling
            .iter()
            .filter(|(_, session)| session.has_ended(lifetimes))
            .map(|(sid, _)| *sid)
            .collect();
        let ended = ended.iter().filter_map(|sid| self.polling.remove(sid));
        ended.collect()
    }
}

impl PollingSession {
    fn has_ended(&self, lifetimes: Lifetimes) -> bool {
        let upgraded = self.upgrade.upgrade().is_some_and(|c| !c.has_ended());
        !upgraded && self.seen.elapsed() > lifetimes.of(self.slot.owner.class())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn anonymous(ip: [u8; 4]) -> SessionOwner {
        SessionOwner::Address(
            SocketClass::Refused,
            Address::from(std::net::SocketAddr::from((ip, 1))),
        )
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_has_a_share_until_its_sessions_end() {
        let sessions = EngineSessions::new(Duration::from_secs(25), Duration::from_secs(20));
        let here = anonymous([10, 0, 0, 1]);
        for number in 0..ANONYMOUS_PER_ADDRESS {
            let slot = sessions.open(here.clone()).unwrap();
            if number % 2 == 0 {
                sessions.register(Sid::new(), slot);
            } else {
                drop(slot);
            }
        }
        let mut held = Vec::new();
        while let Ok(slot) = sessions.open(here.clone()) {
            held.push(slot);
        }
        assert_eq!(held.len(), ANONYMOUS_PER_ADDRESS / 2);
        assert!(sessions.open(anonymous([10, 0, 0, 2])).is_ok());
        tokio::time::advance(Duration::from_secs(21)).await;
        assert!(sessions.open(here).is_ok(), "those that polled have ended");
        drop(held);
        sessions.remove_ended();
        assert!(lock(&sessions.inner).polling.is_empty());
    }
}
