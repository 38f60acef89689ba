//! Fair shares of limited resources among local users: connections, calls, listeners, channels,
//! memory.
//!
//! One user may take half. A sixteenth is reserved for root and the daemon's own user, who may take
//! everything, so that an operator always gets in. Dropping a [`Share`] releases it.

mod hits;
mod holder;
mod memory;
mod rates;

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

pub use hits::{Amount, Limit, LimitHits};
pub use holder::{Asker, Holder, Program};
pub use memory::{Memory, MemoryWait};
pub use rates::{Rate, TooFast, UserRates};

/// One part in this many is reserved for the owners.
pub(crate) const KEPT: usize = 16;

/// Delay after a release before waiting calls try again, so that one attempt covers all releases
/// within it. An answer is released piece by piece, and each piece used to wake hundreds of calls.
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(5);

/// A limited resource. Clones share it.
#[derive(Clone, Debug)]
pub struct Shares(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// The initial amount.
    amount: Amount,
    /// Counter of refusals.
    reported: Option<(Limit, LimitHits)>,
    /// True if a reload may change the amount.
    is_live: bool,
    /// Copy of `taken.all` that is read without the lock.
    all: AtomicUsize,
    /// Never locked across an await.
    taken: Mutex<Taken>,
    /// Notified whenever an amount is released.
    freed: Notify,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    /// Part of `all` that the owners do not hold.
    others: usize,
    /// Amounts by holder; holders of nothing are removed.
    holders: HashMap<Holder, usize>,
}

/// Reason why a share was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// The holder's own half is exhausted.
    #[error("{held} of the {most} that one user may have are in use by {holder}")]
    Share {
        most: usize,
        holder: Holder,
        held: usize,
    },
    /// Everything is taken, except for the part reserved for root and the daemon's user.
    #[error("{held} are in use by all users")]
    All { held: usize },
}

impl Shares {
    /// A resource of `most` in total, of which one holder may have half.
    pub fn new(most: usize) -> Self {
        Self::with(most, None, None, false)
    }

    /// A resource of `most` in total, of which one holder may have `user_most`, or half, until
    /// [`LimitHits::set_amount`] changes the amount of `limit`. Refusals are counted as those of
    /// `limit`.
    pub fn of(limit: Limit, most: usize, user_most: Option<usize>, hits: &LimitHits) -> Self {
        Self::with(most, user_most, Some((limit, hits.clone())), true)
    }

    /// A resource of `most` in total, whatever the settings say. Refusals are counted as those of
    /// `limit`.
    pub fn fixed(limit: Limit, most: usize, hits: &LimitHits) -> Self {
        Self::with(most, None, Some((limit, hits.clone())), false)
    }

    fn with(
        most: usize,
        user_most: Option<usize>,
        reported: Option<(Limit, LimitHits)>,
        is_live: bool,
    ) -> Self {
        Self(Arc::new(Inner {
            amount: Amount { most, user_most },
            reported,
            is_live,
            all: AtomicUsize::new(0),
            taken: Mutex::default(),
            freed: Notify::new(),
        }))
    }

    /// The total amount.
    pub fn most(&self) -> usize {
        self.0.amount().most
    }

    /// The amount taken by all holders.
    pub fn taken(&self) -> usize {
        self.0.taken().all
    }

    /// The amount taken by one holder.
    pub fn held(&self, holder: Holder) -> usize {
        self.0.taken().holders.get(&holder).copied().unwrap_or(0)
    }

    /// Takes an amount for the asker's user until the share is dropped.
    ///
    /// # Errors
    /// The holder's half, or everything, is exhausted.
    pub fn take(&self, asker: impl Into<Asker>, amount: usize) -> Result<Share, Full> {
        let asker = asker.into();
        let holder = asker.holder;
        if let Err(full) = self.0.add(holder, amount) {
            self.0.report(asker);
            return Err(full);
        }
        Ok(Share {
            home: self.0.clone(),
            holder,
            amount,
        })
    }

