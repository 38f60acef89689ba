//! One call: the memory that is counted for it, and the task that ends it when its client takes nothing of the answer.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant as Clock};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use hyper::rt::Executor;
use tokio::sync::Notify;
use tokio::time::{Instant, Sleep, sleep_until, timeout};
use tonic::Status;

use super::connection::{Connection, OpenStream};
use crate::shares::Share;
use crate::upstream::transport::AnswerRoom;

/// Bytes that are counted for any call: its task, its place in HTTP/2, its answer's head.
pub(super) const CALL_BYTES: usize = 8 << 10;

/// Bytes that a client may send of a request before they are asked for: the window of a call.
pub(super) const WINDOW: usize = 32 << 10;

/// How long an answer waits for its client to take some of it.
pub(super) const PROGRESS: Duration = Duration::from_secs(30);

/// How long a request waits for memory that other calls of its user hold.
const PATIENCE: Duration = Duration::from_secs(10);

/// A call, as its handler, its answer and its task share it.
#[derive(Debug)]
pub struct Call {
    connection: Arc<Connection>,
    inside: Mutex<Inside>,
    is_stream: AtomicBool,
    /// The answer's bytes are out of the daemon.
    released: Notify,
}

#[derive(Debug)]
struct Inside {
    /// None once it is handed over to what waits to be written.
    memory: Option<Share>,
    bytes: usize,
    /// What is counted of these until the call is over.
    least: usize,
    /// When the answer is given up; none while nothing waits for the client.
    give_up: Option<Instant>,
    stream: Option<OpenStream>,
    /// Pieces of the answer that the library holds.
    pieces: usize,
}

impl Call {
    /// A call with a head of so many bytes; none where the user's budget has no room for it.
    pub(super) fn begin(connection: &Arc<Connection>, head: usize) -> Option<Arc<Self>> {
        let bytes = CALL_BYTES + WINDOW + head;
        let memory = connection.memory().take(bytes).ok()?;
        Some(Arc::new(Self {
            connection: connection.clone(),
            inside: Mutex::new(Inside {
                memory: Some(memory),
                bytes,
                least: CALL_BYTES + head,
                give_up: None,
                stream: None,
                pieces: 0,
            }),
            is_stream: AtomicBool::new(false),
            released: Notify::new(),
        }))
    }

    /// The connection that the call came on.
    pub fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// The request is read: nothing more waits for it in its window.
    pub(in crate::rpc) fn has_read(&self) {
        self.let_go(WINDOW);
    }

    /// Counts `bytes` for the call in place of what was counted for its message and for making its answer.
    pub(in crate::rpc) fn settle(&self, bytes: usize) {
        let mut inside = self.inside();
        let settled = inside.least + bytes;
        // More is counted by then, so that this is never refused.
        inside.resize(settled).ok();
    }

    /// The call is a stream that stays open; its message is not kept.
    pub(in crate::rpc) fn stays_open(&self) {
        self.settle(0);
        let stream = self.connection.stream_opens();
        self.inside().stream = Some(stream);
        self.is_stream.store(true, Ordering::Relaxed);
    }

    /// Counts `bytes` more for the call, waiting for a while where other calls of the user hold too much.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED`: there was no room in time, or never will be.
    pub(in crate::rpc) async fn hold(&self, bytes: usize) -> Result<(), Status> {
        let memory = self.connection.admission.memory.clone();
        let room = memory.when_freed(|| self.try_hold(bytes));
        let Ok(()) = timeout(PATIENCE, room).await else {
            return Err(Status::resource_exhausted(format!(
                "this user's calls hold too much for {bytes} bytes more (half of daemon.limits.max_call_bytes, {}); \
                 wait for some to end, or send less at once",
                memory.most()
            )));
        };
        Ok(())
    }

    /// Counts `bytes` more for the call; false where there is no room.
    pub fn try_hold(&self, bytes: usize) -> bool {
        let mut inside = self.inside();
        let more = inside.bytes.saturating_add(bytes);
        inside.resize(more).is_ok()
    }

    /// Counts `bytes` less.
    pub fn let_go(&self, bytes: usize) {
        let mut inside = self.inside();
        let less = inside.bytes.saturating_sub(bytes);
        inside.resize(less).ok();
    }

    /// The client took some of the answer, or begins to be waited for.
    pub(super) fn progresses(&self) {
        self.inside().give_up = Some(Instant::now() + PROGRESS);
    }

