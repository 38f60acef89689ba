//! The ring behind a channel's log: its entries, a summary of the evicted ones, and the wakers of
//! its listeners.
//!
//! Plain data under the log's lock; it reads no clock and wakes nobody.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use super::event::Gap;
use super::outages::Outages;
use super::record::Record;
use super::wake_pacing::WakePacing;
use crate::config::Limits;
use crate::moment::Moment;
use expd_domain::SubscriptionState;

/// Number of distinct event names that one log counts, so that a listener for one name learns how
/// many events it missed. Beyond it, that number is unknown; the count of all events stays exact.
const MAX_COUNTED_NAMES: usize = 4096;

/// Number of evicted markers whose position is kept, so that a stream that resumes far behind
/// learns how many broadcasts it missed. Beyond it, that number is unknown.
const MAX_MARKERS: usize = 64;

/// Bytes that an entry takes besides its frame: the entry itself, the shared record, its share of
/// the maps.
const ENTRY_OVERHEAD: usize = 200;

// Includes the two reference counts of a shared record.
const _: () = assert!(size_of::<RingEntry>() + size_of::<Record>() + 16 <= ENTRY_OVERHEAD);

/// Limits of one log.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Maximum number of events.
    pub events: usize,
    /// Maximum number of bytes. The newest event is kept whatever its size.
    pub bytes: usize,
    /// Maximum age of an event.
    pub age: Duration,
}

impl Bounds {
    /// The bounds in the settings.
    pub fn of(limits: &Limits) -> Self {
        Self {
            events: limits.log_events,
            bytes: limits.log_bytes,
            age: limits.log_age,
        }
    }
}

/// Content of an entry. Entries other than broadcasts are called markers.
#[derive(Clone, Debug)]
pub(super) enum Content {
    Broadcast {
        record: Arc<Record>,
        /// Number of broadcasts since the log began, including this one.
        count: u64,
        /// Number of those with this name; 0 where names are no longer counted.
        count_of_name: u64,
    },
    State {
        state: SubscriptionState,
        since: Moment,
    },
    Gap(Gap),
}

#[derive(Debug)]
pub(super) struct RingEntry {
    pub moment: Moment,
    pub content: Content,
    pub size: usize,
}

/// The ring, and the wakers of its listeners.
#[derive(Debug)]
pub(super) struct Ring {
    pub bounds: Bounds,
    pub entries: VecDeque<RingEntry>,
    /// Sequence of the first entry; the entries after it are consecutive.
    pub first: u64,
    pub bytes: usize,
    /// Summary of the entries before `first`.
    pub evicted: Evicted,
    /// Number of broadcasts since the log began.
    count: u64,
    /// Number of broadcasts by name. The value repeats the key, so that one lookup finds the shared
    /// name and changes the number.
    names: HashMap<Arc<str>, (Arc<str>, u64)>,
    /// True once there were too many names to count.
    names_uncounted: bool,
    pub state: SubscriptionState,
    pub state_since: Moment,
    /// Wakers of listeners that await the next entry, by the slot of each listener.
    wakers: Vec<Slot>,
    /// Pace at which they are woken.
    pub wake_pacing: WakePacing,
    /// Number of listeners.
    pub listeners: usize,
    /// Time since when there are none.
    pub unused_since: Option<Instant>,
}

/// Summary of the entries that left the ring.
#[derive(Debug)]
pub(super) struct Evicted {
    /// Number of broadcasts among them.
    pub count: u64,
    /// Sequence of the newest broadcast that was evicted for a bound other than age.
    pub overflow_to: u64,
    /// Positions of the latest markers among them.
    markers: VecDeque<u64>,
    /// Newest marker position that `markers` no longer holds.
    markers_from: u64,
    /// The outages among them.
    pub outages: Outages,
    /// The subscription's state after the last of them.
    pub state: SubscriptionState,
    pub state_since: Moment,
    /// Time when the last of them was appended.
    pub moment: Moment,
}

#[derive(Debug)]
enum Slot {
    Free,
    Idle,
    Waiting(Waker),
}

impl RingEntry {
    /// An entry for a broadcast.
    pub fn broadcast(now: Moment, record: Record, count: u64, count_of_name: u64) -> Self {
        Self {
            moment: now,
            size: record.size() + ENTRY_OVERHEAD,
            content: Content::Broadcast {
                record: Arc::new(record),
                count,
                count_of_name,
            },
        }
    }

