//! `expd listen`: prints the broadcasts of channels, across restarts of the daemon and outages of
//! the network.

use std::time::Duration;

use clap::Args;
use futures_util::stream::{SelectAll, StreamExt as _};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::daemon_socket::DaemonSocket;
use super::failure::Failure;
use super::flags::{ChannelFlags, InstanceFlag, LocalTimeFlag};
use super::listen_printer::{Form, Printer};
use super::listen_streams::{is_over_limit, next_link, updates_of, watch_links};
use super::listening::{DaemonLoss, Listening};
use super::output::{self, BAD, Progress, WARN, printable, styled};
use super::payload;
use super::pending::{self, Pending, Reason};
use super::stop_signal::StopSignal;
use crate::config;
use expd_client::{
    Broadcast, Client, ClientError, Code, Event, LinkEvent, ListenEvent, ListenUpdate, Overflow,
    Position, ResumingListener,
};
use expd_domain::{Channel, Payload};

/// Limit of pending responses of `--respond`. At the limit, listening pauses, and the daemon's log
/// holds the events.
const MAX_PENDING_RESPONSES: usize = 64;

/// Timeout of asking the daemon for EXP's refusals.
const LOOK: Duration = Duration::from_secs(2);

/// Print the broadcasts on one or more channels
///
/// Prints one line per broadcast: the time in UTC, the channel if there are several, the event
/// name, the payload. Everything else goes to standard error. With --json, each event of the stream
/// is one document, with the exact JSON text of the payload.
///
/// Waits for the daemon if necessary, continues across network outages and daemon restarts, and
/// reports what may have been missed. Ctrl-C and SIGTERM end it with exit status 0, or 1 if --count
/// was not reached.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  expd listen menu                                   every event on the channel `menu`
  expd listen menu hi --json --count 1               the next event `hi`, as JSON
  expd listen -c menu -c till --local-time           two channels, in local time
  expd listen menu --respond '{\"ok\": true}'          respond to every broadcast, for tests
  expd listen organization --system                  events that EXP itself sends")]
pub(super) struct Listen {
    /// Channel name
    #[arg(required_unless_present = "channels")]
    channel: Option<String>,
    /// Event name [default: all]
    #[arg(default_value = "", hide_default_value = true)]
    name: String,
    /// Another channel; may be repeated
    #[arg(short, long = "channel", id = "channels", value_name = "CHANNEL")]
    channels: Vec<String>,
    #[command(flatten)]
    flags: ChannelFlags,
    #[command(flatten)]
    local_time: LocalTimeFlag,
    /// Print every event of the stream (subscription, broadcast, gap) as JSON
    #[arg(long)]
    json: bool,
    /// Exit after N broadcasts
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Respond to each broadcast with this payload: JSON, @FILE, or - for standard input
    #[arg(long, value_name = "JSON", allow_negative_numbers = true)]
    respond: Option<String>,
    /// Tag by which a group of listeners can be cancelled
    #[arg(
        long,
        value_name = "TAG",
        default_value = "",
        hide_default_value = true
    )]
    context: String,
    /// Skip events older than DURATION on delivery
    #[arg(long, value_name = "DURATION", value_parser = config::parse_duration)]
    max_age: Option<Duration>,
    /// Continue after an event of an earlier `listen --json`: its `logId` and `sequence`
    #[arg(
        long,
        value_name = "LOG_ID:SEQUENCE",
        value_parser = position,
        conflicts_with = "channels"
    )]
    resume: Option<Position>,
    /// Print only payloads.
    #[arg(skip)]
    payloads_only: bool,
    #[command(flatten)]
    instance: InstanceFlag,
}

/// Error of parsing a position.
#[derive(Debug, thiserror::Error)]
enum PositionError {
    #[error("a position is LOG_ID:SEQUENCE, as in `3f2a…:17`")]
    Form,
    #[error("the part after the last colon is not a sequence number")]
    Sequence,
}

fn position(text: &str) -> Result<Position, PositionError> {
    let (log_id, after) = text
        .rsplit_once(':')
        .filter(|(log_id, _)| !log_id.is_empty())
        .ok_or(PositionError::Form)?;
    let after = after.parse().map_err(|_| PositionError::Sequence)?;
    Ok(Position {
        log_id: log_id.to_owned(),
        after,
    })
}

