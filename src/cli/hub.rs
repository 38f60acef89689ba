//! `expd hub`: the EXP-compatible network alone, and its operator's commands.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Failure;

/// Run an EXP-compatible network in this process, for development and tests
///
/// Takes its devices, users and consumer apps from the `[hub]` section of the settings. All is kept in memory.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  expd hub --listen 127.0.0.1:9000
  expd hub pair abc-def                              give the device that shows this code its credentials
  printf %s \"$PASSWORD\" | expd hub hash-password     for `password_hash` in the settings"
)]
pub struct Hub {
    /// The settings file [default: /etc/expd/expd.toml where it exists]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where to listen, in place of the settings' address; port 0 takes a free one
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    #[command(subcommand)]
    command: Option<Operation>,
}

#[derive(Debug, Subcommand)]
enum Operation {
    /// Pair the device that shows a pairing code
    Pair {
        /// The code, with or without its hyphen
        code: String,
        /// The uuid to give the device; a new one when not given
        #[arg(long)]
        uuid: Option<String>,
    },
    /// Take a device's credentials away again
    Unpair {
        /// The device's uuid
        uuid: String,
    },
    /// Hash a password from standard input, for `password_hash` in the settings
    HashPassword,
}

impl Hub {
    pub(super) fn run(self) -> Result<(), Failure> {
        drop(self);
        Err(Failure::Failed("the hub's room is not built yet".into()))
    }
}
