//! Memory budget of live sockets: messages that clients have not read, and incomplete messages of
//! clients. Each identity gets a share of the total, however many sockets it has.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};

use super::lock::lock;

/// Limits of all sockets together, and of those of one identity: four messages of maximum size.
const TOTAL: u64 = 256 * 1024 * 1024;
const OF_IDENTITY: u64 = 64 * 1024 * 1024;

#[derive(Default)]
pub struct SocketMemory {
    held: AtomicU64,
    accounts: Mutex<HashMap<String, Weak<Account>>>,
}

/// Bytes held by the sockets of one identity.
struct Account {
    memory: Arc<SocketMemory>,
    owner: String,
    held: AtomicU64,
}

/// Bytes held by one socket; released when it is closed or dropped.
///
/// The account is charged before the socket and released after it (release and acquire), so that it
/// never falls below zero in any interleaving of threads.
pub struct SocketUse {
    account: Arc<Account>,
    /// Bytes of the messages that the client has not read.
    outstanding: AtomicU64,
    /// Bytes received since the last complete message.
    unfinished: AtomicU64,
    closed: AtomicBool,
}

/// Bytes of one unread message, released on drop.
pub struct Charge {
    socket: Arc<SocketUse>,
    bytes: u64,
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.socket.taken(self.bytes);
    }
}

/// Limit that was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    Identity,
    Total,
}

impl SocketMemory {
    /// Opens the account of a new socket of this identity.
    pub fn open(self: &Arc<Self>, owner: &str) -> Arc<SocketUse> {
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
        // Another socket of the identity may have opened a new account meanwhile.
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
    /// Fails if the bytes do not fit.
    pub fn room_for(&self, bytes: u64) -> Result<(), Full> {
        if self.account.held.load(Ordering::Relaxed) + bytes > OF_IDENTITY {
            return Err(Full::Identity);
        }
        if self.account.memory.held.load(Ordering::Relaxed) + bytes > TOTAL {
            return Err(Full::Total);
        }
        Ok(())
    }

    /// Charges a message for the client.
    pub fn charge(self: &Arc<Self>, bytes: u64) -> Charge {
        self.account.take(bytes);
        self.outstanding.fetch_add(bytes, Ordering::Release);
        Charge {
            socket: self.clone(),
            bytes,
        }
    }

    /// Releases bytes of messages; those of a closed socket are released already.
    fn taken(&self, bytes: u64) {
        let lower = |outstanding: u64| Some(outstanding.saturating_sub(bytes));
        let before = self
            .outstanding
            .fetch_update(Ordering::Acquire, Ordering::Relaxed, lower)
            .unwrap_or(0);
        self.account.give_back(before.min(bytes));
    }

    /// Charges incoming bytes of the client. Fails if they do not fit.
    pub fn received(&self, bytes: u64) -> Result<(), Full> {
        self.room_for(bytes)?;
        self.account.take(bytes);
        self.unfinished.fetch_add(bytes, Ordering::Release);
        Ok(())
    }

    /// Releases a complete message of the client.
    pub fn finished(&self) {
        let bytes = self.unfinished.swap(0, Ordering::Acquire);
        self.account.give_back(bytes);
    }

    pub fn outstanding(&self) -> u64 {
        self.outstanding.load(Ordering::Relaxed)
    }

    pub fn held(&self) -> u64 {
        self.outstanding() + self.unfinished.load(Ordering::Relaxed)
    }

    pub fn held_by_identity(&self) -> u64 {
        self.account.held.load(Ordering::Relaxed)
    }

    pub fn is_of_the_identity_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.account, &other.account)
    }

    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Releases everything, for a socket that is about to close.
    pub fn close(&self) {
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
        let mut charges: Vec<_> = sockets.iter().map(|s| s.charge(OF_IDENTITY / 4)).collect();
        assert_eq!(sockets[0].room_for(1), Err(Full::Identity));
        assert_eq!(sockets[1].received(1), Err(Full::Identity));
        let others: Vec<_> = ["b", "c", "d"].map(|owner| memory.open(owner)).into();
        for other in &others {
            assert_eq!(other.received(OF_IDENTITY), Ok(()));
        }
        assert_eq!(memory.open("e").room_for(1), Err(Full::Total));
        others[0].finished();
        assert_eq!(memory.open("e").room_for(1), Ok(()));
        drop(charges.pop());
        assert_eq!(sockets[0].room_for(OF_IDENTITY / 4), Ok(()));
        // A closed socket's bytes are released once.
        sockets[0].close();
        assert_eq!(sockets[1].room_for(OF_IDENTITY / 2), Ok(()));
        drop(charges);
        assert_eq!(sockets[1].held_by_identity(), 0);
        drop((sockets, others));
        assert_eq!(memory.held.load(Ordering::Relaxed), 0);
        assert!(lock(&memory.accounts).is_empty());
    }
}
