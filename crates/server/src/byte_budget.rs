//! Memory budget with a limit per owner, so that one owner cannot exhaust it.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

use super::lock::lock;

/// Bytes that owners reserve and release.
pub struct ByteBudget<O: Eq + Hash + Clone> {
    total: usize,
    each: usize,
    held: Mutex<HeldBytes<O>>,
    released: Notify,
}

struct HeldBytes<O> {
    all: usize,
    /// Reserved bytes of owners with reservations.
    owners: HashMap<O, usize>,
}

impl<O: Eq + Hash + Clone> ByteBudget<O> {
    /// `total` bytes, of which one owner may reserve `each`.
    pub fn new(total: usize, each: usize) -> Arc<Self> {
        Arc::new(Self {
            total,
            each,
            held: Mutex::new(HeldBytes {
                all: 0,
                owners: HashMap::new(),
            }),
            released: Notify::new(),
        })
    }

    /// Reserves bytes as soon as there is room, and never more than the limit of an owner. The
    /// caller sets the timeout.
    pub async fn reserve(self: &Arc<Self>, owner: O, bytes: usize) -> Reservation<O> {
        loop {
            // Created before the attempt, so that a release in between is not missed.
            let released = self.released.notified();
            if self.try_reserve(&owner, bytes) {
                return Reservation {
                    memory: self.clone(),
                    owner,
                    bytes,
                };
            }
            released.await;
        }
    }

    fn try_reserve(&self, owner: &O, bytes: usize) -> bool {
        let held = &mut *lock(&self.held);
        let own = held.owners.get(owner).copied().unwrap_or(0);
        if held.all + bytes > self.total || own + bytes > self.each {
            return false;
        }
        held.all += bytes;
        held.owners.insert(owner.clone(), own + bytes);
        true
    }
}

/// Reserved bytes, released on drop.
pub struct Reservation<O: Eq + Hash + Clone> {
    memory: Arc<ByteBudget<O>>,
    owner: O,
    bytes: usize,
}

impl<O: Eq + Hash + Clone> Drop for Reservation<O> {
    fn drop(&mut self) {
        let held = &mut *lock(&self.memory.held);
        held.all = held.all.saturating_sub(self.bytes);
        if let Some(own) = held.owners.get_mut(&self.owner) {
            *own = own.saturating_sub(self.bytes);
            if *own == 0 {
                held.owners.remove(&self.owner);
            }
        }
        self.memory.released.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn one_owner_waits_at_its_share_while_another_gets_its_own() {
        let memory = ByteBudget::new(100, 60);
        let first = memory.reserve("a", 60).await;
        assert!(memory.reserve("a", 1).now_or_never().is_none());
        let second = memory.reserve("b", 40).now_or_never().unwrap();
        assert!(
            memory.reserve("c", 1).now_or_never().is_none(),
            "it is full"
        );
        let waiting = memory.reserve("a", 30);
        drop(first);
        assert!(waiting.now_or_never().is_some());
        drop(second);
        assert_eq!(lock(&memory.held).all, 0);
        assert!(lock(&memory.held).owners.is_empty());
    }
}
