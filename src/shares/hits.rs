//! Refusals because of a reached limit: who was refused, how often, and when last. Also the amounts
//! that reloads have given to the limits.
//!
//! Refusals are counted by limit, user and program; the reason of each is logged where its call
//! ends.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::holder::{Asker, Holder, Program};
use crate::moment::BootTime;

/// Holders beyond this number share one counter.
const MAX_HOLDERS: usize = 32;

/// Programs of a holder beyond this number share one counter; those refused last keep their own. A
/// program that is started again and again counts as a new one each time.
const MAX_PROGRAMS: usize = 8;

/// Web apps whose names are kept.
const MAX_APPS: usize = 1024;

/// A limit that users share, or that applies to each user.
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

    /// Its key in `[daemon.limits]`, also its label in the metrics.
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
    refusals: Arc<Mutex<Inner>>,
    amounts: Arc<[LiveAmount; Limit::ALL.len()]>,
}

/// Amount of a limit that a reload has changed.
#[derive(Debug, Default)]
struct LiveAmount {
    /// 0 while the amount is the initial one: no limit is 0.
    most: AtomicUsize,
    /// 0 if it is half of `most`.
    user_most: AtomicUsize,
}

/// Amount of a limit: of all users, and of one if that is set.
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

#[derive(Debug, Default)]
struct Inner {
    entries: BTreeMap<HitKey, HitCount>,
    /// Names of web apps, by their holders' numbers.
    apps: BTreeMap<u32, String>,
}

/// A limit, the holder that was refused (none for the shared counter), and its program (likewise).
type HitKey = (Limit, Option<Holder>, Option<Program>);

#[derive(Clone, Copy, Debug)]
struct HitCount {
    count: u64,
    last_at: BootTime,
}

/// The refusals of one program, or those in a shared counter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitHit {
    pub limit: Limit,
    /// The holder; none for the shared counter.
    pub holder: Option<Holder>,
    /// The program, if it has its own counter.
    pub program: Option<Program>,
    /// Name of the web app, if the holder is one.
    pub app: Option<String>,
    pub count: u64,
    pub last_at: BootTime,
}

impl LimitHits {
    /// Sets the amount of a limit. It applies to new shares; those already held stay, even if they
    /// exceed it.
    pub fn set_amount(&self, limit: Limit, amount: Amount) {
        if let Some(live) = self.amounts.get(limit as usize) {
            let user_most = amount.user_most.unwrap_or(0);
            live.user_most.store(user_most, Ordering::Relaxed);
            live.most.store(amount.most, Ordering::Relaxed);
        }
    }

    /// The amount of a limit, or `at_start` if no reload has changed it.
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
    pub fn count(&self, limit: Limit, asker: Asker) {
        let now = BootTime::now();
        let mut inner = self.lock();
        let key = inner.key(limit, asker);
        let entry = inner.entries.entry(key).or_insert(HitCount {
            count: 0,
            last_at: now,
        });
        entry.count += 1;
        entry.last_at = now;
    }

    /// Records the name of the web app that [`Holder::App`] numbers.
    pub fn name_app(&self, number: u32, name: &str) {
        let mut inner = self.lock();
        if inner.apps.len() < MAX_APPS {
            inner.apps.entry(number).or_insert_with(|| name.to_owned());
        }
    }

    /// The refusals of every limit, holder and program.
    pub fn list(&self) -> Vec<LimitHit> {
        let inner = self.lock();
        let hits = inner
            .entries
            .iter()
            .map(|((limit, holder, program), entry)| LimitHit {
                limit: *limit,
                holder: *holder,
                program: *program,
                app: inner.app(*holder),
                count: entry.count,
                last_at: entry.last_at,
            });
        hits.collect()
    }

