//! The supervisor: opens connections, has them served, and backs off in between.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::pending;
use tokio::sync::watch;
use tokio::time::Instant;

use super::connection::Connection;
use super::parts::LinkParts;
use super::serving::{End, Serving};
use super::status::LinkStatus;
use crate::host_network::HostNetwork;
use crate::journal::JournalEvent;
use crate::upstream::backoff::{Backoff, jittered};
use crate::upstream::deadline::Deadline;
use crate::upstream::pauses::{Pauses, SPREAD};
use crate::upstream::session::{LoggedIn, SessionState};
use crate::upstream::setup::InstanceSetup;
use expd_domain::{LinkCause, LinkState};
use expd_wire::socket::SocketError;

/// Reason of the state of an instance that opens no socket.
const WITHOUT_SOCKET: &str = "no live socket (network = false)";

/// Supervisor of one instance's live socket.
pub struct Link {
    serving: Serving,
    /// Serial number of the token that the network refused last, since a connection was up.
    refused: Option<u64>,
    pauses: Pauses,
}

impl Link {
    /// Creates a link, and the receiver of its status.
    #[must_use]
    pub fn new(parts: LinkParts) -> (Self, watch::Receiver<LinkStatus>) {
        let status = watch::Sender::new(LinkStatus::default());
        let watcher = status.subscribe();
        let link = Self {
            serving: Serving::new(parts, status),
            refused: None,
            pauses: Pauses::new(HostNetwork::default()),
        };
        (link, watcher)
    }

    /// Follows changes of the host's network.
    #[must_use]
    pub fn with_network(mut self, network: HostNetwork) -> Self {
        self.pauses = Pauses::new(network.clone());
        self.serving.network = network;
        self
    }

    /// Keeps the socket connected until the shutdown.
    pub async fn run(mut self) {
        if !self.serving.parts.network {
            return self.run_without_socket().await;
        }
        let (shortest, longest) = self.serving.parts.timings.retry;
        let mut backoff = Backoff::new(shortest, longest);
        let shutdown = self.serving.parts.shutdown.clone();
        loop {
            let session = tokio::select! {
                () = shutdown.cancelled() => break,
                session = self.session() => session,
            };
            self.pauses.begin_try();
            let other_setup = other_setup(self.serving.states.clone(), session.setup.clone());
            tokio::pin!(other_setup);
            let opened = tokio::select! {
                () = shutdown.cancelled() => break,
                () = &mut other_setup => {
                    backoff.reset();
                    continue;
                }
                opened = self.open(&session) => opened,
            };
            let mut retry_after = None;
            let (cause, reason) = match opened {
                Ok(connection) => {
                    let end = self.serving.serve(connection).await;
                    // A network that came up while it was connected has nothing to do with its end.
                    self.pauses.begin_try();
                    // A socket on which the network confirmed nothing does not count as a success.
                    if let Some(since) = self.serving.confirmed_since.take() {
                        backoff.reset_after(since.elapsed());
                    }
                    self.refused = None;
                    match end {
                        End::Shutdown => break,
                        End::OtherIdentity => continue,
                        End::Broken(cause, reason) => (cause, reason),
                    }
                }
                Err(error) => {
                    if matches!(error, SocketError::Refused { .. }) {
                        self.serving.parts.session.reject(session.serial);
                        if self.refused.replace(session.serial).is_none() {
                            // The network may have restarted. One new token is tried at once, and
                            // only one.
                            log::info!(instance = self.serving.parts.name; "{error}; logging in again");
                            continue;
                        }
                    }
                    retry_after = error.retry_after();
                    (cause_of(&error), error.to_string())
                }
            };
            // Another path exists already, and its network has not asked for a wait.
            let wait = match cause {
                LinkCause::PathGone => jittered(SPREAD, 1.0),
                _ => backoff.wait_after(retry_after),
            };
            let offline = LinkState::Offline;
            let fresh = self.serving.enter(offline, cause, &reason, |status| {
                status.attempt += 1;
                status.last_error = Some(reason.clone());
                status.next_try = Some(Deadline::after(wait));
            });
            // An outage is one event, however many tries it takes.
            let event = if fresh {
                JournalEvent::Offline
            } else {
                JournalEvent::ConnectFailed
            };
            log::warn!(event = event, instance = self.serving.parts.name; "not connected: {reason}; trying again in {:.1} s", wait.as_secs_f64());
            tokio::select! {
                () = shutdown.cancelled() => break,
                () = &mut other_setup => backoff.reset(),
                () = self.pause(wait, retry_after.is_some()) => {}
            }
        }
        while self.serving.closing.join_next().await.is_some() {}
    }

