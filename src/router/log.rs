//! The channel log: the recent events of one channel, shared by all its listeners.
//!
//! A log is a ring bounded by count, bytes and age. Listeners hold a position in it, never a queue of their own, so memory
//! grows with channels and not with apps. Changes of the subscription and outages are events of the log, too: that is what
//! keeps them in order with the broadcasts around them.
//!
//! The router alone appends and evicts; cursors read. Every critical section is short and none awaits.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::event::Gap;
use super::moment::Moment;
use super::record::{EncodedBatch, Record};
use super::report::Incoming;
use super::ring::{Body, Entry, Ring};
use super::wake_pacing::WakeDecision;
use expd_domain::{GapReason, SubscriptionState};

/// Bounds of one log.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Events held.
    pub events: usize,
    /// Bytes held; the newest event is kept whatever its size.
    pub bytes: usize,
    /// How long an event is held.
    pub age: Duration,
}

/// The log of one channel.
#[derive(Debug)]
pub struct ChannelLog {
    /// Names this log; another log of the same channel has another.
    pub id: String,
    ring: Mutex<Ring>,
    bounds: Bounds,
    /// Bytes of all logs of the daemon together.
    total: Arc<AtomicUsize>,
}

impl ChannelLog {
    /// An empty log, pending; `total` sums the bytes of all logs.
    pub fn new(id: String, bounds: Bounds, total: Arc<AtomicUsize>, now: Moment) -> Self {
        Self {
            id,
            bounds,
            total,
            ring: Mutex::new(Ring::new(now)),
        }
    }

    /// Appends broadcasts that came together; `encode` makes their bytes once the first one's sequence is known. Wakes nobody:
    /// see [`ChannelLog::wake_paced`].
    pub fn append(
        &self,
        run: &mut [Incoming],
        encode: impl FnOnce(u64, &mut [Incoming]) -> EncodedBatch,
    ) {
        // Only the router appends, so that the next sequence stays what it is while the bytes are made without the lock.
        let first = self.lock().next();
        let batch = encode(first, run);
        let mut ring = self.lock();
        let mut start = 0;
        for ((sequence, incoming), end) in (first..).zip(run).zip(batch.ends) {
            let now = incoming.received;
            let (name, count_of_name) = ring.count_name(&incoming.broadcast.name);
            let record = Record::new(name, sequence, batch.bytes.clone(), start..end);
            start = end;
            let count = ring.count_broadcast();
            self.push(
                &mut ring,
                Entry::broadcast(now, record, count, count_of_name),
            );
            self.keep_bounds(&mut ring, now);
        }
    }

    /// The subscription's state changed. Going from pending to confirmed after an `outage` appends that gap first.
    pub fn set_state(&self, state: SubscriptionState, outage: Option<Moment>, now: Moment) {
        let mut ring = self.lock();
        if let Some(since) = outage {
            let gap = Gap {
                reason: GapReason::Offline,
                missed: 0,
                from: Some(since.wall_before(now)),
                to: now.wall,
            };
            self.push(&mut ring, Entry::note(now, Body::Gap(gap)));
        }
        if ring.state != state {
            ring.state = state;
            ring.state_since = now.wall;
            let since = now.wall;
            self.push(&mut ring, Entry::note(now, Body::State { state, since }));
        }
        self.keep_bounds(&mut ring, now);
    }

    /// Wakes every listener that waits.
    pub fn wake(&self) {
        let wakers = self.lock().take_waiting();
        for waker in wakers {
            waker.wake();
        }
    }

    /// As [`ChannelLog::wake`], unless many were woken a moment ago: then returns when to come back, once for each such moment.
    pub fn wake_paced(&self, now: Instant) -> Option<Instant> {
        let mut ring = self.lock();
        let (events, bytes) = (self.bounds.events, self.bounds.bytes);
        match ring.wake_pacing.decide(now, events, bytes) {
            WakeDecision::At(then) => return Some(then),
            WakeDecision::Scheduled => return None,
            WakeDecision::Now => {}
        }
        let wakers = ring.take_waiting();
        ring.wake_pacing.woken(wakers.len(), now);
        drop(ring);
        for waker in wakers {
            waker.wake();
        }
        None
    }

    /// Evicts what has grown too old, and gives back the room that a rush took.
    pub fn expire(&self, now: Moment) {
        let mut ring = self.lock();
        self.keep_bounds(&mut ring, now);
        let enough = 2 * ring.entries.len();
        ring.entries.shrink_to(enough);
    }

    /// When the oldest entry that may be evicted was appended.
    pub fn oldest(&self) -> Option<Instant> {
        let ring = self.lock();
        (ring.entries.len() > 1)
            .then(|| ring.entries.front().map(|entry| entry.moment.at))
            .flatten()
    }

    /// Evicts the oldest entry for the sake of the daemon-wide bound; the newest stays. Returns when the next one was appended.
    pub fn evict_oldest(&self) -> Option<Instant> {
        let mut ring = self.lock();
        if ring.entries.len() > 1 {
            self.evict(&mut ring, true);
        }
        (ring.entries.len() > 1)
            .then(|| ring.entries.front().map(|entry| entry.moment.at))
            .flatten()
    }

    /// Events and bytes held, and the newest sequence.
    pub fn size(&self) -> (usize, usize, u64) {
        let ring = self.lock();
        (ring.entries.len(), ring.bytes, ring.next() - 1)
    }

    /// How many listeners there are.
    pub fn listeners(&self) -> usize {
        self.lock().listeners
    }

    /// Since when there has been no listener.
    pub fn unused_since(&self) -> Option<Instant> {
        self.lock().unused_since
    }

    /// Takes a slot for a listener's waker.
    pub(super) fn enter(&self) -> usize {
        self.lock().enter()
    }

    /// Gives a listener's slot back.
    pub(super) fn leave(&self, slot: usize) {
        self.lock().leave(slot, Moment::now().at);
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Ring> {
        // Nothing panics while the ring is locked; if it did, the ring would still be whole after each statement.
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, ring: &mut Ring, entry: Entry) {
        self.total.fetch_add(entry.size, Ordering::Relaxed);
        ring.push(entry);
    }

    fn keep_bounds(&self, ring: &mut Ring, now: Moment) {
        while ring.entries.len() > 1
            && (ring.entries.len() > self.bounds.events || ring.bytes > self.bounds.bytes)
        {
            self.evict(ring, true);
        }
        while ring.entries.front().is_some_and(|entry| {
            now.at.saturating_duration_since(entry.moment.at) > self.bounds.age
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
