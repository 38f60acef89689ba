//! `expd broadcast`: sends an event and prints the responses.

use std::time::Duration;

use clap::Args;

use super::daemon_socket::DaemonSocket;
use super::failure::Failure;
use super::flags::{ChannelFlags, InstanceFlag, call_duration};
use super::output::{self, Output, Progress};
use super::payload;
use expd_client::{Client, ClientError};
use expd_domain::{Channel, Payload};

/// Send an event to everyone who listens on a channel, and print the responses
///
/// Prints each response as one line of JSON, in the order of arrival; no response is no error. The
/// command takes about as long as the timeout.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  expd broadcast menu hi                             no payload: null
  expd broadcast menu order '{\"table\": 4}' --timeout 2s
  expd broadcast menu photo @photo.json              the payload from a file
  expd broadcast menu hi --wait=5m                   wait for a connection while there is none
  date +%s | expd broadcast menu time -              the payload from standard input")]
pub(super) struct Broadcast {
    /// The channel's name
    channel: String,
    /// The event's name
    name: String,
    /// The payload: JSON, @FILE, or - for standard input [default: null]
    #[arg(value_name = "JSON", allow_negative_numbers = true)]
    payload: Option<String>,
    #[command(flatten)]
    flags: ChannelFlags,
    /// Time to collect responses, at most 1h; 0s collects none [default: 100ms]
    #[arg(long, value_name = "DURATION", value_parser = call_duration)]
    timeout: Option<Duration>,
    /// While there is no connection, wait for it up to 60s or DURATION, then send once
    ///
    /// Without this option, a broadcast is refused at once while the daemon is not connected. A
    /// DURATION needs the =, as in --wait=5m; at most 1h.
    #[arg(
        long,
        visible_alias = "wait",
        value_name = "DURATION",
        value_parser = call_duration,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "60s"
    )]
    wait_for_connection: Option<Duration>,
    #[command(flatten)]
    instance: InstanceFlag,
}

impl Broadcast {
    /// A broadcast of this name.
    pub(super) fn named(
        channel: String,
        name: &str,
        payload: Option<String>,
        timeout: Option<Duration>,
        instance: InstanceFlag,
    ) -> Self {
        Self {
            channel,
            name: name.to_owned(),
            payload,
            flags: ChannelFlags::default(),
            timeout,
            wait_for_connection: None,
            instance,
        }
    }

    pub(super) async fn run(self, socket: DaemonSocket) -> Result<(), Failure> {
        let payload = payload::read(self.payload.as_deref())?;
        let channel = self.flags.channel(&self.channel);
        let client = socket.connect().await?;
        let progress = match self.wait_for_connection {
            None => format!("waiting for responses on {channel}"),
            Some(_) => format!("waiting for the connection to EXP, or for responses on {channel}"),
        };
        let sent = self.send(&client, &channel, &payload);
        let responses = Progress::new().during(Some(&progress), sent).await;
        let responses = responses.map_err(Failure::Sending)?;
        let mut stdout = Output::new();
        for response in &responses {
            stdout.payload(response).await?;
        }
        if output::is_watched() {
            output::note(match responses.len() {
                0 => "no responses".to_owned(),
                1 => "1 response".to_owned(),
                count => format!("{count} responses"),
            });
        }
        Ok(())
    }

    async fn send(
        &self,
        client: &Client,
        channel: &Channel,
        payload: &Payload,
    ) -> Result<Vec<Payload>, ClientError> {
        let (instance, name) = (&*self.instance.name, &*self.name);
        match self.wait_for_connection {
            None => {
                client
                    .broadcast(instance, channel, name, payload, self.timeout)
                    .await
            }
            Some(wait) => {
                client
                    .broadcast_when_connected(instance, channel, name, payload, self.timeout, wait)
                    .await
            }
        }
    }
}
