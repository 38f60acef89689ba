//! One connection of the link: a socket, the subscriptions on it, and the proof that it is alive.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::{Instant, timeout};

use super::parts::LinkParts;
use super::subscriptions::Subscriptions;
use super::timings::LinkTimings;
use crate::router::{Incoming, Moment};
use crate::upstream::session::LoggedIn;
use expd_domain::excerpt::excerpt;
use expd_domain::{Broadcast, Channel, ChannelId, IdentityKind, KnownIdentity};
use expd_wire::socket::{self, Detected, Endpoint, Socket, SocketError, SocketEvent};
use expd_wire::{Path, PathRecord};

/// Bound on the channel IDs of one subscribe request, below what servers accept in one packet.
const IDS_PER_REQUEST: usize = 500;

/// Bound on the bytes of these IDs, for the same reason; a longer ID is sent alone.
const BYTES_PER_REQUEST: usize = 256 << 10;

/// A deadline missed by more than this was slept through (a suspended machine, a stopped process).
/// The peer is probed again before it counts as dead.
const OVERSLEPT: Duration = Duration::from_secs(2);

/// A channel that was asked for this many times, the last time 15 s after the first, is reported as
/// unanswered.
pub(super) const UNANSWERED_ASKS: u32 = 3;

/// One connection, opened with one token.
pub(super) struct Connection {
    socket: Box<dyn Socket>,
    /// Network path of the socket, if known.
    pub path: Option<Path>,
    pub subscriptions: Subscriptions,
    pub session: Arc<LoggedIn>,
    pub opened: Instant,
    timings: LinkTimings,
    next_probe: Instant,
    events: Vec<SocketEvent>,
}

/// Result of one read.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    pub broadcasts: Vec<Incoming>,
    pub confirmed: Vec<Arc<Channel>>,
    pub refused: Vec<RefusedChannels>,
    /// Malformed and unrequested messages.
    pub unexpected: Vec<String>,
    /// Reason why the connection has ended.
    pub closed: Option<String>,
}

/// Channels that the server refused, with its reason.
#[derive(Debug)]
pub(super) struct RefusedChannels {
    /// Channels that lost or never got their subscription by it, and were not refused before. Empty
    /// if the server does not name them.
    pub channels: Vec<Arc<Channel>>,
    pub reason: String,
}

/// Result of [`Connection::maintain`].
#[derive(Debug, Default)]
pub(super) struct MaintenanceReport {
    /// Channels that were asked for again.
    pub reasked: Vec<Arc<Channel>>,
    /// Channels that were confirmed, and that a probe found unconfirmed; with the time up to which
    /// they were verified.
    pub lost: Vec<(Arc<Channel>, Moment)>,
    /// Number of channels that were asked for many times, and neither confirmed nor refused;
    /// counted when something is asked again.
    pub unanswered: usize,
    /// Number of refused channels; counted when something is asked again.
    pub refused: usize,
}

/// Reason why a connection counts as dead.
#[derive(Debug, thiserror::Error)]
pub(super) enum Dead {
    #[error(
        "the server did not confirm a subscription within {0:?}, though the connection looks open"
    )]
    Unanswered(Duration),
    #[error(transparent)]
    Socket(#[from] SocketError),
}

impl Connection {
    /// Opens a socket with a session's token.
    pub async fn open(
        parts: &LinkParts,
        detected: &mut Option<Detected>,
        session: &Arc<LoggedIn>,
    ) -> Result<Self, SocketError> {
        let (settings, timings) = (&session.setup.settings, parts.timings.clone());
        let endpoint = Endpoint {
            url: session.socket_url.clone(),
            token: session.socket_token.clone(),
            proxy: settings.proxy.clone(),
            ca_file: settings.ca_file.clone(),
            library: settings.socket_library,
            path: PathRecord::default(),
            timeout: timings.open,
            max_message: parts.max_message,
        };
        let socket =
            socket::open(&endpoint, settings.transport, settings.protocol, detected).await?;
        let now = Instant::now();
        let organization = session.authentication.identity.organization.clone();
        Ok(Self {
            socket,
            path: endpoint.path.get(),
            subscriptions: Subscriptions::new(organization, settings.channel_id, timings.ask_again),
            session: session.clone(),
            opened: now,
            next_probe: now + timings.probe_every,
            timings,
            events: Vec::new(),
        })
    }

    pub fn timings(&self) -> &LinkTimings {
        &self.timings
    }

    /// The identity of its token.
    pub fn identity(&self) -> &KnownIdentity {
        &self.session.authentication.identity
    }

    pub fn kind(&self) -> IdentityKind {
        self.identity().kind
    }

    /// Version of its Engine.IO protocol.
    pub fn protocol(&self) -> u32 {
        self.socket.generation().number()
    }

    /// Asks for channels not yet asked for on this connection. Asks again for confirmed ones, since
    /// a new listener waits for a confirmation.
    pub async fn subscribe(&mut self, channels: &[Arc<Channel>]) -> Result<(), SocketError> {
        let ids = self.subscriptions.ask(channels, Moment::now());
        self.send(ids).await
    }

