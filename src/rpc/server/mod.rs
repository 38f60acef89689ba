//! The gRPC server below the services: it admits connections within their users' shares, reads them
//! at their users' rate, and accounts each call to its user until its answer is written.
//!
//! Promises: memory held for one user stays within that user's share; handling a connection's input
//! costs the delivering thread no more than that user's rate, and between a few calls of one
//! connection others are served; a client that stops reading ends its own calls; a refusal states
//! its reason.

mod answer;
mod call;
mod connection;
mod meter;
mod programs;
mod rate_limit;
mod stream;
#[cfg(test)]
mod tests;
mod users;

use std::convert::Infallible;
use std::future::ready;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant as Clock};

use axum::body::Body;
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::SelectAll;
use http::{Request, Response};
use hyper::body::Incoming as RequestBody;
use hyper::server::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::task::{JoinSet, yield_now};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tower::Service as _;

pub(super) use answer::{AnswerBody, next_slice};
pub use call::Call;
pub use connection::Connection;
pub(super) use programs::program_of;
pub use users::{STRANGER_BYTES, STRANGER_CALLS, STRANGER_CONNECTIONS};

use call::{CallExecutor, NextCall, WINDOW};
use programs::Programs;
use stream::MeteredStream;
use users::Users;

use crate::access::{AccessPolicy, Caller, report_limit};
use crate::config::DaemonSettings;
use crate::ipc::{Accepted, Listener, PeerStream};
use crate::journal::JournalEvent;
use crate::router::Program;
use crate::rpc::error;
use crate::shares::{Asker, LimitHits};

/// Initial HTTP/2 window of a connection.
const CONNECTION_WINDOW: u32 = 1 << 20;

/// Bytes of one call that the library buffers ahead of the socket.
const SEND_BUFFER: usize = 64 << 10;

/// Limit of one request's header list, counted as `SETTINGS_MAX_HEADER_LIST_SIZE` is.
pub const HEADER_BYTES: u32 = 16 << 10;

/// Calls of one connection that its client may cancel before they are begun.
const MAX_EARLY_RESETS: usize = 4096;

/// Resets that the library may send for frames on ended calls: an app that keeps sending after
/// refusals must not lose its streams.
const MAX_LATE_FRAMES: usize = 16 << 10;

/// Time limit for a client's first frame.
const PREFACE_TIMEOUT: Duration = Duration::from_secs(10);

/// Connections without a call for this long are closed when connections run short.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// Shortest interval between two searches for idle connections.
const SEARCH_INTERVAL: Duration = Duration::from_secs(1);

/// Estimated cost of accepting and closing a connection, which is not measured.
const ADMISSION_COST: Duration = Duration::from_micros(50);

/// Connections accepted beyond the users' shares: those of strangers, and those being refused.
const EXTRA_CONNECTIONS: usize = 2 * STRANGER_CONNECTIONS + 64;

/// The server, ready to accept connections.
pub(crate) struct Server {
    /// Answers every request.
    pub router: axum::Router,
    /// The limits of connections and calls, which a reload replaces.
    pub settings: watch::Receiver<Arc<DaemonSettings>>,
    /// Counter of refusals.
    pub limit_hits: LimitHits,
    /// The access policy in force.
    pub access: watch::Receiver<Arc<AccessPolicy>>,
    /// Called for each program whose last connection has closed.
    pub gone: Arc<dyn Fn(Program) + Send + Sync>,
}

