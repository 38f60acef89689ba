//! The channel log: the recent events of one channel, shared by all its listeners.
//!
//! A log is a ring bounded by count, bytes and age. Listeners hold a position in it, never a queue
//! of their own, so memory grows with channels and not with apps. Subscription changes and outages
//! are entries of the log as well, which keeps them in order with the broadcasts around them.
//!
//! Only the router appends and evicts; cursors read. Every critical section is short, and none
//! awaits.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::event::Gap;
use super::record::{EncodedBatch, Record};
use super::report::Incoming;
use super::ring::{Bounds, Content, Ring, RingEntry};
use super::wake_pacing::WakeDecision;
use crate::moment::Moment;
use expd_domain::{GapReason, SubscriptionState};

/// The log of one channel.
#[derive(Debug)]
pub struct ChannelLog {
    /// ID of this log; a later log of the same channel has another.
    pub id: String,
    ring: Mutex<Ring>,
    /// Sum of the bytes of all logs.
    total: Arc<AtomicUsize>,
}

impl ChannelLog {
    /// An empty log whose subscription is pending; `total` is the sum over all logs.
    pub fn new(id: String, bounds: Bounds, total: Arc<AtomicUsize>, now: Moment) -> Self {
        Self {
            id,
            total,
            ring: Mutex::new(Ring::new(bounds, now)),
        }
    }

    /// Appends broadcasts that arrived together, and encodes them from the sequence of the first.
    /// Does not wake listeners: see [`ChannelLog::wake_paced`].
    pub fn append(
        &self,
        batch: &mut [Incoming],
        encode: impl FnOnce(u64, &mut [Incoming]) -> EncodedBatch,
    ) {
        // Only the router appends, so the next sequence cannot change while `encode` runs without
        // the lock.
        let first = self.lock().next();
        let encoded = encode(first, batch);
        let mut ring = self.lock();
        let mut start = 0;
        for ((sequence, incoming), end) in (first..).zip(batch).zip(encoded.ends) {
            let now = incoming.received;
            let (name, count_of_name) = ring.count_name(&incoming.broadcast.name);
            let record = Record::new(name, sequence, encoded.bytes.clone(), start..end);
            start = end;
            let count = ring.count_broadcast();
            self.push(
                &mut ring,
                RingEntry::broadcast(now, record, count, count_of_name),
            );
            self.keep_bounds(&mut ring, now);
        }
    }

    /// Sets the subscription's state. A gap from the start of an `outage` until now precedes it.
    pub fn set_state(&self, state: SubscriptionState, outage: Option<Moment>, now: Moment) {
        let mut ring = self.lock();
        if let Some(since) = outage {
            let gap = Gap {
                reason: GapReason::Offline,
                missed: 0,
                from: Some(since),
                to: now,
            };
            self.push(&mut ring, RingEntry::marker(now, Content::Gap(gap)));
        }
        if ring.state != state {
            ring.state = state;
            ring.state_since = now;
            let since = now;
            self.push(
                &mut ring,
                RingEntry::marker(now, Content::State { state, since }),
            );
        }
        self.keep_bounds(&mut ring, now);
    }

    /// Replaces the limits. Entries beyond them are evicted with the next event.
    pub fn set_bounds(&self, bounds: Bounds) {
        self.lock().bounds = bounds;
    }

    /// Wakes every waiting listener.
    pub fn wake(&self) {
        let wakers = self.lock().take_wakers();
        for waker in wakers {
            waker.wake();
        }
    }

    /// Wakes every waiting listener, unless many were woken a moment ago. In that case it returns,
    /// once per pause, the time at which to call again.
    pub fn wake_paced(&self, now: Instant) -> Option<Instant> {
        let mut ring = self.lock();
        let (events, bytes) = (ring.bounds.events, ring.bounds.bytes);
        match ring.wake_pacing.decide(now, events, bytes) {
            WakeDecision::At(then) => return Some(then),
            WakeDecision::Scheduled => return None,
            WakeDecision::Now => {}
        }
        let wakers = ring.take_wakers();
        ring.wake_pacing.woken(wakers.len(), now);
        drop(ring);
        for waker in wakers {
            waker.wake();
        }
        None
    }

    /// Evicts entries that are too old, and frees the capacity that a burst took.
    pub fn expire(&self, now: Moment) {
        let mut ring = self.lock();
        self.keep_bounds(&mut ring, now);
        let enough = 2 * ring.entries.len();
        ring.entries.shrink_to(enough);
    }

    /// Time when the oldest entry was appended; `None` where only the newest is left.
    pub fn oldest(&self) -> Option<Instant> {
        let ring = self.lock();
        (ring.entries.len() > 1)
            .then(|| ring.entries.front().map(|entry| entry.moment.at))
            .flatten()
    }

    /// Evicts the oldest entry for the daemon-wide bound, but never the newest. Returns the same as
    /// [`ChannelLog::oldest`].
    pub fn evict_oldest(&self) -> Option<Instant> {
        let mut ring = self.lock();
        if ring.entries.len() > 1 {
            self.evict(&mut ring, true);
        }
        (ring.entries.len() > 1)
            .then(|| ring.entries.front().map(|entry| entry.moment.at))
            .flatten()
    }

    /// Evicts every entry, the newest too.
    pub fn clear(&self) {
        let mut ring = self.lock();
        while !ring.entries.is_empty() {
            self.evict(&mut ring, true);
        }
    }

    /// Number of events, number of bytes, and the newest sequence.
    pub fn size(&self) -> (usize, usize, u64) {
        let ring = self.lock();
        (ring.entries.len(), ring.bytes, ring.next() - 1)
    }

    /// Number of listeners.
    pub fn listeners(&self) -> usize {
        self.lock().listeners
    }

    /// Since when there is no listener; `None` while there is one.
    pub fn unused_since(&self) -> Option<Instant> {
        self.lock().unused_since
    }

    /// Adds a listener, and returns the slot for its waker.
    pub(super) fn add_listener(&self) -> usize {
        self.lock().add_listener()
    }

    pub(super) fn remove_listener(&self, slot: usize) {
        self.lock().remove_listener(slot, Moment::now().at);
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Ring> {
        // Nothing panics while the ring is locked; if it did, the ring would still be consistent
        // after each statement.
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, ring: &mut Ring, entry: RingEntry) {
        self.total.fetch_add(entry.size, Ordering::Relaxed);
        ring.push(entry);
    }

    fn keep_bounds(&self, ring: &mut Ring, now: Moment) {
        while ring.entries.len() > 1
            && (ring.entries.len() > ring.bounds.events || ring.bytes > ring.bounds.bytes)
        {
            self.evict(ring, true);
        }
        while ring.entries.front().is_some_and(|entry| {
            now.at.saturating_duration_since(entry.moment.at) > ring.bounds.age
        }) {
            self.evict(ring, false);
        }
    }

    fn evict(&self, ring: &mut Ring, overflow: bool) {
        let freed = ring.evict(overflow);
        self.total.fetch_sub(freed, Ordering::Relaxed);
    }
}

impl Drop for ChannelLog {
    fn drop(&mut self) {
        let bytes = self.lock().bytes;
        self.total.fetch_sub(bytes, Ordering::Relaxed);
    }
}
