//! `expd status`: the state of the daemon.

use std::time::SystemTime;

use clap::Args;
use futures_util::StreamExt as _;

use super::daemon_socket::DaemonSocket;
use super::failure::Failure;
use super::flags::LocalTimeFlag;
use super::links::Links;
use super::output::{self, BOLD, DIM, Output, Progress, printable, styled};
use super::status_page::{StatusPage, link_state};
use super::stop_signal::StopSignal;
use super::zone::Zone;
use expd_client::LinkEvent;

/// Show the state of the daemon: its links, channels and listeners
///
/// Shows for each channel since when a listener has wanted it, when the daemon last requested it
/// from EXP, when EXP last confirmed it, and when the last broadcast arrived. A wanted channel that
/// EXP does not confirm is requested again.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  expd status
  expd status --json | jq -r '.instances[].link.state'
  expd status --check && echo online                 exit status 4 if an instance is not online
  expd status --watch                                each change of a link's state, until Ctrl-C")]
pub(super) struct Status {
    /// Print JSON: one document, or with --watch one per change
    #[arg(long)]
    json: bool,
    /// Print the state of every link, then each change
    #[arg(long)]
    watch: bool,
    #[command(flatten)]
    local_time: LocalTimeFlag,
    /// Print the state of every link, and exit with 4 if one is not online, 3 if no daemon answers
    #[arg(long, conflicts_with = "watch")]
    check: bool,
    /// With --check, check only the instance NAME
    #[arg(long, value_name = "NAME", requires = "check")]
    instance: Option<String>,
}

impl Status {
    pub(super) async fn run(self, socket: DaemonSocket) -> Result<(), Failure> {
        if self.watch {
            let mut stop = StopSignal::new()?;
            return tokio::select! {
                ended = self.watch(socket) => ended,
                () = stop.received() => Ok(()),
                () = output::reader_left() => Err(Failure::ReaderLeft),
            };
        }
        let client = socket.connect().await?;
        let status = client.status().await?;
        let mut stdout = Output::new();
        if self.check {
            return self.check(&status, &mut stdout).await;
        }
        if self.json {
            return stdout.document(&status).await;
        }
        let socket = client.path().display().to_string();
        let page = StatusPage::new(SystemTime::now()).render(&status, &socket);
        stdout.text(page.trim_end()).await
    }

    /// Prints the selected links, and fails unless all of them are online.
    async fn check(
        &self,
        status: &expd_client::Status,
        stdout: &mut Output,
    ) -> Result<(), Failure> {
        let links = Links::of(status, self.instance.as_deref())?;
        if self.json {
            stdout.document(&links.as_json()).await?;
        } else {
            stdout.text(&links.to_string()).await?;
        }
        if links.are_online() {
            Ok(())
        } else {
            Err(Failure::NotOnline(links.offline()))
        }
    }

    async fn watch(&self, socket: DaemonSocket) -> Result<(), Failure> {
        let client = socket.connect().await?;
        let mut events = Box::pin(client.watch_status().await?);
        let mut stdout = Output::new();
        let zone = self.local_time.zone();
        let progress = Progress::new();
        while let Some(event) = progress
            .during(Some("watching; Ctrl-C ends it"), events.next())
            .await
        {
            let event = event?;
            if self.json {
                stdout.document(&event).await?;
            } else {
                stdout.text(&line(&event, &zone)).await?;
            }
        }
        Err(Failure::Failed("the daemon ended the stream".into()))
    }
}

fn line(event: &LinkEvent, zone: &Zone) -> String {
    let since = event.since.map(|since| zone.moment(since));
    let mut line = format!(
        "{}  {}  {}",
        styled(DIM, since.unwrap_or_default()),
        styled(BOLD, printable(&event.instance)),
        link_state(event.state)
    );
    if !event.reason.is_empty() {
        line.push_str("  ");
        line.push_str(&printable(&event.reason));
    }
    line
}
