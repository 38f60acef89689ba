//! `expd status`: what the daemon is doing.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use clap::Args;
use futures_util::StreamExt as _;

use super::Failure;
use super::output::{self, BAD, BOLD, DIM, GOOD, Output, Progress, WARN, printable, styled};
use super::stop::Stop;
use crate::client::{
    self, ChannelStatus, Client, Identity, InstanceStatus, LinkEvent, LinkState, ListenerStatus,
    Time,
};
use crate::exp::identity::display_pairing_code;

/// Show what the daemon is doing: its links, channels and listeners
///
/// For each channel it shows the four truths: since when it is wanted, when it was asked for, when EXP confirmed it, and when the
/// last broadcast came. A channel that is wanted and not confirmed is asked for again.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  expd status
  expd status --json | jq -r '.instances[].link.state'
  expd status --watch                                each change of a link's state, until Ctrl-C")]
pub struct Status {
    /// Print JSON: one document, or with --watch one for each change
    #[arg(long)]
    json: bool,
    /// Print the state of every link, then each change
    #[arg(long)]
    watch: bool,
}

impl Status {
    pub(super) async fn run(self, socket: Option<PathBuf>) -> Result<(), Failure> {
        if self.watch {
            let mut stop = Stop::new()?;
            return tokio::select! {
                ended = self.watch(socket) => ended,
                () = stop.asked() => Ok(()),
                () = output::reader_left() => Err(Failure::ReaderLeft),
            };
        }
        let client = Client::connect(socket).await?;
        let status = client.status().await?;
        let mut stdout = Output::new();
        if self.json {
            return stdout.document(&status).await;
        }
        let text =
            Page::new(SystemTime::now()).status(&status, &client.path().display().to_string());
        stdout.text(text.trim_end()).await
    }

    async fn watch(&self, socket: Option<PathBuf>) -> Result<(), Failure> {
        let client = Client::connect(socket).await?;
        let mut events = Box::pin(client.watch_status().await?);
        let mut stdout = Output::new();
        let progress = Progress::new();
        while let Some(event) = progress
            .during(Some("watching; Ctrl-C ends it"), events.next())
            .await
        {
            let event = event?;
            if self.json {
                stdout.document(&event).await?;
            } else {
                stdout.text(&line(&event)).await?;
            }
        }
        Err(Failure::Failed("the daemon ended the stream".into()))
    }
}

fn line(event: &LinkEvent) -> String {
    let since = event.since.map(|since| since.to_string());
    let mut line = format!(
        "{}  {}  {}",
        styled(DIM, since.unwrap_or_default()),
        styled(BOLD, printable(&event.instance)),
        state(event.state)
    );
    if !event.reason.is_empty() {
        line.push_str("  ");
        line.push_str(&printable(&event.reason));
    }
    line
}

fn state(state: LinkState) -> String {
    match state {
        LinkState::Online => styled(GOOD, "online"),
        LinkState::Connecting => styled(WARN, "connecting"),
        LinkState::Offline => styled(BAD, "offline"),
        LinkState::Refused => styled(BAD, "refused"),
        LinkState::Pairing => styled(WARN, "waiting to be paired"),
    }
}

/// The status laid out for people, as of one moment.
struct Page {
    now: SystemTime,
    text: String,
}

impl Page {
    fn new(now: SystemTime) -> Self {
        Self {
            now,
            text: String::new(),
        }
    }

    fn status(mut self, status: &client::Status, socket: &str) -> String {
        let up = status.started_at.map(|started| self.age(started));
        self.line(&format!(
            "{} at {socket}, up for {}",
            styled(BOLD, format_args!("expd {}", printable(&status.version))),
            up.unwrap_or_else(|| "an unknown time".into())
        ));
        for instance in &status.instances {
            self.line("");
            self.instance(instance);
        }
        if status.instances.is_empty() {
            self.line("no instances");
        }
        self.text
    }

    fn instance(&mut self, instance: &InstanceStatus) {
        let link = &instance.link;
        let since = link.since.map(|since| format!(" for {}", self.age(since)));
        self.line(&format!(
            "{}  {}{}",
            styled(BOLD, printable(&instance.instance)),
            state(link.state),
            since.unwrap_or_default()
        ));
        self.fact("host", &printable(&instance.host));
        self.fact(
            "identity",
            &instance
                .identity
                .as_ref()
                .map_or_else(|| "not logged in yet".to_owned(), identity),
        );
        if let Some(code) = instance
            .identity
            .as_ref()
            .and_then(|identity| identity.pairing_code.as_deref())
        {
            let code = display_pairing_code(code);
            self.fact("pairing code", &styled(BOLD, printable(&code)));
        }
        if link.protocol != 0 {
            self.fact("protocol", &format!("Engine.IO {}", link.protocol));
        }
        if let Some(end) = link.token_expires_at {
            let end = self.until(end);
            self.fact("token", &format!("ends {end}"));
        }
        if link.attempt > 0 {
            let next = link
                .next_try
                .map(|next| format!(", next try {}", self.until(next)));
            self.fact(
                "tries",
                &format!("{}{}", link.attempt, next.unwrap_or_default()),
            );
        }
        if !link.last_error.is_empty() {
            self.fact("last error", &styled(BAD, printable(&link.last_error)));
        }
        let counters = &instance.counters;
        self.fact(
            "counted",
            &format!(
                "{} received, {} delivered, {} gaps, {} sent ({} failed), {} responses ({} failed), {} connects",
                counters.broadcasts_received,
                counters.deliveries,
                counters.gaps,
                counters.broadcasts_sent,
                counters.broadcasts_failed,
                counters.responses_sent,
                counters.responses_failed,
                counters.connects
            ),
        );
        self.channels(&instance.channels);
        self.listeners(&instance.listeners);
    }

