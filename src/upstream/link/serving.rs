//! Serving a connection: reads it, asks for channels on it, and replaces it.

mod forwarding;
mod replacement;

use std::collections::HashSet;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::connection::{Arrivals, Connection, Dead, MaintenanceReport, RefusedChannels};
use super::parts::LinkParts;
use super::recent::Recent;
use super::refusals::RefusalNotice;
use super::rotation::Rotation;
use super::status::LinkStatus;
use crate::host_network::HostNetwork;
use crate::journal::JournalEvent;
use crate::router::Report;
use crate::upstream::session::{LoggedIn, SessionState};
use crate::upstream::setup::InstanceSetup;
use expd_domain::{Channel, IdentityKind, LinkCause, LinkState};
use expd_wire::Path;
use expd_wire::socket::{Detected, SocketError};

/// A connection is replaced once it holds this many more channels than are wanted: the network has
/// no unsubscribe.
const SURPLUS: usize = 1000;

/// System channel on which a device that waits to be paired receives its credentials.
const PAIRING_CHANNEL: &str = "pairing";

/// State of a link across its connections.
pub(super) struct Serving {
    pub parts: LinkParts,
    pub states: watch::Receiver<SessionState>,
    pub status: watch::Sender<LinkStatus>,
    /// Changes of the host's network.
    pub network: HostNetwork,
    /// Position in `wanted` up to which the present connection was asked for channels.
    wanted_seen: u64,
    /// Channels that became wanted while a new connection was about to take over, and were asked
    /// for on that one alone. Bounded by the demand of those seconds.
    new_channels: Vec<Arc<Channel>>,
    /// Count of removals from `wanted` when the connection last forgot channels.
    shrunk_seen: u64,
    refusal_notice: RefusalNotice,
    recent: Recent,
    /// Instant of the first confirmation, over connections that replaced each other.
    pub confirmed_since: Option<Instant>,
    pub detected: Option<Detected>,
    /// Setup with which `detected` was found.
    detected_with: Option<Arc<InstanceSetup>>,
    /// Old connections that are being closed; each ends within seconds.
    pub closing: JoinSet<()>,
}

/// Reason for no longer serving a connection.
pub(super) enum End {
    /// The daemon stops.
    Shutdown,
    /// The connection is broken.
    Broken(LinkCause, String),
    /// The session logged in as another identity.
    OtherIdentity,
}

impl Serving {
    pub fn new(parts: LinkParts, status: watch::Sender<LinkStatus>) -> Self {
        let (name, counters) = (parts.name.clone(), parts.counters.clone());
        Self {
            states: parts.session.watch(),
            network: HostNetwork::default(),
            refusal_notice: RefusalNotice::new(name, status.clone(), counters),
            parts,
            status,
            wanted_seen: 0,
            new_channels: Vec::new(),
            shrunk_seen: 0,
            recent: Recent::default(),
            confirmed_since: None,
            detected: None,
            detected_with: None,
            closing: JoinSet::new(),
        }
    }

    /// Forgets what was detected with another setup than that of `session`.
    pub fn forget_detected(&mut self, session: &LoggedIn) {
        if !self.is_detected_with(session) {
            self.detected = None;
            self.detected_with = Some(session.setup.clone());
        }
    }

    fn is_detected_with(&self, session: &LoggedIn) -> bool {
        let setup = self.detected_with.as_ref();
        setup.is_some_and(|setup| Arc::ptr_eq(setup, &session.setup))
    }

    /// Asks a new connection for everything that is wanted.
    pub async fn subscribe_all(&mut self, connection: &mut Connection) -> Result<(), SocketError> {
        let (asked, last) = self.all_wanted(&connection.session);
        self.wanted_seen = last;
        // If nothing is wanted, no confirmation will come.
        self.confirmed_since = asked.is_empty().then(Instant::now);
        connection.subscribe(&asked).await?;
        self.report(Report::Asked(asked)).await;
        Ok(())
    }

    /// Serves a connection, and those that replace it, until the last of them ends.
    pub async fn serve(&mut self, mut connection: Connection) -> End {
        self.parts.counters.connects.inc();
        self.refusal_notice.reset();
        self.new_channels.clear();
        self.publish_online(&connection);
        let mut rotation = Rotation::default();
        loop {
            let Err(end) = self.step(&mut connection, &mut rotation).await else {
                continue;
            };
            if matches!(end, End::Shutdown) {
                rotation.abort(&mut self.closing);
                self.closing.spawn(connection.close());
                return end;
            }
            self.parts.counters.disconnects.inc();
            let since = connection.subscriptions.verified_until();
            self.report(Report::Down { since }).await;
            if let End::Broken(_, reason) = &end
                && rotation.is_open()
            {
                // The replacement takes over as it is. Broadcasts in transit on the broken
                // connection are lost, as just reported.
                log::info!(instance = self.parts.name; "the connection broke while it was being replaced: {reason}");
                self.finish_rotation(&mut connection, &mut rotation).await;
                continue;
            }
            rotation.abort(&mut self.closing);
            self.closing.spawn(connection.close());
            return end;
        }
    }

