//! One call: its accounted memory, and the task that ends it when its client stops reading the
//! answer.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant as Clock};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use hyper::rt::Executor;
use tokio::sync::Notify;
use tokio::time::{Instant, Sleep, sleep_until, timeout};
use tonic::Status;

use super::connection::{Connection, OpenStream};
use super::users::Admission;
use crate::rpc::error;
use crate::shares::{MemoryWait, Share};
use crate::upstream::transport::AnswerRoom;
use expd_domain::Channel;

/// Bytes accounted for every call: its task, its HTTP/2 stream and its answer's head.
pub(super) const CALL_BYTES: usize = 8 << 10;

/// Initial HTTP/2 window of a call: bytes of a request that may arrive before they are read.
pub(super) const WINDOW: usize = 32 << 10;

/// Time limit without progress while a client reads an answer.
pub(super) const PROGRESS_TIMEOUT: Duration = Duration::from_secs(30);

/// A call, shared by its handler, its answer and its task.
#[derive(Debug)]
pub struct Call {
    connection: Arc<Connection>,
    state: Mutex<CallState>,
    memory_wait: MemoryWait,
    is_stream: AtomicBool,
    /// Instance and channel of the call, once its message has named them.
    target: OnceLock<CallTarget>,
    /// Notified when HTTP/2 has written every chunk of the answer.
    released: Notify,
}

/// Instance and channel of a call; empty if it names none.
#[derive(Debug)]
struct CallTarget {
    instance: String,
    channel: String,
}

#[derive(Debug)]
struct CallState {
    /// None once the connection keeps it until the last frames are written.
    memory: Option<Share>,
    bytes: usize,
    /// The part of `bytes` that stays accounted until the call ends.
    base_bytes: usize,
    /// Deadline for the client's next progress; none while nothing waits for the client.
    deadline: Option<Instant>,
    stream: Option<(OpenStream, Share)>,
    /// Chunks of the answer that the HTTP/2 library holds.
    chunks: usize,
}

impl Call {
    /// Begins a call whose head has `head` bytes; none where the user's budget is exhausted.
    pub(super) fn begin(connection: &Arc<Connection>, head: usize) -> Option<Arc<Self>> {
        let bytes = CALL_BYTES + WINDOW + head;
        let memory = connection.memory().take(bytes).ok()?;
        Some(Arc::new(Self {
            connection: connection.clone(),
            state: Mutex::new(CallState {
                memory: Some(memory),
                bytes,
                base_bytes: CALL_BYTES + head,
                deadline: None,
                stream: None,
                chunks: 0,
            }),
            memory_wait: MemoryWait::default(),
            is_stream: AtomicBool::new(false),
            target: OnceLock::new(),
            released: Notify::new(),
        }))
    }

    /// The connection that the call arrived on.
    pub fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// Records the call's instance and channel, for the log.
    pub(in crate::rpc) fn note_target(&self, instance: &str, channel: Option<&Channel>) {
        self.target.get_or_init(|| CallTarget {
            instance: instance.to_owned(),
            channel: channel
                .map(|channel| channel.name.clone())
                .unwrap_or_default(),
        });
    }

    /// Instance and channel of the call; empty while unknown.
    pub(in crate::rpc) fn target(&self) -> (&str, &str) {
        let target = self.target.get();
        target.map_or(("", ""), |target| (&target.instance, &target.channel))
    }

    /// Releases the bytes of the request's window: the request has been read.
    pub(in crate::rpc) fn release_window(&self) {
        self.release(WINDOW);
    }

    /// Accounts `bytes` in place of everything accounted for the message and for making the answer.
    pub(in crate::rpc) fn settle(&self, bytes: usize) {
        let mut state = self.state();
        let settled = state.base_bytes + bytes;
        // Never refused: more than that is accounted already.
        state.resize(settled).ok();
    }

