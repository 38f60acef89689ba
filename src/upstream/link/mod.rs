//! The link: keeps one instance's live socket up, and everything that is wanted subscribed on it.
//!
//! It follows the session (a token), opens a socket, asks for every wanted channel, and reports to the router what is asked,
//! confirmed, broadcast and lost. A new token gets its own socket: everything is confirmed on it, and the old one has
//! handed over all it was sent, before the old one is closed. It never gives up: what fails is tried again, with jitter
//! and ever more rarely up to a bound.

mod connection;
mod recent;
mod rotation;
mod status;
mod subscriptions;
mod timings;

use std::sync::Arc;

use futures_util::future::pending;
use serde::Deserialize;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;

use connection::{Arrivals, Connection, Tended};
use recent::Recent;
use rotation::Rotation;
pub use status::{LinkState, LinkStatus};
pub use timings::LinkTimings;

use super::backoff::Backoff;
use super::deadline::Deadline;
use super::session::{LoggedIn, Session, SessionState};
use super::socket::{self, Endpoint, SocketError};
use crate::config::InstanceSettings;
use crate::exp::{Channel, IdentityKind, Secret};
use crate::metrics::Counters;
use crate::router::{Incoming, InstanceId, Report, RouterHandle, Wanted};

/// A connection is replaced when it has gathered this many channels more than are wanted: the network knows no unsubscribe.
const SURPLUS: usize = 1000;

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
    seen: u64,
    recent: Recent,
    /// The token that the network refused last, since a connection was up.
    refused: Option<u64>,
    detected: Option<socket::Detected>,
    /// Old connections that say goodbye; each ends within seconds.
    goodbyes: JoinSet<()>,
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
            seen: 0,
            recent: Recent::default(),
            refused: None,
            detected: None,
            goodbyes: JoinSet::new(),
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
            let reason = match opened {
                Ok(connection) => {
                    let opened = connection.opened;
                    let end = self.serve(connection).await;
                    backoff.reset_after(opened.elapsed());
                    self.refused = None;
                    match end {
                        End::Shutdown => break,
                        End::OtherIdentity => continue,
                        End::Broken(reason) => reason,
                    }
                }
                Err(error) => {
                    if matches!(error, SocketError::Refused { .. }) {
                        self.parts.session.reject(session.generation);
                        if self.refused.replace(session.generation).is_none() {
                            // The network was started afresh, perhaps. A new token is tried at once, but only one.
                            log::info!(instance = self.parts.name; "{error}; logging in again");
                            continue;
                        }
                    }
                    error.to_string()
                }
            };
            let wait = backoff.wait();
            self.status.send_modify(|status| {
                status.go(LinkState::Offline, &reason);
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
        while self.goodbyes.join_next().await.is_some() {}
    }

    /// Waits for a session to connect with, telling meanwhile why there is none.
    async fn session(&mut self) -> Arc<LoggedIn> {
        loop {
            let waiting_for = match &*self.states.borrow_and_update() {
                // One that was refused is about to be replaced.
                SessionState::LoggedIn(session) | SessionState::RefreshFailing { session, .. }
                    if self.refused == Some(session.generation) =>
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
                    status.go(state, &reason);
                    status.attempt = attempt.unwrap_or(status.attempt + 1);
                    status.last_error = Some(reason);
                    status.next_try = Some(next_try);
                }
                None => status.go(LinkState::Connecting, "logging in"),
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
            status.go(LinkState::Connecting, "opening the socket");
            status.next_try = None;
        });
        let mut connection = connect(&self.parts, &mut self.detected, session).await?;
        let (asked, last) = self.everything_wanted(session);
        self.seen = last;
        connection.subscribe(&asked).await?;
        self.report(Report::Asked(asked)).await;
        Ok(connection)
    }

    /// Serves a connection, and those that replace it, until the last of them ends.
    async fn serve(&mut self, mut connection: Connection) -> End {
        self.parts.counters.connects.inc();
        self.tell_online(&connection);
        let mut rotation = Rotation::default();
        loop {
            let Err(end) = self.step(&mut connection, &mut rotation).await else {
                continue;
            };
            if matches!(end, End::Shutdown) {
                rotation.give_up(&mut self.goodbyes);
                self.goodbyes.spawn(connection.close());
                return end;
            }
            self.parts.counters.disconnects.inc();
            let since = connection.subscriptions.proved();
            self.report(Report::Down { since }).await;
            if let End::Broken(reason) = &end
                && rotation.is_open()
            {
                // The replacement takes over with what it has; what was still on its way on the broken one is lost, as was
                // just told.
                log::info!(instance = self.parts.name; "the connection broke while it was being replaced: {reason}");
                self.finish_rotation(&mut connection, &mut rotation).await;
                continue;
            }
            rotation.give_up(&mut self.goodbyes);
            self.goodbyes.spawn(connection.close());
            return end;
        }
    }

    /// Waits for the next thing to happen and deals with it.
    async fn step(
        &mut self,
        connection: &mut Connection,
        rotation: &mut Rotation,
    ) -> Result<(), End> {
        let due = connection.next_due().min(rotation.next_due());
        let token_end = connection.session.ends_at.instant();
        tokio::select! {
            () = self.parts.shutdown.cancelled() => Err(End::Shutdown),
            arrivals = connection.read() => self.take(arrivals, connection, rotation).await,
            () = rotation.progress(token_end) => self.advance(connection, rotation).await,
            changed = self.parts.wanted.changed() => {
                if changed.is_err() {
                    pending::<()>().await;
                }
                self.subscribe_new(connection, rotation).await
            }
            changed = self.states.changed() => {
                if changed.is_err() {
                    pending::<()>().await;
                }
                self.follow_session(connection, rotation)
            }
            // A goodbye that is finished needs no more.
            Some(_) = self.goodbyes.join_next() => Ok(()),
            () = sleep_until(due) => {
                let Tended { again, lost } = connection.tend().await.map_err(End::Broken)?;
                self.report_asked(again).await;
                if !lost.is_empty() {
                    log::warn!(instance = self.parts.name; "the network does not confirm {} channels any more; asking again", lost.len());
                    self.report(Report::Lost(lost)).await;
                }
                self.advance(connection, rotation).await
            }
        }
    }

    /// Takes what arrived on the present connection.
    async fn take(
        &mut self,
        arrivals: Arrivals,
        connection: &mut Connection,
        rotation: &mut Rotation,
    ) -> Result<(), End> {
        let Arrivals {
            broadcasts,
            confirmed,
            unexpected,
            closed,
        } = arrivals;
        // Confirmations first: what is broadcast on a channel comes after them.
        if !confirmed.is_empty() {
            self.report(Report::Confirmed(confirmed)).await;
        }
        self.forward(broadcasts, connection.kind()).await;
        self.note_unexpected(&unexpected);
        if let Some(reason) = closed {
            return Err(End::Broken(reason));
        }
        if rotation.marked() && connection.mark_answered() {
            self.finish_rotation(connection, rotation).await;
        }
        Ok(())
    }

    /// Hands broadcasts to the router, each once, and acts on those that are for the daemon itself.
    async fn forward(&mut self, mut broadcasts: Vec<Incoming>, kind: IdentityKind) {
        if broadcasts.is_empty() {
            return;
        }
        let counters = &self.parts.counters;
        counters.broadcasts_received.add(broadcasts.len() as u64);
        broadcasts.retain(|incoming| {
            let new = self
                .recent
                .is_new(&incoming.channel, &incoming.broadcast.id);
            if !new {
                counters.duplicates.inc();
            }
            new
        });
        if kind == IdentityKind::Device {
            for incoming in broadcasts.iter().filter(|i| i.channel.system) {
                self.obey(incoming);
            }
        }
        self.report(Report::Broadcasts(broadcasts)).await;
    }

    /// What the network tells a device about its own credentials.
    fn obey(&self, incoming: &Incoming) {
        #[derive(Deserialize)]
        struct Credentials {
            uuid: String,
            secret: Secret,
        }
        let broadcast = &incoming.broadcast;
        let identity = self.identity();
        match broadcast.name.as_str() {
            "credentials" if incoming.channel.name == PAIRING_CHANNEL => {
                match serde_json::from_str::<Credentials>(broadcast.payload.as_str()) {
                    Ok(given) => self.parts.session.paired(given.uuid, given.secret),
                    Err(_) => {
                        log::warn!(instance = self.parts.name; "the network sent pairing credentials without uuid and secret; still waiting to be paired");
                    }
                }
            }
            "unpair" if identity.is_some_and(|uuid| uuid == incoming.channel.name) => {
                self.parts.session.unpaired();
            }
            _ => {}
        }
    }

    fn identity(&self) -> Option<String> {
        let states = self.states.borrow();
        let session = states.session()?;
        Some(session.authentication.identity.uuid.clone())
    }

    fn note_unexpected(&self, unexpected: &[String]) {
        for what in unexpected {
            self.parts.counters.unexpected_messages.inc();
            log::debug!(instance = self.parts.name; "unexpected message: {what}");
        }
    }

    /// Asks for channels that have become wanted.
    async fn subscribe_new(
        &mut self,
        connection: &mut Connection,
        rotation: &mut Rotation,
    ) -> Result<(), End> {
        let (channels, last) = self.parts.wanted.borrow_and_update().after(self.seen);
        self.seen = last;
        if connection.identity().pairing_code.is_some() {
            // Without an organization they have no IDs; the paired session's connection asks for them.
            return Ok(());
        }
        connection
            .subscribe(&channels)
            .await
            .map_err(|error| End::Broken(error.to_string()))?;
        rotation.subscribe(&channels).await;
        self.report_asked(channels).await;
        let wanted = self.parts.wanted.borrow().len();
        if connection.subscriptions.len() > wanted * 2 + SURPLUS {
            rotation.start();
        }
        Ok(())
    }

    /// The session changed: a new token gets its own connection.
    fn follow_session(
        &mut self,
        connection: &Connection,
        rotation: &mut Rotation,
    ) -> Result<(), End> {
        let state = self.states.borrow_and_update().clone();
        if let SessionState::RefreshFailing { reason, .. } = &state {
            // The connection stays up, for as long as the token holds.
            self.status.send_modify(|status| {
                status.last_error = Some(format!("refreshing the token fails: {reason}"));
            });
        }
        let Some(session) = state.session() else {
            // The connection stays for as long as the network lets it.
            return Ok(());
        };
        if session.generation == connection.session.generation {
            return Ok(());
        }
        let (old, new) = (connection.identity(), &session.authentication.identity);
        if (&old.uuid, &old.organization) != (&new.uuid, &new.organization) {
            return Err(End::OtherIdentity);
        }
        rotation.start();
        Ok(())
    }

    /// Takes the next step of a replacement under way.
    async fn advance(
        &mut self,
        connection: &mut Connection,
        rotation: &mut Rotation,
    ) -> Result<(), End> {
        if let Some(generation) = rotation.take_refused() {
            self.parts.session.reject(generation);
        }
        if rotation.wants_opening() {
            let Some(session) = self.states.borrow().session().cloned() else {
                rotation.call_off();
                return Ok(());
            };
            // What became wanted and was not asked for on the present connection yet is asked for on both, later.
            let (channels, _) = self.everything_wanted(&session);
            rotation.open(&self.parts, self.detected.clone(), session, channels);
            return Ok(());
        }
        rotation.tend().await;
        for what in rotation.take_unexpected() {
            self.note_unexpected(&[what]);
        }
        rotation.sift(connection, |held| {
            self.recent.knows(&held.channel, &held.broadcast.id)
        });
        if rotation.wants_mark(connection) {
            match connection.mark().await {
                Ok(true) => rotation.wait_for_mark(),
                // Nothing is subscribed, so nothing can be on its way.
                Ok(false) => self.finish_rotation(connection, rotation).await,
                Err(error) => return Err(End::Broken(error.to_string())),
            }
        }
        Ok(())
    }

    /// The new connection takes over.
    async fn finish_rotation(&mut self, connection: &mut Connection, rotation: &mut Rotation) {
        let is_known = |held: &Incoming| self.recent.knows(&held.channel, &held.broadcast.id);
        let finished = std::mem::take(rotation).finish(connection, is_known);
        let Some((new, held)) = finished else {
            return;
        };
        let old = std::mem::replace(connection, new);
        let until = old.subscriptions.proved();
        let lacking = connection.subscriptions.lacking(&old.subscriptions);
        self.goodbyes.spawn(old.close());
        self.parts.counters.connects.inc();
        log::debug!(instance = self.parts.name; "a new connection has taken over");
        self.tell_online(connection);
        self.report_asked(connection.subscriptions.all()).await;
        if !lacking.is_empty() {
            log::warn!(instance = self.parts.name; "the new connection has taken over without {} channels that the network has not confirmed on it; asking again", lacking.len());
            let lost = lacking.into_iter().map(|channel| (channel, until));
            self.report(Report::Lost(lost.collect())).await;
        }
        let confirmed = connection.subscriptions.confirmed_ones();
        self.report(Report::Confirmed(confirmed)).await;
        self.forward(held, connection.kind()).await;
        // The token may have changed once more meanwhile.
        let newer = matches!(&*self.states.borrow(), SessionState::LoggedIn(session)
            if session.generation > connection.session.generation);
        if newer {
            rotation.start();
        }
    }

    fn tell_online(&self, connection: &Connection) {
        let identity = connection.identity();
        let state = if identity.pairing_code.is_some() {
            LinkState::Pairing
        } else {
            LinkState::Online
        };
        self.status.send_modify(|status| {
            status.go(state, "");
            status.attempt = 0;
            status.last_error = None;
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
    fn everything_wanted(&self, session: &LoggedIn) -> (Vec<Arc<Channel>>, u64) {
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
