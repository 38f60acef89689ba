//! A cursor: how far one listener has come in a channel's log, and what it is told on the way.
//!
//! It reads under the log's lock and hands events to an [`EventSink`]; what it skips on behalf of the listener (what is older than
//! it wants, what fell off the log) it counts and tells as a gap, so that nothing is left out in silence.

use std::time::Duration;

use super::event::{Ended, Event, EventSink, Gap};
use super::moment::Moment;
use super::ring::{Body, Ring};
use expd_domain::{GapReason, Overflow, SubscriptionState};

/// How many events one read hands over at most, so that a listener far behind does not hold the log's lock for long.
const READ_BATCH: usize = 256;

/// How many bytes one read hands over at most, as long as it is one event. What was read is held for an app until it takes it,
/// after it has left the log, too: a thousand apps that do not read then cost a thousand times this at the most.
const READ_BYTES: usize = 64 * 1024;

/// A position in a log, as an earlier stream knew it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resume {
    /// The log's ID.
    pub log_id: String,
    /// The last sequence that was dealt with.
    pub after: u64,
}

/// What one reading came to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    /// Broadcasts handed over.
    pub delivered: u64,
    /// Broadcasts told as missed.
    pub missed: u64,
    /// Gaps told.
    pub gaps: u64,
}

/// What a listener wants of its log.
#[derive(Debug)]
pub(super) struct CursorOptions {
    /// Only events of this name.
    pub name: Option<String>,
    /// Events older than this are skipped.
    pub max_age: Option<Duration>,
    /// What happens when it falls off the log.
    pub overflow: Overflow,
}

/// A position in a log.
#[derive(Debug)]
pub(super) struct Cursor {
    options: CursorOptions,
    /// The last position handed over.
    position: u64,
    /// When the event at `position` came, where known.
    position_moment: Option<Moment>,
    /// Broadcasts up to `position`: of the name's name where there is one, where known.
    count: Option<u64>,
    /// The state that the app was last told.
    last_reported: SubscriptionState,
}

impl Cursor {
    /// Chooses where to begin, and what to say first, in a log of this ID.
    pub fn begin(
        options: CursorOptions,
        resume: Option<Resume>,
        log_id: &str,
        ring: &Ring,
        now: Moment,
    ) -> (Self, Vec<Event>) {
        let newest = ring.next() - 1;
        let mut restarted = false;
        let position = match resume {
            None => newest,
            Some(resume) if resume.log_id == log_id => resume.after.min(newest),
            Some(_) => {
                restarted = true;
                ring.first - 1
            }
        };
        let position_moment = if position == newest {
            Some(now)
        } else {
            ring.moment_at(position)
        };
        let count = match &options.name {
            Some(name) => ring.count_of_name_at(name, position),
            None => ring.count_at(position),
        };
        let (state, since) = if position + 1 >= ring.first {
            ring.state_at(position)
        } else {
            (ring.evicted.state, ring.evicted.state_since)
        };
        let mut first = vec![Event::Subscription(state, since)];
        if restarted {
            first.push(Event::Gap(Gap {
                reason: GapReason::Restarted,
                missed: 0,
                from: None,
                to: ring.silent_until().wall_before(now),
            }));
        }
        let cursor = Self {
            options,
            position,
            position_moment,
            count,
            last_reported: state,
        };
        (cursor, first)
    }

    /// The last position handed over.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Hands on what is new, up to a bound.
    ///
    /// # Errors
    /// The log has moved past a listener that wants to end then.
    #[inline]
    pub fn read(&mut self, ring: &Ring, out: &mut impl EventSink) -> Result<Tally, Ended> {
        let mut tally = Tally::default();
        if self.position + 1 < ring.first {
            self.skip_evicted(ring, out, &mut tally)?;
        }
        let oldest = self.oldest_wanted();
        let mut aged = Aged::default();
        let mut bytes = 0;
        for (sequence, entry) in ring.after(self.position).take(READ_BATCH) {
            self.position = sequence;
            self.position_moment = Some(entry.moment);
            match &entry.body {
                Body::Gap(gap) => {
                    aged.tell(sequence - 1, out, &mut tally);
                    tally.gaps += 1;
                    out.other(sequence, Event::Gap(gap.clone()));
                }
                Body::State { state, .. } if self.last_reported == *state => {}
                Body::State { state, since } => {
                    self.last_reported = *state;
                    aged.tell(sequence - 1, out, &mut tally);
                    out.other(sequence, Event::Subscription(*state, *since));
                }
                Body::Broadcast {
                    record,
                    count,
                    count_of_name,
                } => {
                    match &self.options.name {
                        Some(name) if **name != *record.name => continue,
                        Some(_) => self.count = (*count_of_name > 0).then_some(*count_of_name),
                        None => self.count = Some(*count),
                    }
                    if oldest.is_some_and(|oldest| entry.moment.at < oldest) {
                        aged.count(entry.moment);
                        continue;
                    }
                    aged.tell(sequence - 1, out, &mut tally);
                    tally.delivered += 1;
                    bytes += record.size();
                    out.broadcast(record);
                    if bytes >= READ_BYTES {
                        break;
                    }
                }
            }
        }
        aged.tell(self.position, out, &mut tally);
        Ok(tally)
    }

