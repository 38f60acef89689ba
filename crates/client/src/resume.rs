//! A listener that outlives the daemon: when its stream breaks, it reconnects and continues after
//! the last event that it returned.

use std::future::poll_fn;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::StreamExt as _;
use rand::RngExt as _;
use tokio::time::Instant;

use crate::client::{Client, EventStream};
use crate::error::ClientError;
use crate::event::{Event, ListenEvent};
use crate::listen::{Listen, Position};

/// First pause before a reconnect; doubled after each failure. A restarting daemon is back within
/// one or a few pauses.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// Longest pause, even if the daemon's hint is longer: the hint is about EXP, and the daemon itself
/// may be back sooner.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A listener that continues through restarts of the daemon.
///
/// It runs no task: everything happens inside [`next`](Self::next), which is cancel-safe.
#[derive(Debug)]
pub struct ResumingListener {
    client: Client,
    listen: Listen,
    state: State,
    /// Failures since the last event.
    failures: u32,
    /// ID of the log that the running stream named in place of the one to resume. The position
    /// moves there only after the stream has reported the gap: a stream that breaks in between must
    /// report it again.
    new_log: Option<String>,
}

#[derive(Debug)]
enum State {
    /// Not connected; the next attempt is at `retry_at`. `reported`: the caller knows, and will be
    /// notified of the reconnect.
    Disconnected { retry_at: Instant, reported: bool },
    /// Connected.
    Streaming(Box<EventStream>),
}

/// An update of a resuming listener.
#[derive(Debug)]
pub enum ListenUpdate {
    /// An event of the stream.
    Event(ListenEvent),
    /// The connection to the daemon is lost; the next attempt follows after the pause.
    Disconnected {
        /// Reason of the loss.
        error: ClientError,
        /// Time until the next attempt.
        pause: Duration,
    },
    /// The stream is open again. Events that the daemon could not keep are reported as a gap.
    Reconnected,
}

impl ResumingListener {
    /// Creates a listener that connects on the first [`next`](Self::next).
    pub fn new(client: Client, listen: Listen) -> Self {
        Self {
            client,
            listen,
            state: State::Disconnected {
                retry_at: Instant::now(),
                reported: false,
            },
            failures: 0,
            new_log: None,
        }
    }

    /// As [`new`](Self::new), for a daemon that may not run yet: the listener waits for it from the
    /// start, and the first update is [`ListenUpdate::Reconnected`].
    pub fn patient(client: Client, listen: Listen) -> Self {
        let mut listener = Self::new(client, listen);
        listener.state = State::Disconnected {
            retry_at: Instant::now(),
            reported: true,
        };
        listener
    }

    /// Position after the last event returned; `None` before the first.
    pub fn position(&self) -> Option<&Position> {
        self.listen.resume.as_ref()
    }

    /// Waits for the next update.
    ///
    /// # Errors
    /// Errors that a reconnect does not fix: the daemon refuses the request, or has ended this
    /// listener on purpose. Until the stream is first open, an unreachable daemon is such an error
    /// too.
    pub async fn next(&mut self) -> Result<ListenUpdate, ClientError> {
        loop {
            let State::Disconnected { retry_at, reported } = self.state else {
                return poll_fn(|cx| self.poll_stream(cx)).await;
            };
            tokio::time::sleep_until(retry_at).await;
            match self.client.listen(&self.listen).await {
                Ok(events) => {
                    self.new_log = None;
                    self.state = State::Streaming(Box::new(events));
                    if reported {
                        return Ok(ListenUpdate::Reconnected);
                    }
                }
                // The caller knows that the daemon is gone; another failure is no news.
                Err(error) if reported && error.is_transient() => {
                    self.schedule_reconnect(&error);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Polls the open stream for the next update. Without an open stream it is pending, and nothing
    /// wakes it.
    pub(crate) fn poll_stream(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<ListenUpdate, ClientError>> {
        let State::Streaming(events) = &mut self.state else {
            return Poll::Pending;
        };
        let error = match ready!(events.poll_next_unpin(cx)) {
            Some(Ok(event)) => {
                self.advance(&event);
                return Poll::Ready(Ok(ListenUpdate::Event(event)));
            }
            Some(Err(error)) => error,
            None => ClientError::ConnectionLost {
                path: self.client.path().to_owned(),
                reason: "the daemon ended the stream".to_owned(),
            },
        };
        if !error.is_transient() {
            return Poll::Ready(Err(error));
        }
        let pause = self.schedule_reconnect(&error);
        Poll::Ready(Ok(ListenUpdate::Disconnected { error, pause }))
    }

    /// Moves the position to an event that is about to be returned.
    fn advance(&mut self, event: &ListenEvent) {
        self.failures = 0;
        match (&event.event, &mut self.listen.resume) {
            (Event::Subscription(subscription), None) => {
                self.listen.resume = Some(Position {
                    log_id: subscription.log_id.clone(),
                    after: event.sequence,
                });
            }
            (Event::Subscription(subscription), Some(position)) => {
                if subscription.log_id == position.log_id {
                    position.after = event.sequence;
                } else {
                    self.new_log = Some(subscription.log_id.clone());
                }
            }
            (_, Some(position)) => {
                if let Some(log_id) = self.new_log.take() {
                    position.log_id = log_id;
                }
                position.after = event.sequence;
            }
            // Every stream begins with a subscription; without one there is no log to resume.
            (_, None) => {}
        }
    }

    /// Schedules the next attempt, and returns the pause before it: doubled after each failure, and
    /// random within its upper half, so that the programs of a host do not reconnect in step.
    fn schedule_reconnect(&mut self, error: &ClientError) -> Duration {
        let doubled = FIRST_PAUSE.saturating_mul(1 << self.failures.min(10));
        self.failures = self.failures.saturating_add(1);
        let longest = doubled
            .max(error.retry_after().unwrap_or_default())
            .min(LONGEST_PAUSE);
        let pause = rand::rng().random_range(longest / 2..=longest);
        self.state = State::Disconnected {
            retry_at: Instant::now() + pause,
            reported: true,
        };
        pause
    }
}
