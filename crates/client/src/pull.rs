//! A listener in pull form: one event at a time, and none of them lost where a call is given up.

use std::time::Duration;

use tokio::time::Instant;
use tonic::Code;

use super::{Client, ClientError, Listen, ListenEvent, event};
use expd_proto as proto;

/// The time that the daemon may take to notice that a call was given up.
const NOTICE: Duration = Duration::from_secs(1);

/// The pause between two looks whether it has.
const LOOK: Duration = Duration::from_millis(5);

/// A listener that the daemon keeps, asked for one event at a time. It ends when nobody asks for 60
/// s, or with [`Client::cancel`].
///
/// It tells the daemon what arrived, so that an event whose answer was lost comes again.
#[derive(Debug)]
pub struct PullListener {
    client: Client,
    id: String,
    /// The sequence of the last event that arrived.
    after: Option<u64>,
    /// A call was begun whose answer did not come.
    given_up: bool,
}

impl Client {
    /// Opens a listener in pull form.
    ///
    /// # Errors
    /// The daemon refuses it, or is not there.
    pub async fn pull(&self, listen: &Listen) -> Result<PullListener, ClientError> {
        Ok(PullListener {
            id: self.open(listen).await?,
            client: self.clone(),
            after: None,
            given_up: false,
        })
    }
}

impl PullListener {
    /// Names it, for [`Client::cancel`] and in the status.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The next event, waiting for it at most as long as said. Cancel-safe: dropped at any await,
    /// it loses nothing.
    ///
    /// # Errors
    /// The listener has ended, or the daemon is not there. Where the connection broke, asking again
    /// loses nothing either.
    pub async fn next(&mut self, wait: Duration) -> Result<Option<ListenEvent>, ClientError> {
        let noticed_by = Instant::now() + NOTICE;
        loop {
            let repeat = std::mem::replace(&mut self.given_up, true);
            let request = proto::NextEventRequest {
                listener_id: self.id.clone(),
                wait: Some(event::duration_to_wire(wait)?),
                after: self.after,
                repeat,
            };
            let answer = self.client.network().next_event(request).await;
            let event = match self.client.taken(answer) {
                Ok(answer) => answer.event.map(event::event_from_wire).transpose()?,
                // The call that was given up still has the listener, for the moment that word of it
                // takes.
                Err(ClientError::Refused(busy))
                    if repeat
                        && busy.code == Code::FailedPrecondition
                        && Instant::now() < noticed_by =>
                {
                    tokio::time::sleep(LOOK).await;
                    continue;
                }
                Err(error) => {
                    let answered = matches!(error, ClientError::Refused(_));
                    self.given_up = repeat || !answered;
                    return Err(error);
                }
            };
            self.given_up = false;
            self.after = event.as_ref().map(|event| event.sequence).or(self.after);
            return Ok(event);
        }
    }
}
