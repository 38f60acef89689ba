//! `expd respond`: answers a broadcast that was heard.

use std::path::PathBuf;

use clap::Args;

use super::{Failure, Instance, payload};
use expd_client::Client;
use expd_domain::{BroadcastId, ChannelId};

/// Answer a broadcast that was heard
///
/// Both IDs are in what `expd listen --json` prints, as `id` and `channelId`. The broadcaster gets the response if it is still
/// waiting; if it is not, the command fails and says so. To answer everything, see `expd listen --respond`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  expd respond 7f9c… WyJk… '{\"ok\": true}'
  expd listen menu --json --count 1 | jq -r 'select(.broadcast) | .broadcast | .id, .channelId' \\
    | xargs -n 2 expd respond")]
pub struct Respond {
    /// The broadcast's ID
    broadcast_id: String,
    /// The ID of the channel on which it was heard
    channel_id: String,
    /// The response: JSON, or @FILE to read it from a file, or - to read it from standard input [default: null]
    #[arg(value_name = "JSON", allow_negative_numbers = true)]
    payload: Option<String>,
    #[command(flatten)]
    instance: Instance,
}

impl Respond {
    pub(super) async fn run(self, socket: Option<PathBuf>) -> Result<(), Failure> {
        let payload = payload::read(self.payload.as_deref())?;
        let client = Client::connect(socket).await?;
        let broadcast = BroadcastId::new(self.broadcast_id);
        let channel = ChannelId::from_wire(self.channel_id);
        client
            .respond(&self.instance.name, &broadcast, &channel, &payload)
            .await?;
        Ok(())
    }
}
