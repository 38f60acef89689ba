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
use super::connection::Connection;
use super::error::ApiError;
use super::lock::lock;
use super::network::MAX_SOCKETS;

/// Sockets of strangers: of all of them, and of one address, for each of the two kinds.
const MAX_STRANGERS: usize = 256;
const STRANGERS_OF_ADDRESS: usize = 40;

/// The longest ping interval, and the longest wait for a pong, of a session that was refused.
const REFUSED_HEARTBEAT: Duration = Duration::from_secs(5);

/// How many dismissed sessions are remembered before those that are gone are swept out.
const SWEEP_AT: usize = 8192;

/// Which Socket.IO server a session belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Side {
    /// Logged in.
    Member,
    /// A device that waits to be paired.
    Waiting,
    /// Without a token that holds: it is told so, and closed.
    Refused,
}

/// The ping interval of a side's sessions, and how long they wait for pongs. One of long polling that was refused ends with its
/// next heartbeat, so these are short.
pub(super) fn side_heartbeat(
    side: Side,
    ping_interval: Duration,
    ping_timeout: Duration,
) -> (Duration, Duration) {
    match side {
        Side::Refused => (
            ping_interval.min(REFUSED_HEARTBEAT),
            ping_timeout.min(REFUSED_HEARTBEAT),
        ),
        Side::Member | Side::Waiting => (ping_interval, ping_timeout),
    }
}

/// Whose share a session counts in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Owner {
    /// Of one who is logged in.
    Identity(String),
    /// Of strangers from one address.
    Address(Side, Address),
}

impl Owner {
    fn limits(&self) -> (usize, usize) {
        match self {
            Self::Identity(_) => (MAX_SOCKETS, MAX_SOCKETS / 2),
            Self::Address(..) => (MAX_STRANGERS, STRANGERS_OF_ADDRESS),
        }
    }

    fn side(&self) -> Side {
        match self {
            Self::Identity(_) => Side::Member,
            Self::Address(side, _) => *side,
        }
    }
}

/// The open sessions.
pub(super) struct EngineSessions {
    inner: Mutex<Inner>,
    /// Wakes the polls that are held open, for them to see whether it was their session.
    dismissal: Notify,
    /// How long a session of long polling can live without a request.
    memory: Memory,
}

/// How long sessions can live without a request: until they have missed their heartbeat.
#[derive(Clone, Copy)]
struct Memory {
    welcome: Duration,
    refused: Duration,
}

impl Memory {
    fn of(self, side: Side) -> Duration {
        match side {
            Side::Refused => self.refused,
            Side::Member | Side::Waiting => self.welcome,
        }
    }
}

#[derive(Default)]
struct Inner {
    polling: HashMap<Sid, PollingSession>,
    dismissed: HashMap<Sid, Instant>,
    of_owner: HashMap<Owner, usize>,
    of_side: HashMap<Side, usize>,
}

/// A session that began with long polling. The library does not say when it ends; without requests it must have.
struct PollingSession {
    opening: Opening,
    seen: Instant,
    /// The connection that it goes on over, or tries to.
    upgrade: Weak<Connection>,
}

/// A session's place, left when this is dropped.
pub(super) struct Opening {
    sessions: Weak<EngineSessions>,
    owner: Owner,
}

impl Drop for Opening {
    fn drop(&mut self) {
        if let Some(sessions) = self.sessions.upgrade() {
            lock(&sessions.inner).leave(&self.owner);
        }
    }
}

impl EngineSessions {
    /// For sessions with these pings and waits for pongs.
    pub(super) fn new(ping_interval: Duration, ping_timeout: Duration) -> Arc<Self> {
        let memory = |side| {
            let (interval, timeout) = side_heartbeat(side, ping_interval, ping_timeout);
            2 * (interval + timeout)
        };
        Arc::new(Self {
            inner: Mutex::default(),
            dismissal: Notify::new(),
            memory: Memory {
                welcome: memory(Side::Member),
                refused: memory(Side::Refused),
            },
        })
    }