    /// Waits for the next event and handles it.
    async fn step(
        &mut self,
        connection: &mut Connection,
        rotation: &mut Rotation,
    ) -> Result<(), End> {
        let due = connection.next_due().min(rotation.next_due());
        let token_end = connection.session.ends_at.instant();
        tokio::select! {
            () = self.parts.shutdown.cancelled() => Err(End::Shutdown),
            arrivals = connection.read() => self.on_arrivals(arrivals, connection, rotation).await,
            () = rotation.progress(token_end) => self.advance(connection, rotation).await,
            changed = self.parts.wanted.changed() => match changed {
                Ok(()) => self.subscribe_new(connection, rotation).await,
                Err(_) => Err(self.stopped().await),
            },
            changed = self.states.changed() => match changed {
                Ok(()) => self.follow_session(connection, rotation),
                Err(_) => Err(self.stopped().await),
            },
            Some(_) = self.closing.join_next() => Ok(()),
            () = self.network.changed() => still_there(connection),
            () = sleep_until(due) => {
                let MaintenanceReport { reasked, lost, unanswered, refused } = connection.maintain().await.map_err(|dead| broken(&dead))?;
                self.report_asked(reasked).await;
                if !lost.is_empty() {
                    log::warn!(event = JournalEvent::SubscriptionRefused, instance = self.parts.name; "the network no longer confirms {} channels; asking again", lost.len());
                    self.report(Report::Lost(lost)).await;
                }
                if self.refusal_notice.on_unanswered(unanswered, refused, connection) {
                    rotation.start();
                }
                self.advance(connection, rotation).await
            }
        }
    }

    /// Waits for the shutdown if the session or the router has ended before the link.
    async fn stopped(&self) -> End {
        self.parts.shutdown.cancelled().await;
        End::Shutdown
    }

    /// Handles what arrived on the present connection.
    async fn on_arrivals(
        &mut self,
        arrivals: Arrivals,
        connection: &mut Connection,
        rotation: &mut Rotation,
    ) -> Result<(), End> {
        let Arrivals {
            broadcasts,
            confirmed,
            refused,
            unexpected,
            closed,
        } = arrivals;
        // Confirmations first: the broadcasts on a channel come after its confirmation.
        if !confirmed.is_empty() {
            self.confirmed_since.get_or_insert_with(Instant::now);
            self.report(Report::Confirmed(confirmed)).await;
            self.refusal_notice.end(connection);
        }
        for RefusedChannels { channels, reason } in &refused {
            if !channels.is_empty() {
                let report = Report::Refused(channels.clone(), reason.as_str().into());
                self.report(report).await;
            }
        }
        if self.refusal_notice.on_refusals(refused, connection) {
            rotation.start();
        }
        self.forward(broadcasts, connection.kind()).await;
        self.count_unexpected(&unexpected);
        if let Some(reason) = closed {
            return Err(End::Broken(LinkCause::Closed, reason));
        }
        if rotation.awaits_fence() && connection.fence_answered() {
            self.finish_rotation(connection, rotation).await;
        }
        Ok(())
    }

    /// Asks for channels that have become wanted.
    async fn subscribe_new(
        &mut self,
        connection: &mut Connection,
        rotation: &mut Rotation,
    ) -> Result<(), End> {
        let ((channels, last), shrunk) = {
            let wanted = self.parts.wanted.borrow_and_update();
            (wanted.after(self.wanted_seen), wanted.shrunk())
        };
        self.wanted_seen = last;
        if connection.identity().is_pairing() {
            // Without an organization channels have no IDs; the connection of the paired session
            // asks for them.
            return Ok(());
        }
        rotation.subscribe(&channels).await;
        self.new_channels.extend(channels);
        self.ask_new_channels(connection, rotation).await?;
        if std::mem::replace(&mut self.shrunk_seen, shrunk) != shrunk {
            self.abandon_unwanted(connection, rotation);
            self.refusal_notice.end(connection);
        }
        let wanted = self.parts.wanted.borrow().len();
        if connection.subscriptions.surplus() > wanted + SURPLUS {
            rotation.start();
        }
        Ok(())
    }

    /// Asks the present connection for newly wanted channels, unless the new one alone takes them.
    async fn ask_new_channels(
        &mut self,
        connection: &mut Connection,
        rotation: &mut Rotation,
    ) -> Result<(), End> {
        if self.new_channels.is_empty() || rotation.takes_new_channels() {
            return Ok(());
        }
        let channels = std::mem::take(&mut self.new_channels);
        connection
            .subscribe(&channels)
            .await
            .map_err(|error| End::Broken(LinkCause::Closed, error.to_string()))?;
        self.report_asked(channels).await;
        Ok(())
    }

