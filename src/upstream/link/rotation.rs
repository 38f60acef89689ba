//! Make before break: replaces the present connection by a new one.
//!
//! The new connection is opened beside the present one and asked for all wanted channels. Its
//! broadcasts are held back. Once it has confirmed every wanted channel that the present one has
//! confirmed, and both have been read for a moment longer, a fence is sent on the present one. The
//! answer to the fence shows that everything sent on the present connection has arrived; the new
//! one takes over with the held broadcasts less the duplicates. So nothing is missed, nothing is
//! delivered twice, and the order on each channel is kept.
//!
//! Channels that become wanted meanwhile are asked for on both connections; on the new one alone
//! once it has everything that was wanted when it opened. Otherwise apps that keep opening channels
//! would delay the replacement forever.
//!
//! A channel counts as confirmed with its first spelling. The new connection has a few seconds for
//! the other spellings that the present one has confirmed.
//!
//! A new connection without all confirmations still takes over shortly before the present token
//! expires; the channels it lacks are reported as lost.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, pending};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::connection::{Connection, RefusedChannels};
use super::held::Held;
use super::parts::LinkParts;
use super::subscriptions::Subscriptions;

use crate::router::Incoming;
use crate::upstream::backoff::Backoff;
use crate::upstream::session::LoggedIn;
use crate::upstream::setup::InstanceSetup;
use expd_domain::Channel;
use expd_wire::socket::{Detected, SocketError};

/// Time for which newly wanted channels are asked for on the new connection alone, so that the
/// channels on both stop growing in number; and the time until the next try.
const CLOSING: Duration = Duration::from_secs(5);
const CLOSING_AGAIN: Duration = Duration::from_secs(30);

/// Grace period for the other confirmed spellings of a channel; rotation then proceeds without
/// them.
const SPELLINGS: Duration = Duration::from_secs(5);

/// Time limit of a replacement after the instance's settings have changed: the present connection
/// leads to a network that is no longer configured.
const LEAVE_WITHIN: Duration = Duration::from_secs(30);

/// Waits between tries to open the new connection.
const RETRY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// Stands in for "never" in a timer.
const FAR_FUTURE: Duration = Duration::from_secs(3600);

/// A replacement of the present connection.
#[derive(Default)]
pub(super) struct Rotation {
    stage: Stage,
    backoff: Option<Backoff>,
    /// Serial number of the token that the network refused for the new connection.
    refused: Option<u64>,
    /// Setup of a reload: the new connection takes over within [`LEAVE_WITHIN`].
    leaves_for: Option<Arc<InstanceSetup>>,
}

#[derive(Default)]
enum Stage {
    /// Nothing is being replaced.
    #[default]
    None,
    /// To be opened from this instant on.
    Wanted(Instant),
    Opening {
        opening: BoxFuture<'static, Result<Connection, SocketError>>,
        serial: u64,
        /// Channels that have become wanted meanwhile.
        added: Vec<Arc<Channel>>,
    },
    Confirming(Box<Candidate>),
}

/// The new connection before it takes over.
struct Candidate {
    new: Connection,
    held: Held,
    /// Channels that are still to be asked for.
    added: Vec<Arc<Channel>>,
    /// Instant at which it takes over as it is.
    at_latest: Instant,
    readiness: Readiness,
    /// Earliest instant for [`Readiness::Closing`].
    closing_at: Instant,
    /// Set when it has just opened: channels no longer wanted are then forgotten on it.
    opened: bool,
}

/// Next action of the link for a replacement, as [`Rotation::next`] decides it.
pub(super) enum Step {
    /// Nothing to do before the next event or [`Rotation::next_due`].
    Wait,
    /// Report to the session that the network refused the token with this serial number.
    RejectToken(u64),
    /// Open the new connection with [`Rotation::open`], or [`Rotation::cancel`] if there is no
    /// token.
    Open,
    /// The new connection has just opened: forget channels no longer wanted on both.
    AbandonUnwanted,
    /// Report channels that the network refuses on the new connection.
    ReportRefusals(Vec<RefusedChannels>),
    /// Report malformed messages on the new connection.
    ReportUnexpected(Vec<String>),
    /// Send a fence on the present connection, then call [`Rotation::wait_for_fence`].
    Fence,
}

/// Stages of the new connection until it takes over.
#[derive(Clone, Copy)]
enum Readiness {
    /// Channels are missing.
    Incomplete,
    /// It has everything that the present connection had confirmed when it opened. Newly wanted
    /// channels are asked for on it alone from here on, so that apps that keep opening channels do
    /// not delay it; the rest has to be confirmed by this instant.
    Closing(Instant),
    /// Nothing is missing; both are read until this instant, for broadcasts that come late.
    Settling(Instant),
    /// The fence was sent on the present connection.
    Fenced,
}

impl Rotation {
    /// Requests a new connection. One in progress continues: its token is newer than the present
    /// connection's.
    pub fn start(&mut self) {
        if matches!(self.stage, Stage::None) {
            self.stage = Stage::Wanted(Instant::now());
        }
    }