    /// Marks the call as a stream that stays open and releases its message's memory.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED`: its user has too many streams.
    pub(in crate::rpc) fn mark_stream(&self) -> Result<(), Status> {
        let Admission {
            streams, memory, ..
        } = &self.connection.admission;
        let share = streams.take(memory.asker(), 1).map_err(|full| {
            let most = streams.most();
            error::exhausted(format_args!(
                "too many streams: {full}, of {most} in total (daemon.limits.user.max_streams, \
                 daemon.limits.max_listeners); end some, or raise it"
            ))
        })?;
        self.settle(0);
        let stream = self.connection.open_stream();
        self.state().stream = Some((stream, share));
        self.is_stream.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Reserves `bytes` more, waiting a limited time for other calls of the user to release memory.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED`: the memory was not available in time.
    pub(in crate::rpc) async fn reserve(&self, bytes: usize) -> Result<(), Status> {
        if self.reserve_beside(bytes, 0).await {
            return Ok(());
        }
        Err(error::exhausted(format_args!(
            "this user's calls leave no memory for {bytes} bytes more (half of daemon.limits.max_call_bytes, {}); \
             wait for some to end, or send less at once",
            self.connection.memory().most()
        )))
    }

    /// Reserves `bytes` more; false if the budget is exhausted.
    pub fn try_reserve(&self, bytes: usize) -> bool {
        let mut state = self.state();
        let more = state.bytes.saturating_add(bytes);
        state.resize(more).is_ok()
    }

    pub fn release(&self, bytes: usize) {
        let mut state = self.state();
        let less = state.bytes.saturating_sub(bytes);
        state.resize(less).ok();
    }

    /// Restarts the progress timer: the client read part of the answer, or the wait begins.
    pub(in crate::rpc) fn restart_timer(&self) {
        self.state().deadline = Some(Instant::now() + PROGRESS_TIMEOUT);
    }

    /// Stops the progress timer: now the client waits for the daemon.
    pub(in crate::rpc) fn stop_timer(&self) {
        self.state().deadline = None;
    }

    /// Wraps a chunk of the answer; the call keeps its memory until the library has written it.
    pub(in crate::rpc) fn chunk(self: &Arc<Self>, bytes: Bytes) -> Bytes {
        self.state().chunks += 1;
        Bytes::from_owner(AnswerChunk {
            bytes,
            call: self.clone(),
        })
    }

    /// True once the library has written every chunk.
    pub(super) fn is_released(&self) -> bool {
        self.state().chunks == 0
    }

    /// Waits until the library has written every chunk.
    pub(in crate::rpc) fn released(self: &Arc<Self>) -> impl Future<Output = ()> + Send + use<> {
        let call = self.clone();
        async move {
            loop {
                let released = call.released.notified();
                tokio::pin!(released);
                released.as_mut().enable();
                if call.is_released() {
                    return;
                }
                released.await;
            }
        }
    }

    /// Handles the end of the call's task, whose last frames may not be written yet.
    fn finish(&self) {
        let memory = {
            let mut state = self.state();
            state.stream = None;
            if state.chunks > 0 {
                // The chunks hold the memory.
                return;
            }
            state.memory.take()
        };
        if let Some(memory) = memory {
            self.connection.keep_until_written(memory);
        }
    }

    fn state(&self) -> MutexGuard<'_, CallState> {
        // The value is consistent whenever the lock is released.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AnswerRoom for Call {
    fn reserve_beside(&self, bytes: usize, spare: usize) -> BoxFuture<'_, bool> {
        Box::pin(async move {
            let memory = self.connection.memory();
            let try_reserve = || self.try_reserve(bytes);
            let is_reserved = self.memory_wait.take(memory, spare, try_reserve).await;
            if !is_reserved {
                memory.report_refusal();
            }
            is_reserved
        })
    }

    fn release(&self, bytes: usize) {
        Self::release(self, bytes);
    }
}

impl CallState {
    fn resize(&mut self, bytes: usize) -> Result<(), crate::shares::Full> {
        if let Some(memory) = &mut self.memory {
            memory.resize(bytes)?;
        }
        self.bytes = bytes;
        Ok(())
    }
}

/// A chunk of an answer.
struct AnswerChunk {
    bytes: Bytes,
    call: Arc<Call>,
}

impl AsRef<[u8]> for AnswerChunk {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for AnswerChunk {
    fn drop(&mut self) {
        let mut state = self.call.state();
        state.chunks -= 1;
        let last = state.chunks == 0;
        drop(state);
        if last {
            self.call.released.notify_waiters();
        }
    }
}

/// The call whose task the HTTP/2 library starts next on one connection. Clones share it.
///
/// The library calls the service and then the executor, one request at a time, so the call that the
/// service left here belongs to the task.
#[derive(Clone, Debug, Default)]
pub(super) struct NextCall(Arc<Mutex<Option<Arc<Call>>>>);

impl NextCall {
    /// Sets the call of the next task.
    pub(super) fn put(&self, call: Arc<Call>) {
        *self.lock() = Some(call);
    }

    fn take(&self) -> Option<Arc<Call>> {
        self.lock().take()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<Call>>> {
        // The value is consistent after each statement.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Spawns the tasks of one connection's calls.
#[derive(Clone, Debug)]
pub(super) struct CallExecutor {
    pub connection: Arc<Connection>,
    pub next: NextCall,
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for CallExecutor {
    fn execute(&self, task: F) {
        let connection = self.connection.clone();
        let call = self.next.take();
        connection.begin_call();
        let tasks = connection.tasks.clone();
        tasks.spawn(async move {
            let ended = Ended(connection);
            let Some(call) = call else {
                // A refusal for which no call was begun.
                task.await;
                return;
            };
            CallTask {
                task: Box::pin(task),
                call: call.clone(),
                timer: None,
            }
            .await;
            call.finish();
            if !call.is_released() && timeout(PROGRESS_TIMEOUT, call.released()).await.is_err() {
                // The library can no longer reset this call alone.
                if !ended.0.has_streams() {
                    ended.0.end.cancel();
                }
            }
        });
    }
}

/// Counts the end of a call on drop, so that a cancelled task is counted too.
struct Ended(Arc<Connection>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.end_call();
    }
}

/// A call's task. It ends when the client has read nothing of the answer for too long, and HTTP/2
/// resets the call.
struct CallTask<F> {
    task: Pin<Box<F>>,
    call: Arc<Call>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl<F: Future<Output = ()>> Future for CallTask<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        // A stream's work is not charged to its user, because the broadcasters cause it.
        let since = (!this.call.is_stream.load(Ordering::Relaxed)).then(Clock::now);
        let done = this.task.as_mut().poll(cx);
        if let Some(since) = since {
            this.call
                .connection
                .admission
                .user
                .rate_limit
                .charge(since.elapsed());
        }
        if done.is_ready() {
            return Poll::Ready(());
        }
        let Some(deadline) = this.call.state().deadline else {
            return Poll::Pending;
        };
        let timer = this
            .timer
            .get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if timer.deadline() != deadline {
            timer.as_mut().reset(deadline);
        }
        timer.as_mut().poll(cx)
    }
}
