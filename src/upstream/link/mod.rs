//! The link: keeps one instance's live socket up, and everything that is wanted subscribed on it.
//!
//! It follows the session (a token), opens a socket, asks for every wanted channel, and reports to the router what is asked,
//! confirmed, broadcast and lost. A new token gets its own socket: everything is confirmed on it, and the old one has
//! handed over all it was sent, before the old one is closed. It never gives up: what fails is tried again, with jitter
//! and ever more rarely up to a bound.

mod connection;
mod recent;
mod refusals;
mod rotation;
mod serving;
mod status;
mod subscriptions;
mod timings;

use std::sync::Arc;

use futures_util::future::pending;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use connection::Connection;
use recent::Recent;
pub use status::LinkStatus;
pub use timings::LinkTimings;

use super::backoff::Backoff;
use super::deadline::Deadline;
use super::session::{LoggedIn, Session, SessionState};
use crate::config::InstanceSettings;
use crate::metrics::Counters;
use crate::router::{InstanceId, Report, RouterHandle, Wanted};
use expd_domain::{Channel, IdentityKind, LinkState};
use expd_wire::socket::{self, Endpoint, SocketError};

/// The channel on which a device that waits to be paired hears its credentials.
const PAIRING_CHANNEL: &str = "pairing";

/// What a link is made of.
#[derive(Clone)]
pub struct LinkParts {
    /// The instance's name, for the log.
    pub name: String,
    /// The instance in the router.
    pub instance: InstanceId,
    /// How the socket travels and how channels are spelled.
    pub settings: InstanceSettings,
    /// Where tokens come from.
    pub session: Session,
    /// Where everything that arrives goes.
    pub router: RouterHandle,
    /// What is to be subscribed.
    pub wanted: watch::Receiver<Wanted>,
    /// Figures of the instance.
    pub counters: Arc<Counters>,
    /// How long it waits for what.
    pub timings: LinkTimings,
    /// Ends the link.
    pub shutdown: CancellationToken,
}

/// The supervisor of one instance's live socket.
pub struct Link {
    parts: LinkParts,
    states: watch::Receiver<SessionState>,
    status: watch::Sender<LinkStatus>,
    /// What was told of `wanted` to the present connection.
    wanted_seen: u64,
    /// What became wanted while a new connection was about to take over, and was asked for on that alone. Bounded by what is
    /// wanted in those seconds.
    new_channels: Vec<Arc<Channel>>,
    /// How what is wanted had shrunk when the connection last forgot what is not.
    shrunk_seen: u64,
    refusal_notice: refusals::RefusalNotice,
    recent: Recent,
    /// Since when the network confirms what is asked for, connections that replaced each other taken together.
    confirmed_since: Option<Instant>,
    /// The token that the network refused last, since a connection was up.
    refused: Option<u64>,
    detected: Option<socket::Detected>,
    /// Old connections that say goodbye; each ends within seconds.
    closing: JoinSet<()>,
}

/// Why a connection is not served any more.
enum End {
    /// The daemon stops.
    Shutdown,
    /// It is broken.
    Broken(String),
    /// The session became somebody else's.
    OtherIdentity,
}

impl Link {
    /// A link and the place to watch its state.
    #[must_use]
    pub fn new(parts: LinkParts) -> (Self, watch::Receiver<LinkStatus>) {
        let status = watch::Sender::new(LinkStatus::default());
        let watcher = status.subscribe();
        let link = Self {
            states: parts.session.watch(),
            parts,
            status,
            wanted_seen: 0,
            new_channels: Vec::new(),
            shrunk_seen: 0,
            refusal_notice: refusals::RefusalNotice::default(),
            recent: Recent::default(),
            confirmed_since: None,
            refused: None,
            detected: None,
            closing: JoinSet::new(),
        };
        (link, watcher)
    }

    /// Keeps the socket up until the shutdown.
    pub async fn run(mut self) {
        let (shortest, longest) = self.parts.timings.retry;
        let mut backoff = Backoff::new(shortest, longest);
        let shutdown = self.parts.shutdown.clone();
        loop {
            let session = tokio::select! {
                () = shutdown.cancelled() => break,
                session = self.session() => session,
            };
            let opened = tokio::select! {
                () = shutdown.cancelled() => break,
                opened = self.open(&session) => opened,
            };
            let mut retry_after = None;
            let reason = match opened {
                Ok(connection) => {
                    let end = self.serve(connection).await;
                    // A socket on which the network confirmed nothing was no success.
                    if let Some(since) = self.confirmed_since.take() {
                        backoff.reset_after(since.elapsed());
                    }
                    self.refused = None;
                    match end {
                        End::Shutdown => break,
                        End::OtherIdentity => continue,
                        End::Broken(reason) => reason,
                    }
                }
                Err(error) => {
                    if matches!(error, SocketError::Refused { .. }) {
                        self.parts.session.reject(session.serial);
                        if self.refused.replace(session.serial).is_none() {
                            // The network was started afresh, perhaps. A new token is tried at once, but only one.
                            log::info!(instance = self.parts.name; "{error}; logging in again");
                            continue;
                        }
                    }
                    retry_after = error.retry_after();
                    error.to_string()
                }
            };
            let wait = backoff.wait_after(retry_after);
            self.status.send_modify(|status| {
                status.enter(LinkState::Offline, &reason);
                status.attempt += 1;
                status.last_error = Some(reason.clone());
                status.next_try = Some(Deadline::after(wait));
            });
            log::warn!(instance = self.parts.name; "not connected: {reason}; trying again in {:.1} s", wait.as_secs_f64());
            tokio::select! {
                () = shutdown.cancelled() => break,
                () = tokio::time::sleep(wait) => {}
            }
        }
        while self.closing.join_next().await.is_some() {}
    }

