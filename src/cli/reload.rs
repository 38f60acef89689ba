//! `expd reload`: makes the daemon reload its settings.

use std::path::PathBuf;

use clap::Args;

use super::daemon_socket::DaemonSocket;
use super::failure::Failure;
use super::output::{self, WARN, printable, styled};
use expd_client::{ClientError, Code};

/// Reload the daemon's settings, and wait until they apply
///
/// The same as `systemctl reload expd`, which runs this command. A file with a mistake is refused
/// as a whole: the command reports the mistakes, exits with 1, and the old settings stay in force.
/// Requires root or the daemon's own user. Without --socket and `EXPD_SOCKET`, uses the socket of
/// the settings.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sudo systemctl reload expd                         if expd is a systemd service
  expd reload --socket /tmp/my.sock                  your own daemon")]
pub(super) struct Reload {
    /// Settings file that may name the socket [default: /etc/expd/expd.toml if it exists]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Suppress what the daemon also logs: mistakes, and what needs a restart
    #[arg(short, long)]
    quiet: bool,
}

impl Reload {
    pub(super) async fn run(self, socket: DaemonSocket) -> Result<(), Failure> {
        let client = socket.or_configured(self.config).connect().await?;
        let needs_restart = match client.reload().await {
            Err(ClientError::Refused(refusal))
                if self.quiet && refusal.code == Code::FailedPrecondition =>
            {
                return Err(Failure::Reported(1));
            }
            reloaded => reloaded?,
        };
        if !needs_restart.is_empty() && !self.quiet {
            let keys = needs_restart.join(", ");
            output::note(format_args!(
                "{} these apply after a restart (systemctl restart expd): {}",
                styled(WARN, "note:"),
                printable(&keys)
            ));
        }
        Ok(())
    }
}
