//! The output of `expd listen`: broadcasts on standard output, everything else on standard error.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::failure::Failure;
use super::json_text;
use super::output::{self, BOLD, DIM, Output, WARN, printable, styled};
use super::pending::Pending;
use super::zone::Zone;
use expd_client::{Broadcast, Event, Gap, ListenEvent};
use expd_domain::{Channel, GapReason};

/// Output format of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// One line per broadcast, for people.
    Lines,
    /// Every event as JSON.
    Events,
    /// Payloads of broadcasts as JSON.
    Payloads,
}

/// Prints streams, and counts their broadcasts.
pub(super) struct Printer {
    pub(super) form: Form,
    pub(super) zone: Zone,
    /// The channels, in the order of the streams.
    pub(super) channels: Vec<Channel>,
    /// Number of broadcasts after which printing ends.
    pub(super) count: Option<u64>,
    broadcasts: u64,
    /// Gaps of a restart that are not printed yet, by the stream's index. The new daemon's own gap,
    /// up to its confirmation, often follows, and both are one outage.
    restarts: BTreeMap<usize, Gap>,
    stdout: Output,
}

impl Printer {
    pub(super) fn new(form: Form, zone: Zone, channels: Vec<Channel>, count: Option<u64>) -> Self {
        Self {
            form,
            zone,
            channels,
            count,
            broadcasts: 0,
            restarts: BTreeMap::new(),
            stdout: Output::new(),
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.count.is_some_and(|count| self.broadcasts >= count)
    }

    /// Number of printed broadcasts.
    pub(super) fn broadcasts(&self) -> u64 {
        self.broadcasts
    }

    /// Prints an event of the stream with this index.
    pub(super) async fn print(&mut self, index: usize, event: &ListenEvent) -> Result<(), Failure> {
        if self.form == Form::Events {
            self.document(index, event).await?;
        } else {
            self.gaps(index, &event.event);
        }
        match &event.event {
            Event::Broadcast(broadcast) => {
                match self.form {
                    Form::Lines => {
                        let line = self.line(broadcast);
                        self.stdout.text(&line).await?;
                    }
                    Form::Payloads => self.stdout.payload(&broadcast.payload).await?,
                    Form::Events => {}
                }
                self.broadcasts += 1;
            }
            Event::Subscription(_) | Event::Gap(_) => {}
        }
        Ok(())
    }

    /// Writes an event as JSON, with its channel if there are several.
    async fn document(&mut self, index: usize, event: &ListenEvent) -> Result<(), Failure> {
        let channel = self.channels.get(index).filter(|_| self.channels.len() > 1);
        let Some(channel) = channel else {
            return self.stdout.document(event).await;
        };
        let text = serde_json::to_string(event)
            .map_err(|error| Failure::Failed(format!("cannot write an event as JSON: {error}")))?;
        let channel = document_of(channel);
        let members = text.strip_prefix('{').unwrap_or(&text);
        let text = format!("{{\"channel\":{channel},{members}");
        self.stdout.json(&text).await
    }

    /// Reports as JSON why channels are pending. On standard error: a reader of the events expects
    /// nothing else among them.
    pub(super) fn pending(&self, pending: &Pending, is_pending: impl Fn(usize) -> bool) {
        let channels = self.channels.iter().enumerate();
        let channels: Vec<_> = channels
            .filter(|(index, _)| is_pending(*index))
            .map(|(_, channel)| document_of(channel))
            .collect();
        let mut document = json!({ "pending": pending });
        if let Some(pending) = document
            .get_mut("pending")
            .and_then(|it| it.as_object_mut())
        {
            pending.insert("channels".to_owned(), channels.into());
        }
        output::note(json_text::escaped(&document.to_string()));
    }

    /// Prints the gaps of a stream, adjacent ones as one.
    fn gaps(&mut self, index: usize, event: &Event) {
        let restart = self.restarts.remove(&index);
        match (event, restart) {
            (Event::Gap(gap), None) if gap.reason == GapReason::Restarted => {
                self.restarts.insert(index, gap.clone());
            }
            (Event::Gap(gap), None) => self.gap(index, gap),
            (Event::Gap(gap), Some(restart)) if follows(gap, &restart) => {
                let whole = Gap {
                    to: gap.to,
                    ..restart
                };
                self.gap(index, &whole);
            }
            (_, Some(restart)) => {
                self.gap(index, &restart);
                self.gaps(index, event);
            }
            (Event::Subscription(_) | Event::Broadcast(_), None) => {}
        }
    }

    fn gap(&self, index: usize, gap: &Gap) {
        let missed = match gap.missed {
            Some(1) => "1 event missed".to_owned(),
            Some(missed) => format!("{missed} events missed"),
            None => "events may have been missed".to_owned(),
        };
        let channel = self.channels.get(index).filter(|_| self.channels.len() > 1);
        let channel = channel.map(|channel| format!(" on {channel}"));
        let from = gap
            .from
            .map(|from| format!(" from {}", self.zone.moment(from)));
        let to = gap.to.map(|to| format!(" to {}", self.zone.moment(to)));
        output::note(format_args!(
            "{} {missed}{}{}{}: {}",
            styled(WARN, "gap:"),
            channel.unwrap_or_default(),
            from.unwrap_or_default(),
            to.unwrap_or_default(),
            gap.reason.explain()
        ));
    }

    fn line(&self, broadcast: &Broadcast) -> String {
        let at = broadcast.received_at.map(|at| self.zone.time_of_day(at));
        let channel = match self.channels.len() {
            1 => String::new(),
            _ => format!("  {}", printable(&broadcast.channel.name)),
        };
        format!(
            "{}{channel}  {}  {}",
            styled(DIM, at.unwrap_or_default()),
            styled(BOLD, printable(&broadcast.name)),
            self.stdout.shown(broadcast.payload.as_str())
        )
    }
}

/// True if `gap` starts where `other` ends and its cause is unknown.
fn follows(gap: &Gap, other: &Gap) -> bool {
    gap.reason == GapReason::Offline && gap.missed.is_none() && gap.from == other.to
}

fn document_of(channel: &Channel) -> Value {
    json!({"name": channel.name, "system": channel.system, "consumer": channel.consumer})
}