    /// An entry for a marker.
    pub fn marker(now: Moment, content: Content) -> Self {
        Self {
            moment: now,
            content,
            size: ENTRY_OVERHEAD,
        }
    }
}

impl Ring {
    /// An empty ring whose subscription is pending.
    pub fn new(bounds: Bounds, now: Moment) -> Self {
        Self {
            bounds,
            entries: VecDeque::new(),
            first: 1,
            bytes: 0,
            evicted: Evicted {
                count: 0,
                overflow_to: 0,
                markers: VecDeque::new(),
                markers_from: 0,
                outages: Outages::default(),
                state: SubscriptionState::Pending,
                state_since: now,
                moment: now,
            },
            count: 0,
            names: HashMap::new(),
            names_uncounted: false,
            state: SubscriptionState::Pending,
            state_since: now,
            wakers: Vec::new(),
            wake_pacing: WakePacing::default(),
            listeners: 0,
            unused_since: Some(now.at),
        }
    }

    /// Appends an entry.
    pub fn push(&mut self, entry: RingEntry) {
        self.bytes += entry.size;
        self.wake_pacing.appended(entry.size);
        self.entries.push_back(entry);
    }

    /// Evicts the oldest entry, for its age or for another bound (`overflow`). Returns its size.
    pub fn evict(&mut self, overflow: bool) -> usize {
        let Some(entry) = self.entries.pop_front() else {
            return 0;
        };
        let sequence = self.first;
        self.first += 1;
        self.bytes -= entry.size;
        self.evicted.remember(sequence, &entry, overflow);
        entry.size
    }

