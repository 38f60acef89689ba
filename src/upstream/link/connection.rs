//! One connection of the link: a socket, what was subscribed on it, and whether it is alive.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::parts::LinkParts;
use super::subscriptions::Subscriptions;
use super::timings::LinkTimings;
use crate::router::{Incoming, Moment};
use crate::upstream::session::LoggedIn;
use expd_domain::excerpt::excerpt;
use expd_domain::{Broadcast, Channel, ChannelId, Identity, IdentityKind};
use expd_wire::socket::{self, Detected, Endpoint, Socket, SocketError, SocketEvent};

/// Channel IDs in one subscribe request, so that no request grows past what servers take in one packet.
const IDS_PER_REQUEST: usize = 500;

/// A deadline that is found to have passed by more than this was slept through (a suspended machine, a stopped process): the
/// peer is asked again before it is judged.
const OVERSLEPT: Duration = Duration::from_secs(2);

/// A channel that was asked for so many times, the last time 15 s after the first, is told as unanswered.
pub(super) const UNANSWERED_ASKS: u32 = 3;

/// One connection, logged in with one session.
pub(super) struct Connection {
    socket: Box<dyn Socket>,
    pub subscriptions: Subscriptions,
    /// The session that it was opened with.
    pub session: Arc<LoggedIn>,
    pub opened: Instant,
    timings: LinkTimings,
    next_probe: Instant,
    events: Vec<SocketEvent>,
}

/// What came in one read.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    pub broadcasts: Vec<Incoming>,
    pub confirmed: Vec<Arc<Channel>>,
    pub refused: Vec<Refusal>,
    /// Things that could not be understood or that nobody asked for.
    pub unexpected: Vec<String>,
    /// The connection has ended, with the reason.
    pub closed: Option<String>,
}

/// What the server refuses.
#[derive(Debug)]
pub(super) struct Refusal {
    /// Channels that are without a subscription by it, and were not refused before. Empty where the server does not say which.
    pub channels: Vec<Arc<Channel>>,
    /// The server's words.
    pub reason: String,
}

/// What [`Connection::maintain`] did.
#[derive(Debug, Default)]
pub(super) struct MaintenanceReport {
    /// Asked again.
    pub reasked: Vec<Arc<Channel>>,
    /// Confirmed once, and not confirmed again when it was asked for; with the time until which it was good.
    pub lost: Vec<(Arc<Channel>, Moment)>,
    /// Asked for many times, and neither confirmed nor refused; counted when something is asked again.
    pub unanswered: usize,
    /// Refused, and asked for again or about to be; counted then, too.
    pub refused: usize,
}

impl Connection {
    /// Opens a socket with a session's token.
    pub async fn open(
        parts: &LinkParts,
        detected: &mut Option<Detected>,
        session: &Arc<LoggedIn>,
    ) -> Result<Self, SocketError> {
        let (settings, timings) = (&parts.settings, parts.timings.clone());
        let endpoint = Endpoint {
            url: session.socket_url.clone(),
            token: session.socket_token.clone(),
            proxy: settings.proxy.clone(),
            ca_file: settings.ca_file.clone(),
            library: settings.socket_library,
            timeout: timings.open,
        };
        let socket =
            socket::open(&endpoint, settings.transport, settings.protocol, detected).await?;
        let now = Instant::now();
        let organization = session.authentication.identity.organization.clone();
        Ok(Self {
            socket,
            subscriptions: Subscriptions::new(organization, settings.channel_id, timings.ask_again),
            session: session.clone(),
            opened: now,
            next_probe: now + timings.probe_every,
            timings,
            events: Vec::new(),
        })
    }

    /// How long it waits for what.
    pub fn timings(&self) -> &LinkTimings {
        &self.timings
    }

    /// Whose connection it is.
    pub fn identity(&self) -> &Identity {
        &self.session.authentication.identity
    }

    /// What kind of identity that is.
    pub fn kind(&self) -> IdentityKind {
        self.identity().kind
    }

    /// The Engine.IO protocol that it speaks.
    pub fn protocol(&self) -> u32 {
        self.socket.generation().number()
    }

    /// Asks for channels: those that were not asked for on this connection yet, and again for those that were confirmed,
    /// since whoever wants them now waits to hear so.
    pub async fn subscribe(&mut self, channels: &[Arc<Channel>]) -> Result<(), SocketError> {
        let ids = self.subscriptions.ask(channels, Moment::now());
        self.send(ids).await
    }

    /// When something is to be done by [`Connection::maintain`].
    pub fn next_due(&self) -> Instant {
        let answer = self.subscriptions.answer_due(self.timings.probe_answer);
        let repeat = self.subscriptions.next_due();
        let dues = [answer, repeat, Some(self.next_probe)];
        dues.into_iter().flatten().min().unwrap_or(self.next_probe)
    }

    /// Repeats asks that were not confirmed in time, and proves the connection alive.
    ///
    /// # Errors
    /// Why the connection counts as dead.
    pub async fn maintain(&mut self) -> Result<MaintenanceReport, String> {
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
                return Err(format!(
                    "the server did not confirm a subscription within {:?}, though the connection looks open",
                    self.timings.probe_answer
                ));
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
        self.send(ids).await.map_err(|error| error.to_string())?;
        Ok(report)
    }

    /// Asks for a confirmed channel again, so that the answer marks a place in the stream of events: everything that the
    /// server sent before has arrived when it does. False where nothing is confirmed, and so nothing is to be waited for.
    pub async fn fence(&mut self) -> Result<bool, SocketError> {
        let ids = self.subscriptions.start_fence(Moment::now());
        let fenced = !ids.is_empty();
        self.send(ids).await?;
        Ok(fenced)
    }

    /// Whether the fence was answered.
    pub fn fence_answered(&self) -> bool {
        self.subscriptions.fence_answered()
    }

    /// Waits for what the server sends. Cancel-safe.
    pub async fn read(&mut self) -> Arrivals {
        self.socket.next_events(&mut self.events).await;
        let received = Moment::now();
        let mut arrivals = Arrivals::default();
        for event in std::mem::take(&mut self.events) {
            match event {
                SocketEvent::Broadcast(broadcast) => {
                    match self.subscriptions.channel(&broadcast.channel) {
                        Some(channel) => arrivals.broadcasts.push(Incoming {
                            channel,
                            broadcast,
                            received,
                        }),
                        // What nobody wants any more goes on coming.
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
                    // One that was told before is no news.
                    if !named || !channels.is_empty() {
                        arrivals.refused.push(Refusal { channels, reason });
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

    /// Says goodbye, within a bounded time.
    pub async fn close(self) {
        self.socket.close().await;
    }

    /// Sends a request. A peer that does not take it in the time of an answer is as dead as one that does not answer.
    async fn send(&mut self, ids: Vec<ChannelId>) -> Result<(), SocketError> {
        for chunk in ids.chunks(IDS_PER_REQUEST) {
            let sending = self.socket.subscribe(chunk.to_vec());
            timeout(self.timings.probe_answer, sending)
                .await
                .unwrap_or_else(|_| {
                    Err(SocketError::Send(format!(
                        "the server did not take a request within {:?}",
                        self.timings.probe_answer
                    )))
                })?;
        }
        Ok(())
    }
}

fn unasked_broadcast(broadcast: &Broadcast) -> String {
    format!(
        "a broadcast on a channel that was not asked for ({})",
        excerpt(broadcast.channel.as_str())
    )
}
