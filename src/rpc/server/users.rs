//! The local users' shares: of connections, of memory, and of the time of the thread that delivers.
//!
//! A user whom no rule gives any right (a stranger) has small budgets of its own, beside those of all others, so that no
//! number of strangers takes anything from a user of the rules.

use std::collections::HashMap;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::pace::Pace;
use crate::config::Limits;
use crate::shares::{Full, Holder, Memory, Share, Shares};

/// Bytes that one stranger may make the daemon hold.
pub const STRANGER_BYTES: usize = 8 << 20;

/// Connections that one stranger may have.
pub const STRANGER_CONNECTIONS: usize = 32;

/// Calls that a stranger may have open on one connection.
pub const STRANGER_CALLS: usize = 64;

/// Bytes that are counted for a connection: its buffers, its tables, its task.
pub(super) const CONNECTION_BYTES: usize = 32 << 10;

/// All users with a connection.
#[derive(Debug)]
pub(super) struct Users {
    known: Budget,
    strangers: Budget,
    /// By holder, and by whether it is a stranger. An entry whose last connection has closed goes with the next user.
    by_holder: Mutex<HashMap<(Holder, bool), Weak<User>>>,
}

/// What all connections of one user have together.
#[derive(Debug)]
pub(super) struct User {
    pub pace: Arc<Pace>,
    /// Refusals that no budget had room for, and that are not written yet.
    pub unpaid: AtomicUsize,
}

/// What those of one kind share.
#[derive(Clone, Debug)]
struct Budget {
    connections: Shares,
    memory: Shares,
}

/// One connection's part of its user's shares; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Admission {
    pub user: Arc<User>,
    pub memory: Memory,
    pub is_stranger: bool,
    _connection: Share,
    _bytes: Share,
}

impl Users {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            known: Budget {
                connections: Shares::new(limits.max_connections),
                memory: Shares::new(limits.max_call_bytes),
            },
            // One may have half.
            strangers: Budget {
                connections: Shares::new(2 * STRANGER_CONNECTIONS),
                memory: Shares::new(2 * STRANGER_BYTES),
            },
            by_holder: Mutex::default(),
        }
    }

    /// Lets a connection in.
    ///
    /// # Errors
    /// The refusal in words that go to the client.
    pub(super) fn admit(&self, holder: Holder, is_stranger: bool) -> Result<Admission, String> {
        let (budget, setting) = if is_stranger {
            (&self.strangers, "no access rule is for this caller")
        } else {
            (&self.known, "daemon.limits.max_connections")
        };
        let refused = |what: &str, setting: &str, full: Full, shares: &Shares| {
            let most = shares.most();
            format!("too many {what}: {full}, of {most} ({setting}); close some")
        };
        let connection = budget.connections.take(holder, 1);
        let connection = connection
            .map_err(|full| refused("local connections", setting, full, &budget.connections))?;
        let memory = Memory::new(budget.memory.clone(), holder);
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
            user: self.user((holder, is_stranger)),
            memory,
            is_stranger,
            _connection: connection,
            _bytes: bytes,
        })
    }

    /// Whether more than three quarters of a holder's share, or of all, are taken.
    pub(super) fn is_short(&self, admission: &Admission) -> bool {
        let budget = if admission.is_stranger {
            &self.strangers
        } else {
            &self.known
        };
        let connections = &budget.connections;
        let share = connections.held(admission.memory.holder());
        // A share is half.
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
            pace: Arc::new(Pace::new(key.0 == Holder::Owner)),
            unpaid: AtomicUsize::new(0),
        });
        users.insert(key, Arc::downgrade(&user));
        user
    }
}
