//! Broadcasts, sent at once or once there is a connection.

use std::time::Duration;

use crate::client::Client;
use crate::convert::{channel_to_wire, duration_to_wire, payload_from_wire, payload_to_wire};
use crate::error::ClientError;
use expd_domain::{Channel, DEFAULT_BROADCAST_TIMEOUT, Payload, ROUND_TRIP_ALLOWANCE};
use expd_proto as proto;

impl Client {
    /// Sends an event, and returns the responses within `timeout` (default: 100 ms). While the
    /// instance is offline, the broadcast is refused.
    ///
    /// # Errors
    /// [`ClientError::fate`] tells whether the event was sent.
    pub async fn broadcast(
        &self,
        instance: &str,
        channel: &Channel,
        name: &str,
        payload: &Payload,
        timeout: Option<Duration>,
    ) -> Result<Vec<Payload>, ClientError> {
        let event = (channel, name, payload);
        let request = to_wire(instance, event, timeout, false)?;
        self.send(tonic::Request::new(request)).await
    }

    /// Sends an event as [`broadcast`](Self::broadcast) does; while the instance is offline, waits
    /// for the connection for up to `wait` (at most an hour), and then sends once.
    ///
    /// # Errors
    /// [`ClientError::fate`] tells whether the event was sent.
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
        let message = to_wire(instance, event, timeout, true)?;
        let mut request = tonic::Request::new(message);
        // The daemon reserves this much of the deadline, and waits for the rest.
        let reserved = timeout.unwrap_or(DEFAULT_BROADCAST_TIMEOUT) + ROUND_TRIP_ALLOWANCE;
        request.set_timeout(wait.saturating_add(reserved));
        self.send(request).await
    }

    async fn send(
        &self,
        request: tonic::Request<proto::BroadcastRequest>,
    ) -> Result<Vec<Payload>, ClientError> {
        let answer = self.network().broadcast(request).await;
        let responses = self.message_of("Network.Broadcast", answer)?.responses;
        responses.into_iter().map(payload_from_wire).collect()
    }
}

fn to_wire(
    instance: &str,
    (channel, name, payload): (&Channel, &str, &Payload),
    timeout: Option<Duration>,
    wait_for_connection: bool,
) -> Result<proto::BroadcastRequest, ClientError> {
    Ok(proto::BroadcastRequest {
        instance: instance.to_owned(),
        channel: Some(channel_to_wire(channel)),
        name: name.to_owned(),
        payload: Some(payload_to_wire(payload)),
        timeout: timeout.map(duration_to_wire).transpose()?,
        payload_form: proto::PayloadForm::Json.into(),
        wait_for_connection,
    })
}
