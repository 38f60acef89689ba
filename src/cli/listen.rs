//! `expd listen`: prints what is broadcast on a channel, through restarts of the daemon and of the network.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use tokio::task::JoinSet;

use super::output::{self, BAD, BOLD, DIM, GOOD, Output, Progress, WARN, printable, styled};
use super::stop::Stop;
use super::{ChannelFlags, Failure, Instance, payload};
use crate::config;
use expd_client::{
    Broadcast, Client, ClientError, Event, Gap, ListenEvent, ListenUpdate, Overflow, Position,
    ResumingListener, Subscription, SubscriptionState, Time,
};
use expd_domain::Payload;

/// How many responses of `--respond` may be on their way at a time; past that, hearing waits, and the daemon's log holds what
/// comes meanwhile.
const MAX_RESPONSES_UNDER_WAY: usize = 64;

/// Hear what is broadcast on a channel
///
/// Prints a line for each broadcast (the time in UTC, the event's name, the payload); what else happens goes to standard error. With
/// --json each event of the stream is one document a line, with the payload's exact JSON text.
///
/// Goes on through outages of the network and restarts of the daemon, and says what may have been missed. Ctrl-C and SIGTERM
/// end it with exit status 0, or 1 where --count was not reached.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  expd listen menu                                   every event on the channel `menu`
  expd listen menu hi --json --count 1               the next event `hi`, as JSON
  expd listen menu --respond '{\"ok\": true}'          answer everything, to try things out
  expd listen organization --system                  what EXP itself sends")]
pub struct Listen {
    /// The channel's name
    channel: String,
    /// Only events of this name [default: all]
    #[arg(default_value = "", hide_default_value = true)]
    name: String,
    #[command(flatten)]
    flags: ChannelFlags,
    /// Print every event of the stream (subscription, broadcast, gap) as JSON
    #[arg(long)]
    json: bool,
    /// End after this many broadcasts
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Answer each broadcast with this: JSON, or @FILE, or - for standard input
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
    /// Skip events that are older than this when they would be delivered
    #[arg(long, value_name = "DURATION", value_parser = config::parse_duration)]
    max_age: Option<Duration>,
    /// Go on after an event of an earlier `listen --json`: its `logId` and `sequence`
    #[arg(long, value_name = "LOG_ID:SEQUENCE", value_parser = position)]
    resume: Option<Position>,
    #[command(flatten)]
    instance: Instance,
}

fn position(text: &str) -> Result<Position, String> {
    let (log_id, after) = text
        .rsplit_once(':')
        .filter(|(log_id, _)| !log_id.is_empty())
        .ok_or("a position is LOG_ID:SEQUENCE, as in `3f2a…:17`")?;
    let after = after
        .parse()
        .map_err(|_| "the part after the last colon is no sequence number")?;
    Ok(Position {
        log_id: log_id.to_owned(),
        after,
    })
}

impl Listen {
    pub(super) async fn run(self, socket: Option<PathBuf>) -> Result<(), Failure> {
        let response = match &self.respond {
            Some(_) => Some(payload::read(self.respond.as_deref())?),
            None => None,
        };
        let mut stop = Stop::new()?;
        let mut hearing = Hearing {
            stdout: Output::new(),
            json: self.json,
            count: self.count,
            heard: 0,
            waiting: None,
        };
        let ended = tokio::select! {
            ended = self.hear(socket, response, &mut hearing) => Some(ended),
            () = stop.asked() => None,
            () = output::reader_left() => Some(Err(Failure::ReaderLeft)),
        };
        match (ended, hearing.count) {
            (Some(ended), _) => ended,
            (None, None) => Ok(()),
            (None, Some(count)) => Err(Failure::Failed(format!(
                "stopped after {} of {count} broadcasts",
                hearing.heard
            ))),
        }
    }