    /// Waits until `try_take` succeeds: it is called now, and soon after each release.
    pub async fn when_freed(&self, try_take: impl Fn() -> bool) {
        loop {
            let freed = self.0.freed.notified();
            // Registered before the attempt: a release may come in between.
            tokio::pin!(freed);
            freed.as_mut().enable();
            if try_take() {
                return;
            }
            freed.await;
            tokio::time::sleep(BETWEEN_ATTEMPTS).await;
        }
    }
}

impl Inner {
    fn taken(&self) -> MutexGuard<'_, Taken> {
        // Consistent after each statement, so a panic elsewhere does no harm.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The current amount.
    #[inline]
    fn amount(&self) -> Amount {
        match &self.reported {
            Some((limit, hits)) if self.is_live => hits.amount(*limit, self.amount),
            _ => self.amount,
        }
    }

    fn add(&self, holder: Holder, amount: usize) -> Result<(), Full> {
        let limit = self.amount();
        let mut taken = self.taken();
        let held = taken.holders.get(&holder).copied().unwrap_or(0);
        let fits = |held: usize, most: usize| held.checked_add(amount).is_some_and(|n| n <= most);
        if !fits(taken.all, limit.most) {
            return Err(Full::All { held: taken.all });
        }
        if holder != Holder::Owner {
            let most = limit.of_user();
            if !fits(held, most) {
                return Err(Full::Share { most, holder, held });
            }
            if !fits(taken.others, limit.most - limit.most / KEPT) {
                return Err(Full::All { held: taken.all });
            }
            taken.others += amount;
        }
        taken.all += amount;
        self.all.store(taken.all, Ordering::Relaxed);
        *taken.holders.entry(holder).or_default() += amount;
        Ok(())
    }

    /// Counts a refusal.
    fn report(&self, asker: Asker) {
        if let Some((limit, hits)) = &self.reported {
            hits.count(*limit, asker);
        }
    }

    #[inline]
    fn has_room(&self, holder: Holder, amount: usize) -> bool {
        // Fast path: no holder has more than all of them together. Each stream asks before each
        // read, and this is nearly always the answer.
        let all = self.all.load(Ordering::Relaxed);
        let limit = self.amount();
        all.saturating_add(amount) <= limit.of_user().min(limit.most / 2)
            || self.share_has_room(holder, amount)
    }

    #[inline(never)]
    fn share_has_room(&self, holder: Holder, amount: usize) -> bool {
        let limit = self.amount();
        let taken = self.taken();
        let held = taken.holders.get(&holder).copied().unwrap_or(0);
        let (held, most) = match holder {
            Holder::Owner => (taken.all, limit.most),
            _ => (held, limit.of_user()),
        };
        held + amount.min(most / 2) <= most
    }

    fn give_back(&self, holder: Holder, amount: usize) {
        let mut taken = self.taken();
        taken.all -= amount;
        self.all.store(taken.all, Ordering::Relaxed);
        if holder != Holder::Owner {
            taken.others -= amount;
        }
        if let Some(held) = taken.holders.get_mut(&holder) {
            *held -= amount;
            if *held == 0 {
                taken.holders.remove(&holder);
            }
        }
        drop(taken);
        self.freed.notify_waiters();
    }
}

/// An amount that a holder has until it is dropped.
#[derive(Debug)]
pub struct Share {
    home: Arc<Inner>,
    holder: Holder,
    amount: usize,
}

