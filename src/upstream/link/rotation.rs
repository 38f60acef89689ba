//! Make before break: the next connection, from the wish for it until it takes over.
//!
//! The new connection is opened beside the present one and asked for everything. What it hears is held back. When it has
//! confirmed all that the present one has, the present one is asked for a mark: once that is answered, everything that was
//! sent on it has arrived, and the new one can take over with what was held, less what came twice. So nothing is missed,
//! nothing comes twice, and the order on each channel is kept.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, pending};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::connection::Connection;
use super::{LinkParts, connect};
use crate::exp::Channel;
use crate::router::Incoming;
use crate::upstream::backoff::Backoff;
use crate::upstream::session::LoggedIn;
use crate::upstream::socket::{self, SocketError};

/// How many broadcasts are held back before the new connection is no longer read; TCP then slows its server down.
const MOST_HELD: usize = 20_000;

/// The waits between tries to open the new connection.
const RETRY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// Far enough to mean "not until something happens".
const LATER: Duration = Duration::from_secs(3600);

/// What the new connection heard before it took over.
#[derive(Debug, Default)]
pub(super) struct Held {
    pub broadcasts: Vec<Incoming>,
    pub confirmed: Vec<Arc<Channel>>,
    unexpected: Vec<String>,
}

/// A replacement of the present connection.
#[derive(Default)]
pub(super) struct Rotation {
    stage: Stage,
    backoff: Option<Backoff>,
}

#[derive(Default)]
enum Stage {
    /// Nothing is to be replaced.
    #[default]
    None,
    /// To be opened, from that moment on.
    Wanted(Instant),
    Opening(BoxFuture<'static, Result<Connection, SocketError>>),
    Confirming {
        new: Box<Connection>,
        held: Held,
        /// Whether the present connection was asked for a mark.
        marked: bool,
    },
}

impl Rotation {
    /// Wishes for a new connection; one that was under way is given up, for it may have an old token.
    pub fn start(&mut self, goodbyes: &mut JoinSet<()>) {
        self.give_up(goodbyes);
        self.stage = Stage::Wanted(Instant::now());
    }

    /// When [`Rotation::tend`] or the link has something to do.
    pub fn next_due(&self) -> Instant {
        match &self.stage {
            Stage::None | Stage::Opening(_) => Instant::now() + LATER,
            Stage::Wanted(at) => *at,
            Stage::Confirming { new, .. } => new.next_due(),
        }
    }

    /// Whether the new connection is to be opened now.
    pub fn wants_opening(&self) -> bool {
        matches!(&self.stage, Stage::Wanted(at) if *at <= Instant::now())
    }

    /// Opens the new connection and asks for `channels` on it.
    pub fn open(
        &mut self,
        parts: &LinkParts,
        mut detected: Option<socket::Detected>,
        session: Arc<LoggedIn>,
        channels: Vec<Arc<Channel>>,
    ) {
        let parts = parts.clone();
        let opening = async move {
            let mut connection = connect(&parts, &mut detected, &session).await?;
            connection.subscribe(&channels).await?;
            Ok(connection)
        };
        self.stage = Stage::Opening(opening.boxed());
    }

    /// Waits for the new connection to come a step further. Cancel-safe.
    pub async fn progress(&mut self) {
        match &mut self.stage {
            Stage::None | Stage::Wanted(_) => pending().await,
            Stage::Opening(opening) => match opening.await {
                Ok(new) => {
                    self.stage = Stage::Confirming {
                        new: Box::new(new),
                        held: Held::default(),
                        marked: false,
                    };
                }
                Err(error) => self.retry(&error.to_string()),
            },
            Stage::Confirming { held, .. } if held.broadcasts.len() >= MOST_HELD => pending().await,
            Stage::Confirming { new, held, .. } => {
                let arrivals = new.read().await;
                held.broadcasts.extend(arrivals.broadcasts);
                held.confirmed.extend(arrivals.confirmed);
                held.unexpected.extend(arrivals.unexpected);
                if let Some(reason) = arrivals.closed {
                    self.retry(&reason);
                }
            }
        }
    }

    /// Repeats on the new connection what was not confirmed in time.
    pub async fn tend(&mut self) {
        if let Stage::Confirming { new, .. } = &mut self.stage
            && new.next_due() <= Instant::now()
            && let Err(reason) = new.tend().await
        {
            self.retry(&reason);
        }
    }

    /// Asks the new connection, too, for channels that have become wanted.
    pub async fn subscribe(&mut self, channels: &[Arc<Channel>]) {
        match &mut self.stage {
            Stage::None | Stage::Wanted(_) => {}
            // Its list of channels is older than these.
            Stage::Opening(_) => self.stage = Stage::Wanted(Instant::now()),
            Stage::Confirming { new, .. } => {
                if let Err(error) = new.subscribe(channels).await {
                    self.retry(&error.to_string());
                }
            }
        }
    }

    /// Whether the new connection has confirmed everything that `present` has.
    pub fn covers(&self, present: &Connection) -> bool {
        matches!(&self.stage, Stage::Confirming { new, .. } if new.subscriptions.covers(&present.subscriptions))
    }

    /// Whether the present connection was asked for a mark.
    pub fn marked(&self) -> bool {
        matches!(&self.stage, Stage::Confirming { marked: true, .. })
    }

    /// The present connection was asked for a mark.
    pub fn wait_for_mark(&mut self) {
        if let Stage::Confirming { marked, .. } = &mut self.stage {
            *marked = true;
        }
    }

    /// What could not be understood on the new connection.
    pub fn take_unexpected(&mut self) -> Vec<String> {
        match &mut self.stage {
            Stage::Confirming { held, .. } => std::mem::take(&mut held.unexpected),
            _ => Vec::new(),
        }
    }

    /// The new connection and what it heard, if there is one; the rotation is over.
    pub fn finish(self) -> Option<(Connection, Held)> {
        match self.stage {
            Stage::Confirming { new, held, .. } => Some((*new, held)),
            _ => None,
        }
    }

    /// Gives the replacement up.
    pub fn give_up(&mut self, goodbyes: &mut JoinSet<()>) {
        if let Stage::Confirming { new, .. } = std::mem::take(&mut self.stage) {
            goodbyes.spawn(new.close());
        }
    }

    fn retry(&mut self, reason: &str) {
        let (shortest, longest) = RETRY;
        let backoff = self
            .backoff
            .get_or_insert_with(|| Backoff::new(shortest, longest));
        let wait = backoff.wait();
        log::debug!("the new connection failed, the present one goes on: {reason}");
        self.stage = Stage::Wanted(Instant::now() + wait);
    }
}
