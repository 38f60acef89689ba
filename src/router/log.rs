//! The channel log: the recent events of one channel, shared by all its listeners.
//!
//! A log is a ring bounded by count, bytes and age. Listeners hold a position in it, never a queue of their own, so memory
//! grows with channels and not with apps. Changes of the subscription and outages are events of the log, too: that is what
//! keeps them in order with the broadcasts around them.
//!
//! The router alone appends and evicts; cursors read. Every critical section is short and none awaits.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;

use super::outages::Outages;

/// Distinct event names whose occurrences one log counts, so that a listener for one name hears how many it missed. Past
/// this bound such a listener is told "unknown"; the count of all events stays exact.
const MAX_COUNTED_NAMES: usize = 4096;

/// Entries that are no broadcasts and left the log, of which the position is remembered, so that a stream that resumes far
/// behind hears how many broadcasts it missed. Beyond, it is told "unknown".
const MAX_NOTES: usize = 64;

/// What an entry costs besides its bytes: the entry itself, the shared record, its share of the maps.
const ENTRY_OVERHEAD: usize = 200;

/// Whether the network has confirmed a channel's subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Not, or not yet.
    Pending,
    /// It has.
    Confirmed,
}

/// Why something may be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GapReason {
    /// The channel was not subscribed.
    Offline,
    /// The log was too small for this listener's pace.
    Overflow,
    /// Events grew too old.
    Expired,
    /// The log that was to be resumed is gone.
    Restarted,
}

/// Something may be missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Why.
    pub reason: GapReason,
    /// How many events; 0 where that cannot be known.
    pub missed: u64,
    /// The beginning of the span, where known.
    pub from: Option<SystemTime>,
    /// The end of the span.
    pub to: SystemTime,
}

/// One broadcast in the log, as the front door encoded it once for everybody.
#[derive(Debug)]
pub struct Record {
    /// The event's name.
    pub name: Arc<str>,
    /// Its position.
    pub sequence: u64,
    /// The ready bytes.
    pub frame: Bytes,
    /// The same in the other payload form, made when somebody first wants it.
    pub alternative: OnceLock<Bytes>,
}

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

/// What an entry says.
#[derive(Clone, Debug)]
pub(super) enum Body {
    Broadcast {
        record: Arc<Record>,
        /// Broadcasts in the log's life up to and with this one.
        count: u64,
        /// The same among those of this name; 0 where names are no longer counted.
        count_of_name: u64,
    },
    State {
        state: State,
        since: SystemTime,
    },
    Gap(Gap),
}

#[derive(Debug)]
pub(super) struct Entry {
    pub at: Instant,
    pub wall: SystemTime,
    pub body: Body,
    size: usize,
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

/// The ring and who waits for it.
#[derive(Debug)]
pub(super) struct Ring {
    pub entries: VecDeque<Entry>,
    /// The sequence of the first entry; sequences have no holes.
    pub first: u64,
    bytes: usize,
    /// What held before the first entry.
    pub evicted: Evicted,
    /// Broadcasts in the log's life.
    count: u64,
    /// The same by name.
    names: HashMap<Arc<str>, u64>,
    /// Since when names are no longer counted: there were too many.
    names_given_up: bool,
    pub state: State,
    pub state_since: SystemTime,
    /// Who waits for the next entry, by the slot that each listener was given.
    waiting: Vec<Slot>,
    /// Listeners at present, and since when there are none.
    listeners: usize,
    deserted_since: Option<Instant>,
}

/// What is remembered of entries that left the ring.
#[derive(Debug)]
pub(super) struct Evicted {
    /// Broadcasts among them.
    pub count: u64,
    /// The newest one that left because of a bound other than age.
    pub overflow_to: u64,
    /// The positions of those that were no broadcasts, the latest ones.
    notes: VecDeque<u64>,
    /// The newest position that `notes` no longer tells of.
    notes_from: u64,
    /// The outages among them.
    pub outages: Outages,
    /// The subscription's state when the last of them had passed.
    pub state: State,
    pub state_since: SystemTime,
    /// When the last of them was appended.
    pub wall: SystemTime,
}

#[derive(Debug)]
enum Slot {
    Free,
    Idle,
    Waiting(Waker),
}

/// A moment, by both clocks: ages go by the one that cannot jump, apps are told the other.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Never jumps.
    pub at: Instant,
    /// What people read.
    pub wall: SystemTime,
}

