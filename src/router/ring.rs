//! The ring behind a channel's log: its entries, what is remembered of those that left, and who waits for the next one.
//!
//! Plain data under the log's lock; it knows no clock and wakes nobody.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::task::Waker;
use std::time::{Instant, SystemTime};

use super::event::Gap;
use super::moment::Moment;
use super::outages::Outages;
use super::record::Record;
use super::wake_pacing::WakePacing;
use expd_domain::SubscriptionState;

/// Distinct event names whose occurrences one log counts, so that a listener for one name hears how many it missed. Past
/// this bound such a listener is told "unknown"; the count of all events stays exact.
const MAX_COUNTED_NAMES: usize = 4096;

/// Entries that are no broadcasts and left the log, of which the position is remembered, so that a stream that resumes far
/// behind hears how many broadcasts it missed. Beyond, it is told "unknown".
const MAX_NOTES: usize = 64;

/// What an entry costs besides its bytes: the entry itself, the shared record, its share of the maps.
const ENTRY_OVERHEAD: usize = 200;

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
        state: SubscriptionState,
        since: SystemTime,
    },
    Gap(Gap),
}

#[derive(Debug)]
pub(super) struct Entry {
    pub moment: Moment,
    pub body: Body,
    pub size: usize,
}

/// The ring and who waits for it.
#[derive(Debug)]
pub(super) struct Ring {
    pub entries: VecDeque<Entry>,
    /// The sequence of the first entry; sequences have no holes.
    pub first: u64,
    pub bytes: usize,
    /// What held before the first entry.
    pub evicted: Evicted,
    /// Broadcasts in the log's life.
    count: u64,
    /// The same by name.
    names: HashMap<Arc<str>, u64>,
    /// Since when names are no longer counted: there were too many.
    names_given_up: bool,
    pub state: SubscriptionState,
    pub state_since: SystemTime,
    /// Who waits for the next entry, by the slot that each listener was given.
    waiting: Vec<Slot>,
    /// When they are woken.
    pub wake_pacing: WakePacing,
    /// Listeners at present, and since when there are none.
    pub listeners: usize,
    pub unused_since: Option<Instant>,
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
    pub state: SubscriptionState,
    pub state_since: SystemTime,
    /// When the last of them was appended.
    pub moment: Moment,
}

#[derive(Debug)]
enum Slot {
    Free,
    Idle,
    Waiting(Waker),
}

impl Entry {
    /// A broadcast's entry.
    pub fn broadcast(now: Moment, record: Record, count: u64, count_of_name: u64) -> Self {
        Self {
            moment: now,
            size: record.size() + ENTRY_OVERHEAD,
            body: Body::Broadcast {
                record: Arc::new(record),
                count,
                count_of_name,
            },
        }
    }

    /// An entry that is no broadcast.
    pub fn note(now: Moment, body: Body) -> Self {
        Self {
            moment: now,
            body,
            size: ENTRY_OVERHEAD,
        }
    }
}

impl Ring {
    /// An empty one, pending.
    pub fn new(now: Moment) -> Self {
        Self {
            entries: VecDeque::new(),
            first: 1,
            bytes: 0,
            evicted: Evicted {
                count: 0,
                overflow_to: 0,
                notes: VecDeque::new(),
                notes_from: 0,
                outages: Outages::default(),
                state: SubscriptionState::Pending,
                state_since: now.wall,
                moment: now,
            },
            count: 0,
            names: HashMap::new(),
            names_given_up: false,
            state: SubscriptionState::Pending,
            state_since: now.wall,
            waiting: Vec::new(),
            wake_pacing: WakePacing::default(),
            listeners: 0,
            unused_since: Some(now.at),
        }
    }

    /// Appends an entry.
    pub fn push(&mut self, entry: Entry) {
        self.bytes += entry.size;
        self.wake_pacing.appended(entry.size);
        self.entries.push_back(entry);
    }