    /// The sequence that the next entry gets.
    pub fn next(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    /// The entries after `position`, oldest first.
    pub fn after(&self, position: u64) -> impl Iterator<Item = (u64, &RingEntry)> {
        let skip = usize::try_from((position + 1).saturating_sub(self.first)).unwrap_or(usize::MAX);
        let skip = skip.min(self.entries.len());
        // `range` seeks; `skip` would walk, which took a tenth of a paced delivery.
        (self.first + skip as u64..).zip(self.entries.range(skip..))
    }

    /// Number of broadcasts of `name` up to and including `position`; `None` where it is unknown.
    pub fn count_of_name_at(&self, name: &str, position: u64) -> Option<u64> {
        if self.names_uncounted || position + 1 < self.first {
            return None;
        }
        let next = self
            .after(position)
            .find_map(|(_, entry)| match &entry.content {
                Content::Broadcast {
                    record,
                    count_of_name,
                    ..
                } if &*record.name == name => Some(*count_of_name - 1),
                _ => None,
            });
        next.or_else(|| Some(self.names.get(name).map_or(0, |(_, count)| *count)))
    }

    /// Number of broadcasts up to and including `position`; `None` where it is no longer known.
    pub fn count_at(&self, position: u64) -> Option<u64> {
        let evicted = &self.evicted;
        let gone = (self.first - 1).saturating_sub(position);
        if gone > 0 {
            let markers = evicted.markers.iter().filter(|marker| **marker > position);
            let broadcasts = gone.saturating_sub(markers.count() as u64);
            return (position >= evicted.markers_from)
                .then(|| evicted.count.saturating_sub(broadcasts));
        }
        let next = self
            .after(position)
            .find_map(|(_, entry)| match &entry.content {
                Content::Broadcast { count, .. } => Some(*count - 1),
                _ => None,
            });
        Some(next.unwrap_or(self.count))
    }

    /// The subscription's state right after `position`.
    pub fn state_at(&self, position: u64) -> (SubscriptionState, Moment) {
        let mut state = (self.evicted.state, self.evicted.state_since);
        for (sequence, entry) in (self.first..).zip(&self.entries) {
            if sequence > position {
                break;
            }
            if let Content::State { state: new, since } = entry.content {
                state = (new, since);
            }
        }
        state
    }

    /// End of the interval that a client resuming from *another* log may have missed: the last
    /// evicted entry, or the first confirmation if this log began pending. Outages that are still
    /// in the log are reported by their own gaps.
    pub fn restart_gap_end(&self) -> Moment {
        let first = self.entries.iter().find_map(|entry| match &entry.content {
            Content::State { state, .. } => Some((*state, entry.moment)),
            Content::Gap(_) => Some((SubscriptionState::Pending, entry.moment)),
            Content::Broadcast { .. } => None,
        });
        match first {
            Some((SubscriptionState::Confirmed, confirmed)) => confirmed,
            _ => self.evicted.moment,
        }
    }

    /// Time when the event at `position` was appended; `None` where it is no longer known.
    pub fn moment_at(&self, position: u64) -> Option<Moment> {
        if position + 1 == self.first {
            return Some(self.evicted.moment);
        }
        let index = usize::try_from(position.checked_sub(self.first)?).ok()?;
        self.entries.get(index).map(|entry| entry.moment)
    }

    /// Registers the waker of a slot's listener.
    pub fn register(&mut self, slot: usize, waker: &Waker) {
        match self.wakers.get_mut(slot) {
            Some(Slot::Waiting(old)) => old.clone_from(waker),
            Some(other) => *other = Slot::Waiting(waker.clone()),
            None => {}
        }
    }

    /// Adds a listener, and returns the slot for its waker.
    pub fn add_listener(&mut self) -> usize {
        self.listeners += 1;
        self.unused_since = None;
        let free = self
            .wakers
            .iter()
            .position(|slot| matches!(slot, Slot::Free));
        if let Some(slot) = free.and_then(|at| self.wakers.get_mut(at)) {
            *slot = Slot::Idle;
        } else {
            self.wakers.push(Slot::Idle);
        }
        free.unwrap_or(self.wakers.len() - 1)
    }

    pub fn remove_listener(&mut self, slot: usize, now: Instant) {
        if let Some(slot) = self.wakers.get_mut(slot) {
            *slot = Slot::Free;
        }
        while matches!(self.wakers.last(), Some(Slot::Free)) {
            self.wakers.pop();
        }
        self.listeners -= 1;
        if self.listeners == 0 {
            self.wakers = Vec::new();
            self.unused_since = Some(now);
        }
    }

    /// Takes the wakers of all listeners that wait.
    pub fn take_wakers(&mut self) -> Vec<Waker> {
        self.wakers
            .iter_mut()
            .filter(|slot| matches!(slot, Slot::Waiting(_)))
            .filter_map(|slot| match std::mem::replace(slot, Slot::Idle) {
                Slot::Waiting(waker) => Some(waker),
                Slot::Free | Slot::Idle => None,
            })
            .collect()
    }

    /// Counts a broadcast, and returns the new number.
    pub fn count_broadcast(&mut self) -> u64 {
        self.count += 1;
        self.count
    }

    /// Counts an event of `name`. Returns the name, shared with earlier events, and the new number.
    pub fn count_name(&mut self, name: &str) -> (Arc<str>, u64) {
        if self.names_uncounted {
            return (Arc::from(name), 0);
        }
        if let Some((known, count)) = self.names.get_mut(name) {
            *count += 1;
            return (known.clone(), *count);
        }
        if self.names.len() >= MAX_COUNTED_NAMES {
            self.names = HashMap::new();
            self.names_uncounted = true;
            return (Arc::from(name), 0);
        }
        let name: Arc<str> = Arc::from(name);
        self.names.insert(name.clone(), (name.clone(), 1));
        (name, 1)
    }
}

impl Evicted {
    /// Records what a listener that is still behind this entry must learn about it.
    fn remember(&mut self, sequence: u64, entry: &RingEntry, overflow: bool) {
        self.moment = entry.moment;
        if !matches!(entry.content, Content::Broadcast { .. }) {
            self.markers.push_back(sequence);
            if self.markers.len() > MAX_MARKERS {
                self.markers_from = self.markers.pop_front().unwrap_or_default();
            }
        }
        match &entry.content {
            Content::Broadcast { count, .. } => {
                self.count = *count;
                if overflow {
                    self.overflow_to = sequence;
                }
            }
            Content::State { state, since } => {
                self.state = *state;
                self.state_since = *since;
            }
            Content::Gap(gap) => self.outages.push(sequence, (gap.from, gap.to)),
        }
    }
}