impl Moment {
    /// Now.
    #[must_use]
    pub fn now() -> Self {
        Self {
            at: tokio::time::Instant::now().into_std(),
            wall: SystemTime::now(),
        }
    }
}

impl ChannelLog {
    /// An empty log, pending; `total` sums the bytes of all logs.
    pub fn new(id: String, bounds: Bounds, total: Arc<AtomicUsize>, now: Moment) -> Self {
        Self {
            id,
            bounds,
            total,
            ring: Mutex::new(Ring {
                entries: VecDeque::new(),
                first: 1,
                bytes: 0,
                evicted: Evicted {
                    count: 0,
                    overflow_to: 0,
                    notes: VecDeque::new(),
                    notes_from: 0,
                    outages: Outages::default(),
                    state: State::Pending,
                    state_since: now.wall,
                    wall: now.wall,
                },
                count: 0,
                names: HashMap::new(),
                names_given_up: false,
                state: State::Pending,
                state_since: now.wall,
                waiting: Vec::new(),
                listeners: 0,
                deserted_since: Some(now.at),
            }),
        }
    }

    /// Appends a broadcast; `encode` makes its bytes once its sequence is known. Wakes nobody: see [`ChannelLog::wake`].
    pub fn append(&self, name: &str, now: Moment, encode: impl FnOnce(u64) -> Bytes) {
        let mut ring = self.lock();
        let sequence = ring.next();
        let frame = encode(sequence);
        let (name, count_of_name) = ring.count_name(name);
        ring.count += 1;
        let count = ring.count;
        let size = frame.len() + ENTRY_OVERHEAD;
        let record = Arc::new(Record {
            name,
            sequence,
            frame,
            alternative: OnceLock::new(),
        });
        self.push(
            &mut ring,
            Entry {
                at: now.at,
                wall: now.wall,
                size,
                body: Body::Broadcast {
                    record,
                    count,
                    count_of_name,
                },
            },
        );
        self.keep_bounds(&mut ring, now);
    }

