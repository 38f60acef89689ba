//! Events that a listener heard, stripped to what is judged: an app's lives, one a stream, each
//! going on where the one before ended.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use expd_client::{Event, Gap, GapReason, ListenEvent, Position, SubscriptionState};

use crate::transcript::Heard;

/// The clocks of one machine, read by different threads.
pub(super) const CLOCK: Duration = Duration::from_millis(2);

/// True for a gap that tells of what the listener was too slow for.
pub(super) fn is_slow(gap: &Gap) -> bool {
    matches!(gap.reason, GapReason::Overflow | GapReason::Expired)
}

/// One event.
#[derive(Clone, Debug)]
pub struct Note {
    pub at: SystemTime,
    pub sequence: u64,
    pub said: Said,
}

#[derive(Clone, Debug)]
pub enum Said {
    Subscription {
        state: SubscriptionState,
        since: SystemTime,
        log_id: String,
        listener_id: String,
    },
    Gap(Gap),
    Broadcast {
        number: u64,
        name: String,
        received: SystemTime,
    },
}

impl Note {
    /// Part of an event that is judged. A payload is a number, or a list that begins with one.
    pub fn of(event: &ListenEvent, at: SystemTime) -> Self {
        let said = match &event.event {
            Event::Subscription(subscription) => Said::Subscription {
                state: subscription.state,
                since: subscription.since.expect("no since").0,
                log_id: subscription.log_id.clone(),
                listener_id: subscription.listener_id.clone(),
            },
            Event::Gap(gap) => Said::Gap(gap.clone()),
            Event::Broadcast(broadcast) => {
                let text = broadcast.payload.as_str().trim_start_matches('[');
                let digits = text.split([',', ']']).next().unwrap_or_default();
                Said::Broadcast {
                    number: digits.parse().expect("not a number"),
                    name: broadcast.name.clone(),
                    received: broadcast.received_at.expect("no received_at").0,
                }
            }
        };
        Self {
            at,
            sequence: event.sequence,
            said,
        }
    }
}

/// One stream, from its opening until its app left or the stream ended.
#[derive(Clone, Debug, Default)]
pub struct Life {
    /// Position from which it was to go on.
    pub resume: Option<Position>,
    pub notes: Vec<Note>,
    /// Error that the stream ended with by itself.
    pub ended: Option<String>,
}

impl Life {
    /// A stream from its beginning.
    pub fn of(heard: &[Heard]) -> Self {
        Self {
            notes: heard.iter().map(|h| Note::of(&h.event, h.at)).collect(),
            ..Self::default()
        }
    }

    /// The name of its log.
    pub fn log_id(&self) -> Option<&str> {
        self.notes.first().map(|first| match &first.said {
            Said::Subscription { log_id, .. } => log_id.as_str(),
            _ => "",
        })
    }

    /// Position from which the app's next life goes on. Before the gap that tells of another log
    /// has come, that is the one from which this life was to go on.
    pub fn position(&self) -> Option<Position> {
        let (log_id, last) = (self.log_id()?, self.notes.last()?);
        if let Some(resume) = &self.resume
            && resume.log_id != log_id
            && self.notes.len() == 1
        {
            return Some(resume.clone());
        }
        Some(Position {
            log_id: log_id.to_owned(),
            after: last.sequence,
        })
    }

    /// The state that was told last.
    pub fn state(&self) -> Option<SubscriptionState> {
        self.notes.iter().rev().find_map(|note| match &note.said {
            Said::Subscription { state, .. } => Some(*state),
            _ => None,
        })
    }

    /// The broadcast that came last.
    pub fn last_number(&self) -> Option<u64> {
        self.notes.iter().rev().find_map(|note| match &note.said {
            Said::Broadcast { number, .. } => Some(*number),
            _ => None,
        })
    }

    pub fn gaps(&self) -> impl Iterator<Item = (&Note, &Gap)> {
        self.notes.iter().filter_map(|note| match &note.said {
            Said::Gap(gap) => Some((note, gap)),
            _ => None,
        })
    }

    pub fn delivered(&self) -> u64 {
        let broadcasts = self
            .notes
            .iter()
            .filter(|note| matches!(note.said, Said::Broadcast { .. }));
        broadcasts.count() as u64
    }
}

/// Events of each log, as all streams brought them: a position means the same event to everybody,
/// and nobody passes one over in silence.
#[derive(Default)]
pub struct Logs(BTreeMap<(usize, String), BTreeMap<u64, (u64, String)>>);

impl Logs {
    /// Writes down what a stream on a channel brought.
    pub fn observe(&mut self, channel: usize, life: &Life) -> Result<(), String> {
        let Some(log_id) = life.log_id() else {
            return Ok(());
        };
        let log = self.0.entry((channel, log_id.to_owned())).or_default();
        for note in &life.notes {
            let Said::Broadcast { number, name, .. } = &note.said else {
                continue;
            };
            let event = (*number, name.clone());
            let known = log.entry(note.sequence).or_insert_with(|| event.clone());
            if *known != event {
                return Err(format!(
                    "position {} of log {log_id} is {known:?} to one and {event:?} to another",
                    note.sequence
                ));
            }
        }
        Ok(())
    }

    /// Checks that a stream brought, or counted as missed, everything that others heard of its log
    /// while it passed.
    pub fn check(&self, channel: usize, name: Option<&str>, life: &Life) -> Result<(), String> {
        let Some((log_id, first)) = life.log_id().zip(life.notes.first()) else {
            return Ok(());
        };
        let Some(log) = self.0.get(&(channel, log_id.to_owned())) else {
            return Ok(());
        };
        let mut position = first.sequence;
        for note in &life.notes {
            let passed = |from: u64, to: u64| {
                log.range(from + 1..)
                    .take_while(|(at, _)| **at <= to)
                    .filter(|(_, (_, its))| name.is_none_or(|name| name == its))
                    .count() as u64
            };
            match &note.said {
                Said::Gap(gap) if is_slow(gap) => {
                    let passed = passed(position, note.sequence);
                    if gap.missed.is_some_and(|missed| missed < passed) {
                        return Err(format!("{passed} were passed over by {note:?}"));
                    }
                }
                Said::Broadcast { .. } => {
                    let passed = passed(position, note.sequence);
                    if passed != 1 {
                        return Err(format!(
                            "{} were passed over in silence between position {position} and {note:?}",
                            passed.saturating_sub(1)
                        ));
                    }
                }
                Said::Subscription { .. } | Said::Gap(_) => {
                    let passed = passed(position, note.sequence);
                    if passed > 0 {
                        return Err(format!(
                            "{passed} were passed over in silence between position {position} and {note:?}"
                        ));
                    }
                }
            }
            position = position.max(note.sequence);
        }
        Ok(())
    }
}
