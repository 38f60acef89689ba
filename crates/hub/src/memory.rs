//! Memory that many share: no owner gets more than a part of it, so that what one holds stops nobody else.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

use super::lock::lock;

/// Memory of a fixed size, in bytes, that owners take from and give back to.
pub(super) struct SharedMemory<O: Eq + Hash + Clone> {
    total: usize,
    each: usize,
    held: Mutex<Held<O>>,
    given_back: Notify,
}

struct Held<O> {
    all: usize,
    /// Owners that hold something, and how much.
    owners: HashMap<O, usize>,
}

impl<O: Eq + Hash + Clone> SharedMemory<O> {
    /// `total` bytes, of which one owner gets `each` at most.
    pub(super) fn new(total: usize, each: usize) -> Arc<Self> {
        Arc::new(Self {
            total,
            each,
            held: Mutex::new(Held {
                all: 0,
                owners: HashMap::new(),
            }),
            given_back: Notify::new(),
        })
    }

    /// Takes bytes as soon as there is room. More than one owner may have is never given; the caller bounds its wait.
    pub(super) async fn take(self: &Arc<Self>, owner: O, bytes: usize) -> Share<O> {
        loop {
            // Made before the try, so that nothing that is given back in between is missed.
            let given_back = self.given_back.notified();
            if self.try_take(&owner, bytes) {
                return Share {
                    memory: self.clone(),
                    owner,
                    bytes,
                };
            }
            given_back.await;
        }
    }

    fn try_take(&self, owner: &O, bytes: usize) -> bool {
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

/// Bytes that were taken; given back when this is dropped.
pub(super) struct Share<O: Eq + Hash + Clone> {
    memory: Arc<SharedMemory<O>>,
    owner: O,
    bytes: usize,
}

impl<O: Eq + Hash + Clone> Drop for Share<O> {
    fn drop(&mut self) {
        let held = &mut *lock(&self.memory.held);
        held.all = held.all.saturating_sub(self.bytes);
        if let Some(own) = held.owners.get_mut(&self.owner) {
            *own = own.saturating_sub(self.bytes);
            if *own == 0 {
                held.owners.remove(&self.owner);
            }
        }
        self.memory.given_back.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn one_owner_waits_at_its_share_while_another_gets_its_own() {
        let memory = SharedMemory::new(100, 60);
        let first = memory.take("a", 60).await;
        assert!(memory.take("a", 1).now_or_never().is_none());
        let second = memory.take("b", 40).now_or_never().unwrap();
        assert!(memory.take("c", 1).now_or_never().is_none(), "it is full");
        let waiting = memory.take("a", 30);
        drop(first);
        assert!(waiting.now_or_never().is_some());
        drop(second);
        assert_eq!(lock(&memory.held).all, 0);
        assert!(lock(&memory.held).owners.is_empty());
    }
}
