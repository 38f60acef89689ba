//! Memory of live sockets: messages that a client has yet to take, and messages of a client of which
//! only a part has come. One identity gets a share of the total, however many sockets it has.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};

use super::lock::lock;

/// Bytes of all sockets together, and of those of one identity: four of the largest messages.
const TOTAL: u64 = 256 * 1024 * 1024;
const OF_IDENTITY: u64 = 64 * 1024 * 1024;

/// The memory of the sockets of one network.
#[derive(Default)]
pub(super) struct SocketMemory {
    held: AtomicU64,
    accounts: Mutex<HashMap<String, Weak<Account>>>,
}

/// Bytes that the sockets of one identity hold.
struct Account {
    memory: Arc<SocketMemory>,
    owner: String,
    held: AtomicU64,
}

/// Bytes that one socket holds; given back when it is closed or dropped.
pub(super) struct SocketUse {
    account: Arc<Account>,
    /// Sent and not yet taken. A little too low (frames and heartbeats count as taken, too), and
    /// right again whenever the client has caught up.
    outstanding: AtomicU64,
    /// Received since the last whole message.
    unfinished: AtomicU64,
    closed: AtomicBool,
}

/// The bound that leaves no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    Identity,
    Total,
}

impl SocketMemory {
    /// The use of a new socket of this identity.
    pub(super) fn open(self: &Arc<Self>, owner: &str) -> Arc<SocketUse> {
        let mut accounts = lock(&self.accounts);
        let account = accounts.get(owner).and_then(Weak::upgrade);
        let account = account.unwrap_or_else(|| {
            let account = Arc::new(Account {
                memory: self.clone(),
                owner: owner.to_owned(),
                held: AtomicU64::new(0),
            });
            accounts.insert(owner.to_owned(), Arc::downgrade(&account));
            account
        });
        Arc::new(SocketUse {
            account,
            outstanding: AtomicU64::new(0),
            unfinished: AtomicU64::new(0),
            closed: AtomicBool::new(false),
        })
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        let mut accounts = lock(&self.memory.accounts);
        // Another socket of the identity may have begun a new account already.
        if accounts
            .get(&self.owner)
            .is_some_and(|account| account.strong_count() == 0)
        {
            accounts.remove(&self.owner);
        }
    }
}

impl Account {
    fn take(&self, bytes: u64) {
        self.held.fetch_add(bytes, Ordering::Relaxed);
        self.memory.held.fetch_add(bytes, Ordering::Relaxed);
    }

    fn give_back(&self, bytes: u64) {
        self.held.fetch_sub(bytes, Ordering::Relaxed);
        self.memory.held.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl SocketUse {
    /// Refuses bytes for which there is no room.
    pub(super) fn room_for(&self, bytes: u64) -> Result<(), Full> {
        if self.account.held.load(Ordering::Relaxed) + bytes > OF_IDENTITY {
            return Err(Full::Identity);
        }
        if self.account.memory.held.load(Ordering::Relaxed) + bytes > TOTAL {
            return Err(Full::Total);
        }
        Ok(())
    }

    /// A message was handed to the socket.
    pub(super) fn sent(&self, bytes: u64) {
        self.outstanding.fetch_add(bytes, Ordering::Relaxed);
        self.account.take(bytes);
    }

    /// The client took this much.
    pub(super) fn taken(&self, bytes: u64) {
        let lower = |outstanding: u64| Some(outstanding.saturating_sub(bytes));
        let before = self
            .outstanding
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, lower)
            .unwrap_or(0);
        self.account.give_back(before.min(bytes));
    }

    /// The client sent this much; an error where there is no room for what it sends.
    pub(super) fn received(&self, bytes: u64) -> Result<(), Full> {
        self.room_for(bytes)?;
        self.unfinished.fetch_add(bytes, Ordering::Relaxed);
        self.account.take(bytes);
        Ok(())
    }

    /// A message of the client was whole, and has been dealt with.
    pub(super) fn finished(&self) {
        let bytes = self.unfinished.swap(0, Ordering::Relaxed);
        self.account.give_back(bytes);
    }

    pub(super) fn outstanding(&self) -> u64 {
        self.outstanding.load(Ordering::Relaxed)
    }

    pub(super) fn held(&self) -> u64 {
        self.outstanding() + self.unfinished.load(Ordering::Relaxed)
    }

    /// Bytes that all sockets of the identity hold.
    pub(super) fn held_by_identity(&self) -> u64 {
        self.account.held.load(Ordering::Relaxed)
    }

    pub(super) fn is_of_the_identity_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.account, &other.account)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Gives everything back: the socket is about to be cut.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        self.taken(u64::MAX);
        self.finished();
    }
}

impl Drop for SocketUse {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_identity_has_a_share_however_many_sockets_it_has() {
        let memory = Arc::new(SocketMemory::default());
        let sockets: Vec<_> = (0..4).map(|_| memory.open("a")).collect();
        for socket in &sockets {
            socket.sent(OF_IDENTITY / 4);
        }
        assert_eq!(sockets[0].room_for(1), Err(Full::Identity));
        assert_eq!(sockets[1].received(1), Err(Full::Identity));
        let others: Vec<_> = ["b", "c", "d"].map(|owner| memory.open(owner)).into();
        for other in &others {
            assert_eq!(other.received(OF_IDENTITY), Ok(()));
        }
        assert_eq!(memory.open("e").room_for(1), Err(Full::Total));
        others[0].finished();
        assert_eq!(memory.open("e").room_for(1), Ok(()));
        sockets[2].taken(10);
        // Heartbeats are taken, too.
        sockets[2].taken(u64::MAX);
        assert_eq!(sockets[0].room_for(OF_IDENTITY / 4), Ok(()));
        drop((sockets, others));
        assert_eq!(memory.held.load(Ordering::Relaxed), 0);
        assert!(lock(&memory.accounts).is_empty());
    }
}
