//! `expd reload`: makes the daemon reload its settings.

use std::path::PathBuf;

use clap::Args;

use super::daemon_socket::DaemonSocket;
use super::failure::Failure;
use super::output::{self, WARN, printable, styled};
use expd_client::{ClientError, Code};

/// Have the daemon read its settings again, and wait until they apply
///
/// The same as `systemctl reload expd`, which runs it. A file with a mistake is refused as a whole:
/// the command names the mistakes, ends with 1, and everything stays as it was. Root and the
/// daemon's own user may ask for it. Where neither --socket nor `EXPD_SOCKET` names a socket,
/// the one of the settings is asked.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sudo systemctl reload expd                         where it is a service of systemd
  expd reload --socket /tmp/my.sock                  a daemon of one's own")]
pub(super) struct Reload {
    /// The settings file that may name the socket [default: /etc/expd/expd.toml where it exists]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print nothing of what the daemon's log says as well: the mistakes, and what needs a restart
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