    /// The subscription's state changed. Going from pending to confirmed after an `outage` appends that gap first.
    pub fn set_state(&self, state: State, outage: Option<SystemTime>, now: Moment) {
        let mut ring = self.lock();
        if let Some(from) = outage {
            let gap = Gap {
                reason: GapReason::Offline,
                missed: 0,
                from: Some(from),
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
        let mut ring = self.lock();
        let wakers: Vec<Waker> = ring
            .waiting
            .iter_mut()
            .filter(|slot| matches!(slot, Slot::Waiting(_)))
            .filter_map(|slot| match std::mem::replace(slot, Slot::Idle) {
                Slot::Waiting(waker) => Some(waker),
                Slot::Free | Slot::Idle => None,
            })
            .collect();
        drop(ring);
        for waker in wakers {
            waker.wake();
        }
    }

    /// Evicts what has grown too old.
    pub fn expire(&self, now: Moment) {
        self.keep_bounds(&mut self.lock(), now);
    }

    /// When the oldest entry that may be evicted was appended.
    pub fn oldest(&self) -> Option<Instant> {
        let ring = self.lock();
        (ring.entries.len() > 1)
            .then(|| ring.entries.front().map(|entry| entry.at))
            .flatten()
    }

    /// Evicts the oldest entry for the sake of the daemon-wide bound; the newest stays. Returns when the next one was appended.
    pub fn evict_oldest(&self) -> Option<Instant> {
        let mut ring = self.lock();
        if ring.entries.len() > 1 {
            self.evict(&mut ring, true);
        }
        (ring.entries.len() > 1)
            .then(|| ring.entries.front().map(|entry| entry.at))
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
    pub fn deserted_since(&self) -> Option<Instant> {
        self.lock().deserted_since
    }

    /// Takes a slot for a listener's waker.
    pub(super) fn enter(&self) -> usize {
        let mut ring = self.lock();
        ring.listeners += 1;
        ring.deserted_since = None;
        let free = ring
            .waiting
            .iter()
            .position(|slot| matches!(slot, Slot::Free));
        if let Some(slot) = free.and_then(|at| ring.waiting.get_mut(at)) {
            *slot = Slot::Idle;
        } else {
            ring.waiting.push(Slot::Idle);
        }
        free.unwrap_or(ring.waiting.len() - 1)
    }

    /// Gives a listener's slot back.
    pub(super) fn leave(&self, slot: usize) {
        let mut ring = self.lock();
        if let Some(slot) = ring.waiting.get_mut(slot) {
            *slot = Slot::Free;
        }
        while matches!(ring.waiting.last(), Some(Slot::Free)) {
            ring.waiting.pop();
        }
        ring.listeners -= 1;
        if ring.listeners == 0 {
            ring.waiting = Vec::new();
            ring.deserted_since = Some(Moment::now().at);
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Ring> {
        // Nothing panics while the ring is locked; if it did, the ring would still be whole after each statement.
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, ring: &mut Ring, entry: Entry) {
        ring.bytes += entry.size;
        self.total.fetch_add(entry.size, Ordering::Relaxed);
        ring.entries.push_back(entry);
    }

    fn keep_bounds(&self, ring: &mut Ring, now: Moment) {
        while ring.entries.len() > 1
            && (ring.entries.len() > self.bounds.events || ring.bytes > self.bounds.bytes)
        {
            self.evict(ring, true);
        }
        while ring
            .entries
            .front()
            .is_some_and(|entry| now.at.saturating_duration_since(entry.at) > self.bounds.age)
        {
            self.evict(ring, false);
        }
    }

    fn evict(&self, ring: &mut Ring, overflow: bool) {
        let Some(entry) = ring.entries.pop_front() else {
            return;
        };
        let sequence = ring.first;
        ring.first += 1;
        ring.bytes -= entry.size;
        self.total.fetch_sub(entry.size, Ordering::Relaxed);
        let evicted = &mut ring.evicted;
        evicted.wall = entry.wall;
        if !matches!(entry.body, Body::Broadcast { .. }) {
            evicted.notes.push_back(sequence);
            if evicted.notes.len() > MAX_NOTES {
                evicted.notes_from = evicted.notes.pop_front().unwrap_or_default();
            }
        }
        match entry.body {
            Body::Broadcast { count, .. } => {
                evicted.count = count;
                if overflow {
                    evicted.overflow_to = sequence;
                }
            }
            Body::State { state, since } => {
                evicted.state = state;
                evicted.state_since = since;
            }
            Body::Gap(gap) => evicted.outages.push(sequence, (gap.from, gap.to)),
        }
    }
}

impl Drop for ChannelLog {
    fn drop(&mut self) {
        let bytes = self.lock().bytes;
        self.total.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Entry {
    /// An entry that is no broadcast.
    fn note(now: Moment, body: Body) -> Self {
        Self {
            at: now.at,
            wall: now.wall,
            body,
            size: ENTRY_OVERHEAD,
        }
    }
}

impl Ring {
    /// The sequence that the next entry gets.
    pub fn next(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    /// The entries after `position`, oldest first.
    pub fn after(&self, position: u64) -> impl Iterator<Item = (u64, &Entry)> {
        let skip = usize::try_from((position + 1).saturating_sub(self.first)).unwrap_or(usize::MAX);
        (self.first..).zip(&self.entries).skip(skip)
    }

    /// How many broadcasts of `name` came up to and with `position`; `None` where that is not known.
    pub fn count_of_name_at(&self, name: &str, position: u64) -> Option<u64> {
        if self.names_given_up || position + 1 < self.first {
            return None;
        }
        let next = self
            .after(position)
            .find_map(|(_, entry)| match &entry.body {
                Body::Broadcast {
                    record,
                    count_of_name,
                    ..
                } if &*record.name == name => Some(*count_of_name - 1),
                _ => None,
            });
        next.or_else(|| Some(self.names.get(name).copied().unwrap_or(0)))
    }

    /// How many broadcasts came up to and with `position`; `None` where that is not known any more.
    pub fn count_at(&self, position: u64) -> Option<u64> {
        let evicted = &self.evicted;
        let gone = (self.first - 1).saturating_sub(position);
        if gone > 0 {
            let notes = evicted.notes.iter().filter(|note| **note > position);
            let broadcasts = gone.saturating_sub(notes.count() as u64);
            return (position >= evicted.notes_from)
                .then(|| evicted.count.saturating_sub(broadcasts));
        }
        let next = self
            .after(position)
            .find_map(|(_, entry)| match &entry.body {
                Body::Broadcast { count, .. } => Some(*count - 1),
                _ => None,
            });
        Some(next.unwrap_or(self.count))
    }

    /// The subscription's state as it was right after `position`.
    pub fn state_at(&self, position: u64) -> (State, SystemTime) {
        let mut state = (self.evicted.state, self.evicted.state_since);
        for (sequence, entry) in (self.first..).zip(&self.entries) {
            if sequence > position {
                break;
            }
            if let Body::State { state: new, since } = entry.body {
                state = (new, since);
            }
        }
        state
    }

    /// Up to when nobody who comes from elsewhere can have heard what the log does not hold: until its last entry that is gone,
    /// or, where it began pending, until the first confirmation. An outage in the log tells of itself.
    pub fn silent_until(&self) -> SystemTime {
        let first = self.entries.iter().find_map(|entry| match &entry.body {
            Body::State { state, since } => Some((*state, *since)),
            Body::Gap(_) => Some((State::Pending, entry.wall)),
            Body::Broadcast { .. } => None,
        });
        match first {
            Some((State::Confirmed, since)) => since,
            _ => self.evicted.wall,
        }
    }

    /// When the event at `position` was appended; `None` where that is not known any more.
    pub fn wall_at(&self, position: u64) -> Option<SystemTime> {
        if position + 1 == self.first {
            return Some(self.evicted.wall);
        }
        let index = usize::try_from(position.checked_sub(self.first)?).ok()?;
        self.entries.get(index).map(|entry| entry.wall)
    }

    /// Remembers who waits in a slot.
    pub fn wait(&mut self, slot: usize, waker: &Waker) {
        match self.waiting.get_mut(slot) {
            Some(Slot::Waiting(old)) => old.clone_from(waker),
            Some(other) => *other = Slot::Waiting(waker.clone()),
            None => {}
        }
    }

    /// Counts one more event of `name`, and shares the name's text with the earlier ones.
    fn count_name(&mut self, name: &str) -> (Arc<str>, u64) {
        if self.names_given_up {
            return (Arc::from(name), 0);
        }
        if let Some((known, _)) = self.names.get_key_value(name) {
            let known = Arc::clone(known);
            let count = self.names.entry(known.clone()).or_default();
            *count += 1;
            return (known, *count);
        }
        if self.names.len() >= MAX_COUNTED_NAMES {
            self.names = HashMap::new();
            self.names_given_up = true;
            return (Arc::from(name), 0);
        }
        let name: Arc<str> = Arc::from(name);
        self.names.insert(name.clone(), 1);
        (name, 1)
    }
}
