//! One local connection as its calls see it: the caller, the budget, and back pressure.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant as Clock};

use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::users::{Admission, STRANGER_CALLS};
use crate::access::Caller;
use crate::shares::{Memory, Share};

/// Maximum number of unwritten, unaccounted refusals on all connections of one user: 3 MB. A client
/// that does not read even these is disconnected.
const MAX_UNBUDGETED: usize = 2048;

#[derive(Debug)]
pub struct Connection {
    caller: Caller,
    pub(super) admission: Admission,
    /// Closes the connection together with its open calls.
    pub(super) end: CancellationToken,
    /// Closes the connection once its calls have ended.
    pub(super) retire: CancellationToken,
    /// Tasks of the calls, which end with the connection.
    pub(super) tasks: TaskTracker,
    /// Calls whose tasks have not ended.
    calls: AtomicUsize,
    /// Time at which the last call ended, or the connection was accepted.
    idle_since: Mutex<Instant>,
    /// Those of the calls that are streams (listening, watching).
    streams: AtomicUsize,
    congestion: Congestion,
    /// Start of the HTTP/2 library's current work on received bytes.
    work_since: Mutex<Option<Clock>>,
    unwritten: Mutex<Unwritten>,
}

/// Back pressure: the socket's buffer is full.
#[derive(Debug, Default)]
struct Congestion {
    is_on: AtomicBool,
    over: Arc<Notify>,
}

/// Frames of ended calls that the library has not written yet, because the socket's buffer is full.
#[derive(Debug, Default)]
struct Unwritten {
    shares: Vec<Share>,
    unbudgeted: usize,
}

impl Connection {
    pub(super) fn new(caller: Caller, admission: Admission) -> Self {
        Self {
            caller,
            admission,
            end: CancellationToken::new(),
            retire: CancellationToken::new(),
            tasks: TaskTracker::new(),
            calls: AtomicUsize::new(0),
            idle_since: Mutex::new(Instant::now()),
            streams: AtomicUsize::new(0),
            congestion: Congestion::default(),
            work_since: Mutex::default(),
            unwritten: Mutex::default(),
        }
    }

    /// Limit of open calls on this connection.
    pub(super) fn max_calls(&self, setting: usize) -> usize {
        if self.admission.is_stranger {
            setting.min(STRANGER_CALLS)
        } else {
            setting
        }
    }

    /// The user's memory budget.
    pub fn memory(&self) -> &Memory {
        &self.admission.memory
    }

    /// Number of open calls.
    pub(super) fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    pub(super) fn begin_call(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn end_call(&self) {
        if self.calls.fetch_sub(1, Ordering::Relaxed) == 1 {
            *lock(&self.idle_since) = Instant::now();
        }
    }

    /// Time without an open call; none while there is one.
    pub(super) fn idle(&self) -> Option<Duration> {
        (self.calls() == 0).then(|| lock(&self.idle_since).elapsed())
    }

    /// The caller at the other end.
    pub(super) fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Counts an open stream until the guard is dropped.
    pub(super) fn open_stream(self: &Arc<Self>) -> OpenStream {
        self.streams.fetch_add(1, Ordering::Relaxed);
        OpenStream(self.clone())
    }

    pub(super) fn has_streams(&self) -> bool {
        self.streams.load(Ordering::Relaxed) > 0
    }

    /// Records that the library begins to process received bytes.
    pub(super) fn start_work(&self) {
        *lock(&self.work_since) = Some(Clock::now());
    }

    /// Charges the user for the library's work since [`Self::start_work`], if any.
    pub(super) fn charge_work(&self) {
        if let Some(since) = lock(&self.work_since).take() {
            self.admission.user.rate_limit.charge(since.elapsed());
        }
    }

    /// Keeps an ended call's memory accounted until its last frames are written.
    pub(super) fn keep_until_written(&self, share: Share) {
        lock(&self.unwritten).shares.push(share);
    }

    /// Counts an unaccounted refusal. A client that leaves too many unread is disconnected.
    pub(super) fn count_unbudgeted_refusal(&self) {
        let before = self
            .admission
            .user
            .unbudgeted
            .fetch_add(1, Ordering::Relaxed);
        lock(&self.unwritten).unbudgeted += 1;
        if before >= MAX_UNBUDGETED {
            self.end.cancel();
        }
    }

    /// Updates the back pressure after a write.
    pub(super) fn update_congestion(&self, is_congested: bool) {
        if is_congested {
            self.congestion.is_on.store(true, Ordering::Release);
        } else if self.congestion.is_on.swap(false, Ordering::AcqRel) {
            self.congestion.over.notify_waiters();
        }
    }

    /// Releases the memory of ended calls: every frame is written.
    pub(super) fn release_written(&self) {
        let mut unwritten = lock(&self.unwritten);
        unwritten.shares.clear();
        let unbudgeted = std::mem::take(&mut unwritten.unbudgeted);
        if unbudgeted > 0 {
            let all = &self.admission.user.unbudgeted;
            all.fetch_sub(unbudgeted, Ordering::Relaxed);
        }
    }

    /// True while the socket's buffer is full.
    pub fn is_congested(&self) -> bool {
        self.congestion.is_on.load(Ordering::Acquire)
    }

    /// Waits until the socket's buffer has room.
    pub fn uncongested(self: &Arc<Self>) -> impl Future<Output = ()> + Send + Sync + use<> {
        let connection = self.clone();
        async move {
            loop {
                let over = connection.congestion.over.notified();
                // Registered before the check: the state may change in between.
                tokio::pin!(over);
                over.as_mut().enable();
                if !connection.is_congested() {
                    return;
                }
                over.await;
            }
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.release_written();
    }
}

/// Guard of an open stream.
#[derive(Debug)]
pub struct OpenStream(Arc<Connection>);

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // The value is consistent whenever the lock is released.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
