//! `expd serve`: the daemon.

use std::path::PathBuf;

use clap::Args;

use super::Failure;
use crate::daemon::{self, ServeOptions};

/// Run the daemon: keep the EXP connection and share it on the socket
///
/// Runs in the foreground until Ctrl-C or SIGTERM. Settings come from the file, from the environment (`EXPD__SECTION__KEY`) and from
/// systemd's credentials; `expd check-config` names what is wrong with them.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  expd serve --embedded                              with a network of its own: nothing to configure
  expd serve --config /etc/expd/expd.toml")]
pub struct Serve {
    /// The settings file [default: /etc/expd/expd.toml where it exists]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Bring an EXP-compatible network along, in this process; without a settings file it has one device, as which the daemon
    /// logs in
    #[arg(long)]
    embedded: bool,
}

impl Serve {
    pub(super) fn run(self, socket: Option<PathBuf>) -> Result<(), Failure> {
        daemon::run(&ServeOptions {
            config: self.config,
            socket,
            embedded: self.embedded,
        })
        .map_err(|error| Failure::Failed(error.to_string()))
    }
}
