//! Listeners as in the guide: opened once the channel is confirmed, reconnecting by themselves,
//! ended by `stop`, `clear` and by being dropped.

use std::future::{IntoFuture, poll_fn};
use std::ops::Deref;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, SystemTime};

use futures_util::future::{Either, select};
use futures_util::{FutureExt as _, Stream};
use tokio::sync::watch;
use tonic::Code;

use expd_domain::{GapReason, Payload, SubscriptionState};

use crate::channel::{Call, ChannelHandle};
use crate::error::ClientError;
use crate::event::{Broadcast, Event, Gap, Time};
use crate::exp::{Exp, Shared};
use crate::listen::{Listen, Position};
use crate::resume::{ListenUpdate, ResumingListener};

/// Default timeout of the confirmation of a channel; the same as in the vendor's libraries.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(10);

/// Pause before a listener retries while the daemon does not know the program's own identity yet.
const OWN_PAUSE: Duration = Duration::from_millis(50);

/// An item that a listener returns.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Received {
    /// A broadcast.
    Broadcast(ReceivedBroadcast),
    /// A point where broadcasts may be missing: the network or the daemon was unavailable, or this
    /// program too slow.
    Gap(Gap),
}

/// A received broadcast, with its fields as those of [`Broadcast`].
#[derive(Clone, Debug)]
pub struct ReceivedBroadcast {
    broadcast: Broadcast,
    /// The identity that responds.
    exp: Arc<Shared>,
}

impl Deref for ReceivedBroadcast {
    type Target = Broadcast;

    fn deref(&self) -> &Broadcast {
        &self.broadcast
    }
}

impl ReceivedBroadcast {
    /// Responds to the broadcast. The broadcaster gets the payload if it still waits.
    ///
    /// # Errors
    /// [`ClientError::fate`] tells whether the response was sent.
    pub async fn respond(&self, payload: impl Into<Payload>) -> Result<(), ClientError> {
        let client = self.exp.ready().await?;
        let (id, channel) = (&self.broadcast.id, &self.broadcast.channel_id);
        let instance = self.exp.instance();
        client.respond(instance, id, channel, &payload.into()).await
    }

    /// The broadcast alone.
    pub fn into_inner(self) -> Broadcast {
        self.broadcast
    }
}

impl ChannelHandle {
    /// Listens for the events of a name. Awaited, it gives a listener once the network has
    /// confirmed the channel, which it waits for up to 10 s.
    ///
    /// ```no_run
    /// # use expd_client::{Exp, Received, json};
    /// # async fn example(exp: Exp) -> Result<(), expd_client::ClientError> {
    /// let mut listener = exp.channel("menu").listen("hi").await?;
    /// while let Some(received) = listener.next().await? {
    ///     match received {
    ///         Received::Broadcast(hi) => hi.respond(json!("hello")).await?,
    ///         Received::Gap(gap) => eprintln!("missed: {}", gap.reason.explain()),
    ///         _ => {}
    ///     }
    /// }
    /// # Ok(()) }
    /// ```
    pub fn listen(&self, name: impl Into<String>) -> OpenListener<'_> {
        OpenListener {
            channel: self,
            name: name.into(),
            timeout: CONFIRM_TIMEOUT,
            max_age: None,
            resume: None,
        }
    }

    /// Listens for every event of the channel.
    pub fn listen_all(&self) -> OpenListener<'_> {
        self.listen("")
    }
}

/// A listener, opened when it is awaited.
#[derive(Debug)]
#[must_use = "nothing is heard before it is awaited"]
pub struct OpenListener<'a> {
    channel: &'a ChannelHandle,
    name: String,
    timeout: Duration,
    max_age: Option<Duration>,
    resume: Option<Position>,
}

impl OpenListener<'_> {
    /// Timeout of the network's confirmation. Default: 10 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Age above which a broadcast that waits for this program is dropped, and reported as a gap.
    /// Default: that of the daemon's log (60 s by default).
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    /// Continues after the position of an earlier listener, even of an earlier run of this program.
    pub fn resume(mut self, position: Position) -> Self {
        self.resume = Some(position);
        self
    }
}

