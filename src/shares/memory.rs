//! Memory that users hold, and the waits for it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::{Asker, Full, Holder, Share, Shares};

/// Total time that one call, or one answer to a page, waits for memory that others of its user
/// hold.
const MEMORY_TIMEOUT: Duration = Duration::from_secs(10);

/// The memory budget of one user, in bytes. Clones share it.
#[derive(Clone, Debug)]
pub struct Memory {
    shares: Shares,
    asker: Asker,
}

impl Memory {
    /// The budget of a user in these shares.
    pub fn new(shares: Shares, asker: impl Into<Asker>) -> Self {
        let asker = asker.into();
        Self { shares, asker }
    }

    /// The user, and the program that takes from the budget.
    pub fn asker(&self) -> Asker {
        self.asker
    }

    /// The user.
    pub fn holder(&self) -> Holder {
        self.asker.holder
    }

    /// The total of all users, in bytes.
    pub fn most(&self) -> usize {
        self.shares.most()
    }

    /// Takes bytes until the share is dropped.
    ///
    /// # Errors
    /// The user's half, or everything, is exhausted.
    pub fn take(&self, bytes: usize) -> Result<Share, Full> {
        self.shares.take(self.asker, bytes)
    }

    /// True where `bytes` more, or half of the user's share where that is less, are available.
    pub fn has_room(&self, bytes: usize) -> bool {
        self.shares.0.has_room(self.asker.holder, bytes)
    }

    /// Waits until it [has room](Self::has_room).
    pub async fn room_for(&self, bytes: usize) {
        self.when_freed(|| self.has_room(bytes)).await;
    }

    /// Counts a refusal after an unsuccessful wait.
    pub fn report_refusal(&self) {
        self.shares.0.report(self.asker);
    }

    /// Waits until `try_take` succeeds: it is called now, and soon after each release.
    pub async fn when_freed(&self, try_take: impl Fn() -> bool) {
        self.shares.when_freed(try_take).await;
    }
}

/// The waits for memory of one call, or of one answer to a page, limited in total.
#[derive(Debug, Default)]
pub struct MemoryWait(Mutex<Duration>);

impl MemoryWait {
    /// Waits until `try_take` succeeds while `spare` bytes more are free; false if the time is
    /// over.
    pub async fn take(&self, memory: &Memory, spare: usize, try_take: impl Fn() -> bool) -> bool {
        let begun = Instant::now();
        let left = MEMORY_TIMEOUT.saturating_sub(*self.waited());
        let taken = memory.when_freed(|| (spare == 0 || memory.has_room(spare)) && try_take());
        let is_taken = timeout(left, taken).await.is_ok();
        *self.waited() += begun.elapsed();
        is_taken
    }

    fn waited(&self) -> MutexGuard<'_, Duration> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