impl Server {
    /// Serves until the shutdown; from then on, no connection is accepted, and open calls may
    /// finish. Socket files are removed with the listeners, as soon as the shutdown begins.
    pub(crate) async fn serve(self, listeners: Vec<Listener>, shutdown: CancellationToken) {
        let mut settings = self.settings.clone();
        let limits = settings.borrow_and_update().limits.clone();
        // The highest limit so far: after a reload lowers it, the users' shares refuse the excess.
        let mut most = limits.max_connections;
        let room = Arc::new(Semaphore::new(most + EXTRA_CONNECTIONS));
        let mut incoming: SelectAll<_> = listeners
            .into_iter()
            .map(|listener| {
                Accepted::new(listener, room.clone(), shutdown.clone())
                    .into_stream()
                    .boxed()
            })
            .collect();
        let users = Users::new(&limits, &self.limit_hits);
        let programs = Programs::new(self.gone.clone());
        let open = OpenConnections::default();
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = incoming.next() => {
                    let Some(Ok(stream)) = accepted else { break };
                    let begun = Clock::now();
                    let Some(connection) = self.admit(&users, &open, &stream) else {
                        continue;
                    };
                    let program = programs.enter(connection.caller());
                    let (tasks, rate_limit) = (connection.tasks.clone(), connection.admission.user.rate_limit.clone());
                    let serving = self.connect(stream, connection, shutdown.clone());
                    connections.spawn(async move {
                        serving.await;
                        tasks.close();
                        tasks.wait().await;
                        drop(program);
                    });
                    rate_limit.charge(begun.elapsed());
                    // Other tasks run between two accepted connections.
                    yield_now().await;
                }
                Ok(()) = settings.changed() => {
                    let wanted = settings.borrow_and_update().limits.max_connections;
                    room.add_permits(wanted.saturating_sub(most));
                    most = most.max(wanted);
                }
                Some(ended) = connections.join_next() => {
                    if let Err(error) = ended {
                        log::error!(event = JournalEvent::Defect; "a local connection's task panicked: {error}; this is a defect of expd");
                    }
                }
            }
        }
        while connections.join_next().await.is_some() {}
    }

    /// Admits a connection, or refuses it with the reason.
    fn admit(
        &self,
        users: &Users,
        open: &OpenConnections,
        stream: &PeerStream,
    ) -> Option<Arc<Connection>> {
        let caller = stream.caller();
        let is_stranger = !self.access.borrow().admits(&caller);
        let asker = Asker::of(programs::program_of(&caller));
        match users.admit(asker, is_stranger) {
            Ok(admission) => {
                open.is_full.store(false, Ordering::Relaxed);
                admission.user.rate_limit.charge(ADMISSION_COST);
                if users.is_short(&admission) {
                    open.retire_idle();
                }
                let connection = Arc::new(Connection::new(caller, admission));
                open.add(&connection);
                Some(connection)
            }
            Err(error) => {
                open.retire_idle();
                if open.is_full.swap(true, Ordering::Relaxed) {
                    log::debug!("refused a connection of {caller}: {error}");
                } else {
                    let message = format!(
                        "local connections are refused; the first was from {caller}: {error}"
                    );
                    report_limit(&message, &caller, "", "");
                }
                stream.refuse(&error.to_string());
                None
            }
        }
    }

    fn connect(
        &self,
        stream: PeerStream,
        connection: Arc<Connection>,
        shutdown: CancellationToken,
    ) -> impl Future<Output = ()> + Send + use<> {
        let (first_frame, begun) = oneshot::channel();
        let limit = self.settings.borrow().limits.max_calls_per_connection;
        let calls = connection.max_calls(limit);
        let next = NextCall::default();
        let mut builder = http2::Builder::new(CallExecutor {
            connection: connection.clone(),
            next: next.clone(),
        });
        builder
            .timer(TokioTimer::new())
            .max_concurrent_streams(u32::try_from(calls).unwrap_or(u32::MAX))
            .initial_stream_window_size(u32::try_from(WINDOW).unwrap_or(u32::MAX))
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_send_buf_size(SEND_BUFFER)
            // The library's bound is exclusive.
            .max_header_list_size(HEADER_BYTES + 1)
            .max_pending_accept_reset_streams(MAX_EARLY_RESETS)
            .max_local_error_reset_streams(MAX_LATE_FRAMES);
        let io = TokioIo::new(MeteredStream::new(stream, connection.clone(), first_frame));
        let service = Calls {
            router: self.router.clone(),
            connection: connection.clone(),
            next,
        };
        let mut serving = ChargedConnection {
            serving: Box::pin(builder.serve_connection(io, service)),
            connection: connection.clone(),
            has_begun: false,
        };
        async move {
            // Waits for this user's turn before the handshake.
            connection.admission.user.rate_limit.clone().turn().await;
            tokio::select! {
                // An error means that the connection ended before its first frame.
                begun = begun => if begun.is_err() { return },
                _ = &mut serving => return,
                () = sleep(PREFACE_TIMEOUT) => return,
                () = shutdown.cancelled() => {}
            }
            tokio::select! {
                _ = &mut serving => return,
                () = connection.end.cancelled() => return,
                () = connection.retire.cancelled() => {}
                () = shutdown.cancelled() => {}
            }
            serving.serving.as_mut().graceful_shutdown();
            tokio::select! {
                _ = &mut serving => {}
                () = connection.end.cancelled() => {}
            }
        }
    }
}