impl<'a> IntoFuture for OpenListener<'a> {
    type Output = Result<Listener, ClientError>;
    type IntoFuture = Call<'a, Listener>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let (channel, timeout) = (self.channel.channel().clone(), self.timeout);
            let opened = tokio::time::timeout(timeout, Listener::open(self)).await;
            opened.unwrap_or(Err(ClientError::NotConfirmed {
                channel: Box::new(channel),
                timeout,
            }))
        })
    }
}

/// A listener. It survives outages of the network and restarts of the daemon, and ends when it is
/// dropped.
///
/// Events that this program has not taken yet wait in the daemon's log, not here: the listener runs
/// no task, and holds at most the 128 KiB that may be in transit.
#[derive(Debug)]
pub struct Listener {
    exp: Exp,
    stream: ResumingListener,
    max_age: Option<Duration>,
    cleared: watch::Receiver<()>,
    stopped: watch::Receiver<bool>,
    /// Taken from the stream but not returned yet, with the position before it.
    held: Option<ReadAhead>,
    /// Broadcasts that were too old, not reported yet.
    expired: Option<Gap>,
    is_ended: bool,
}

/// An item of the stream, and the position before it.
type ReadAhead = (Result<Option<Event>, ClientError>, Option<Position>);

impl Listener {
    async fn open(request: OpenListener<'_>) -> Result<Self, ClientError> {
        let exp = request.channel.exp().clone();
        // Subscribed before the first wait: a stop or clear from now on ends this listener too.
        let (stopped, cleared) = (exp.stopped(), exp.context().watch());
        let client = exp.ready().await?.clone();
        let listen = Listen {
            instance: exp.instance().to_owned(),
            name: request.name,
            context: exp.context().name_in_daemon(),
            max_age: request.max_age,
            resume: request.resume,
            ..Listen::to(request.channel.channel().clone())
        };
        let mut listener = Self {
            stream: ResumingListener::new(client, listen),
            max_age: request.max_age,
            cleared,
            stopped,
            held: None,
            expired: None,
            is_ended: false,
            exp,
        };
        loop {
            let before = listener.position().cloned();
            match listener.event().await? {
                None => return Err(ClientError::Stopped),
                Some(Event::Subscription(subscription)) => {
                    if subscription.state == SubscriptionState::Confirmed {
                        return Ok(listener);
                    }
                }
                // An event of the log that it resumes: it is already listening.
                Some(event) => {
                    listener.held = Some((Ok(Some(event)), before));
                    return Ok(listener);
                }
            }
        }
    }

    /// Waits for the next broadcast or gap; `None` at the end, after [`Exp::stop`] or
    /// [`Exp::clear`]. Cancel-safe.
    ///
    /// # Errors
    /// The daemon ended the listener for good, for example because a rule withdrew the permission.
    pub async fn next(&mut self) -> Result<Option<Received>, ClientError> {
        loop {
            if let Some(gap) = self.expired.take() {
                return Ok(Some(Received::Gap(gap)));
            }
            let event = match &mut self.held {
                None => self.event().await,
                held => held.take().map_or(Ok(None), |(event, _)| event),
            };
            match event? {
                None => return Ok(None),
                Some(Event::Subscription(_)) => {}
                Some(Event::Gap(gap)) => return Ok(Some(Received::Gap(gap))),
                Some(Event::Broadcast(broadcast)) => {
                    if self.is_too_old(&broadcast) {
                        self.drop_old(&broadcast);
                        continue;
                    }
                    let exp = Arc::clone(self.exp.shared());
                    return Ok(Some(Received::Broadcast(ReceivedBroadcast {
                        broadcast,
                        exp,
                    })));
                }
            }
        }
    }

    /// Waits for the next broadcast or gap for up to `wait`; `None` if nothing arrived, and at the
    /// end ([`is_ended`](Self::is_ended)).
    ///
    /// # Errors
    /// As for [`next`](Self::next).
    pub async fn wait(&mut self, wait: Duration) -> Result<Option<Received>, ClientError> {
        // An available item is returned even if `wait` is zero.
        tokio::time::timeout(wait, self.next())
            .await
            .unwrap_or(Ok(None))
    }

    /// True once it has ended.
    pub fn is_ended(&self) -> bool {
        self.is_ended
    }