impl Listen {
    /// Listens for the `update`s of a resource on its system channel, and prints their payloads.
    pub(super) fn updates(channel: String, count: Option<u64>, instance: InstanceFlag) -> Self {
        Self {
            channel: Some(channel),
            name: "update".to_owned(),
            channels: Vec::new(),
            flags: ChannelFlags::system(),
            local_time: LocalTimeFlag::default(),
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
        let names = self.channel.iter().chain(&self.channels);
        let channels: Vec<Channel> = names.map(|name| self.flags.channel(name)).collect();
        let zone = self.local_time.zone();
        let mut printer = Printer::new(self.form(), zone, channels, self.count);
        let ended = tokio::select! {
            ended = self.listen(&socket, response, &mut printer) => Some(ended),
            () = stop.received() => None,
            () = output::reader_left() => Some(Err(Failure::ReaderLeft)),
        };
        match (ended, printer.count) {
            (Some(ended), _) => ended,
            (None, None) => Ok(()),
            (None, Some(count)) => Err(Failure::Failed(format!(
                "stopped after {} of {count} broadcasts",
                printer.broadcasts()
            ))),
        }
    }

    async fn listen(
        &self,
        socket: &DaemonSocket,
        response: Option<Payload>,
        printer: &mut Printer,
    ) -> Result<(), Failure> {
        let progress = Progress::new();
        let client = wait_for_daemon(socket, &progress, printer).await?;
        let mut updates = SelectAll::new();
        for (index, channel) in printer.channels.iter().enumerate() {
            let listener = ResumingListener::patient(client.clone(), self.request(channel));
            updates.push(updates_of(index, listener));
        }
        // With --json, the documents on standard output report the start.
        let reports_start = printer.form != Form::Events;
        let mut listening = Listening::new(printer.channels.len(), reports_start);
        let mut links = None;
        let mut responses = JoinSet::new();
        while !printer.is_done() {
            let due = listening.due();
            let next = async {
                tokio::select! {
                    Some(update) = updates.next(), if responses.len() < MAX_PENDING_RESPONSES => {
                        ListenStep::Update(update)
                    }
                    Some(result) = responses.join_next() => ListenStep::Responded(result),
                    link = next_link(&mut links) => ListenStep::Link(link),
                    () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                        ListenStep::Look
                    }
                }
            };
            let waiting_for = listening.waiting_for();
            let note = match progress.during(waiting_for.as_deref(), next).await {
                ListenStep::Update((index, Err(error))) if is_over_limit(&error) => {
                    listening.over_limit(index, &reason(&error));
                    None
                }
                ListenStep::Update((index, update)) => {
                    let update = update?;
                    if let (Some(response), Some(broadcast)) = (&response, broadcast_of(&update)) {
                        responses.spawn(self.respond(&client, broadcast, response));
                    }
                    if let ListenUpdate::Event(event) = &update {
                        printer.print(index, event).await?;
                    }
                    apply(&mut listening, index, update)
                }
                ListenStep::Responded(result) => report_response(result),
                ListenStep::Link(Some(event)) => {
                    if event.instance == self.instance_name() {
                        listening.link(event);
                    }
                    None
                }
                ListenStep::Link(None) => None,
                ListenStep::Look => self.look(&client, &mut listening, &printer.channels).await,
            };
            if let Some(note) = note {
                output::note(note);
            }
            if printer.form == Form::Events
                && let Some(pending) = listening.take_unreported()
            {
                // Without a daemon, channels whose streams have not broken yet are pending, too.
                let is_gone = pending.reason == Reason::NoDaemon;
                let is_pending = |index| is_gone || !listening.is_confirmed(index);
                printer.pending(&pending, is_pending);
            }
            // The state of the link tells why a channel is pending.
            match listening.waiting_for() {
                None => links = None,
                Some(_) if links.is_none() => links = Some(watch_links(client.clone())),
                Some(_) => {}
            }
        }
        while let Some(result) = responses.join_next().await {
            if let Some(note) = report_response(result) {
                output::note(note);
            }
        }
        Ok(())
    }

