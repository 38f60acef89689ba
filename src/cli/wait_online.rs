//! `expd wait-online`: waits until the network is online.

use std::time::Duration;

use clap::Args;
use futures_util::StreamExt as _;
use tokio::time::timeout;

use super::ages::rough;
use super::daemon_socket::DaemonSocket;
use super::failure::Failure;
use super::links::Links;
use super::output::Progress;
use crate::config::{UnitError, parse_duration};
use expd_client::{Client, ClientError};

/// Wait until every configured instance is online
///
/// Also waits for a daemon that is not running yet. Prints nothing but the reason of a failure.
/// Exit status: 0 online, 3 no daemon answered in time or this user may not use it, 4 not online in
/// time.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  expd wait-online --timeout 2m && exec my-player
  expd wait-online --instance signage --timeout infinity")]
pub(super) struct WaitOnline {
    /// Give up after DURATION; `infinity` never gives up
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = wait_limit)]
    timeout: WaitLimit,
    /// Wait only for the instance NAME
    #[arg(long, value_name = "NAME")]
    instance: Option<String>,
}

/// Limit of a wait; none for `infinity`.
#[derive(Clone, Copy, Debug)]
struct WaitLimit(Option<Duration>);

/// Error of parsing the limit of a wait.
#[derive(Debug, thiserror::Error)]
#[error("{0}, or \"infinity\"")]
struct NotALimit(UnitError);

fn wait_limit(text: &str) -> Result<WaitLimit, NotALimit> {
    if text == "infinity" {
        return Ok(WaitLimit(None));
    }
    let duration = parse_duration(text).map_err(NotALimit)?;
    Ok(WaitLimit(Some(duration)))
}

impl WaitOnline {
    pub(super) async fn run(self, socket: DaemonSocket) -> Result<(), Failure> {
        let mut missing = Failure::Failed("no daemon answered yet".to_owned());
        let waiting = self.wait(&socket, &mut missing);
        let progress = Progress::new();
        let waiting = progress.during(Some("waiting for the EXP network"), waiting);
        let WaitLimit(Some(limit)) = self.timeout else {
            return waiting.await;
        };
        let Ok(online) = timeout(limit, waiting).await else {
            return Err(match missing {
                Failure::NotOnline(reason) => {
                    Failure::NotOnline(format!("not online after {}: {reason}", rough(limit)))
                }
                Failure::NoDaemon { error, hint } => Failure::NoDaemon {
                    error,
                    hint: format!("{hint}; waited {}", rough(limit)),
                },
                _ => {
                    let error = ClientError::TimedOut {
                        path: socket.path(),
                    };
                    error.into()
                }
            });
        };
        online
    }

    /// Waits without a limit. Keeps in `missing` the failure to report at the caller's own limit.
    async fn wait(&self, socket: &DaemonSocket, missing: &mut Failure) -> Result<(), Failure> {
        loop {
            let client = socket.wait(|absent| *missing = absent).await?;
            match self.watch(&client, missing).await {
                Ok(true) => return Ok(()),
                // The daemon restarts; connect again.
                Ok(false) => {}
                Err(Failure::Client(error)) if error.is_transient() && !error.is_denied() => {}
                Err(failure) => return Err(failure),
            }
            // The cause may end the next stream as soon.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until the links are online (true), or until the daemon ends the stream (false).
    async fn watch(&self, client: &Client, missing: &mut Failure) -> Result<bool, Failure> {
        // Opened before the status is requested, so that no change falls between the two.
        let mut changes = Box::pin(client.watch_status().await?);
        loop {
            let status = client.status().await?;
            let links = Links::of(&status, self.instance.as_deref())?;
            if links.are_online() {
                return Ok(true);
            }
            *missing = Failure::NotOnline(links.offline());
            // The reason may change without a change of state, so it is read again every second.
            match timeout(Duration::from_secs(1), changes.next()).await {
                Err(_) | Ok(Some(Ok(_))) => {}
                Ok(Some(Err(error))) => return Err(error.into()),
                Ok(None) => return Ok(false),
            }
        }
    }
}