    /// Position after the last event taken, from which another run of this program can continue
    /// ([`OpenListener::resume`]).
    pub fn position(&self) -> Option<&Position> {
        match &self.held {
            Some((_, before)) => before.as_ref(),
            None => self.stream.position(),
        }
    }

    /// Ends the listener, as dropping it does.
    pub fn cancel(self) {}

    /// The listener as a stream.
    pub fn into_stream(self) -> impl Stream<Item = Result<Received, ClientError>> + Send {
        futures_util::stream::unfold(Some(self), |listener| async {
            let mut listener = listener?;
            match listener.next().await {
                Ok(Some(received)) => Some((Ok(received), Some(listener))),
                Ok(None) => None,
                Err(error) => Some((Err(error), None)),
            }
        })
    }

    /// The next event of the stream, through reconnects; `None` at the end.
    async fn event(&mut self) -> Result<Option<Event>, ClientError> {
        while !self.is_ended {
            if *self.stopped.borrow() || self.cleared.has_changed().unwrap_or(true) {
                self.is_ended = true;
                break;
            }
            // Polled first: an available event does not wait for the end.
            let polled = poll_fn(|cx| Poll::Ready(self.stream.poll_stream(cx))).await;
            let update = match polled {
                Poll::Ready(update) => Some(update),
                Poll::Pending => self.update_or_end().await,
            };
            let Some(update) = update else {
                self.is_ended = true;
                break;
            };
            match update {
                Ok(ListenUpdate::Event(event)) => return Ok(Some(event.event)),
                Ok(ListenUpdate::Disconnected { .. } | ListenUpdate::Reconnected) => {}
                Err(error) => self.end_or_wait(error).await?,
            }
        }
        Ok(None)
    }

    /// Waits for the next update of the stream; `None` if the program ends the listener first.
    async fn update_or_end(&mut self) -> Option<Result<ListenUpdate, ClientError>> {
        let ended = async {
            let stopped = std::pin::pin!(self.stopped.wait_for(|stopped| *stopped));
            let cleared = std::pin::pin!(self.cleared.changed());
            select(stopped, cleared).await;
        };
        match select(std::pin::pin!(self.stream.next()), std::pin::pin!(ended)).await {
            Either::Left((update, _)) => Some(update),
            Either::Right(_) => None,
        }
    }

    /// Handles an error that the stream cannot recover from by itself.
    async fn end_or_wait(&mut self, error: ClientError) -> Result<(), ClientError> {
        let code = match &error {
            ClientError::Refused(refusal) => Some(refusal.code),
            _ => None,
        };
        match (code, self.exp.own()) {
            // Cancelled by its ID or its context elsewhere: intended, so not an error.
            (Some(Code::Cancelled), _) => self.is_ended = true,
            // The daemon is back, but the identity is not yet.
            (Some(Code::NotFound), Some(own)) if own.end().is_none() => {
                tokio::time::sleep(OWN_PAUSE).await;
                own.running().await;
            }
            _ => {
                self.is_ended = true;
                return Err(error);
            }
        }
        Ok(())
    }

    fn is_too_old(&self, broadcast: &Broadcast) -> bool {
        let Some(max_age) = self.max_age else {
            return false;
        };
        let age = |time: Time| SystemTime::now().duration_since(time.0).ok();
        let age = broadcast.received_at.and_then(age);
        age.is_some_and(|age| age > max_age)
    }

    /// Drops a broadcast and those behind it that are also too old; they are reported as one gap.
    fn drop_old(&mut self, first: &Broadcast) {
        let (from, mut to, mut missed) = (first.received_at, first.received_at, 1);
        loop {
            let before = self.stream.position().cloned();
            match self.event().now_or_never() {
                None => break,
                Some(Ok(Some(Event::Subscription(_)))) => {}
                Some(Ok(Some(Event::Broadcast(next)))) if self.is_too_old(&next) => {
                    to = next.received_at;
                    missed += 1;
                }
                Some(event) => {
                    self.held = Some((event, before));
                    break;
                }
            }
        }
        self.expired = Some(Gap {
            reason: GapReason::Expired,
            missed: Some(missed),
            from,
            to,
        });
    }
}