    /// Checks the channels that are still not confirmed. Returns the note to print.
    async fn look(
        &self,
        client: &Client,
        listening: &mut Listening,
        channels: &[Channel],
    ) -> Option<String> {
        let mut note = None;
        if listening.may_be_refused() {
            // Without an answer, or the permission to see it, the note does without the refusals.
            let status = timeout(LOOK, client.status()).await;
            let status = status.ok().and_then(Result::ok).unwrap_or_default();
            let instances = status.instances.iter();
            let own = instances.filter(|it| it.instance == self.instance_name());
            let own = own
                .flat_map(|it| &it.channels)
                .filter(|it| channels.contains(&it.channel));
            note = listening.refused(pending::refusals(own));
        }
        note.or_else(|| listening.report_once())
    }

    fn instance_name(&self) -> &str {
        match self.instance.name.as_str() {
            "" => config::settings::DEFAULT_INSTANCE,
            name => name,
        }
    }

    fn request(&self, channel: &Channel) -> expd_client::Listen {
        expd_client::Listen {
            instance: self.instance.name.clone(),
            channel: channel.clone(),
            name: self.name.clone(),
            context: self.context.clone(),
            max_age: self.max_age,
            overflow: Overflow::Skip,
            resume: self.resume.clone(),
        }
    }

    fn respond(
        &self,
        client: &Client,
        broadcast: &Broadcast,
        response: &Payload,
    ) -> impl Future<Output = Result<(), ClientError>> + use<> {
        let (client, instance) = (client.clone(), self.instance.name.clone());
        let (broadcast, response) = (broadcast.clone(), response.clone());
        async move {
            let (id, channel) = (&broadcast.id, &broadcast.channel_id);
            client.respond(&instance, id, channel, &response).await
        }
    }
}

/// Connects to the daemon; if it has to wait for one, says so once.
async fn wait_for_daemon(
    socket: &DaemonSocket,
    progress: &Progress,
    printer: &Printer,
) -> Result<Client, Failure> {
    let absent = match socket.connect().await {
        Err(failure) if failure.may_come() => failure.to_string(),
        connected => return connected,
    };
    let waiting = styled(WARN, "waiting for the daemon:");
    output::note(format_args!("{waiting} {}", printable(&absent)));
    if printer.form == Form::Events {
        let pending = Pending::new(Reason::NoDaemon, &absent);
        printer.pending(&pending, |_| true);
    }
    progress
        .during(Some("waiting for the daemon"), socket.wait(|_| {}))
        .await
}

enum ListenStep {
    Update((usize, Result<ListenUpdate, ClientError>)),
    Responded(Result<Result<(), ClientError>, tokio::task::JoinError>),
    Link(Option<LinkEvent>),
    Look,
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

/// Applies an update to the state. Returns the note to print.
fn apply(listening: &mut Listening, index: usize, update: ListenUpdate) -> Option<String> {
    match update {
        ListenUpdate::Event(event) => match event.event {
            Event::Subscription(subscription) => listening.subscription(index, subscription.state),
            Event::Broadcast(_) | Event::Gap(_) => None,
        },
        ListenUpdate::Disconnected { error, .. } => listening.disconnected(index, &loss(&error)),
        ListenUpdate::Reconnected => {
            listening.reconnected();
            None
        }
    }
}

/// The note about a failed response; listening continues.
fn report_response(
    result: Result<Result<(), ClientError>, tokio::task::JoinError>,
) -> Option<String> {
    let problem = match result {
        Ok(Ok(())) => return None,
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    };
    let what = styled(BAD, "response failed:");
    Some(format!("{what} {}", printable(&problem)))
}

fn loss(error: &ClientError) -> DaemonLoss {
    match error.reason() {
        Some("STOPPING") => DaemonLoss::Stopping,
        _ => DaemonLoss::Broken(reason(error)),
    }
}

/// The fault alone: the fate of the call does not matter to a listener.
fn reason(error: &ClientError) -> String {
    match error {
        ClientError::ConnectionLost { reason, .. } | ClientError::NotReachable { reason, .. } => {
            reason.clone()
        }
        // The rest of the message is advice for programs, which this command follows by itself.
        ClientError::Refused(refusal) if refusal.code == Code::Unavailable => refusal
            .message
            .split("; ")
            .next()
            .unwrap_or_default()
            .to_owned(),
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
