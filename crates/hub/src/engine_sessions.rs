//! Open Engine.IO sessions: limits per owner, the Socket.IO server of each, and dismissed ones.
//!
//! There are three Socket.IO servers. Logged-in clients get one that takes large messages. Devices
//! that wait to be paired, and clients without a valid token, get one each that takes few and small
//! messages, so that anonymous clients cannot make the process hold much memory.

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

/// Limits of sockets without a login: in all and of one address, for each of the two classes.
const MAX_ANONYMOUS: usize = 256;
const ANONYMOUS_PER_ADDRESS: usize = 40;

/// Limit of the ping interval, and of the wait for a pong, in a refused session.
const REFUSED_HEARTBEAT: Duration = Duration::from_secs(5);

/// Number of dismissed sessions at which expired ones are removed.
const SWEEP_AT: usize = 8192;

/// Socket.IO server that a session belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum SocketClass {
    LoggedIn,
    /// A device that waits to be paired.
    AwaitingPairing,
    /// Without a valid token: refused with a reason, then closed.
    Refused,
}

/// Ping interval and pong timeout of a class. A refused session over long polling ends with its
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

/// Owner whose share a session counts towards.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum SessionOwner {
    /// A logged-in identity.
    Identity(String),
    /// Anonymous clients of one address.
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

pub(super) struct EngineSessions {
    inner: Mutex<Inner>,
    /// Wakes pending polls, so that each can check whether its session was dismissed.
    dismissal: Notify,
    /// Time without a request after which a long-polling session must have ended.
    lifetimes: Lifetimes,
}

/// Time without a request after which a session must have missed its heartbeat.
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

/// Session that began with long polling. The library does not report its end; without requests it
/// must have ended.
struct PollingSession {
    slot: SessionSlot,
    seen: Instant,
    /// Connection of its upgrade to WebSocket, done or under way.
    upgrade: Weak<ClientConnection>,
}

/// Slot of one session, released on drop.
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

    /// Gives a slot to a session.
    ///
    /// # Errors
    /// When the owner, or the class, is at its limit.
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
            // Each releases its slot, which takes the lock.
            drop(ended);
            inner = lock(&self.inner);
            if full(&inner) {
                return Err(ApiError::busy(
                    "network.sockets.tooMany",
                    "too many sockets are open; close some, or try again later",
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

    /// Registers a long-polling session under its ID.
    pub(super) fn register(&self, sid: Sid, slot: SessionSlot) {
        let session = PollingSession {
            slot,
            seen: Instant::now(),
            upgrade: Weak::new(),
        };
        let replaced = lock(&self.inner).polling.insert(sid, session);
        drop(replaced);
    }

    /// Owner of a long-polling session, if there is one. Counts as a sign of life.
    pub(super) fn owner(&self, sid: Sid) -> Option<(SocketClass, SessionOwner)> {
        let mut inner = lock(&self.inner);
        let session = inner.polling.get_mut(&sid)?;
        session.seen = Instant::now();
        let owner = session.slot.owner.clone();
        Some((owner.class(), owner))
    }

    /// Starts the upgrade of a long-polling session to this connection; false when another
    /// connection has it.
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

    /// Connection that a session was upgraded to.
    pub(super) fn upgraded(&self, sid: Sid) -> Option<Arc<ClientConnection>> {
        lock(&self.inner).polling.get(&sid)?.upgrade.upgrade()
    }

    /// Removes sessions that have ended.
    pub(super) fn remove_ended(&self) {
        let ended = lock(&self.inner).take_ended(self.lifetimes);
        drop(ended);
    }

    /// Refuses all further requests of this session for at least `memory`: a session whose requests
    /// are refused misses its heartbeat and ends in that time.
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
            // Created before the map is checked, so that a dismissal in between is not missed.
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

    /// Takes out sessions that must have ended. The caller drops them after releasing the lock.
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