    /// Makes the connections forget channels no longer wanted.
    fn abandon_unwanted(&self, connection: &mut Connection, rotation: &mut Rotation) {
        let (wanted, _) = self.all_wanted(&connection.session);
        let wanted: HashSet<_> = wanted.into_iter().collect();
        connection.subscriptions.abandon(|c| wanted.contains(c));
        rotation.abandon(|c| wanted.contains(c));
    }

    /// Follows the session: a new token gets its own connection.
    fn follow_session(
        &mut self,
        connection: &Connection,
        rotation: &mut Rotation,
    ) -> Result<(), End> {
        let state = self.states.borrow_and_update().clone();
        let failing = match &state {
            // The connection stays up while the token is valid.
            SessionState::RefreshFailing { reason, .. } => {
                Some(format!("refreshing the token fails: {reason}"))
            }
            SessionState::Refused { reason, .. } => Some(format!(
                "EXP refuses the credentials: {reason}; the present connection stays until its token ends"
            )),
            _ => None,
        };
        if failing.is_some() {
            self.status
                .send_modify(|status| status.last_error = failing);
        }
        let Some(session) = state.session() else {
            // The connection stays up as long as the network keeps it.
            return Ok(());
        };
        if session.serial == connection.session.serial {
            return Ok(());
        }
        let (old, new) = (connection.identity(), &session.authentication.identity);
        if (&old.uuid, &old.organization) != (&new.uuid, &new.organization) {
            return Err(End::OtherIdentity);
        }
        if Arc::ptr_eq(&session.setup, &connection.session.setup) {
            rotation.start();
        } else {
            // One in progress is for settings that no longer apply.
            rotation.start_over(&session.setup, &mut self.closing);
        }
        Ok(())
    }

    fn publish_online(&self, connection: &Connection) {
        let identity = connection.identity();
        let state = if identity.is_pairing() {
            LinkState::Pairing
        } else {
            LinkState::Online
        };
        let fresh = self.enter(state, LinkCause::Opened, "", |status| {
            status.attempt = 0;
            status.last_error = self.refusal_notice.shown().map(str::to_owned);
            status.next_try = None;
            status.protocol = connection.protocol();
        });
        // The session logs a pairing, with its code.
        if fresh && state == LinkState::Online {
            log::info!(event = JournalEvent::Online, instance = self.parts.name, protocol = connection.protocol(); "online");
        }
    }

    /// Enters a state, counts the change, and updates the rest of the status. True as
    /// [`LinkStatus::enter`] says.
    pub fn enter(
        &self,
        state: LinkState,
        cause: LinkCause,
        reason: &str,
        update: impl FnOnce(&mut LinkStatus),
    ) -> bool {
        let mut fresh = false;
        self.status.send_modify(|status| {
            if status.state != state {
                self.parts.counters.link_changes.inc(state, cause);
            }
            fresh = status.enter(state, reason);
            update(status);
        });
        fresh
    }

    async fn report_asked(&self, channels: Vec<Arc<Channel>>) {
        if !channels.is_empty() {
            self.report(Report::Asked(channels)).await;
        }
    }

    async fn report(&self, report: Report) {
        self.parts.router.report(self.parts.instance, report).await;
    }

    /// All channels that a new connection subscribes to: the wanted ones, and those that the daemon
    /// itself listens on. Also returns the position in `wanted` that this covers.
    fn all_wanted(&self, session: &LoggedIn) -> (Vec<Arc<Channel>>, u64) {
        let identity = &session.authentication.identity;
        let mut channels = Vec::new();
        if identity.kind == IdentityKind::Device {
            let own = if identity.is_pairing() {
                PAIRING_CHANNEL
            } else {
                &identity.uuid
            };
            // An empty text names no identity.
            if !own.is_empty() {
                channels.push(Arc::new(Channel::new(own).system()));
            }
        }
        let (wanted, last) = self.parts.wanted.borrow().after(0);
        // A device that waits to be paired has no organization, so no other channel has an ID.
        if !identity.is_pairing() {
            channels.extend(wanted);
        }
        (channels, last)
    }
}

/// Ends a connection whose network path is gone: it would stay silent until a probe fails.
fn still_there(connection: &Connection) -> Result<(), End> {
    match connection.path.filter(Path::is_gone) {
        None => Ok(()),
        Some(path) => {
            let reason = format!(
                "this host no longer has the address {}, from which it was connected",
                path.local()
            );
            Err(End::Broken(LinkCause::PathGone, reason))
        }
    }
}

/// The end of a connection that counts as dead.
fn broken(dead: &Dead) -> End {
    let cause = match dead {
        Dead::Unanswered(_) => LinkCause::Unanswered,
        Dead::Socket(_) => LinkCause::Closed,
    };
    End::Broken(cause, dead.to_string())
}