    async fn hear(
        &self,
        socket: Option<PathBuf>,
        response: Option<Payload>,
        hearing: &mut Hearing,
    ) -> Result<(), Failure> {
        let client = Client::connect(socket).await?;
        let channel = self.flags.channel(&self.channel);
        hearing.waiting = Some(format!("waiting for EXP to confirm {channel}"));
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
        while !hearing.is_done() {
            let next = async {
                tokio::select! {
                    heard = listener.next(), if responses.len() < MAX_RESPONSES_UNDER_WAY => Step::Heard(heard),
                    Some(answered) = responses.join_next() => Step::Responded(answered),
                }
            };
            match progress.during(hearing.waiting.as_deref(), next).await {
                Step::Heard(heard) => {
                    let heard = heard?;
                    if let (Some(response), Some(broadcast)) = (&response, broadcast(&heard)) {
                        let (client, instance) = (client.clone(), self.instance.name.clone());
                        let (broadcast, response) = (broadcast.clone(), response.clone());
                        responses.spawn(async move {
                            client
                                .respond(&instance, &broadcast.id, &broadcast.channel_id, &response)
                                .await
                        });
                    }
                    hearing.take(heard).await?;
                }
                Step::Responded(answered) => told_of_response(answered),
            }
        }
        while let Some(answered) = responses.join_next().await {
            told_of_response(answered);
        }
        Ok(())
    }
}

enum Step {
    Heard(Result<ListenUpdate, ClientError>),
    Responded(Result<Result<(), ClientError>, tokio::task::JoinError>),
}

fn broadcast(heard: &ListenUpdate) -> Option<&Broadcast> {
    match heard {
        ListenUpdate::Event(ListenEvent {
            event: Event::Broadcast(broadcast),
            ..
        }) => Some(broadcast),
        _ => None,
    }
}

/// A response that came to nothing is no reason to stop listening.
fn told_of_response(answered: Result<Result<(), ClientError>, tokio::task::JoinError>) {
    let problem = match answered {
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

/// What has been heard so far, and how it is shown.
struct Hearing {
    stdout: Output,
    json: bool,
    count: Option<u64>,
    /// Broadcasts.
    heard: u64,
    /// What there is to wait for, other than broadcasts.
    waiting: Option<String>,
}

impl Hearing {
    fn is_done(&self) -> bool {
        self.count.is_some_and(|count| self.heard >= count)
    }

    async fn take(&mut self, heard: ListenUpdate) -> Result<(), Failure> {
        match heard {
            ListenUpdate::Event(event) => {
                if self.json {
                    self.stdout.document(&event).await?;
                }
                match event.event {
                    Event::Subscription(subscription) => self.subscription(&subscription),
                    Event::Broadcast(broadcast) => {
                        if !self.json {
                            let line = self.line(&broadcast);
                            self.stdout.text(&line).await?;
                        }
                        self.heard += 1;
                    }
                    Event::Gap(gap) => self.gap(&gap),
                }
            }
            ListenUpdate::Disconnected { error, .. } => {
                output::note(format_args!(
                    "{} {}; coming back",
                    styled(WARN, "the daemon is gone:"),
                    printable(&reason(&error))
                ));
                self.waiting = Some("waiting for the daemon to come back".to_owned());
            }
            ListenUpdate::Reconnected => {
                output::note(styled(GOOD, "the daemon is back"));
                self.waiting = None;
            }
        }
        Ok(())
    }

    fn subscription(&mut self, subscription: &Subscription) {
        let said = match subscription.state {
            SubscriptionState::Confirmed => {
                self.waiting = None;
                styled(GOOD, "listening: EXP has confirmed the channel")
            }
            SubscriptionState::Pending => {
                self.waiting = Some("waiting for EXP to confirm the channel".to_owned());
                styled(WARN, "pending: EXP has not confirmed the channel")
            }
        };
        // Documents say it already, unless somebody watches.
        if !self.json {
            output::note(said);
        }
    }

    fn gap(&self, gap: &Gap) {
        if self.json {
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

/// What happened, without what a listener need not know: whether a call was carried out.
fn reason(error: &ClientError) -> String {
    match error {
        ClientError::ConnectionLost { reason, .. } | ClientError::NotReachable { reason, .. } => {
            reason.clone()
        }
        error => error.to_string(),
    }
}

/// `12:03:05.120Z`.
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
