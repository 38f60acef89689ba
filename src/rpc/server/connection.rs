//! One local connection as its calls know it: its caller, its budget, and whether its client takes what it is sent.

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

/// Refusals without a budget that may wait to be written, on all connections of a user together: 3 MB. A client that does not take
/// even these is not served.
const MOST_UNPAID: usize = 2048;

/// One connection.
#[derive(Debug)]
pub struct Connection {
    caller: Caller,
    pub(super) admission: Admission,
    /// Ends the connection, and whatever is under way on it.
    pub(super) end: CancellationToken,
    /// Closes the connection once its calls are over.
    pub(super) retire: CancellationToken,
    /// The calls' tasks, which end with the connection.
    pub(super) tasks: TaskTracker,
    /// Calls whose tasks have not ended.
    calls: AtomicUsize,
    /// When the last call ended, or the connection came.
    idle_since: Mutex<Instant>,
    /// Of these, streams that stay open: listening, watching.
    streams: AtomicUsize,
    congestion: Congestion,
    /// Since when the library works on what the client sent.
    works_since: Mutex<Option<Clock>>,
    unwritten: Mutex<Unwritten>,
}

/// Whether the socket has no room for what is to be sent.
#[derive(Debug, Default)]
struct Congestion {
    is_on: AtomicBool,
    over: Arc<Notify>,
}

/// Of calls that are over, what the client may not have been sent yet: their last words wait in the library until the socket
/// has room.
#[derive(Debug, Default)]
struct Unwritten {
    shares: Vec<Share>,
    unpaid: usize,
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
            works_since: Mutex::default(),
            unwritten: Mutex::default(),
        }
    }

    /// Calls that this connection may have open.
    pub(super) fn most_calls(&self, setting: usize) -> usize {
        if self.admission.is_stranger {
            setting.min(STRANGER_CALLS)
        } else {
            setting
        }
    }

    /// The user's memory.
    pub fn memory(&self) -> &Memory {
        &self.admission.memory
    }

    /// The calls under way.
    pub(super) fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    pub(super) fn call_begins(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn call_ends(&self) {
        if self.calls.fetch_sub(1, Ordering::Relaxed) == 1 {
            *lock(&self.idle_since) = Instant::now();
        }
    }

    /// How long the connection has had no call; none while it has one.
    pub(super) fn idle(&self) -> Option<Duration> {
        (self.calls() == 0).then(|| lock(&self.idle_since).elapsed())
    }

    /// Who is at the other end.
    pub(super) fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Counts a stream that stays open, until the guard is dropped.
    pub(super) fn stream_opens(self: &Arc<Self>) -> OpenStream {
        self.streams.fetch_add(1, Ordering::Relaxed);
        OpenStream(self.clone())
    }

    pub(super) fn has_streams(&self) -> bool {
        self.streams.load(Ordering::Relaxed) > 0
    }

    /// The library has bytes to work on, from now.
    pub(super) fn works(&self) {
        *lock(&self.works_since) = Some(Clock::now());
    }

    /// The library has worked on what it had, if anything: its user pays for the time.
    pub(super) fn has_worked(&self) {
        if let Some(since) = lock(&self.works_since).take() {
            self.admission.user.pace.spend(since.elapsed());
        }
    }

    /// Keeps a call's memory counted until its last words are written.
    pub(super) fn keep_until_written(&self, share: Share) {
        lock(&self.unwritten).shares.push(share);
    }

    /// Counts a refusal for which there is no budget. A client that leaves several unread is not served any more.
    pub(super) fn refuses_unpaid(&self) {
        let before = self.admission.user.unpaid.fetch_add(1, Ordering::Relaxed);
        lock(&self.unwritten).unpaid += 1;
        if before >= MOST_UNPAID {
            self.end.cancel();
        }
    }

    /// The socket took all that there was, or has no room.
    pub(super) fn wrote(&self, is_congested: bool) {
        if is_congested {
            self.congestion.is_on.store(true, Ordering::Release);
        } else if self.congestion.is_on.swap(false, Ordering::AcqRel) {
            self.congestion.over.notify_waiters();
        }
    }

    /// All that the library had to say is written.
    pub(super) fn wrote_all(&self) {
        let mut unwritten = lock(&self.unwritten);
        unwritten.shares.clear();
        let unpaid = std::mem::take(&mut unwritten.unpaid);
        if unpaid > 0 {
            let all = &self.admission.user.unpaid;
            all.fetch_sub(unpaid, Ordering::Relaxed);
        }
    }

    /// Whether the socket has no room.
    pub fn is_congested(&self) -> bool {
        self.congestion.is_on.load(Ordering::Acquire)
    }

    /// Waits until the socket has room.
    pub fn uncongested(self: &Arc<Self>) -> impl Future<Output = ()> + Send + Sync + use<> {
        let connection = self.clone();
        async move {
            loop {
                let over = connection.congestion.over.notified();
                // The state may change between the look and the wait.
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
        self.wrote_all();
    }
}

/// A stream that is open on a connection.
#[derive(Debug)]
pub struct OpenStream(Arc<Connection>);

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each holder leaves whole values behind.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