impl Share {
    /// Changes the share to this amount.
    ///
    /// # Errors
    /// As for [`Shares::take`]; the share is unchanged.
    pub fn resize(&mut self, amount: usize) -> Result<(), Full> {
        if let Some(more) = amount.checked_sub(self.amount) {
            self.home.add(self.holder, more)?;
        } else {
            self.home.give_back(self.holder, self.amount - amount);
        }
        self.amount = amount;
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.home.give_back(self.holder, self.amount);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADA: Holder = Holder::User(60_001);
    const BOB: Holder = Holder::User(60_002);

    #[test]
    fn a_user_has_half_and_the_owners_what_is_kept() {
        let shares = Shares::new(32);
        let ada = shares.take(ADA, 16).unwrap();
        let refused = shares.take(ADA, 1).unwrap_err();
        assert_eq!(
            refused,
            Full::Share {
                most: 16,
                holder: ADA,
                held: 16
            }
        );
        let _bob = shares.take(BOB, 14).unwrap();
        assert_eq!(shares.take(BOB, 1).unwrap_err(), Full::All { held: 30 });
        let _owner = shares.take(Holder::Owner, 2).unwrap();
        assert_eq!(
            shares.take(Holder::Owner, 1).unwrap_err(),
            Full::All { held: 32 }
        );
        drop(ada);
        assert_eq!(shares.taken(), 16);
        shares.take(ADA, 15).unwrap();
    }

    #[test]
    fn what_one_user_may_have_can_be_set_and_whoever_reaches_it_is_counted() {
        let hits = LimitHits::default();
        let shares = Shares::of(Limit::Channels, 32, Some(3), &hits);
        let _three = shares.take(ADA, 3).unwrap();
        for _ in 0..2 {
            let refused = shares.take(ADA, 1).unwrap_err().to_string();
            assert!(
                refused.contains("of the 3 that one user may have"),
                "{refused}"
            );
        }
        let _bob = shares.take(BOB, 3).unwrap();
        let _owner = shares.take(Holder::Owner, 20).unwrap();
        let [hit] = &hits.list()[..] else {
            panic!("{hits:?}");
        };
        assert_eq!((hit.limit, hit.count), (Limit::Channels, 2));
        assert_eq!(hit.user_label(), "60001");
        // A user's amount is capped at the total.
        let generous = Shares::of(Limit::Channels, 4, Some(100), &hits);
        assert!(generous.take(ADA, 5).is_err());
    }

    #[test]
    fn a_reload_changes_the_amount_and_takes_nothing_from_whoever_holds_more() {
        let hits = LimitHits::default();
        let shares = Shares::of(Limit::Calls, 32, None, &hits);
        let other_limit = Shares::of(Limit::Waiting, 32, None, &hits);
        let fixed = Shares::fixed(Limit::Calls, 32, &hits);
        let mut held = shares.take(ADA, 10).unwrap();
        hits.set_amount(
            Limit::Calls,
            Amount {
                most: 8,
                user_most: Some(2),
            },
        );
        assert_eq!(
            (shares.most(), other_limit.most(), fixed.most()),
            (8, 32, 32)
        );
        assert_eq!(shares.taken(), 10);
        let refused = shares.take(ADA, 1).unwrap_err();
        assert_eq!(refused, Full::All { held: 10 });
        held.resize(1).unwrap();
        shares.take(ADA, 1).unwrap();
        let refused = shares.take(ADA, 2).unwrap_err().to_string();
        assert!(
            refused.contains("of the 2 that one user may have"),
            "{refused}"
        );
        // Shares that are made later have the new amount as well.
        assert_eq!(Shares::of(Limit::Calls, 32, None, &hits).most(), 8);
        let user_most = None;
        hits.set_amount(
            Limit::Calls,
            Amount {
                most: 40,
                user_most,
            },
        );
        shares.take(ADA, 19).unwrap();
    }

    #[test]
    fn owners_may_have_all_of_it() {
        let shares = Shares::new(3);
        let _all = shares.take(Holder::of(Some(0)), 3).unwrap();
        assert!(shares.take(Holder::Tcp, 1).is_err());
    }

    #[test]
    fn the_smallest_limit_shuts_nobody_out() {
        for holder in [ADA, Holder::Tcp, Holder::Owner] {
            Shares::new(1).take(holder, 1).unwrap();
        }
    }

    #[test]
    fn a_share_grows_and_shrinks_and_nothing_is_kept_of_those_who_left() {
        let shares = Shares::new(100);
        let mut share = shares.take(ADA, 10).unwrap();
        share.resize(50).unwrap();
        assert!(share.resize(51).is_err());
        assert!(share.resize(usize::MAX).is_err());
        share.resize(1).unwrap();
        assert_eq!(shares.taken(), 1);
        drop(share);
        let taken = shares.0.taken();
        assert!(taken.holders.is_empty());
        assert_eq!((taken.all, taken.others), (0, 0));
    }
}
