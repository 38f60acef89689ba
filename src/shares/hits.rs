//! Refusals because a limit was reached: who was refused, how often, and when last.
//!
//! They are counted by limit and holder; what a call is refused for, the log tells where the call
//! ends.

use std::collections::BTreeMap;
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
pub struct LimitHits(Arc<Mutex<BTreeMap<Key, Entry>>>);

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
    /// Counts a refusal.
    pub fn count(&self, limit: Limit, holder: Holder) {
        // Consistent after each statement.
        let mut hits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
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
        let hits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
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
