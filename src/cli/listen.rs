//! `expd listen`: prints the broadcasts of a channel, through restarts of the daemon and of the
//! network.

use std::time::Duration;

use clap::Args;
use tokio::task::JoinSet;

use super::daemon_socket::DaemonSocket;
use super::failure::Failure;
use super::flags::{ChannelFlags, InstanceFlag};
use super::output::{self, BAD, BOLD, DIM, GOOD, Output, Progress, WARN, printable, styled};
use super::payload;
use super::stop_signal::StopSignal;
use crate::config;
use expd_client::{
    Broadcast, ClientError, Event, Gap, ListenEvent, ListenUpdate, Overflow, Position,
    ResumingListener, Subscription, SubscriptionState, Time,
};
use expd_domain::Payload;

/// Number of responses of `--respond` that may be under way. Beyond it, listening pauses, and the
/// daemon's log holds the events.
const MAX_PENDING_RESPONSES: usize = 64;

/// Print what is broadcast on a channel
///
/// Prints a line for each broadcast: the time in UTC, the event's name, the payload. Everything
/// else goes to standard error. With --json, each event of the stream is one document a line, with
/// the exact JSON text of the payload.
///
/// Continues through outages of the network and restarts of the daemon, and reports what may have
/// been missed. Ctrl-C and SIGTERM end it with exit status 0, or 1 where --count was not reached.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  expd listen menu                                   every event on the channel `menu`
  expd listen menu hi --json --count 1               the next event `hi`, as JSON
  expd listen menu --respond '{\"ok\": true}'          answer every broadcast, to try things out
  expd listen organization --system                  what EXP itself sends")]
pub(super) struct Listen {
    /// The channel's name
    channel: String,
    /// The name of the events [default: all]
    #[arg(default_value = "", hide_default_value = true)]
    name: String,
    #[command(flatten)]
    flags: ChannelFlags,
    /// Print every event of the stream (subscription, broadcast, gap) as JSON
    #[arg(long)]
    json: bool,
    /// End after N broadcasts
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Answer each broadcast with this payload: JSON, @FILE, or - for standard input
    #[arg(long, value_name = "JSON", allow_negative_numbers = true)]
    respond: Option<String>,
    /// A tag by which a group of listeners can be ended
    #[arg(
        long,
        value_name = "TAG",
        default_value = "",
        hide_default_value = true
    )]
    context: String,
    /// Skip events that are older than DURATION when they would be delivered
    #[arg(long, value_name = "DURATION", value_parser = config::parse_duration)]
    max_age: Option<Duration>,
    /// Continue after an event of an earlier `listen --json`: its `logId` and `sequence`
    #[arg(long, value_name = "LOG_ID:SEQUENCE", value_parser = position)]
    resume: Option<Position>,
    /// Print payloads alone.
    #[arg(skip)]
    payloads_only: bool,
    #[command(flatten)]
    instance: InstanceFlag,
}

/// The form in which a stream is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// A line for people for each broadcast.
    Lines,
    /// Every event as JSON.
    Events,
    /// The payloads of broadcasts as JSON.
    Payloads,
}

fn position(text: &str) -> Result<Position, &'static str> {
    let (log_id, after) = text
        .rsplit_once(':')
        .filter(|(log_id, _)| !log_id.is_empty())
        .ok_or("a position is LOG_ID:SEQUENCE, as in `3f2a…:17`")?;
    let after = after
        .parse()
        .map_err(|_| "the part after the last colon is not a sequence number")?;
    Ok(Position {
        log_id: log_id.to_owned(),
        after,
    })
}

impl Listen {
    /// Prints the payloads of the `update`s of a resource, which EXP sends on its system channel.
    pub(super) fn updates(channel: String, count: Option<u64>, instance: InstanceFlag) -> Self {
        Self {
            channel,
            name: "update".to_owned(),
            flags: ChannelFlags::system(),
            json: false,
            count,
            respond: None,
            context: String::new(),
            max_age: None,
            resume: None,
            payloads_only: true,
            instance,
        }
    }

