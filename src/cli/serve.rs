//! `expd serve`: the daemon.

use std::path::PathBuf;

use clap::Args;

use super::failure::Failure;
use super::flags::LogFlag;
use crate::config::LogFormat;
use crate::daemon::{self, ServeOptions};

/// Run the daemon: keep the EXP connection and share it on the socket
///
/// Runs in the foreground until Ctrl-C or SIGTERM. Settings come from the file, from the
/// environment (`EXPD__SECTION__KEY`) and from systemd's credentials; `expd check-config` finds
/// mistakes in them.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  expd serve --embedded                              with its own network: nothing to configure
  expd serve --config /etc/expd/expd.toml")]
pub(super) struct Serve {
    /// Settings file [default: /etc/expd/expd.toml if it exists]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Run an EXP-compatible network in this process, too; without a settings file, it has one
    /// device, which the daemon logs in as
    #[arg(long)]
    embedded: bool,
    #[command(flatten)]
    log: LogFlag,
    /// Log format: journal records if connected to the journal, else text (auto), text, or JSON,
    /// one object per line [default: `daemon.log_format` of the settings, which is auto]
    #[arg(long, value_name = "FORMAT", value_parser = LogFormat::WORDS)]
    log_format: Option<String>,
}

impl Serve {
    pub(super) fn run(self, socket: Option<PathBuf>, verbose: u8) -> Result<(), Failure> {
        Ok(daemon::run(&ServeOptions {
            config: self.config,
            socket,
            embedded: self.embedded,
            log: self.log.level(verbose),
            log_format: self.log_format.as_deref().and_then(LogFormat::from_word),
        })?)
    }
}
