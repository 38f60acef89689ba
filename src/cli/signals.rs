//! `expd fling`, `identify`, `restart`: the broadcasts that EXP's players handle.

use std::time::Duration;

use clap::Args;

use super::broadcast::Broadcast;
use super::daemon_socket::DaemonSocket;
use super::failure::Failure;
use super::flags::{InstanceFlag, call_duration};

/// Have a device, or all at a location or with an experience, start an app
///
/// Broadcasts `fling` on the channel. Prints the responses as JSON, one a line.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  expd fling UUID '{\"app\": \"menu-board\"}' --timeout 2s")]
pub(super) struct Fling {
    /// The channel: the uuid of a device, a location or an experience, or LOCATION:zone:KEY
    channel: String,
    /// The app launch document: JSON, @FILE, or - for standard input
    #[arg(value_name = "JSON", allow_negative_numbers = true)]
    document: String,
    #[command(flatten)]
    options: Options,
}

/// Have a device show which one it is
///
/// Broadcasts `identify` on the channel. Prints the responses as JSON, one a line.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  expd identify UUID --timeout 2s                    and print who answers")]
pub(super) struct Identify {
    /// The channel: the uuid of a device, a location or an experience, or LOCATION:zone:KEY
    channel: String,
    #[command(flatten)]
    options: Options,
}

/// Have a device restart its player
///
/// Broadcasts `restart` on the channel. Prints the responses as JSON, one a line.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  expd restart UUID")]
pub(super) struct Restart {
    /// The channel: the uuid of a device, a location or an experience, or LOCATION:zone:KEY
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