    /// Instant at which [`Connection::maintain`] is due.
    pub fn next_due(&self) -> Instant {
        let answer = self.subscriptions.answer_due(self.timings.probe_answer);
        let repeat = self.subscriptions.next_due();
        let dues = [answer, repeat, Some(self.next_probe)];
        dues.into_iter().flatten().min().unwrap_or(self.next_probe)
    }

    /// Repeats requests that were not confirmed in time, and probes the connection.
    ///
    /// # Errors
    /// The reason why the connection counts as dead.
    pub async fn maintain(&mut self) -> Result<MaintenanceReport, Dead> {
        let now = Moment::now();
        let at = Instant::from_std(now.at);
        let mut report = MaintenanceReport::default();
        let mut ids = Vec::new();
        if let Some(due) = self.subscriptions.answer_due(self.timings.probe_answer)
            && due <= at
        {
            let since = due - self.timings.probe_answer;
            if at.duration_since(due) > OVERSLEPT {
                self.subscriptions.restart_deadlines();
                self.next_probe = at;
            } else if self.subscriptions.unanswered(since) {
                return Err(Dead::Unanswered(self.timings.probe_answer));
            } else {
                report.lost = self.subscriptions.demote_unanswered(since);
            }
        }
        let (reasked, repeated) = self.subscriptions.repeat_due(now);
        if !reasked.is_empty() {
            report.unanswered = self.subscriptions.unanswered_asks(UNANSWERED_ASKS);
            report.refused = self.subscriptions.refused();
        }
        report.reasked = reasked;
        ids.extend(repeated);
        if at >= self.next_probe {
            self.next_probe = at + self.timings.probe_every;
            ids.extend(self.subscriptions.start_probe(now));
        }
        self.send(ids).await?;
        Ok(report)
    }

    /// Asks for a confirmed channel again, so that the answer marks a position in the stream of
    /// events: everything that the server sent before it has arrived by then. False if nothing
    /// is confirmed, so that there is nothing to wait for.
    pub async fn fence(&mut self) -> Result<bool, SocketError> {
        let ids = self.subscriptions.start_fence(Moment::now());
        let fenced = !ids.is_empty();
        self.send(ids).await?;
        Ok(fenced)
    }

    pub fn fence_answered(&self) -> bool {
        self.subscriptions.fence_answered()
    }

    /// Waits for events from the server. Cancel-safe.
    pub async fn read(&mut self) -> Arrivals {
        self.socket.next_events(&mut self.events).await;
        let (received, received_at) = (Moment::now(), SystemTime::now());
        let mut arrivals = Arrivals::default();
        for event in std::mem::take(&mut self.events) {
            match event {
                SocketEvent::Broadcast(broadcast) => {
                    match self.subscriptions.channel(&broadcast.channel) {
                        Some(channel) => arrivals.broadcasts.push(Incoming {
                            channel,
                            broadcast,
                            received,
                            received_at,
                        }),
                        // Broadcasts on channels no longer wanted keep arriving.
                        None if self.subscriptions.surplus() > 0 => {}
                        None => arrivals.unexpected.push(unasked_broadcast(&broadcast)),
                    }
                }
                SocketEvent::Subscribed(ids) => {
                    arrivals.confirmed.extend(self.subscriptions.confirm(&ids));
                }
                SocketEvent::Refused { channels, reason } => {
                    let named = !channels.is_empty();
                    let channels = self.subscriptions.refuse(&channels);
                    // A repeated refusal is not reported again.
                    if !named || !channels.is_empty() {
                        arrivals.refused.push(RefusedChannels { channels, reason });
                    }
                }
                SocketEvent::Unexpected(what) => arrivals.unexpected.push(what),
                SocketEvent::Closed(reason) => arrivals.closed = Some(reason),
            }
        }
        if arrivals.closed.is_none() {
            self.subscriptions.on_any_message();
        }
        arrivals
    }

    /// Closes the socket, within a bounded time.
    pub async fn close(self) {
        self.socket.close().await;
    }

    /// Sends a request. A peer that does not take it within the time allowed for an answer counts
    /// as dead.
    async fn send(&mut self, ids: Vec<ChannelId>) -> Result<(), SocketError> {
        let mut ids = ids.into_iter().peekable();
        while ids.peek().is_some() {
            let mut bytes = 0;
            let chunk: Vec<_> = std::iter::from_fn(|| {
                ids.next_if(|id| {
                    let fits = bytes == 0 || bytes + id.as_str().len() <= BYTES_PER_REQUEST;
                    bytes += id.as_str().len();
                    fits
                })
            })
            .take(IDS_PER_REQUEST)
            .collect();
            let sending = self.socket.subscribe(chunk);
            timeout(self.timings.probe_answer, sending)
                .await
                .unwrap_or_else(|_| {
                    Err(SocketError::Send(format!(
                        "the server did not accept a request within {:?}",
                        self.timings.probe_answer
                    )))
                })?;
        }
        Ok(())
    }
}

fn unasked_broadcast(broadcast: &Broadcast) -> String {
    format!(
        "a broadcast on a channel that was not requested ({})",
        excerpt(broadcast.channel.as_str())
    )
}
