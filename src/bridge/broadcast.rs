//! Sending broadcasts: at once or, if the caller asks for it, when the connection is back. A
//! broadcast is never sent twice.

use std::future::pending;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::error::BridgeError;
use super::handle::{Bridge, OnBehalf};
use super::waiting::{QueueSlot, SendTurn};
use crate::router::Program;
use crate::upstream::backoff::Backoff;
use crate::upstream::deadline::Deadline;
use crate::upstream::link::LinkStatus;
use crate::upstream::transport::{CallError, SendLatch};
use expd_domain::channel::check_event_name;
use expd_domain::{Channel, LinkState, Payload};

/// First and longest pause between attempts of a waiting broadcast while the live connection is up
/// but the API is unreachable: no event announces its return.
const RETRY_PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// Longer than any caller waits.
const NEVER: Duration = Duration::from_secs(365 * 86_400);

/// A broadcast to send.
pub struct BroadcastRequest<'a> {
    /// The user on whose behalf it is sent.
    pub user: OnBehalf<'a>,
    /// The calling program; none over TCP.
    pub peer: Option<Program>,
    pub channel: &'a Channel,
    pub name: &'a str,
    pub payload: &'a Payload,
    /// Time for which EXP collects responses.
    pub timeout: Duration,
    /// Time after which it must not be sent any more.
    pub send_by: Option<Instant>,
    /// Handling while there is no connection.
    pub when_offline: WhenOffline<'a>,
}

/// Handling of a broadcast while there is no connection.
pub enum WhenOffline<'a> {
    /// Refuse it.
    Refuse,
    /// Keep it until `send_by`.
    Wait {
        /// Checks again, after the wait, that the caller may broadcast.
        allowed: &'a (dyn Fn() -> bool + Send + Sync),
    },
}

impl Bridge {
    /// Broadcasts an event and returns the responses that arrived within its timeout.
    ///
    /// # Errors
    /// A rule of the network is broken, or the call failed.
    pub async fn broadcast(
        &self,
        request: BroadcastRequest<'_>,
    ) -> Result<Vec<Payload>, BridgeError> {
        request.channel.may_broadcast(self.kind)?;
        check_event_name(request.name)?;
        let bytes = request.name.len() + request.payload.as_str().len();
        self.rates.take_broadcast(request.user.asker, bytes)?;
        let _call = self.call(request.user.asker)?;
        let answer = match request.when_offline {
            WhenOffline::Refuse => self.send_now(&request).await,
            WhenOffline::Wait { allowed } => self.send_when_connected(&request, allowed).await,
        };
        match &answer {
            Ok(_) => self.counters.broadcasts_sent.inc(),
            Err(_) => self.counters.broadcasts_failed.inc(),
        }
        answer
    }

    /// Number of broadcasts that wait for the connection.
    pub fn waiting_broadcasts(&self) -> usize {
        self.waiting.slots(self.instance)
    }

    async fn send_now(&self, request: &BroadcastRequest<'_>) -> Result<Vec<Payload>, BridgeError> {
        if let Some(offline) = offline(&self.link.borrow()) {
            return Err(offline.into());
        }
        let latch = SendLatch::default();
        let sending = self.send(request, &latch);
        tokio::pin!(sending);
        tokio::select! {
            // An answer that has arrived counts, even past the deadline.
            biased;
            answer = &mut sending => return Ok(answer?),
            () = sleep_until(due(request)) => {}
        }
        if latch.try_cancel() {
            return Err(self
                .too_late("the connection to EXP was not established in time")
                .into());
        }
        Ok(sending.await?)
    }

    async fn send_when_connected(
        &self,
        request: &BroadcastRequest<'_>,
        allowed: &(dyn Fn() -> bool + Send + Sync),
    ) -> Result<Vec<Payload>, BridgeError> {
        let (channel, name, payload) = (request.channel, request.name, request.payload);
        let bytes = channel.name.len() + name.len() + payload.as_str().len();
        let slot = self.waiting.enter(self.instance, request.peer, bytes)?;
        let turn = tokio::select! {
            biased;
            stops = self.waiting.stopped() => return Err(self.stopped(stops)),
            turn = slot.turn() => turn,
            () = sleep_until(due(request)) => {
                return Err(self.too_late("earlier broadcasts of this program were still waiting").into());
            }
        };
        self.send_in_turn(request, slot, turn, allowed).await
    }