    /// A place for a session.
    ///
    /// # Errors
    /// Where its owner, or all together, have as many as they get.
    pub(super) fn open(self: &Arc<Self>, owner: Owner) -> Result<Opening, ApiError> {
        let mut inner = lock(&self.inner);
        let (all, each) = owner.limits();
        let full = |inner: &Inner| {
            inner.of_side.get(&owner.side()).copied().unwrap_or(0) >= all
                || inner.of_owner.get(&owner).copied().unwrap_or(0) >= each
        };
        if full(&inner) {
            let ended = inner.take_ended(self.memory);
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
        *inner.of_side.entry(owner.side()).or_default() += 1;
        *inner.of_owner.entry(owner.clone()).or_default() += 1;
        Ok(Opening {
            sessions: Arc::downgrade(self),
            owner,
        })
    }

    /// A session of long polling has this ID.
    pub(super) fn began(&self, sid: Sid, opening: Opening) {
        let session = PollingSession {
            opening,
            seen: Instant::now(),
            upgrade: Weak::new(),
        };
        let replaced = lock(&self.inner).polling.insert(sid, session);
        drop(replaced);
    }

    /// Whose a session of long polling is; nothing where there is none. Counts as a sign of its life.
    pub(super) fn owner(&self, sid: Sid) -> Option<(Side, Owner)> {
        let mut inner = lock(&self.inner);
        let session = inner.polling.get_mut(&sid)?;
        session.seen = Instant::now();
        let owner = session.opening.owner.clone();
        Some((owner.side(), owner))
    }

    /// A session of long polling asks to go on over this connection; false where it does so over another one already.
    pub(super) fn upgrade(&self, sid: Sid, connection: &Arc<Connection>) -> bool {
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
    pub(super) fn upgraded(&self, sid: Sid) -> Option<Arc<Connection>> {
        lock(&self.inner).polling.get(&sid)?.upgrade.upgrade()
    }

    /// Forgets sessions that have ended.
    pub(super) fn sweep(&self) {
        let ended = lock(&self.inner).take_ended(self.memory);
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
    fn leave(&mut self, owner: &Owner) {
        if let Some(count) = self.of_side.get_mut(&owner.side()) {
            *count = count.saturating_sub(1);
        }
        if let Some(count) = self.of_owner.get_mut(owner) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.of_owner.remove(owner);
            }
        }
    }

    /// Takes the sessions out that must have ended. The caller drops them once it has let go of the lock.
    fn take_ended(&mut self, memory: Memory) -> Vec<PollingSession> {
        let ended: Vec<Sid> = self
            .polling
            .iter()
            .filter(|(_, session)| session.has_ended(memory))
            .map(|(sid, _)| *sid)
            .collect();
        let ended = ended.iter().filter_map(|sid| self.polling.remove(sid));
        ended.collect()
    }
}

impl PollingSession {
    fn has_ended(&self, memory: Memory) -> bool {
        let upgraded = self.upgrade.upgrade().is_some_and(|c| !c.has_ended());
        !upgraded && self.seen.elapsed() > memory.of(self.opening.owner.side())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stranger(ip: [u8; 4]) -> Owner {
        Owner::Address(
            Side::Refused,
            Address::from(std::net::SocketAddr::from((ip, 1))),
        )
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_has_a_share_until_its_sessions_end() {
        let sessions = EngineSessions::new(Duration::from_secs(25), Duration::from_secs(20));
        let here = stranger([10, 0, 0, 1]);
        for number in 0..STRANGERS_OF_ADDRESS {
            let opening = sessions.open(here.clone()).unwrap();
            if number % 2 == 0 {
                sessions.began(Sid::new(), opening);
            } else {
                drop(opening);
            }
        }
        let mut held = Vec::new();
        while let Ok(opening) = sessions.open(here.clone()) {
            held.push(opening);
        }
        assert_eq!(held.len(), STRANGERS_OF_ADDRESS / 2);
        assert!(sessions.open(stranger([10, 0, 0, 2])).is_ok());
        tokio::time::advance(Duration::from_secs(21)).await;
        assert!(sessions.open(here).is_ok(), "those that polled have ended");
        drop(held);
        sessions.sweep();
        assert!(lock(&sessions.inner).polling.is_empty());
    }
}
