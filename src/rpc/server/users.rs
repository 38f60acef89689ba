//! Local users' shares of connections, memory and the delivering thread's time.
//!
//! A user without any right under the access rules (a stranger) has small budgets that are separate
//! from everybody else's, so no number of strangers takes anything from a user whom the rules name.

use std::collections::HashMap;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::rate_limit::RateLimit;
use crate::config::Limits;
use crate::shares::{Asker, Full, Holder, Limit, LimitHits, Memory, Share, Shares};

/// Memory limit of one stranger, in bytes.
pub const STRANGER_BYTES: usize = 8 << 20;

/// Connection limit of one stranger.
pub const STRANGER_CONNECTIONS: usize = 32;

/// Limit of open calls on one connection of a stranger.
pub const STRANGER_CALLS: usize = 64;

/// Bytes accounted for a connection: its buffers, tables and task.
pub(super) const CONNECTION_BYTES: usize = 32 << 10;

/// Every user with a connection.
#[derive(Debug)]
pub(super) struct Users {
    known: Budget,
    strangers: Budget,
    /// Keyed by holder and stranger flag. Entries without connections are removed when the next
    /// user is added.
    by_holder: Mutex<HashMap<(Holder, bool), Weak<User>>>,
}

/// State that all connections of one user share.
#[derive(Debug)]
pub(super) struct User {
    pub rate_limit: Arc<RateLimit>,
    /// Refusals outside every budget that are not written yet.
    pub unbudgeted: AtomicUsize,
}

/// The budget that all strangers, or all other users, share.
#[derive(Clone, Debug)]
struct Budget {
    connections: Shares,
    memory: Shares,
    streams: Shares,
}

/// One connection's part of its user's shares, released on drop.
#[derive(Debug)]
pub(super) struct Admission {
    pub user: Arc<User>,
    pub memory: Memory,
    /// Shares of all streams.
    pub streams: Shares,
    pub is_stranger: bool,
    _connection: Share,
    _bytes: Share,
}

/// A connection was refused: a share is exhausted.
#[derive(Debug, thiserror::Error)]
#[error("too many {what}: {full}, of {limit} in total ({setting}); close some")]
pub(super) struct AdmissionError {
    what: &'static str,
    full: Full,
    limit: usize,
    setting: &'static str,
}

impl Users {
    pub(super) fn new(limits: &Limits, hits: &LimitHits) -> Self {
        Self {
            known: Budget {
                connections: Shares::of(
                    Limit::Connections,
                    limits.max_connections,
                    limits.user.max_connections,
                    hits,
                ),
                memory: Shares::of(
                    Limit::CallBytes,
                    limits.max_call_bytes,
                    limits.user.max_call_bytes,
                    hits,
                ),
                streams: Shares::of(
                    Limit::Streams,
                    limits.max_listeners,
                    limits.user.max_streams,
                    hits,
                ),
            },
            // Twice the limit of one stranger, because one holder may take half of any shares.
            strangers: Budget {
                connections: Shares::fixed(Limit::Connections, 2 * STRANGER_CONNECTIONS, hits),
                memory: Shares::fixed(Limit::CallBytes, 2 * STRANGER_BYTES, hits),
                streams: Shares::fixed(Limit::Streams, 2 * STRANGER_CALLS, hits),
            },
            by_holder: Mutex::default(),
        }
    }

    /// Admits a connection.
    ///
    /// # Errors
    /// A share is exhausted.
    pub(super) fn admit(
        &self,
        asker: Asker,
        is_stranger: bool,
    ) -> Result<Admission, AdmissionError> {
        let (budget, setting) = if is_stranger {
            (&self.strangers, "no access rule applies to this caller")
        } else {
            (&self.known, "daemon.limits.max_connections")
        };
        let refused = |what, setting, full, shares: &Shares| AdmissionError {
            what,
            full,
            limit: shares.most(),
            setting,
        };
        let connection = budget.connections.take(asker, 1);
        let connection = connection
            .map_err(|full| refused("local connections", setting, full, &budget.connections))?;
        let memory = Memory::new(budget.memory.clone(), asker);
        let bytes = memory.take(CONNECTION_BYTES).map_err(|full| {
            let setting = "daemon.limits.max_call_bytes";
            refused(
                "bytes of connections and calls",
                setting,
                full,
                &budget.memory,
            )
        })?;
        Ok(Admission {
            user: self.user((asker.holder, is_stranger)),
            memory,
            streams: budget.streams.clone(),
            is_stranger,
            _connection: connection,
            _bytes: bytes,
        })
    }

    /// True where more than three quarters of the holder's share, or of all connections, are taken.
    pub(super) fn is_short(&self, admission: &Admission) -> bool {
        let budget = if admission.is_stranger {
            &self.strangers
        } else {
            &self.known
        };
        let connections = &budget.connections;
        let share = connections.held(admission.memory.holder());
        // A holder's share is half of the total.
        connections.taken() > connections.most() / 4 * 3 || share > connections.most() / 8 * 3
    }

    fn user(&self, key: (Holder, bool)) -> Arc<User> {
        let mut users = self
            .by_holder
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(user) = users.get(&key).and_then(Weak::upgrade) {
            return user;
        }
        users.retain(|_, user| user.strong_count() > 0);
        let user = Arc::new(User {
            rate_limit: Arc::new(RateLimit::new(key.0 == Holder::Owner)),
            unbudgeted: AtomicUsize::new(0),
        });
        users.insert(key, Arc::downgrade(&user));
        user
    }
}