    fn form(&self) -> Form {
        match (self.payloads_only, self.json) {
            (true, _) => Form::Payloads,
            (false, true) => Form::Events,
            (false, false) => Form::Lines,
        }
    }

    pub(super) async fn run(self, socket: DaemonSocket) -> Result<(), Failure> {
        let response = match &self.respond {
            Some(_) => Some(payload::read(self.respond.as_deref())?),
            None => None,
        };
        let mut stop = StopSignal::new()?;
        let mut printer = Printer {
            stdout: Output::new(),
            form: self.form(),
            count: self.count,
            broadcasts: 0,
            waiting_for: None,
        };
        let ended = tokio::select! {
            ended = self.listen(socket, response, &mut printer) => Some(ended),
            () = stop.received() => None,
            () = output::reader_left() => Some(Err(Failure::ReaderLeft)),
        };
        match (ended, printer.count) {
            (Some(ended), _) => ended,
            (None, None) => Ok(()),
            (None, Some(count)) => Err(Failure::Failed(format!(
                "stopped after {} of {count} broadcasts",
                printer.broadcasts
            ))),
        }
    }

    async fn listen(
        &self,
        socket: DaemonSocket,
        response: Option<Payload>,
        printer: &mut Printer,
    ) -> Result<(), Failure> {
        let client = socket.connect().await?;
        let channel = self.flags.channel(&self.channel);
        printer.waiting_for = Some(format!("waiting for EXP to confirm {channel}"));
        let listen = expd_client::Listen {
            instance: self.instance.name.clone(),
            channel,
            name: self.name.clone(),
            context: self.context.clone(),
            max_age: self.max_age,
            overflow: Overflow::Skip,
            resume: self.resume.clone(),
        };
        let mut listener = ResumingListener::new(client.clone(), listen);
        let mut responses = JoinSet::new();
        let progress = Progress::new();
        while !printer.is_done() {
            let next = async {
                tokio::select! {
                    update = listener.next(), if responses.len() < MAX_PENDING_RESPONSES => {
                        Step::Update(update)
                    }
                    Some(result) = responses.join_next() => Step::Responded(result),
                }
            };
            match progress.during(printer.waiting_for.as_deref(), next).await {
                Step::Update(update) => {
                    let update = update?;
                    if let (Some(response), Some(broadcast)) = (&response, broadcast_of(&update)) {
                        let (client, instance) = (client.clone(), self.instance.name.clone());
                        let (broadcast, response) = (broadcast.clone(), response.clone());
                        responses.spawn(async move {
                            client
                                .respond(&instance, &broadcast.id, &broadcast.channel_id, &response)
                                .await
                        });
                    }
                    printer.print(update).await?;
                }
                Step::Responded(result) => report_response(result),
            }
        }
        while let Some(result) = responses.join_next().await {
            report_response(result);
        }
        Ok(())
    }
}

enum Step {
    Update(Result<ListenUpdate, ClientError>),
    Responded(Result<Result<(), ClientError>, tokio::task::JoinError>),
}

fn broadcast_of(update: &ListenUpdate) -> Option<&Broadcast> {
    match update {
        ListenUpdate::Event(ListenEvent {
            event: Event::Broadcast(broadcast),
            ..
        }) => Some(broadcast),
        _ => None,
    }
}

/// Reports a response that failed; listening goes on.
fn report_response(result: Result<Result<(), ClientError>, tokio::task::JoinError>) {
    let problem = match result {
        Ok(Ok(())) => return,
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    };
    output::note(format_args!(
        "{} {}",
        styled(BAD, "not responded:"),
        printable(&problem)
    ));
}

/// Printer of a stream, with the count of its broadcasts.
struct Printer {
    stdout: Output,
    form: Form,
    count: Option<u64>,
    broadcasts: u64,
    /// State that the progress line shows; none while broadcasts arrive.
    waiting_for: Option<String>,
}

impl Printer {
    fn is_done(&self) -> bool {
        self.count.is_some_and(|count| self.broadcasts >= count)
    }

