//! `expd respond`: responds to a broadcast.

use clap::Args;

use super::daemon_socket::DaemonSocket;
use super::failure::Failure;
use super::flags::InstanceFlag;
use super::payload;
use expd_domain::{BroadcastId, ChannelId};

/// Respond to a broadcast that `expd listen` printed
///
/// `expd listen --json` prints both IDs, as `id` and `channelId`. The broadcaster gets the response
/// only while it waits; later, the command fails and says so. To respond to every broadcast, see
/// `expd listen --respond`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  expd respond 7f9c… WyJk… '{\"ok\": true}'
  expd listen menu --json --count 1 | jq -r 'select(.broadcast) | .broadcast | .id, .channelId' \\
    | xargs -n 2 expd respond")]
pub(super) struct Respond {
    /// Broadcast ID
    broadcast_id: String,
    /// Channel ID of the broadcast
    channel_id: String,
    /// Response: JSON, @FILE, or - for standard input [default: null]
    #[arg(value_name = "JSON", allow_negative_numbers = true)]
    payload: Option<String>,
    #[command(flatten)]
    instance: InstanceFlag,
}

impl Respond {
    pub(super) async fn run(self, socket: DaemonSocket) -> Result<(), Failure> {
        let payload = payload::read(self.payload.as_deref())?;
        let client = socket.connect().await?;
        let broadcast = BroadcastId::new(self.broadcast_id);
        let channel = ChannelId::from_wire(self.channel_id);
        client
            .respond(&self.instance.name, &broadcast, &channel, &payload)
            .await
            .map_err(Failure::Sending)
    }
}
