//! Open sockets by session ID, each with its owner.

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use serde_json::json;
use tokio::sync::mpsc;

use super::entry::{Inbound, SessionEntry, SocketTerms};
use super::packet::Packet;
use super::socket::EngineSocket;
use crate::lock::lock;
use crate::token::hex;
use expd_domain::Generation;

/// Requests of one socket that wait for its task. Clients send one at a time.
const MAILBOX: usize = 4;

/// Open sockets, each with an owner `O`, by which requests for it are checked.
pub struct EngineSessions<O> {
    inner: Arc<Mutex<HashMap<String, EngineSession<O>>>>,
}

/// Engine.IO session of a request.
#[derive(Clone)]
pub(super) struct EngineSession<O> {
    pub inbound: mpsc::Sender<Inbound>,
    pub owner: O,
    pub generation: Generation,
    pub terms: Arc<SocketTerms>,
    /// Set once the session has upgraded to a WebSocket.
    pub upgraded: Arc<AtomicBool>,
}

impl<O> Default for EngineSessions<O> {
    fn default() -> Self {
        Self {
            inner: Arc::default(),
        }
    }
}

impl<O: Clone + Send + 'static> EngineSessions<O> {
    /// Number of open sockets whose owner matches.
    pub fn count(&self, passes: impl Fn(&O) -> bool) -> usize {
        let sessions = lock(&self.inner);
        sessions.values().filter(|s| passes(&s.owner)).count()
    }

    /// Opens a session. The caller limits their number.
    pub(super) fn open(
        &self,
        owner: O,
        generation: Generation,
        terms: Arc<SocketTerms>,
        upgrades: &[&str],
    ) -> EngineSocket {
        let (inbound, receiver) = mpsc::channel(MAILBOX);
        let sid = hex(&rand::random::<[u8; 16]>());
        let is_upgraded = Arc::new(AtomicBool::new(upgrades.is_empty()));
        let handshake = handshake(&sid, &terms, upgrades);
        let session = EngineSession {
            inbound,
            owner,
            generation,
            terms: terms.clone(),
            upgraded: is_upgraded.clone(),
        };
        lock(&self.inner).insert(sid.clone(), session);
        let sessions: Weak<_> = Arc::downgrade(&self.inner);
        let entry = SessionEntry {
            sid,
            upgraded: is_upgraded,
            remove: Box::new(move |sid| {
                if let Some(sessions) = sessions.upgrade() {
                    let removed = lock(&sessions).remove(sid);
                    drop(removed);
                }
            }),
        };
        EngineSocket::new(generation, terms, receiver, handshake, entry)
    }

    pub(super) fn find(&self, sid: &str) -> Option<EngineSession<O>> {
        lock(&self.inner).get(sid).cloned()
    }
}

/// The first packet of a session.
fn handshake(sid: &str, terms: &SocketTerms, upgrades: &[&str]) -> Packet {
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let handshake = json!({
        "sid": sid,
        "upgrades": upgrades,
        "pingInterval": millis(terms.heartbeat.interval),
        "pingTimeout": millis(terms.heartbeat.timeout),
        "maxPayload": terms.max_message,
    });
    format!("0{handshake}").into()
}