    /// Waits for a session to connect with, telling meanwhile why there is none.
    async fn session(&mut self) -> Arc<LoggedIn> {
        loop {
            let waiting_for = match &*self.states.borrow_and_update() {
                // One that was refused is about to be replaced.
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
                    Some((LinkState::Refused, reason.clone(), *next_try, None))
                }
                SessionState::Failed {
                    reason,
                    attempt,
                    next_try,
                } => Some((
                    LinkState::Offline,
                    reason.clone(),
                    *next_try,
                    Some(*attempt),
                )),
            };
            self.status.send_modify(|status| match waiting_for {
                Some((state, reason, next_try, attempt)) => {
                    status.enter(state, &reason);
                    status.attempt = attempt.unwrap_or(status.attempt + 1);
                    status.last_error = Some(reason);
                    status.next_try = Some(next_try);
                }
                None => status.enter(LinkState::Connecting, "logging in"),
            });
            if self.states.changed().await.is_err() {
                // The session has stopped, and so will the link: the shutdown ends this wait.
                pending::<()>().await;
            }
        }
    }

    /// Opens a socket and asks for everything that is wanted.
    async fn open(&mut self, session: &Arc<LoggedIn>) -> Result<Connection, SocketError> {
        self.status.send_modify(|status| {
            status.enter(LinkState::Connecting, "opening the socket");
            status.next_try = None;
        });
        let mut connection = connect(&self.parts, &mut self.detected, session).await?;
        let (asked, last) = self.all_wanted(session);
        self.wanted_seen = last;
        // Where nothing is wanted, nothing can be confirmed.
        self.confirmed_since = asked.is_empty().then(Instant::now);
        connection.subscribe(&asked).await?;
        self.report(Report::Asked(asked)).await;
        Ok(connection)
    }

    fn publish_online(&self, connection: &Connection) {
        let identity = connection.identity();
        let state = if identity.pairing_code.is_some() {
            LinkState::Pairing
        } else {
            LinkState::Online
        };
        self.status.send_modify(|status| {
            status.enter(state, "");
            status.attempt = 0;
            status.last_error.clone_from(&self.refusal_notice.shown);
            status.next_try = None;
            status.protocol = connection.protocol();
        });
    }

    async fn report_asked(&self, channels: Vec<Arc<Channel>>) {
        if !channels.is_empty() {
            self.report(Report::Asked(channels)).await;
        }
    }

    async fn report(&self, report: Report) {
        self.parts.router.report(self.parts.instance, report).await;
    }

    /// Everything that a new connection shall subscribe: what is wanted, and what the daemon itself listens to.
    /// Returns the place in what is wanted, too, up to which that goes.
    fn all_wanted(&self, session: &LoggedIn) -> (Vec<Arc<Channel>>, u64) {
        let identity = &session.authentication.identity;
        let mut channels = Vec::new();
        if identity.kind == IdentityKind::Device {
            let own = match identity.pairing_code {
                Some(_) => PAIRING_CHANNEL,
                None => &identity.uuid,
            };
            channels.push(Arc::new(Channel::new(own).system()));
        }
        let (wanted, last) = self.parts.wanted.borrow().after(0);
        // A device that waits to be paired has no organization yet, so no other channel has an ID.
        if identity.pairing_code.is_none() {
            channels.extend(wanted);
        }
        (channels, last)
    }
}

/// Opens a socket with a session's token.
async fn connect(
    parts: &LinkParts,
    detected: &mut Option<socket::Detected>,
    session: &Arc<LoggedIn>,
) -> Result<Connection, SocketError> {
    let settings = &parts.settings;
    let endpoint = Endpoint {
        url: session.socket_url.clone(),
        token: session.socket_token.clone(),
        proxy: settings.proxy.clone(),
        ca_file: settings.ca_file.clone(),
        library: settings.socket_library,
        timeout: parts.timings.open,
    };
    let socket = socket::open(&endpoint, settings.transport, settings.protocol, detected).await?;
    Ok(Connection::new(
        socket,
        session.clone(),
        settings.channel_id,
        parts.timings.clone(),
    ))
}