    /// Requests a new connection for another setup. One in progress for any other is closed.
    pub fn start_over(&mut self, setup: &Arc<InstanceSetup>, closing: &mut JoinSet<()>) {
        let known = self.leaves_for.as_ref();
        if known.is_some_and(|known| Arc::ptr_eq(known, setup)) {
            return self.start();
        }
        self.abort(closing);
        *self = Self {
            stage: Stage::Wanted(Instant::now()),
            leaves_for: Some(setup.clone()),
            ..Self::default()
        };
    }

    /// Instant at which [`Rotation::maintain`] or [`Rotation::next`] is due at the latest.
    pub fn next_due(&self) -> Instant {
        match &self.stage {
            Stage::None | Stage::Opening { .. } => Instant::now() + FAR_FUTURE,
            Stage::Wanted(at) => *at,
            Stage::Confirming(candidate) => {
                let spellings = candidate.new.opened + SPELLINGS;
                let readiness = match candidate.readiness {
                    Readiness::Incomplete if spellings > Instant::now() => {
                        spellings.min(candidate.at_latest)
                    }
                    Readiness::Incomplete => candidate.at_latest,
                    Readiness::Closing(until) | Readiness::Settling(until) => {
                        until.min(candidate.at_latest)
                    }
                    Readiness::Fenced => Instant::now() + FAR_FUTURE,
                };
                readiness.min(candidate.new.next_due())
            }
        }
    }

    /// Decides the next step, given the present connection. `is_known` is true for broadcasts that
    /// it has delivered. The link takes the step, and calls again until it is [`Step::Wait`].
    pub fn next(&mut self, present: &Connection, is_known: impl Fn(&Incoming) -> bool) -> Step {
        if let Some(serial) = self.refused.take() {
            return Step::RejectToken(serial);
        }
        match &mut self.stage {
            Stage::Wanted(at) if *at <= Instant::now() => Step::Open,
            Stage::None | Stage::Wanted(_) | Stage::Opening { .. } => Step::Wait,
            Stage::Confirming(candidate) => candidate.next(present, is_known),
        }
    }

    /// Asks the new connection for channels that became wanted while it opened, and repeats
    /// requests that were not confirmed in time.
    pub async fn maintain(&mut self) {
        let Stage::Confirming(candidate) = &mut self.stage else {
            return;
        };
        let added = std::mem::take(&mut candidate.added);
        if let Err(error) = candidate.new.subscribe(&added).await {
            return self.retry(&error.to_string(), None);
        }
        if candidate.new.next_due() <= Instant::now()
            && let Err(dead) = candidate.new.maintain().await
        {
            self.retry(&dead.to_string(), None);
        }
    }

    /// Opens the new connection, after [`Step::Open`], and asks for `channels` on it.
    pub fn open(
        &mut self,
        parts: &LinkParts,
        mut detected: Option<Detected>,
        session: Arc<LoggedIn>,
        channels: Vec<Arc<Channel>>,
    ) {
        let parts = parts.clone();
        let serial = session.serial;
        let opening = async move {
            let mut connection = Connection::open(&parts, &mut detected, &session).await?;
            connection.subscribe(&channels).await?;
            Ok(connection)
        };
        self.stage = Stage::Opening {
            opening: opening.boxed(),
            serial,
            added: Vec::new(),
        };
    }

    /// Waits for progress of the new connection. Cancel-safe.
    pub async fn progress(&mut self, at_latest: Instant) {
        match &mut self.stage {
            Stage::None | Stage::Wanted(_) => pending().await,
            Stage::Opening {
                opening,
                serial,
                added,
            } => match opening.await {
                Ok(new) => {
                    let now = Instant::now();
                    // At least half of the time left is for confirmations.
                    let half = at_latest.saturating_duration_since(now) / 2;
                    let early = new.timings().take_over_early.min(half);
                    let mut at_latest = (at_latest - early).max(now);
                    if self.leaves_for.is_some() {
                        at_latest = at_latest.min(now + LEAVE_WITHIN);
                    }
                    self.stage = Stage::Confirming(Box::new(Candidate {
                        new,
                        held: Held::default(),
                        added: std::mem::take(added),
                        at_latest,
                        readiness: Readiness::Incomplete,
                        closing_at: now,
                        opened: true,
                    }));
                }
                Err(error) => {
                    if matches!(error, SocketError::Refused { .. }) {
                        self.refused = Some(*serial);
                    }
                    self.retry(&error.to_string(), error.retry_after());
                }
            },
            Stage::Confirming(candidate) if candidate.held.full() => pending().await,
            Stage::Confirming(candidate) => {
                let arrivals = candidate.new.read().await;
                candidate.held.take(arrivals.broadcasts);
                candidate.held.unexpected.extend(arrivals.unexpected);
                candidate.held.refusals.extend(arrivals.refused);
                if let Some(reason) = arrivals.closed {
                    self.retry(&reason, None);
                }
            }
        }
    }

