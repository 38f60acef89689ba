//! `expd broadcast`: sends an event and prints what is responded.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::output::{self, Output, Progress};
use super::{ChannelFlags, Failure, Instance, payload};
use crate::client::Client;
use crate::config;

/// Send an event to everyone who listens on a channel, and print the responses
///
/// Prints each response as one line of JSON, in the order of arrival; none is no error. The command takes about as long as the
/// timeout.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  expd broadcast menu hi                             no payload: null
  expd broadcast menu order '{\"table\": 4}' --timeout 2s
  expd broadcast menu photo @photo.json              the payload from a file
  date +%s | expd broadcast menu time -              the payload from standard input")]
pub struct Broadcast {
    /// The channel's name
    channel: String,
    /// The event's name
    name: String,
    /// The payload: JSON, or @FILE to read it from a file, or - to read it from standard input [default: null]
    #[arg(value_name = "JSON", allow_negative_numbers = true)]
    payload: Option<String>,
    #[command(flatten)]
    flags: ChannelFlags,
    /// How long to collect responses; 0s takes none. At most 1h [default: 100ms]
    #[arg(long, value_name = "DURATION", value_parser = config::parse_duration)]
    timeout: Option<Duration>,
    #[command(flatten)]
    instance: Instance,
}

impl Broadcast {
    pub(super) async fn run(self, socket: Option<PathBuf>) -> Result<(), Failure> {
        let payload = payload::read(self.payload.as_deref())?;
        let channel = self.flags.channel(&self.channel);
        let client = Client::connect(socket).await?;
        let sent = client.broadcast(
            &self.instance.name,
            &channel,
            &self.name,
            &payload,
            self.timeout,
        );
        let what = format!("waiting for responses on {channel}");
        let responses = Progress::new().during(Some(&what), sent).await?;
        let mut stdout = Output::new();
        for response in &responses {
            stdout.payload(response).await?;
        }
        if output::watched() {
            output::note(match responses.len() {
                0 => "no responses".to_owned(),
                1 => "1 response".to_owned(),
                count => format!("{count} responses"),
            });
        }
        Ok(())
    }
}
