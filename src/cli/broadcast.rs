//! `expd broadcast`: sends events and prints the responses.

use std::time::Duration;

use clap::Args;
use tokio::io::BufReader;
use tokio::time::{Instant, MissedTickBehavior, timeout_at};

use super::daemon_socket::DaemonSocket;
use super::failure::Failure;
use super::flags::{ChannelFlags, InstanceFlag, call_duration};
use super::output::{self, Output, Progress, WARN, printable, styled};
use super::payload::{self, Lines, Meaning};
use super::wait_argument;
use expd_client::{Client, ClientError, Fate};
use expd_domain::{Channel, Payload};

/// Send an event to all listeners of a channel, and print the responses
///
/// Prints each response as one line of JSON, in order of arrival; no response is not an error. A
/// broadcast takes about as long as the timeout.
///
/// Exit status: 0 sent, 3 no daemon answers, 5 refused (it was not sent), 6 unknown (it may have
/// been sent). The first failure of several broadcasts ends the command, which reports how many
/// were sent before.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  expd broadcast menu hi                             no payload: null
  expd broadcast menu order '{\"table\": 4}' --timeout 2s
  expd broadcast menu hi --text 'good morning'       a text, as a JSON string
  expd broadcast menu photo @photo.json              the payload from a file
  jq -c '.[]' orders.json | expd broadcast menu order --lines
  expd broadcast menu tick --count 10 --interval 1s
  expd broadcast menu hi --wait 5m                   wait for the daemon and its connection")]
pub(super) struct Broadcast {
    /// Channel name
    channel: String,
    /// Event name
    name: String,
    /// Payload: JSON, @FILE, or - for standard input [default: null]
    #[arg(value_name = "JSON", allow_negative_numbers = true)]
    payload: Option<String>,
    /// Treat the payload as text, and send it as a JSON string
    #[arg(long)]
    text: bool,
    /// Send one broadcast per line of standard input, with the line as payload (newline-delimited
    /// JSON)
    #[arg(short, long, conflicts_with = "payload")]
    lines: bool,
    /// Send the broadcast N times
    #[arg(
        long,
        value_name = "N",
        conflicts_with = "lines",
        value_parser = clap::value_parser!(u64).range(1..)
    )]
    count: Option<u64>,
    /// Minimum time between broadcasts
    #[arg(long, value_name = "DURATION", value_parser = call_duration)]
    interval: Option<Duration>,
    #[command(flatten)]
    flags: ChannelFlags,
    /// Time to collect responses, at most 1h; 0s collects none [default: 100ms]
    #[arg(long, value_name = "DURATION", value_parser = call_duration)]
    timeout: Option<Duration>,
    /// Wait up to 60s or DURATION for the daemon and its connection, then send once
    ///
    /// Without this option, a broadcast is refused at once while the daemon is not connected. At
    /// most 1h.
    #[arg(
        long,
        visible_alias = wait_argument::SHORT,
        value_name = "DURATION",
        value_parser = call_duration,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "60s"
    )]
    wait_for_connection: Option<Duration>,
    #[command(flatten)]
    instance: InstanceFlag,
}

impl Broadcast {
    /// A broadcast of this name, with the default options.
    pub(super) fn named(
        channel: String,
        name: &str,
        payload: Option<String>,
        timeout: Option<Duration>,
        instance: InstanceFlag,
    ) -> Self {
        Self {
            channel,
            name: name.to_owned(),
            payload,
            text: false,
            lines: false,
            count: None,
            interval: None,
            flags: ChannelFlags::default(),
            timeout,
            wait_for_connection: None,
            instance,
        }
    }

