//! Sending an event, at once or when there is a connection.

use std::time::Duration;

use super::{Client, ClientError, event};
use expd_domain::{Channel, DEFAULT_BROADCAST_TIMEOUT, Payload, ROUND_TRIP_ALLOWANCE};
use expd_proto as proto;

impl Client {
    /// Sends an event and gives what was responded within `timeout` (the daemon's default when not given). While the instance is
    /// offline it is refused; [`ClientError::fate`] says what became of it.
    pub async fn broadcast(
        &self,
        instance: &str,
        channel: &Channel,
        name: &str,
        payload: &Payload,
        timeout: Option<Duration>,
    ) -> Result<Vec<Payload>, ClientError> {
        let event = (channel, name, payload);
        let request = broadcast_to_wire(instance, event, timeout, false)?;
        self.send(tonic::Request::new(request)).await
    }

    /// The same, but while the instance is offline it waits for the connection, up to `wait` (at most an hour), and is sent then,
    /// once.
    pub async fn broadcast_when_connected(
        &self,
        instance: &str,
        channel: &Channel,
        name: &str,
        payload: &Payload,
        timeout: Option<Duration>,
        wait: Duration,
    ) -> Result<Vec<Payload>, ClientError> {
        let event = (channel, name, payload);
        let message = broadcast_to_wire(instance, event, timeout, true)?;
        let mut request = tonic::Request::new(message);
        // The daemon waits so much less than the deadline.
        let answer = timeout.unwrap_or(DEFAULT_BROADCAST_TIMEOUT) + ROUND_TRIP_ALLOWANCE;
        request.set_timeout(wait.saturating_add(answer));
        self.send(request).await
    }

    async fn send(
        &self,
        request: tonic::Request<proto::BroadcastRequest>,
    ) -> Result<Vec<Payload>, ClientError> {
        let answer = self.network().broadcast(request).await;
        let responses = self.taken(answer)?.responses;
        responses
            .into_iter()
            .map(event::payload_from_wire)
            .collect()
    }
}

fn broadcast_to_wire(
    instance: &str,
    (channel, name, payload): (&Channel, &str, &Payload),
    timeout: Option<Duration>,
    wait_for_connection: bool,
) -> Result<proto::BroadcastRequest, ClientError> {
    Ok(proto::BroadcastRequest {
        instance: instance.to_owned(),
        channel: Some(event::channel_to_wire(channel)),
        name: name.to_owned(),
        payload: Some(event::payload_to_wire(payload)),
        timeout: timeout.map(event::duration_to_wire).transpose()?,
        payload_form: proto::PayloadForm::Json.into(),
        wait_for_connection,
    })
}