    /// Lets the oldest entry go, because of its age or because of another bound; returns what it took.
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
    pub fn after(&self, position: u64) -> impl Iterator<Item = (u64, &Entry)> {
        let skip = usize::try_from((position + 1).saturating_sub(self.first)).unwrap_or(usize::MAX);
        let skip = skip.min(self.entries.len());
        // `range` goes there at once; `skip` would walk, which was a tenth of a paced delivery.
        (self.first + skip as u64..).zip(self.entries.range(skip..))
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
    pub fn state_at(&self, position: u64) -> (SubscriptionState, SystemTime) {
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
    pub fn silent_until(&self) -> Moment {
        let first = self.entries.iter().find_map(|entry| match &entry.body {
            Body::State { state, .. } => Some((*state, entry.moment)),
            Body::Gap(_) => Some((SubscriptionState::Pending, entry.moment)),
            Body::Broadcast { .. } => None,
        });
        match first {
            Some((SubscriptionState::Confirmed, confirmed)) => confirmed,
            _ => self.evicted.moment,
        }
    }

    /// When the event at `position` was appended; `None` where that is not known any more.
    pub fn moment_at(&self, position: u64) -> Option<Moment> {
        if position + 1 == self.first {
            return Some(self.evicted.moment);
        }
        let index = usize::try_from(position.checked_sub(self.first)?).ok()?;
        self.entries.get(index).map(|entry| entry.moment)
    }

    /// Remembers who waits in a slot.
    pub fn wait(&mut self, slot: usize, waker: &Waker) {
        match self.waiting.get_mut(slot) {
            Some(Slot::Waiting(old)) => old.clone_from(waker),
            Some(other) => *other = Slot::Waiting(waker.clone()),
            None => {}
        }
    }

    /// Takes a slot for a listener's waker.
    pub fn enter(&mut self) -> usize {
        self.listeners += 1;
        self.unused_since = None;
        let free = self
            .waiting
            .iter()
            .position(|slot| matches!(slot, Slot::Free));
        if let Some(slot) = free.and_then(|at| self.waiting.get_mut(at)) {
            *slot = Slot::Idle;
        } else {
            self.waiting.push(Slot::Idle);
        }
        free.unwrap_or(self.waiting.len() - 1)
    }

    /// Gives a listener's slot back.
    pub fn leave(&mut self, slot: usize, now: Instant) {
        if let Some(slot) = self.waiting.get_mut(slot) {
            *slot = Slot::Free;
        }
        while matches!(self.waiting.last(), Some(Slot::Free)) {
            self.waiting.pop();
        }
        self.listeners -= 1;
        if self.listeners == 0 {
            self.waiting = Vec::new();
            self.unused_since = Some(now);
        }
    }

    /// Everybody who waits; they wait no more.
    pub fn take_waiting(&mut self) -> Vec<Waker> {
        self.waiting
            .iter_mut()
            .filter(|slot| matches!(slot, Slot::Waiting(_)))
            .filter_map(|slot| match std::mem::replace(slot, Slot::Idle) {
                Slot::Waiting(waker) => Some(waker),
                Slot::Free | Slot::Idle => None,
            })
            .collect()
    }

    /// Counts one more broadcast.
    pub fn count_broadcast(&mut self) -> u64 {
        self.count += 1;
        self.count
    }

    /// Counts one more event of `name`, and shares the name's text with the earlier ones.
    pub fn count_name(&mut self, name: &str) -> (Arc<str>, u64) {
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

impl Evicted {
    /// Remembers what a listener that comes this way later has to be told of an entry that left.
    fn remember(&mut self, sequence: u64, entry: &Entry, overflow: bool) {
        self.moment = entry.moment;
        if !matches!(entry.body, Body::Broadcast { .. }) {
            self.notes.push_back(sequence);
            if self.notes.len() > MAX_NOTES {
                self.notes_from = self.notes.pop_front().unwrap_or_default();
            }
        }
        match &entry.body {
            Body::Broadcast { count, .. } => {
                self.count = *count;
                if overflow {
                    self.overflow_to = sequence;
                }
            }
            Body::State { state, since } => {
                self.state = *state;
                self.state_since = *since;
            }
            Body::Gap(gap) => self.outages.push(sequence, (gap.from, gap.to)),
        }
    }
}