    /// The refusals of every limit and holder, over its programs.
    pub fn by_user(&self) -> Vec<LimitHit> {
        let mut users: Vec<LimitHit> = Vec::new();
        // A holder's programs follow each other.
        for hit in self.list() {
            match users.last_mut() {
                Some(last) if (last.limit, last.holder) == (hit.limit, hit.holder) => {
                    last.count += hit.count;
                    last.last_at = last.last_at.max(hit.last_at);
                }
                _ => users.push(LimitHit {
                    program: None,
                    ..hit
                }),
            }
        }
        users
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Consistent after each statement.
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// The key under which a refusal is counted, with room for it.
    fn key(&mut self, limit: Limit, asker: Asker) -> HitKey {
        let holder = Some(asker.holder);
        let key = (limit, holder, asker.program);
        if self.entries.contains_key(&key) {
            return key;
        }
        let of_limit = self.entries.keys().filter(|(of, ..)| *of == limit);
        let mut holders: Vec<_> = of_limit.map(|(_, holder, _)| *holder).collect();
        let own = holders.iter().filter(|known| **known == holder).count();
        holders.dedup();
        if own == 0 && holders.len() >= MAX_HOLDERS {
            return (limit, None, None);
        }
        if asker.program.is_some() && own >= MAX_PROGRAMS {
            self.forget_program(limit, asker.holder);
        }
        key
    }

    /// Moves the least recently refused program of a holder to the holder's shared counter.
    fn forget_program(&mut self, limit: Limit, holder: Holder) {
        let together = (limit, Some(holder), None);
        let apart = self
            .entries
            .iter()
            .filter(|((of, whose, program), _)| {
                (*of, *whose) == (limit, Some(holder)) && program.is_some()
            })
            .min_by_key(|(_, entry)| entry.last_at)
            .map(|(key, _)| *key);
        let Some(entry) = apart.and_then(|key| self.entries.remove(&key)) else {
            return;
        };
        let sum = self.entries.entry(together).or_insert(HitCount {
            count: 0,
            last_at: entry.last_at,
        });
        sum.count += entry.count;
        sum.last_at = sum.last_at.max(entry.last_at);
    }

    fn app(&self, holder: Option<Holder>) -> Option<String> {
        match holder {
            Some(Holder::App(number)) => self.apps.get(&number).cloned(),
            _ => None,
        }
    }
}

impl LimitHit {
    /// Label of the holder: a number for a user.
    pub fn user_label(&self) -> String {
        match self.holder {
            None => "others".to_owned(),
            Some(Holder::Owner) => "owner".to_owned(),
            Some(Holder::User(uid)) => uid.to_string(),
            Some(Holder::Tcp) => "tcp".to_owned(),
            Some(Holder::App(number)) => match &self.app {
                Some(name) => format!("app:{name}"),
                None => format!("app:{number}"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(uid: u32, pid: u32) -> Asker {
        Asker::of(Some(Program { pid, uid }))
    }

    #[test]
    fn refusals_are_counted_by_limit_user_and_program() {
        let hits = LimitHits::default();
        for _ in 0..100 {
            hits.count(Limit::Calls, program(60_001, 7));
        }
        hits.count(Limit::Calls, program(60_001, 8));
        hits.count(Limit::Channels, program(60_001, 7));
        hits.count(Limit::Calls, Holder::Tcp.into());
        hits.name_app(3, "menu-board");
        hits.count(Limit::Calls, Holder::App(3).into());
        let list = hits.list();
        assert_eq!(list.len(), 5);
        assert_eq!((list[0].count, list[0].limit), (100, Limit::Calls));
        assert_eq!(list[0].program.unwrap().pid, 7);
        assert!(list[1].last_at >= list[0].last_at);
        let users = hits.by_user();
        let users: Vec<_> = users.iter().map(|it| (it.user_label(), it.count)).collect();
        let told = [
            ("60001", 101),
            ("tcp", 1),
            ("app:menu-board", 1),
            ("60001", 1),
        ];
        assert_eq!(users, told.map(|(user, count)| (user.to_owned(), count)));
    }

    #[test]
    fn any_number_of_users_and_programs_makes_a_bounded_number_of_counts() {
        let hits = LimitHits::default();
        for uid in 0..1000 {
            for pid in 1..20 {
                hits.count(Limit::Calls, program(60_000 + uid, pid));
            }
        }
        let list = hits.list();
        assert_eq!(list.len(), MAX_HOLDERS * (MAX_PROGRAMS + 1) + 1);
        assert_eq!(list.iter().map(|hit| hit.count).sum::<u64>(), 19_000);
        assert!(list.iter().any(|hit| hit.user_label() == "others"));
        assert_eq!(hits.by_user().len(), MAX_HOLDERS + 1);
        // The latest are named.
        let latest = Some(Program {
            pid: 19,
            uid: 60_000,
        });
        assert!(list.iter().any(|hit| hit.program == latest));
    }
}
