//! Refusals because a limit was reached: who was refused, how often, and when last. And the amounts
//! that a reload has given the limits.
//!
//! Refusals are counted by limit and holder; what a call is refused for, the log tells where the
//! call ends.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use super::holder::Holder;

/// Holders that are counted apart for one limit; all others together. On a host with more, what
/// matters is not who it is.
const MAX_HOLDERS: usize = 32;

/// A limit of which users have shares, or that holds for each user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Limit {
    Connections,
    CallBytes,
    Calls,
    Listeners,
    Channels,
    Waiting,
    WaitingBytes,
    RunInstances,
    Streams,
    /// Broadcasts a second.
    Broadcasts,
    /// Bytes a second.
    Bytes,
}

impl Limit {
    /// Every limit, in the order of their discriminants.
    const ALL: [Self; 11] = [
        Self::Connections,
        Self::CallBytes,
        Self::Calls,
        Self::Listeners,
        Self::Channels,
        Self::Waiting,
        Self::WaitingBytes,
        Self::RunInstances,
        Self::Streams,
        Self::Broadcasts,
        Self::Bytes,
    ];

    /// Its key in `[daemon.limits.user]`.
    pub fn user_key(self) -> &'static str {
        self.key().trim_start_matches("user.")
    }

    /// Its key in `[daemon.limits]`, which is its label in the metrics as well.
    pub fn key(self) -> &'static str {
        match self {
            Self::Streams => "user.max_streams",
            Self::Broadcasts => "user.broadcasts_per_second",
            Self::Bytes => "user.bytes_per_second",
            Self::Connections => "max_connections",
            Self::CallBytes => "max_call_bytes",
            Self::Calls => "max_calls",
            Self::Listeners => "max_listeners",
            Self::Channels => "max_channels",
            Self::Waiting => "max_waiting",
            Self::WaitingBytes => "max_waiting_bytes",
            Self::RunInstances => "max_run_instances",
        }
    }
}

/// All refusals. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct LimitHits {
    counts: Arc<Mutex<BTreeMap<Key, Entry>>>,
    amounts: Arc<[LiveAmount; Limit::ALL.len()]>,
}

/// Amount of a limit since a reload has changed it.
#[derive(Debug, Default)]
struct LiveAmount {
    /// 0 where the amount is that of the start: no limit is 0.
    most: AtomicUsize,
    /// 0 where it is half of `most`.
    user_most: AtomicUsize,
}

/// Amount of a limit: of all users, and of one where that is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amount {
    pub most: usize,
    pub user_most: Option<usize>,
}

impl Amount {
    /// The amount that one user may have.
    pub fn of_user(self) -> usize {
        // Half is rounded up, so that a limit of 1 or 2 does not exclude everybody but the owners.
        let half = self.most.div_ceil(2);
        self.user_most.unwrap_or(half).min(self.most)
    }
}

/// A limit, and the holder that was refused; none for those that are not counted apart.
type Key = (Limit, Option<Holder>);

#[derive(Debug)]
struct Entry {
    count: u64,
    last_at: SystemTime,
}

/// The refusals of one holder by one limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitHit {
    pub limit: Limit,
    /// The holder; none for all that are not counted apart.
    pub holder: Option<Holder>,
    pub count: u64,
    pub last_at: SystemTime,
}

impl LimitHits {
    /// Gives a limit another amount. It holds for what is taken from now on: what is held already
    /// stays, also where it is more.
    pub fn set_amount(&self, limit: Limit, amount: Amount) {
        if let Some(live) = self.amounts.get(limit as usize) {
            let user_most = amount.user_most.unwrap_or(0);
            live.user_most.store(user_most, Ordering::Relaxed);
            live.most.store(amount.most, Ordering::Relaxed);
        }
    }

    /// The amount of a limit, where it is another than `at_start`.
    #[inline]
    pub(super) fn amount(&self, limit: Limit, at_start: Amount) -> Amount {
        let live = self.amounts.get(limit as usize);
        let most = live.map_or(0, |live| live.most.load(Ordering::Relaxed));
        if most == 0 {
            return at_start;
        }
        let user_most = live.map_or(0, |live| live.user_most.load(Ordering::Relaxed));
        let user_most = Some(user_most).filter(|most| *most > 0);
        Amount { most, user_most }
    }

    /// Counts a refusal.
    pub fn count(&self, limit: Limit, holder: Holder) {
        // Consistent after each statement.
        let mut hits = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut key = (limit, Some(holder));
        if !hits.contains_key(&key) {
            let known = hits.keys().filter(|(of, _)| *of == limit).count();
            if known >= MAX_HOLDERS {
                key.1 = None;
            }
        }
        let entry = hits.entry(key).or_insert(Entry {
            count: 0,
            last_at: SystemTime::UNIX_EPOCH,
        });
        entry.count += 1;
        entry.last_at = SystemTime::now();
    }

    /// The refusals of every limit and holder.
    pub fn counts(&self) -> Vec<LimitHit> {
        let hits = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = hits.iter().map(|((limit, holder), entry)| LimitHit {
            limit: *limit,
            holder: *holder,
            count: entry.count,
            last_at: entry.last_at,
        });
        counts.collect()
    }
}

impl LimitHit {
    /// The holder in a word.
    pub fn user_label(&self) -> String {
        self.holder
            .map_or_else(|| "others".to_owned(), Holder::label)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_counted_by_limit_and_user() {
        let hits = LimitHits::default();
        let ada = Holder::User(60_001);
        for _ in 0..100 {
            hits.count(Limit::Calls, ada);
        }
        hits.count(Limit::Channels, ada);
        hits.count(Limit::Calls, Holder::Tcp);
        let counts = hits.counts();
        assert_eq!(counts.len(), 3);
        assert_eq!((counts[0].count, counts[0].limit), (100, Limit::Calls));
    }

    #[test]
    fn any_number_of_users_makes_a_bounded_number_of_counts() {
        let hits = LimitHits::default();
        for uid in 0..10_000 {
            hits.count(Limit::Calls, Holder::User(uid));
        }
        let counts = hits.counts();
        assert_eq!(counts.len(), MAX_HOLDERS + 1);
        assert_eq!(counts.iter().map(|hit| hit.count).sum::<u64>(), 10_000);
        assert!(counts.iter().any(|hit| hit.user_label() == "others"));
    }
}