    pub(super) async fn run(self, socket: DaemonSocket) -> Result<(), Failure> {
        let meaning = if self.text {
            Meaning::Text
        } else {
            Meaning::Json
        };
        // An invalid payload fails before the daemon is contacted.
        let payload = if self.lines {
            None
        } else {
            Some(payload::read_as(self.payload.as_deref(), meaning)?)
        };
        let deadline = self.wait_for_connection.map(|wait| Instant::now() + wait);
        let mut sender = Sender {
            client: self.connect(&socket, deadline).await?,
            channel: self.flags.channel(&self.channel),
            stdout: Output::new(),
            pace: self.interval.map(|interval| {
                let mut pace = tokio::time::interval(interval);
                pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
                pace
            }),
            sent: 0,
            responses: 0,
            deadline,
            options: &self,
        };
        if let Some(payload) = payload {
            let count = self.count.unwrap_or(1);
            for number in 1..=count {
                let place = (count > 1).then(|| format!("broadcast {number} of {count}"));
                sender.send(&payload, place.as_deref()).await?;
            }
        } else {
            let mut lines = Lines::new(BufReader::new(tokio::io::stdin()), meaning);
            while let Some((line, payload)) = lines.next().await? {
                let place = format!("line {line}");
                let payload = payload.map_err(|failure| sender.stopped(failure, Some(&place)))?;
                sender.send(&payload, Some(&place)).await?;
            }
        }
        sender.report();
        Ok(())
    }

    /// Connects to the daemon; with a deadline, waits for it.
    async fn connect(
        &self,
        socket: &DaemonSocket,
        deadline: Option<Instant>,
    ) -> Result<Client, Failure> {
        let Some(deadline) = deadline else {
            return socket.connect().await;
        };
        let mut missing = None;
        let progress = Progress::new();
        let waiting = socket.wait(|absent| missing = Some(absent));
        let waiting = progress.during(Some("waiting for the daemon"), waiting);
        match timeout_at(deadline, waiting).await {
            Ok(connected) => connected,
            Err(_) => Err(missing.unwrap_or_else(|| {
                let path = socket.path();
                ClientError::TimedOut { path }.into()
            })),
        }
    }
}

/// Sends broadcasts one after another.
struct Sender<'b> {
    client: Client,
    channel: Channel,
    stdout: Output,
    pace: Option<tokio::time::Interval>,
    sent: u64,
    responses: usize,
    /// Deadline of the wait. The first broadcast waits for what connecting has left of it.
    deadline: Option<Instant>,
    options: &'b Broadcast,
}

impl Sender<'_> {
    async fn send(&mut self, payload: &Payload, place: Option<&str>) -> Result<(), Failure> {
        if let Some(pace) = &mut self.pace {
            pace.tick().await;
        }
        let channel = &self.channel;
        let what = match self.options.wait_for_connection {
            None => format!("waiting for responses on {channel}"),
            Some(_) => format!("waiting for the connection to EXP, or for responses on {channel}"),
        };
        let sending = self.call(payload);
        match Progress::new().during(Some(&what), sending).await {
            Ok(responses) => {
                for response in &responses {
                    self.stdout.payload(response).await?;
                }
                self.responses += responses.len();
            }
            // The broadcast was sent, which is what the exit status reports.
            Err(error) if error.fate() == Fate::Sent => {
                let error = error.to_string();
                let what = styled(WARN, "sent, but:");
                output::note(format_args!("{what} {}", printable(&error)));
            }
            Err(error) => return Err(self.stopped(Failure::Sending(error), place)),
        }
        self.sent += 1;
        self.deadline = None;
        Ok(())
    }

    async fn call(&self, payload: &Payload) -> Result<Vec<Payload>, ClientError> {
        let Broadcast {
            instance,
            name,
            timeout,
            wait_for_connection,
            ..
        } = self.options;
        let (client, channel) = (&self.client, &self.channel);
        let Some(wait) = *wait_for_connection else {
            return client
                .broadcast(&instance.name, channel, name, payload, *timeout)
                .await;
        };
        let wait = self.deadline.map_or(wait, |deadline| {
            deadline.saturating_duration_since(Instant::now())
        });
        client
            .broadcast_when_connected(&instance.name, channel, name, payload, *timeout, wait)
            .await
    }

    /// Adds to a failure which of several broadcasts it was, and how many were sent before it.
    fn stopped(&self, failure: Failure, place: Option<&str>) -> Failure {
        match place {
            None => failure,
            Some(place) => Failure::Stopped {
                place: place.to_owned(),
                sent: self.sent,
                failure: Box::new(failure),
            },
        }
    }

    fn report(&self) {
        if !output::is_watched() {
            return;
        }
        let responses = match self.responses {
            0 => "no responses".to_owned(),
            1 => "1 response".to_owned(),
            count => format!("{count} responses"),
        };
        output::note(match self.sent {
            1 => responses,
            sent => format!("{sent} broadcasts sent, {responses}"),
        });
    }
}
