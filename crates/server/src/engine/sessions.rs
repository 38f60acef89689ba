//! Open sockets by session ID, with what their owner knows of each.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use serde_json::json;
use tokio::sync::mpsc;

use super::entry::{Heartbeat, Inbound, SessionEntry};
use super::packet::Packet;
use super::socket::EngineSocket;
use crate::engine_query::Generation;
use crate::lock::lock;
use crate::token::hex;

/// Requests of one socket that wait for its task. Clients send one after the other.
const MAILBOX: usize = 4;

/// Open sockets, each with an owner `O`, by which requests for it are checked.
pub struct EngineSessions<O> {
    heartbeat: Heartbeat,
    inner: Arc<Mutex<HashMap<String, Session<O>>>>,
}

struct Session<O> {
    inbound: mpsc::Sender<Inbound>,
    owner: O,
    generation: Generation,
}

/// Session that a request belongs to.
pub(super) struct Found<O> {
    pub inbound: mpsc::Sender<Inbound>,
    pub owner: O,
    pub generation: Generation,
}

impl<O: Clone + Send + 'static> EngineSessions<O> {
    #[must_use]
    pub fn new(heartbeat: Heartbeat) -> Self {
        Self {
            heartbeat,
            inner: Arc::default(),
        }
    }

    /// Number of open sockets whose owner passes.
    pub fn count(&self, passes: impl Fn(&O) -> bool) -> usize {
        let sessions = lock(&self.inner);
        sessions.values().filter(|s| passes(&s.owner)).count()
    }

    /// Opens a session. The caller bounds their number.
    pub(super) fn open(&self, owner: O, generation: Generation) -> EngineSocket {
        let (inbound, receiver) = mpsc::channel(MAILBOX);
        let sid = hex(&rand::random::<[u8; 16]>());
        let control = self.greeting(&sid, generation);
        let session = Session {
            inbound,
            owner,
            generation,
        };
        lock(&self.inner).insert(sid.clone(), session);
        let sessions: Weak<_> = Arc::downgrade(&self.inner);
        let entry = SessionEntry {
            sid,
            remove: Box::new(move |sid| {
                if let Some(sessions) = sessions.upgrade() {
                    let removed = lock(&sessions).remove(sid);
                    drop(removed);
                }
            }),
        };
        EngineSocket::new(generation, self.heartbeat, receiver, control, entry)
    }

    pub(super) fn find(&self, sid: &str) -> Option<Found<O>> {
        let sessions = lock(&self.inner);
        let session = sessions.get(sid)?;
        Some(Found {
            inbound: session.inbound.clone(),
            owner: session.owner.clone(),
            generation: session.generation,
        })
    }

    /// The first packets of a session.
    fn greeting(&self, sid: &str, generation: Generation) -> Vec<Packet> {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let handshake = json!({
            "sid": sid,
            "upgrades": ["websocket"],
            "pingInterval": millis(self.heartbeat.interval),
            "pingTimeout": millis(self.heartbeat.timeout),
            "maxPayload": super::carrier::MAX_MESSAGE,
        });
        let mut packets = vec![Packet::from(format!("0{handshake}"))];
        if generation == Generation::V3 {
            packets.push("40".into());
        }
        packets
    }
}