    async fn print(&mut self, update: ListenUpdate) -> Result<(), Failure> {
        match update {
            ListenUpdate::Event(event) => {
                if self.form == Form::Events {
                    self.stdout.document(&event).await?;
                }
                match event.event {
                    Event::Subscription(subscription) => self.subscription(&subscription),
                    Event::Broadcast(broadcast) => {
                        match self.form {
                            Form::Lines => {
                                let line = self.line(&broadcast);
                                self.stdout.text(&line).await?;
                            }
                            Form::Payloads => self.stdout.payload(&broadcast.payload).await?,
                            Form::Events => {}
                        }
                        self.broadcasts += 1;
                    }
                    Event::Gap(gap) => self.gap(&gap),
                }
            }
            ListenUpdate::Disconnected { error, .. } => {
                output::note(format_args!(
                    "{} {}; reconnecting",
                    styled(WARN, "the daemon is gone:"),
                    printable(&reason(&error))
                ));
                self.waiting_for = Some("waiting for the daemon".to_owned());
            }
            ListenUpdate::Reconnected => {
                output::note(styled(GOOD, "the daemon is back"));
                self.waiting_for = None;
            }
        }
        Ok(())
    }

    fn subscription(&mut self, subscription: &Subscription) {
        let state = match subscription.state {
            SubscriptionState::Confirmed => {
                self.waiting_for = None;
                styled(GOOD, "listening: EXP has confirmed the channel")
            }
            SubscriptionState::Pending => {
                self.waiting_for = Some("waiting for EXP to confirm the channel".to_owned());
                styled(WARN, "pending: EXP has not confirmed the channel")
            }
        };
        // With --json, the document on standard output says it.
        if self.form != Form::Events {
            output::note(state);
        }
    }

    fn gap(&self, gap: &Gap) {
        if self.form == Form::Events {
            return;
        }
        let missed = match gap.missed {
            Some(1) => "1 event missed".to_owned(),
            Some(missed) => format!("{missed} events missed"),
            None => "events may have been missed".to_owned(),
        };
        let from = gap.from.map(|from| format!(" from {from}"));
        let to = gap.to.map(|to| format!(" to {to}"));
        output::note(format_args!(
            "{} {missed}{}{}: {}",
            styled(WARN, "gap:"),
            from.unwrap_or_default(),
            to.unwrap_or_default(),
            gap.reason.explain()
        ));
    }

    fn line(&self, broadcast: &Broadcast) -> String {
        format!(
            "{}  {}  {}",
            styled(
                DIM,
                broadcast.received_at.map(time_of_day).unwrap_or_default()
            ),
            styled(BOLD, printable(&broadcast.name)),
            self.stdout.shown(broadcast.payload.as_str())
        )
    }
}

/// The fault alone: whether a call was carried out does not concern a listener.
fn reason(error: &ClientError) -> String {
    match error {
        ClientError::ConnectionLost { reason, .. } | ClientError::NotReachable { reason, .. } => {
            reason.clone()
        }
        error => error.to_string(),
    }
}

/// The time of day in UTC, as in `12:03:05.120Z`.
fn time_of_day(time: Time) -> String {
    let text = time.to_string();
    let clock = text
        .split_once('T')
        .map_or(text.as_str(), |(_, clock)| clock);
    let clock = clock.trim_end_matches('Z');
    let (seconds, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    format!("{seconds}.{fraction:0<3.3}Z")
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn the_time_of_day_has_milliseconds() {
        let at = |nanos| time_of_day(Time(SystemTime::UNIX_EPOCH + Duration::new(3661, nanos)));
        assert_eq!(at(0), "01:01:01.000Z");
        assert_eq!(at(120_000_000), "01:01:01.120Z");
        assert_eq!(at(123_456_789), "01:01:01.123Z");
    }

    #[test]
    fn a_position_is_a_log_and_a_sequence() {
        let expected = Position {
            log_id: "a:b".to_owned(),
            after: 17,
        };
        assert_eq!(position("a:b:17").unwrap(), expected);
        for wrong in ["", "17", ":17", "a:", "a:-1", "a:x"] {
            assert!(position(wrong).is_err(), "{wrong}");
        }
    }
}