    fn channels(&mut self, channels: &[ChannelStatus]) {
        let heading = [
            "channel",
            "wanted for",
            "asked",
            "confirmed",
            "last broadcast",
            "listeners",
            "log",
        ];
        let ago = |time: Option<Time>| {
            time.map_or_else(|| "-".to_owned(), |time| format!("{} ago", self.age(time)))
        };
        let rows = channels.iter().map(|channel| {
            let confirmed = match channel.confirmed_at {
                Some(_) => styled(GOOD, ago(channel.confirmed_at)),
                None => styled(BAD, "no"),
            };
            vec![
                channel.channel.to_string(),
                channel
                    .wanted_since
                    .map_or_else(|| "-".to_owned(), |since| self.age(since)),
                ago(channel.asked_at),
                confirmed,
                ago(channel.last_broadcast_at),
                channel.listeners.to_string(),
                format!(
                    "{} in {}, at {}",
                    plural(channel.log_events.into(), "event"),
                    size(channel.log_bytes),
                    channel.log_sequence
                ),
            ]
        });
        let rows = rows.collect();
        self.table(&heading, rows);
    }

    fn listeners(&mut self, listeners: &[ListenerStatus]) {
        let heading = [
            "listener",
            "channel",
            "event",
            "context",
            "process",
            "behind",
            "delivered",
            "missed",
        ];
        let or = |text: &str, otherwise: &str| {
            if text.is_empty() {
                otherwise.to_owned()
            } else {
                printable(text).into_owned()
            }
        };
        let rows = listeners.iter().map(|listener| {
            let process = if listener.pid == 0 {
                "over TCP".to_owned()
            } else {
                format!("{} (uid {})", listener.pid, listener.uid)
            };
            vec![
                printable(&listener.id).into_owned(),
                listener.channel.to_string(),
                or(&listener.name, "all"),
                or(&listener.context, "-"),
                process,
                listener.behind.to_string(),
                listener.delivered.to_string(),
                listener.missed.to_string(),
            ]
        });
        self.table(&heading, rows.collect());
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn fact(&mut self, name: &str, fact: &str) {
        self.line(&format!(
            "  {}{fact}",
            styled(DIM, format_args!("{name:14}"))
        ));
    }

    /// Rows under a heading, each column as wide as its widest cell. Nothing where there are no rows.
    fn table(&mut self, heading: &[&str], rows: Vec<Vec<String>>) {
        if rows.is_empty() {
            return;
        }
        let heading = heading.iter().map(|name| styled(DIM, name)).collect();
        let table: Vec<Vec<String>> = std::iter::once(heading).chain(rows).collect();
        let mut widths: Vec<usize> = Vec::new();
        for row in &table {
            widths.resize(widths.len().max(row.len()), 0);
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(seen_width(cell));
            }
        }
        self.line("");
        for row in &table {
            let mut line = String::from(" ");
            for (cell, width) in row.iter().zip(&widths) {
                line.push(' ');
                line.push_str(cell);
                line.push_str(&" ".repeat(width - seen_width(cell) + 1));
            }
            self.line(line.trim_end());
        }
    }

    /// How long ago a time was; nothing where clocks disagree.
    fn age(&self, time: Time) -> String {
        rough(self.now.duration_since(time.0).unwrap_or_default())
    }

    fn until(&self, time: Time) -> String {
        match time.0.duration_since(self.now) {
            Ok(left) => format!("in {}", rough(left)),
            Err(_) => "now".to_owned(),
        }
    }
}

fn identity(identity: &Identity) -> String {
    let who = match identity.uuid.as_str() {
        "" => identity.kind.to_string(),
        uuid => format!("{} {}", identity.kind, printable(uuid)),
    };
    let organization = match identity.organization.as_str() {
        "" => String::new(),
        organization => format!(" of {}", printable(organization)),
    };
    let paired = if identity.paired { "" } else { ", not paired" };
    format!("{who}{organization}{paired}")
}

fn plural(count: u64, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        count => format!("{count} {noun}s"),
    }
}

fn size(bytes: u64) -> String {
    match bytes {
        0..10_240 => format!("{bytes} B"),
        10_240..10_485_760 => format!("{} KiB", bytes / 1024),
        _ => format!("{} MiB", bytes / (1024 * 1024)),
    }
}

/// A duration in its two largest units.
fn rough(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, minutes) => format!("{minutes}m {}s", seconds % 60),
        (0, hours, minutes) => format!("{hours}h {minutes}m"),
        (days, hours, _) => format!("{days}d {hours}h"),
    }
}

/// The columns a cell takes, its styles left out; one for each character is near enough.
fn seen_width(cell: &str) -> usize {
    anstream::adapter::strip_str(cell)
        .map(|part| part.chars().count())
        .sum()
}