    /// Since when an event must have come to be wanted, for a listener that says so; no other needs the clock to be read.
    fn oldest_wanted(&self) -> Option<std::time::Instant> {
        let most = self.options.max_age?;
        Moment::now().at.checked_sub(most)
    }

    /// The log has moved past this listener: tells what it missed, and puts it on the oldest entry that is still there.
    fn skip_evicted(
        &mut self,
        ring: &Ring,
        out: &mut impl EventSink,
        tally: &mut Tally,
    ) -> Result<(), Ended> {
        let evicted = &ring.evicted;
        let last = ring.first - 1;
        let overflow = evicted.overflow_to > self.position;
        let count_now = match &self.options.name {
            Some(name) => ring.count_of_name_at(name, last),
            None => Some(evicted.count),
        };
        let missed = match (self.count, count_now) {
            (Some(before), Some(now)) => Some(now.saturating_sub(before)),
            _ => None,
        };
        let slow = missed != Some(0);
        if slow && overflow && self.options.overflow == Overflow::Cancel {
            return Err(Ended::Overflow);
        }
        if let Some((from, to)) = evicted.outages.after(self.position) {
            let gap = Gap {
                reason: GapReason::Offline,
                missed: 0,
                from,
                to,
            };
            tally.gaps += 1;
            // Where another gap follows, the listener has come no further yet: an app that ends between the two and resumes
            // is told both.
            out.other(if slow { self.position } else { last }, Event::Gap(gap));
        }
        if slow {
            let missed = missed.unwrap_or(0);
            tally.missed += missed;
            tally.gaps += 1;
            let gap = Gap {
                reason: if overflow {
                    GapReason::Overflow
                } else {
                    GapReason::Expired
                },
                missed,
                from: self
                    .position_moment
                    .map(|from| from.wall_before(evicted.moment)),
                to: evicted.moment.wall,
            };
            out.other(last, Event::Gap(gap));
        }
        if self.last_reported != evicted.state {
            self.last_reported = evicted.state;
            out.other(
                last,
                Event::Subscription(evicted.state, evicted.state_since),
            );
        }
        self.position = last;
        self.position_moment = Some(evicted.moment);
        self.count = count_now;
        Ok(())
    }
}

/// Events skipped in a row because they were older than the listener's `max_age`.
#[derive(Default)]
struct Aged {
    missed: u64,
    span: Option<(Moment, Moment)>,
}

impl Aged {
    fn count(&mut self, moment: Moment) {
        self.missed += 1;
        let from = self.span.map_or(moment, |(from, _)| from);
        self.span = Some((from, moment));
    }

    /// Tells of them, if there are any, before what comes next. That is asked for each event: a call would be a fifth of what a
    /// delivery in a burst costs.
    #[inline]
    fn tell(&mut self, sequence: u64, out: &mut impl EventSink, tally: &mut Tally) {
        if let Some(span) = self.span {
            self.report_expired(span, sequence, out, tally);
        }
    }

    #[cold]
    fn report_expired(
        &mut self,
        (from, to): (Moment, Moment),
        sequence: u64,
        out: &mut impl EventSink,
        tally: &mut Tally,
    ) {
        tally.missed += self.missed;
        tally.gaps += 1;
        let gap = Gap {
            reason: GapReason::Expired,
            missed: self.missed,
            from: Some(from.wall_before(to)),
            to: to.wall,
        };
        out.other(sequence, Event::Gap(gap));
        *self = Self::default();
    }
}
