//! One connection of the link: a socket, what was subscribed on it, and whether it is alive.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::subscriptions::Subscriptions;
use crate::config::ChannelIdSpelling;
use crate::exp::{Broadcast, Channel, ChannelId, Identity};
use crate::router::{Incoming, Moment};
use crate::upstream::socket::{Socket, SocketError, SocketEvent};

/// How often a connection is proved alive end to end, by asking again for channels that are confirmed.
const PROBE_EVERY: Duration = Duration::from_secs(20);

/// How long the answer to a probe may take before the connection counts as dead. A peer that answers pings and delivers
/// nothing is thus found within [`PROBE_EVERY`] + this.
const PROBE_ANSWER: Duration = Duration::from_secs(10);

/// Channel IDs in one subscribe request, so that no request grows past what servers take in one packet.
const IDS_PER_REQUEST: usize = 500;

/// One connection, logged in with one session.
pub(super) struct Connection {
    socket: Box<dyn Socket>,
    pub subscriptions: Subscriptions,
    /// The session that it was opened with.
    pub generation: u64,
    pub identity: Identity,
    pub opened: Instant,
    /// When the server last sent anything that we saw.
    last_heard: SystemTime,
    next_probe: Instant,
    events: Vec<SocketEvent>,
}

/// What came in one read.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    pub broadcasts: Vec<Incoming>,
    pub confirmed: Vec<Arc<Channel>>,
    /// Things that could not be understood or that nobody asked for.
    pub unexpected: Vec<String>,
    /// The connection has ended, with the reason.
    pub closed: Option<String>,
}

impl Connection {
    pub fn new(
        socket: Box<dyn Socket>,
        generation: u64,
        identity: Identity,
        spelling: ChannelIdSpelling,
    ) -> Self {
        let now = Instant::now();
        Self {
            socket,
            subscriptions: Subscriptions::new(identity.organization.clone(), spelling),
            generation,
            identity,
            opened: now,
            last_heard: SystemTime::now(),
            next_probe: now + PROBE_EVERY,
            events: Vec::new(),
        }
    }

    /// The Engine.IO protocol that it speaks.
    pub fn protocol(&self) -> u32 {
        self.socket.generation().number()
    }

    /// When the connection was last known to be good.
    pub fn last_heard(&self) -> SystemTime {
        self.last_heard
    }

    /// Asks for channels that were not asked for on this connection yet.
    pub async fn subscribe(&mut self, channels: &[Arc<Channel>]) -> Result<(), SocketError> {
        let ids = self.subscriptions.ask(channels, Instant::now());
        self.send(ids).await
    }

    /// When something is to be done by [`Connection::tend`].
    pub fn next_due(&self) -> Instant {
        let probe = match self.subscriptions.probed_at() {
            Some(at) => at + PROBE_ANSWER,
            None => self.next_probe,
        };
        let repeat = self.subscriptions.next_due();
        repeat.map_or(probe, |repeat| repeat.min(probe))
    }

    /// Repeats asks that were not confirmed in time, and proves the connection alive. Returns what was asked again.
    ///
    /// # Errors
    /// Why the connection counts as dead.
    pub async fn tend(&mut self) -> Result<Vec<Arc<Channel>>, String> {
        let now = Instant::now();
        if let Some(at) = self.subscriptions.probed_at()
            && now >= at + PROBE_ANSWER
        {
            return Err(format!(
                "the server did not confirm a subscription within {} s, though the connection looks open",
                PROBE_ANSWER.as_secs()
            ));
        }
        let (again, mut ids) = self.subscriptions.repeat_due(now);
        if now >= self.next_probe {
            self.next_probe = now + PROBE_EVERY;
            ids.extend(self.subscriptions.start_probe(now));
        }
        self.send(ids).await.map_err(|error| error.to_string())?;
        Ok(again)
    }

    /// Asks for a confirmed channel again, so that the answer marks a place in the stream of events: everything that the
    /// server sent before has arrived when it does. False where nothing is confirmed, and so nothing is to be waited for.
    pub async fn mark(&mut self) -> Result<bool, SocketError> {
        let now = Instant::now();
        let ids = self.subscriptions.start_probe(now);
        self.next_probe = now + PROBE_EVERY;
        let marked = !ids.is_empty();
        self.send(ids).await?;
        Ok(marked)
    }

    /// Whether the mark (or probe) was answered.
    pub fn answered(&self) -> bool {
        self.subscriptions.probed_at().is_none()
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
                        None => arrivals.unexpected.push(stray(&broadcast)),
                    }
                }
                SocketEvent::Subscribed(ids) => {
                    arrivals.confirmed.extend(self.subscriptions.confirm(&ids));
                }
                SocketEvent::Unexpected(what) => arrivals.unexpected.push(what),
                SocketEvent::Closed(reason) => arrivals.closed = Some(reason),
            }
        }
        if arrivals.closed.is_none() {
            self.last_heard = received.wall;
        }
        arrivals
    }

    /// Says goodbye, within a bounded time.
    pub async fn close(self) {
        self.socket.close().await;
    }

    async fn send(&mut self, ids: Vec<ChannelId>) -> Result<(), SocketError> {
        for chunk in ids.chunks(IDS_PER_REQUEST) {
            self.socket.subscribe(chunk.to_vec()).await?;
        }
        Ok(())
    }
}

fn stray(broadcast: &Broadcast) -> String {
    format!(
        "a broadcast on a channel that was not asked for ({})",
        broadcast.channel
    )
}