    /// Waits; a network that comes up ends the wait, unless the server asked for it.
    async fn pause(&mut self, wait: Duration, is_asked_for: bool) {
        let until = Instant::now() + wait;
        if is_asked_for {
            tokio::time::sleep_until(until).await;
        } else {
            self.pauses.wait_until(until).await;
        }
    }

    /// Mirrors the session's state in the status, without a socket.
    async fn run_without_socket(mut self) {
        let shutdown = self.serving.parts.shutdown.clone();
        loop {
            let session = tokio::select! {
                () = shutdown.cancelled() => return,
                session = self.session() => session,
            };
            let state = if session.authentication.identity.is_pairing() {
                LinkState::Pairing
            } else {
                LinkState::Online
            };
            let cause = LinkCause::Opened;
            let fresh = self.serving.enter(state, cause, WITHOUT_SOCKET, |status| {
                status.attempt = 0;
                status.last_error = None;
                status.next_try = None;
            });
            if fresh && state == LinkState::Online {
                log::info!(event = JournalEvent::Online, instance = self.serving.parts.name; "online: {WITHOUT_SOCKET}");
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                Ok(()) = self.serving.states.changed() => {}
                else => pending().await,
            }
        }
    }

    /// Waits for a token to connect with; meanwhile the status says why there is none.
    async fn session(&mut self) -> Arc<LoggedIn> {
        loop {
            let waiting_for = match &*self.serving.states.borrow_and_update() {
                // A refused token is about to be replaced.
                SessionState::LoggedIn(session) | SessionState::RefreshFailing { session, .. }
                    if self.refused == Some(session.serial) =>
                {
                    None
                }
                SessionState::LoggedIn(session) | SessionState::RefreshFailing { session, .. } => {
                    return session.clone();
                }
                SessionState::LoggingIn { .. } => None,
                SessionState::Refused { reason, next_try } => {
                    let entered = (LinkState::Refused, LinkCause::Refused);
                    Some((entered, reason.clone(), *next_try, None))
                }
                SessionState::Failed {
                    reason,
                    attempt,
                    next_try,
                } => Some((
                    (LinkState::Offline, LinkCause::LoginFailed),
                    reason.clone(),
                    *next_try,
                    Some(*attempt),
                )),
            };
            if let Some(((state, cause), reason, next_try, attempt)) = waiting_for {
                let fresh = self.serving.enter(state, cause, &reason, |status| {
                    status.attempt = attempt.unwrap_or(status.attempt + 1);
                    status.last_error = Some(reason.clone());
                    status.next_try = Some(next_try);
                });
                if fresh && state == LinkState::Offline {
                    // The session has logged the reason.
                    log::warn!(event = JournalEvent::Offline, instance = self.serving.parts.name; "offline: not logged in");
                }
            } else {
                let (state, cause) = (LinkState::Connecting, LinkCause::Login);
                self.serving.enter(state, cause, "logging in", |_| {});
            }
            if self.serving.states.changed().await.is_err() {
                // The session has stopped, and the link is about to: the shutdown ends this wait.
                pending::<()>().await;
            }
        }
    }

    /// Opens a socket and asks for everything that is wanted.
    async fn open(&mut self, session: &Arc<LoggedIn>) -> Result<Connection, SocketError> {
        let (state, cause) = (LinkState::Connecting, LinkCause::Opening);
        self.serving
            .enter(state, cause, "opening the socket", |status| {
                status.next_try = None;
            });
        self.serving.forget_detected(session);
        let (parts, detected) = (&self.serving.parts, &mut self.serving.detected);
        let mut connection = Connection::open(parts, detected, session).await?;
        self.serving.subscribe_all(&mut connection).await?;
        Ok(connection)
    }
}

/// Waits for a token of another setup than `present`: failures with that one say nothing about it.
async fn other_setup(mut states: watch::Receiver<SessionState>, present: Arc<InstanceSetup>) {
    let is_other = |state: &SessionState| {
        let session = state.session();
        session.is_some_and(|session| !Arc::ptr_eq(&session.setup, &present))
    };
    if states.wait_for(is_other).await.is_err() {
        // The session has stopped, and the link is about to.
        pending::<()>().await;
    }
}

/// The cause of going offline if no socket could be opened.
fn cause_of(error: &SocketError) -> LinkCause {
    match error {
        SocketError::Connect { .. } => LinkCause::Unreachable,
        SocketError::Refused { .. } => LinkCause::Refused,
        SocketError::Busy { .. } => LinkCause::Busy,
        SocketError::Timeout { .. } => LinkCause::Timeout,
        SocketError::Send(_) => LinkCause::Closed,
    }
}
