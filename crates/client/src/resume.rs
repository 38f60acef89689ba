//! A listener that outlives the daemon: when its stream breaks, it comes back and goes on after the last event it gave out.

use std::time::Duration;

use futures_util::StreamExt as _;
use rand::RngExt as _;
use tokio::time::Instant;

use super::event::{Event, ListenEvent};
use super::{Client, ClientError, EventStream, Listen, Position};

/// The first pause before coming back; doubled at each failure. A daemon that restarts is back within this or a few more.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// The longest pause, also where the daemon's hint names a longer one: it speaks of EXP, and the daemon itself may be back sooner.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Listens on through restarts of the daemon.
///
/// It keeps no task: all happens inside [`next`](Self::next), which may be dropped at any await without losing anything.
#[derive(Debug)]
pub struct ResumingListener {
    client: Client,
    listen: Listen,
    state: State,
    /// Failures since an event last came.
    failures: u32,
    /// A log that the running stream named in place of the one that it was to resume. The position moves there when the
    /// stream has said what is missing, and not before: a stream that breaks in between must be told again.
    replaced: Option<String>,
}

#[derive(Debug)]
enum State {
    /// Not connected; comes back at that moment. `lost`: the caller was told, and is to hear of the return.
    Apart { until: Instant, lost: bool },
    /// Connected.
    Hearing(Box<EventStream>),
}

/// What a resuming listener gives out.
#[derive(Debug)]
pub enum Heard {
    /// An event of the stream.
    Event(ListenEvent),
    /// The daemon is gone, for this reason; the next try comes after the pause.
    Disconnected {
        /// Why.
        error: ClientError,
        /// How long until the next try.
        pause: Duration,
    },
    /// The stream is open again. What could not be kept comes as a gap.
    Reconnected,
}

impl ResumingListener {
    /// A listener that connects at the first [`next`](Self::next).
    pub fn new(client: Client, listen: Listen) -> Self {
        Self {
            client,
            listen,
            state: State::Apart {
                until: Instant::now(),
                lost: false,
            },
            failures: 0,
            replaced: None,
        }
    }

    /// The position after the last event given out; `None` before the first.
    pub fn position(&self) -> Option<&Position> {
        self.listen.resume.as_ref()
    }

    /// The next thing to know.
    ///
    /// # Errors
    /// What coming back does not mend: the daemon refuses the request, or ended this listener on purpose. Before the stream
    /// was first open, that the daemon is not reachable is such an error, too.
    pub async fn next(&mut self) -> Result<Heard, ClientError> {
        loop {
            match &mut self.state {
                State::Apart { until, lost } => {
                    tokio::time::sleep_until(*until).await;
                    let lost = *lost;
                    match self.client.listen(&self.listen).await {
                        Ok(events) => {
                            self.replaced = None;
                            self.state = State::Hearing(Box::new(events));
                            if lost {
                                return Ok(Heard::Reconnected);
                            }
                        }
                        // The caller knows that the daemon is gone; one more failure is not news.
                        Err(error) if lost && error.passes() => {
                            self.part(&error);
                        }
                        Err(error) => return Err(error),
                    }
                }
                State::Hearing(events) => {
                    let error = match events.next().await {
                        Some(Ok(event)) => return Ok(self.give(event)),
                        Some(Err(error)) => error,
                        None => ClientError::Broken {
                            path: self.client.path().to_owned(),
                            reason: "the daemon ended the stream".to_owned(),
                        },
                    };
                    if !error.passes() {
                        return Err(error);
                    }
                    let pause = self.part(&error);
                    return Ok(Heard::Disconnected { error, pause });
                }
            }
        }
    }

    /// Gives an event out, and moves the position with it.
    fn give(&mut self, event: ListenEvent) -> Heard {
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
                    self.replaced = Some(subscription.log_id.clone());
                }
            }
            (_, Some(position)) => {
                if let Some(log_id) = self.replaced.take() {
                    position.log_id = log_id;
                }
                position.after = event.sequence;
            }
            // No stream begins without a subscription; such an event has no place to come back to.
            (_, None) => {}
        }
        Heard::Event(event)
    }

    /// Schedules the return, and says after what pause: twice as long at each failure, spread over its upper half so that
    /// many programs on one host do not come back in step.
    fn part(&mut self, error: &ClientError) -> Duration {
        let doubled = FIRST_PAUSE.saturating_mul(1 << self.failures.min(10));
        self.failures = self.failures.saturating_add(1);
        let longest = doubled
            .max(error.retry_after().unwrap_or_default())
            .min(LONGEST_PAUSE);
        let pause = rand::rng().random_range(longest / 2..=longest);
        self.state = State::Apart {
            until: Instant::now() + pause,
            lost: true,
        };
        pause
    }
}