    /// Retries until the request is sent; from then on, it is neither cancelled nor repeated.
    async fn send_in_turn(
        &self,
        request: &BroadcastRequest<'_>,
        slot: QueueSlot,
        turn: SendTurn,
        allowed: &(dyn Fn() -> bool + Send + Sync),
    ) -> Result<Vec<Payload>, BridgeError> {
        let mut backoff = Backoff::new(RETRY_PAUSES.0, RETRY_PAUSES.1);
        let mut last_error = "there is no connection".to_owned();
        loop {
            let latch = SendLatch::default();
            let sending = async {
                self.connection().await;
                if !allowed() {
                    return Err(BridgeError::RightTaken);
                }
                Ok(self.send(request, &latch).await?)
            };
            tokio::pin!(sending);
            let ends = tokio::select! {
                biased;
                answer = &mut sending => match answer {
                    Err(BridgeError::Call(CallError::Offline { reason, .. })) => {
                        last_error = reason;
                        None
                    }
                    answer => return answer,
                },
                // Frees the turn and the slot for others.
                () = latch.sent() => {
                    drop((slot, turn));
                    return sending.await;
                }
                stops = self.waiting.stopped() => Some(self.stopped(stops)),
                () = sleep_until(due(request)) => Some(self.too_late(&last_error).into()),
            };
            if let Some(error) = ends {
                if latch.try_cancel() {
                    return Err(error);
                }
                drop((slot, turn));
                return sending.await;
            }
            tokio::select! {
                biased;
                stops = self.waiting.stopped() => return Err(self.stopped(stops)),
                () = sleep_until(due(request)) => return Err(self.too_late(&last_error).into()),
                () = sleep(backoff.wait()) => {}
            }
        }
    }

    async fn send(
        &self,
        request: &BroadcastRequest<'_>,
        latch: &SendLatch,
    ) -> Result<Vec<Payload>, CallError> {
        let (channel, name, payload) = (request.channel, request.name, request.payload);
        self.api
            .broadcast(
                channel,
                name,
                payload,
                request.timeout,
                latch,
                request.user.room,
            )
            .await
    }

    /// Waits for the connection.
    async fn connection(&self) {
        let mut link = self.link.clone();
        // An error means that the link has ended: the end of the instance or of the daemon ends
        // this wait.
        if link.wait_for(|link| offline(link).is_none()).await.is_err() {
            pending::<()>().await;
        }
    }

    /// The error of a broadcast whose wait ended with the daemon or with the instance.
    fn stopped(&self, daemon_stops: bool) -> BridgeError {
        match (daemon_stops, self.user) {
            (true, _) => BridgeError::Stopping,
            (false, Some(_)) => BridgeError::InstanceEnded,
            (false, None) => BridgeError::InstanceRemoved,
        }
    }

    /// The error of a call whose time ran out before anything was sent.
    fn too_late(&self, why: &str) -> CallError {
        match offline(&self.link.borrow()) {
            Some(CallError::Offline { reason, retry_in }) => CallError::Offline {
                reason: format!("the call's time is over: {reason}"),
                retry_in,
            },
            _ => CallError::Offline {
                reason: format!("the call's time is over: {why}"),
                retry_in: None,
            },
        }
    }
}

/// The reason for not sending, as far as the link knows; none while it is up.
///
/// The link's state decides although a broadcast goes over HTTP: on a kept connection to an
/// unreachable network, a request is sent and its fate unknown, and a refusal is better than that.
/// A link that has not failed yet, or whose credentials are refused, does not prevent a call, which
/// finds out by itself.
fn offline(link: &LinkStatus) -> Option<CallError> {
    let failed = match link.state {
        LinkState::Offline => true,
        LinkState::Connecting => link.attempt > 0,
        LinkState::Online | LinkState::Pairing | LinkState::Refused => false,
    };
    failed.then(|| {
        let why = link.last_error.as_deref().unwrap_or(&link.reason);
        CallError::Offline {
            reason: format!("{why} (attempt {})", link.attempt),
            retry_in: link.next_try.map(Deadline::left),
        }
    })
}

fn due(request: &BroadcastRequest<'_>) -> Instant {
    request.send_by.unwrap_or_else(|| Instant::now() + NEVER)
}
