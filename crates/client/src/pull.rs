//! A listener in pull form: one event per call, and no event lost if a call is cancelled.

use std::time::Duration;

use tokio::time::Instant;
use tonic::Code;

use crate::client::Client;
use crate::convert::duration_to_wire;
use crate::error::ClientError;
use crate::event::ListenEvent;
use crate::listen::Listen;
use expd_proto as proto;

/// Time for the daemon to notice that a call was cancelled.
const CANCELLATION_ALLOWANCE: Duration = Duration::from_secs(1);

/// Pause between two attempts within that time.
const RETRY_PAUSE: Duration = Duration::from_millis(5);

/// A listener that the daemon keeps, and that is polled for one event at a time. It ends after 60 s
/// without a poll, or with [`Client::cancel`].
///
/// Each call acknowledges the events that arrived, so that an event whose response was lost is sent
/// again.
#[derive(Debug)]
pub struct PullListener {
    client: Client,
    id: String,
    /// Sequence number of the last event that arrived.
    after: Option<u64>,
    /// The last call was started and has no response.
    unanswered: bool,
}

impl Client {
    /// Opens a listener in pull form.
    ///
    /// # Errors
    /// The daemon refuses it, or is not reachable.
    pub async fn pull(&self, listen: &Listen) -> Result<PullListener, ClientError> {
        Ok(PullListener {
            id: self.open(listen).await?,
            client: self.clone(),
            after: None,
            unanswered: false,
        })
    }
}

impl PullListener {
    /// ID of the listener, for [`Client::cancel`] and in the status.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Takes the next event, waiting for it for up to `wait`; `None` if nothing arrived, or an
    /// event of a kind that this version does not know. Cancel-safe: dropped at any await, it loses
    /// nothing.
    ///
    /// # Errors
    /// The listener has ended, or the daemon is not reachable. If the connection was lost, another
    /// call loses nothing either.
    pub async fn next(&mut self, wait: Duration) -> Result<Option<ListenEvent>, ClientError> {
        let give_up_at = Instant::now() + CANCELLATION_ALLOWANCE;
        loop {
            let repeat = std::mem::replace(&mut self.unanswered, true);
            let request = proto::NextEventRequest {
                listener_id: self.id.clone(),
                wait: Some(duration_to_wire(wait)?),
                after: self.after,
                repeat,
            };
            let answer = self.client.network().next_event(request).await;
            let event = match self.client.message_of("Network.NextEvent", answer) {
                Ok(answer) => answer.event,
                // The cancelled call still owns the listener, until the daemon notices.
                Err(ClientError::Refused(busy))
                    if repeat
                        && busy.code == Code::FailedPrecondition
                        && Instant::now() < give_up_at =>
                {
                    tokio::time::sleep(RETRY_PAUSE).await;
                    continue;
                }
                Err(error) => {
                    let answered = matches!(error, ClientError::Refused(_));
                    self.unanswered = repeat || !answered;
                    return Err(error);
                }
            };
            self.unanswered = false;
            self.after = event.as_ref().map(|event| event.sequence).or(self.after);
            return event.map_or(Ok(None), ListenEvent::from_wire);
        }
    }
}