/// A connection's future; the time of its polls is charged to its user.
struct ChargedConnection<F> {
    serving: Pin<Box<F>>,
    connection: Arc<Connection>,
    has_begun: bool,
}

impl<F: Future> Future for ChargedConnection<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        if !self.has_begun {
            // The first poll writes the library's own preface.
            self.connection.start_work();
            self.has_begun = true;
        }
        let done = self.serving.as_mut().poll(cx);
        self.connection.charge_work();
        done
    }
}

/// The open connections, searched for idle ones.
#[derive(Debug, Default)]
struct OpenConnections {
    search: Mutex<Search>,
    /// True after a connection was refused with a warning, until the next one is admitted.
    is_full: AtomicBool,
}

#[derive(Debug, Default)]
struct Search {
    /// Open connections, and those that closed since the last search.
    connections: Vec<Weak<Connection>>,
    at: Option<Instant>,
}

impl OpenConnections {
    fn add(&self, connection: &Arc<Connection>) {
        let mut search = self.search.lock().unwrap_or_else(PoisonError::into_inner);
        if search.connections.len() == search.connections.capacity() {
            search.connections.retain(|open| open.strong_count() > 0);
        }
        search.connections.push(Arc::downgrade(connection));
    }

    /// Closes connections that have been idle for long, to make room for others.
    fn retire_idle(&self) {
        let mut search = self.search.lock().unwrap_or_else(PoisonError::into_inner);
        if search.at.is_some_and(|at| at.elapsed() < SEARCH_INTERVAL) {
            return;
        }
        search.at = Some(Instant::now());
        search.connections.retain(|open| match open.upgrade() {
            Some(connection) => {
                if connection.idle().is_some_and(|idle| idle > IDLE_TIMEOUT) {
                    connection.retire.cancel();
                }
                true
            }
            None => false,
        });
    }
}

/// The service of one connection.
struct Calls {
    router: axum::Router,
    connection: Arc<Connection>,
    next: NextCall,
}

impl hyper::service::Service<Request<RequestBody>> for Calls {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn call(&self, mut request: Request<RequestBody>) -> Self::Future {
        let Some(call) = Call::begin(&self.connection, size(&request)) else {
            self.connection.count_unbudgeted_refusal();
            let caller = self.connection.caller();
            let message = format!(
                "refused a call of {caller}: its user's calls use all of the user's memory (daemon.limits.max_call_bytes)"
            );
            report_limit(&message, caller, "", "");
            let refused = error::exhausted(
                "this user's calls use all of the user's memory (daemon.limits.max_call_bytes); wait for some to end",
            );
            return Box::pin(ready(Ok(refused.into_http())));
        };
        self.next.put(call.clone());
        request
            .extensions_mut()
            .insert::<Caller>(self.connection.caller().clone());
        request.extensions_mut().insert(call);
        let mut router = self.router.clone();
        Box::pin(async move { router.call(request.map(Body::new)).await })
    }
}

/// Memory that the library holds for a request's head, in bytes.
fn size(request: &Request<RequestBody>) -> usize {
    /// Overhead of one field (RFC 9113, section 6.5.2).
    const FIELD: usize = 32;
    let fields = request.headers().iter();
    let fields: usize = fields
        .map(|(name, value)| name.as_str().len() + value.len() + FIELD)
        .sum();
    fields + request.uri().path().len()
}
