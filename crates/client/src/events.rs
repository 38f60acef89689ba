//! Events of an identity: online, offline, a new login, an error.

use std::collections::VecDeque;
use std::pin::Pin;
use std::time::{Duration, SystemTime};

use futures_util::future::{Either, select};
use futures_util::{Stream, StreamExt as _};
use rand::RngExt as _;
use tokio::sync::{broadcast, watch};
use tokio::time::Instant;

use expd_domain::LinkState;

use crate::error::ClientError;
use crate::exp::{Exp, is_connected};
use crate::own::OwnEvent;
use crate::status::{Identity, LinkEvent};

/// Name of the daemon's default instance in events.
const DEFAULT_INSTANCE: &str = "default";

/// Longest pause before another attempt to reach a daemon that is gone.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Bounds of the pause between polls of the identity, which the daemon refreshes before it expires.
const LOOKS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(3600));

/// Timeout of the first state of a link.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// A change of an identity's state.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum InstanceEvent {
    /// It logged in, or its login was renewed.
    Update(Box<Identity>),
    /// It is connected: broadcasts arrive from now on. Never sent for an identity without a live
    /// socket.
    Online,
    /// It is no longer connected, or was stopped. The reason is for people.
    Offline(String),
    /// EXP refuses its credentials. The reason is for people; the daemon continues to try, slowly.
    Error(String),
}

/// Events of an identity, the current state first. It runs no task: everything happens inside
/// [`next`](Self::next).
pub struct InstanceEvents {
    exp: Exp,
    source: EventSource,
    stopped: watch::Receiver<bool>,
    /// Events to be returned; one change causes at most three.
    queue: VecDeque<InstanceEvent>,
    told_online: Option<bool>,
    told_error: Option<String>,
    identity: Option<Identity>,
    /// Next poll of the identity.
    look_at: Option<Instant>,
    failures: u32,
    is_ended: bool,
}

/// Input that may cause events.
enum StatusInput {
    Stopped,
    Link(OwnEvent),
    /// The identity is to be polled.
    Look,
}

type LinkEvents = Pin<Box<dyn Stream<Item = Result<LinkEvent, ClientError>> + Send>>;

enum EventSource {
    /// The daemon's watch of all links; `None` while the daemon is gone, until the next attempt.
    Daemon(Option<LinkEvents>, Instant),
    /// The keeper of this program's own identity, and its first event.
    Own(Option<OwnEvent>, broadcast::Receiver<OwnEvent>),
}

impl std::fmt::Debug for InstanceEvents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InstanceEvents").finish_non_exhaustive()
    }
}

impl Exp {
    /// Events of this identity: online, offline, logged in, refused.
    pub fn events(&self) -> InstanceEvents {
        let source = match self.own() {
            Some(own) => {
                let (first, following) = own.events();
                EventSource::Own(Some(first), following)
            }
            None => EventSource::Daemon(None, Instant::now()),
        };
        InstanceEvents {
            stopped: self.stopped(),
            exp: self.clone(),
            source,
            queue: VecDeque::new(),
            told_online: None,
            told_error: None,
            identity: None,
            look_at: None,
            failures: 0,
            is_ended: false,
        }
    }

    /// True while the identity is connected to EXP.
    ///
    /// # Errors
    /// The daemon is not reachable, or does not let this program read the state.
    pub async fn is_connected(&self) -> Result<bool, ClientError> {
        let client = self.ready().await?;
        if let Some(own) = self.own() {
            return Ok(match own.newest() {
                OwnEvent::Link(event) => own.network && is_connected(&event),
                OwnEvent::Lost(_) => false,
            });
        }
        let first = async {
            let mut events = std::pin::pin!(client.watch_status().await?);
            while let Some(event) = events.next().await.transpose()? {
                if is_of(&event, self.instance()) {
                    return Ok(is_connected(&event));
                }
            }
            Ok(false)
        };
        let first = tokio::time::timeout(ANSWER_TIMEOUT, first).await;
        first.unwrap_or_else(|_| {
            Err(ClientError::TimedOut {
                path: client.path().to_owned(),
            })
        })
    }
}

fn is_of(event: &LinkEvent, instance: &str) -> bool {
    event.instance == instance || instance.is_empty() && event.instance == DEFAULT_INSTANCE
}

impl InstanceEvents {
    /// Waits for the next event; `None` after [`Exp::stop`]. Cancel-safe.
    ///
    /// # Errors
    /// The daemon does not let this program read the state (access rules).
    pub async fn next(&mut self) -> Result<Option<InstanceEvent>, ClientError> {
        loop {
            if let Some(event) = self.queue.pop_front() {
                return Ok(Some(event));
            }
            if self.is_ended {
                return Ok(None);
            }
            match self.next_input().await? {
                StatusInput::Stopped => {
                    self.go_offline_from_online("it was stopped");
                    self.is_ended = true;
                }
                StatusInput::Link(OwnEvent::Link(event)) => self.on_link_event(event).await,
                StatusInput::Link(OwnEvent::Lost(reason)) => self.go_offline(&reason),
                StatusInput::Look => self.look_at_identity().await,
            }
        }
    }