    /// Wraps a piece of the answer, so that the call is held until the library has written it.
    pub(super) fn piece(self: &Arc<Self>, bytes: Bytes) -> Bytes {
        self.inside().pieces += 1;
        Bytes::from_owner(Piece {
            bytes,
            call: self.clone(),
        })
    }

    /// Whether the library has written all pieces that it was given.
    pub(super) fn is_released(&self) -> bool {
        self.inside().pieces == 0
    }

    /// Waits until the library has written all pieces that it was given.
    pub(super) fn released(self: &Arc<Self>) -> impl Future<Output = ()> + Send + use<> {
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

    /// The call's task is over; what it said last may wait to be written.
    fn is_over(&self) {
        let memory = {
            let mut inside = self.inside();
            inside.stream = None;
            if inside.pieces > 0 {
                // These hold the memory.
                return;
            }
            inside.memory.take()
        };
        if let Some(memory) = memory {
            self.connection.keep_until_written(memory);
        }
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        // Each holder leaves whole values behind.
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AnswerRoom for Call {
    fn hold(&self, bytes: usize) -> BoxFuture<'_, bool> {
        Box::pin(async move { Self::hold(self, bytes).await.is_ok() })
    }
}

impl Inside {
    fn resize(&mut self, bytes: usize) -> Result<(), crate::shares::Full> {
        if let Some(memory) = &mut self.memory {
            memory.resize(bytes)?;
        }
        self.bytes = bytes;
        Ok(())
    }
}

/// A piece of an answer.
struct Piece {
    bytes: Bytes,
    call: Arc<Call>,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        let mut inside = self.call.inside();
        inside.pieces -= 1;
        let last = inside.pieces == 0;
        drop(inside);
        if last {
            self.call.released.notify_waiters();
        }
    }
}

/// The call of one connection for which the library starts a task next. Clones share it.
///
/// For each request in turn the library calls the service and then the executor, so that the call that the service left here
/// is the task's.
#[derive(Clone, Debug, Default)]
pub(super) struct NextCall(Arc<Mutex<Option<Arc<Call>>>>);

impl NextCall {
    /// Leaves a call for the task that the library starts next.
    pub(super) fn put(&self, call: Arc<Call>) {
        *self.lock() = Some(call);
    }

    fn take(&self) -> Option<Arc<Call>> {
        self.lock().take()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<Call>>> {
        // Whole after each statement.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs the tasks of one connection's calls.
#[derive(Clone, Debug)]
pub(super) struct CallExecutor {
    /// The connection.
    pub connection: Arc<Connection>,
    /// The call of the next task.
    pub next: NextCall,
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for CallExecutor {
    fn execute(&self, task: F) {
        let connection = self.connection.clone();
        let call = self.next.take();
        connection.call_begins();
        let tasks = connection.tasks.clone();
        tasks.spawn(async move {
            let ended = Ended(connection);
            let Some(call) = call else {
                // A refusal without a call.
                task.await;
                return;
            };
            CallTask {
                task: Box::pin(task),
                call: call.clone(),
                timer: None,
            }
            .await;
            call.is_over();
            if !call.is_released() && timeout(PROGRESS, call.released()).await.is_err() {
                // Nothing of the call is left that could be ended alone.
                if !ended.0.has_streams() {
                    ended.0.end.cancel();
                }
            }
        });
    }
}

/// Counts the end of a call, however it comes.
struct Ended(Arc<Connection>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.call_ends();
    }
}

/// A call's task, which ends when its client has taken nothing of the answer for too long: HTTP/2 then resets the call.
struct CallTask<F> {
    task: Pin<Box<F>>,
    call: Arc<Call>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl<F: Future<Output = ()>> Future for CallTask<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        // What streams do, others cause: whoever broadcasts.
        let since = (!this.call.is_stream.load(Ordering::Relaxed)).then(Clock::now);
        let done = this.task.as_mut().poll(cx);
        if let Some(since) = since {
            this.call
                .connection
                .admission
                .user
                .pace
                .spend(since.elapsed());
        }
        if done.is_ready() {
            return Poll::Ready(());
        }
        let Some(give_up) = this.call.inside().give_up else {
            return Poll::Pending;
        };
        let timer = this
            .timer
            .get_or_insert_with(|| Box::pin(sleep_until(give_up)));
        if timer.deadline() != give_up {
            timer.as_mut().reset(give_up);
        }
        timer.as_mut().poll(cx)
    }
}