    /// True if newly wanted channels are asked for on the new connection alone.
    pub fn takes_new_channels(&self) -> bool {
        matches!(&self.stage, Stage::Confirming(candidate) if !matches!(candidate.readiness, Readiness::Incomplete))
    }

    /// Asks the new connection for newly wanted channels.
    pub async fn subscribe(&mut self, channels: &[Arc<Channel>]) {
        if channels.is_empty() {
            return;
        }
        match &mut self.stage {
            Stage::None | Stage::Wanted(_) => {}
            Stage::Opening { added, .. } => added.extend_from_slice(channels),
            Stage::Confirming(candidate) => {
                if let Err(error) = candidate.new.subscribe(channels).await {
                    self.retry(&error.to_string(), None);
                }
            }
        }
    }

    /// Makes the new connection forget channels no longer wanted.
    pub fn abandon(&mut self, is_wanted: impl Fn(&Arc<Channel>) -> bool) {
        if let Stage::Confirming(candidate) = &mut self.stage {
            candidate.new.subscriptions.abandon(is_wanted);
        }
    }

    /// True while the answer to the fence is awaited.
    pub fn awaits_fence(&self) -> bool {
        matches!(&self.stage, Stage::Confirming(candidate) if matches!(candidate.readiness, Readiness::Fenced))
    }

    /// Notes that the fence was sent on the present connection.
    pub fn wait_for_fence(&mut self) {
        if let Stage::Confirming(candidate) = &mut self.stage {
            candidate.readiness = Readiness::Fenced;
        }
    }

    /// True if a new connection is open and could take over.
    pub fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Confirming(_))
    }

    /// Ends the rotation, and returns the new connection with the held broadcasts that `present`
    /// has not delivered, if one is open.
    pub fn finish(
        self,
        present: &Connection,
        is_known: impl Fn(&Incoming) -> bool,
    ) -> Option<(Connection, Vec<Incoming>)> {
        let Stage::Confirming(candidate) = self.stage else {
            return None;
        };
        let Candidate { new, mut held, .. } = *candidate;
        held.drop_delivered(present, new.opened, is_known);
        Some((new, held.broadcasts))
    }

    /// Ends the rotation if there is no token to open a connection with; the next token starts
    /// another.
    pub fn cancel(&mut self) {
        self.stage = Stage::None;
    }

    /// Ends the rotation and closes the new connection.
    pub fn abort(&mut self, closing: &mut JoinSet<()>) {
        if let Stage::Confirming(candidate) = std::mem::take(&mut self.stage) {
            closing.spawn(candidate.new.close());
        }
    }

    /// Schedules another try, no sooner than the server asks.
    fn retry(&mut self, reason: &str, retry_after: Option<Duration>) {
        let (shortest, longest) = RETRY;
        let backoff = self
            .backoff
            .get_or_insert_with(|| Backoff::new(shortest, longest));
        let wait = backoff.wait_after(retry_after);
        log::debug!("the new connection failed; the present one stays in use: {reason}");
        self.stage = Stage::Wanted(Instant::now() + wait);
    }
}

impl Candidate {
    fn next(&mut self, present: &Connection, is_known: impl Fn(&Incoming) -> bool) -> Step {
        if std::mem::take(&mut self.opened) {
            return Step::AbandonUnwanted;
        }
        if !self.held.refusals.is_empty() {
            return Step::ReportRefusals(std::mem::take(&mut self.held.refusals));
        }
        if !self.held.unexpected.is_empty() {
            return Step::ReportUnexpected(std::mem::take(&mut self.held.unexpected));
        }
        if self.held.wants_cleaning() {
            self.held.drop_delivered(present, self.new.opened, is_known);
        }
        if self.wants_fence(&present.subscriptions) {
            Step::Fence
        } else {
            Step::Wait
        }
    }

    /// Advances `readiness`. True if the present connection is to be fenced now.
    fn wants_fence(&mut self, present: &Subscriptions) -> bool {
        let now = Instant::now();
        let new = &self.new;
        let covers = new.subscriptions.covers(present)
            && (new.opened + SPELLINGS <= now || new.subscriptions.covers_spellings(present));
        self.readiness = match self.readiness {
            Readiness::Fenced => return false,
            Readiness::Incomplete | Readiness::Closing(_) if covers => {
                let left = self.at_latest.saturating_duration_since(now);
                let settle = new.timings().settle.min(left / 2);
                Readiness::Settling(now + settle)
            }
            Readiness::Incomplete
                if self.closing_at <= now
                    && new.subscriptions.covers_since(present, new.opened) =>
            {
                Readiness::Closing(now + CLOSING)
            }
            Readiness::Closing(until) if until <= now => {
                self.closing_at = now + CLOSING_AGAIN;
                Readiness::Incomplete
            }
            Readiness::Settling(_) if !covers => Readiness::Incomplete,
            readiness => readiness,
        };
        let settled = matches!(self.readiness, Readiness::Settling(until) if until <= now);
        settled || self.at_latest <= now || self.held.full()
    }
}