    /// Waits for the first input.
    async fn next_input(&mut self) -> Result<StatusInput, ClientError> {
        let look_at = self.look_at;
        let stopped = std::pin::pin!(self.stopped.wait_for(|stopped| *stopped));
        let look = std::pin::pin!(async {
            match look_at {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        });
        let change = std::pin::pin!(self.source.next(&self.exp, &mut self.failures));
        Ok(match select(stopped, select(change, look)).await {
            Either::Left(_) => StatusInput::Stopped,
            Either::Right((Either::Left((change, _)), _)) => StatusInput::Link(change?),
            Either::Right((Either::Right(_), _)) => StatusInput::Look,
        })
    }

    async fn on_link_event(&mut self, event: LinkEvent) {
        let has_network = self.exp.own().is_none_or(|own| own.network);
        match event.state {
            LinkState::Online | LinkState::Pairing => {
                self.told_error = None;
                self.look_at_identity().await;
                if has_network && self.told_online != Some(true) {
                    self.told_online = Some(true);
                    self.queue.push_back(InstanceEvent::Online);
                }
            }
            LinkState::Connecting if self.told_online != Some(true) => {}
            LinkState::Connecting | LinkState::Offline => self.go_offline(&event.reason),
            LinkState::Refused => {
                self.go_offline_from_online(&event.reason);
                if self.told_error.as_ref() != Some(&event.reason) {
                    self.told_error = Some(event.reason.clone());
                    self.queue.push_back(InstanceEvent::Error(event.reason));
                }
            }
        }
    }

    fn go_offline(&mut self, reason: &str) {
        if self.told_online != Some(false) {
            self.told_online = Some(false);
            let reason = reason.to_owned();
            self.queue.push_back(InstanceEvent::Offline(reason));
        }
    }

    fn go_offline_from_online(&mut self, reason: &str) {
        if self.told_online == Some(true) {
            self.go_offline(reason);
        }
    }

    /// Polls the identity, and queues an event if the login is another one.
    async fn look_at_identity(&mut self) {
        let (shortest, longest) = LOOKS;
        let asked = self.exp.client().identity(self.exp.instance()).await;
        // After a failure, the next poll or the next change of the link follows.
        let Ok(identity) = asked else {
            self.look_at = Some(Instant::now() + shortest);
            return;
        };
        let left = identity
            .expires_at
            .map(|at| at.0.duration_since(SystemTime::now()));
        let left = left.map_or(longest, |left| left.unwrap_or_default() / 4);
        self.look_at = Some(Instant::now() + left.clamp(shortest, longest));
        if self.identity.as_ref() != Some(&identity) {
            self.identity = Some(identity.clone());
            self.queue
                .push_back(InstanceEvent::Update(Box::new(identity)));
        }
    }
}

impl EventSource {
    /// The next change of the link. Cancel-safe.
    async fn next(&mut self, exp: &Exp, failures: &mut u32) -> Result<OwnEvent, ClientError> {
        match self {
            Self::Own(first, following) => {
                if let Some(first) = first.take() {
                    return Ok(first);
                }
                loop {
                    match following.recv().await {
                        Ok(event) => return Ok(event),
                        // The newest states are kept.
                        Err(broadcast::error::RecvError::Lagged(_)) => {}
                        // The keeper ended; `stop` or the end has been reported.
                        Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
                    }
                }
            }
            Self::Daemon(events, try_at) => loop {
                let Some(stream) = events else {
                    tokio::time::sleep_until(*try_at).await;
                    let watch = exp.client().watch_status().await;
                    match watch {
                        Ok(stream) => *events = Some(Box::pin(stream)),
                        Err(error) => return lost(error, failures, try_at),
                    }
                    continue;
                };
                match stream.next().await {
                    Some(Ok(event)) => {
                        *failures = 0;
                        if is_of(&event, exp.instance()) {
                            return Ok(OwnEvent::Link(event));
                        }
                    }
                    Some(Err(error)) => {
                        *events = None;
                        return lost(error, failures, try_at);
                    }
                    None => {
                        *events = None;
                        *try_at = Instant::now() + LONGEST_PAUSE;
                        return Ok(OwnEvent::Lost("the daemon ended the watch".to_owned()));
                    }
                }
            },
        }
    }
}

/// The daemon is gone: schedules the next attempt. A permanent error is returned.
fn lost(
    error: ClientError,
    failures: &mut u32,
    try_at: &mut Instant,
) -> Result<OwnEvent, ClientError> {
    if !error.is_transient() {
        return Err(error);
    }
    let pause = Duration::from_millis(100 << (*failures).min(6)).min(LONGEST_PAUSE);
    *failures = failures.saturating_add(1);
    *try_at = Instant::now() + rand::rng().random_range(pause / 2..=pause);
    Ok(OwnEvent::Lost(error.to_string()))
}
