//! `expd fling`, `identify`, `restart`: the broadcasts that EXP's players handle.

use std::time::Duration;

use clap::Args;

use super::broadcast::Broadcast;
use super::daemon_socket::DaemonSocket;
use super::failure::Failure;
use super::flags::{InstanceFlag, call_duration};

/// Start an app on a device, or on all devices of a location or an experience
///
/// Broadcasts `fling` on the channel. Prints the responses as JSON, one per line.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  expd fling UUID '{\"app\": \"menu-board\"}' --timeout 2s")]
pub(super) struct Fling {
    /// Channel: the uuid of a device, a location or an experience, or LOCATION:zone:KEY
    channel: String,
    /// App launch document: JSON, @FILE, or - for standard input
    #[arg(value_name = "JSON", allow_negative_numbers = true)]
    document: String,
    #[command(flatten)]
    options: Options,
}

/// Make a device identify itself
///
/// Broadcasts `identify` on the channel. Prints the responses as JSON, one per line.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  expd identify UUID --timeout 2s                    print who responds")]
pub(super) struct Identify {
    /// Channel: the uuid of a device, a location or an experience, or LOCATION:zone:KEY
    channel: String,
    #[command(flatten)]
    options: Options,
}

/// Restart the player of a device
///
/// Broadcasts `restart` on the channel. Prints the responses as JSON, one per line.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  expd restart UUID")]
pub(super) struct Restart {
    /// Channel: the uuid of a device, a location or an experience, or LOCATION:zone:KEY
    channel: String,
    #[command(flatten)]
    options: Options,
}

#[derive(Debug, Args)]
struct Options {
    /// Time to collect responses, at most 1h; 0s collects none [default: 100ms]
    #[arg(long, value_name = "DURATION", value_parser = call_duration)]
    timeout: Option<Duration>,
    #[command(flatten)]
    instance: InstanceFlag,
}

impl Options {
    async fn send(
        self,
        channel: String,
        name: &str,
        payload: Option<String>,
        socket: DaemonSocket,
    ) -> Result<(), Failure> {
        let broadcast = Broadcast::named(channel, name, payload, self.timeout, self.instance);
        broadcast.run(socket).await
    }
}

impl Fling {
    pub(super) async fn run(self, socket: DaemonSocket) -> Result<(), Failure> {
        let document = Some(self.document);
        self.options
            .send(self.channel, "fling", document, socket)
            .await
    }
}

impl Identify {
    pub(super) async fn run(self, socket: DaemonSocket) -> Result<(), Failure> {
        self.options
            .send(self.channel, "identify", None, socket)
            .await
    }
}

impl Restart {
    pub(super) async fn run(self, socket: DaemonSocket) -> Result<(), Failure> {
        self.options
            .send(self.channel, "restart", None, socket)
            .await
    }
}
