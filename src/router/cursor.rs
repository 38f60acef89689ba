//! A cursor: one listener's position in a channel's log.
//!
//! It reads under the log's lock and hands events to an [`EventSink`]. Events that it skips (older
//! than the listener's `max_age`, or evicted from the log) are counted and reported as a gap, so
//! that no loss is silent.

use std::time::Duration;

use super::event::{Ended, Event, EventSink, Gap};
use super::gap_counts::GapCounts;
use super::ring::{Content, Ring};
use crate::moment::Moment;
use expd_domain::{GapReason, NameSet, Overflow, SubscriptionState};

/// Maximum number of events in one read: a listener far behind must not hold the log's lock for
/// long.
const READ_BATCH: usize = 256;

/// Maximum number of bytes in one read, save for a single larger event. What was read stays in
/// memory until the app takes it, even after its eviction from the log: a thousand apps that do not
/// read cost at most a thousand times this.
const READ_BYTES: usize = 64 * 1024;

/// A position to resume from, as an earlier stream reached it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resume {
    /// The log's ID.
    pub log_id: String,
    /// The last sequence that the app has processed.
    pub after: u64,
}

/// Counts of one read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ReadCounts {
    /// Delivered broadcasts.
    pub delivered: u64,
    /// Broadcasts reported as missed.
    pub missed: u64,
    /// Reported gaps.
    pub gaps: GapCounts,
    /// Reason of a gap that the listener caused itself, for the journal.
    pub slow: Option<GapReason>,
}

/// The options of a listener.
#[derive(Debug)]
pub(super) struct CursorOptions {
    /// Name of the events to deliver; `None` for all events.
    pub name: Option<String>,
    /// Names of the events that it may receive; others are skipped without a gap.
    pub events: NameSet,
    /// Age above which events are skipped.
    pub max_age: Option<Duration>,
    /// Policy for when it falls behind the log.
    pub overflow: Overflow,
}

impl CursorOptions {
    /// Number of matching broadcasts up to and including `position`; `None` if it is unknown, or if
    /// the listener may receive only some of the events and so must not learn it.
    fn count_at(&self, ring: &Ring, position: u64) -> Option<u64> {
        match (&self.name, &self.events) {
            (Some(name), _) => ring.count_of_name_at(name, position),
            (None, NameSet::All) => ring.count_at(position),
            (None, NameSet::Matching(_)) => None,
        }
    }
}

/// The position of one listener.
#[derive(Debug)]
pub(super) struct Cursor {
    options: CursorOptions,
    /// The last position that was read.
    position: u64,
    /// Time when the event at `position` was appended, where known.
    position_moment: Option<Moment>,
    /// Number of broadcasts up to `position`, where known; with `options.name`, of that name.
    count: Option<u64>,
    /// The subscription state that was last reported to the app.
    last_reported: SubscriptionState,
}

impl Cursor {
    /// Chooses the first position in the log of this ID, and the events to begin with.
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
        let count = options.count_at(ring, position);
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
                to: ring.restart_gap_end(),
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

    /// The last position that was read.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Sets the events that it may receive from now on.
    pub fn set_events(&mut self, events: NameSet) {
        if self.options.events != events {
            // Counted over other events, so not comparable with later counts.
            self.count = None;
            self.options.events = events;
        }
    }

    /// Hands new events to `out`, up to a bound.
    ///
    /// # Errors
    /// The log has moved past a listener that asked to end in that case.
    #[inline]
    pub fn read(&mut self, ring: &Ring, out: &mut impl EventSink) -> Result<ReadCounts, Ended> {
        let mut counts = ReadCounts::default();
        if self.position + 1 < ring.first {
            self.skip_evicted(ring, out, &mut counts)?;
        }
        let oldest = self.oldest_wanted();
        let mut expired = ExpiredRun::default();
        let mut bytes = 0;
        for (sequence, entry) in ring.after(self.position).take(READ_BATCH) {
            self.position = sequence;
            self.position_moment = Some(entry.moment);
            match &entry.content {
                Content::Gap(gap) => {
                    expired.report(sequence - 1, out, &mut counts);
                    counts.gaps.add(gap.reason);
                    out.other(sequence, Event::Gap(gap.clone()));
                }
                Content::State { state, .. } if self.last_reported == *state => {}
                Content::State { state, since } => {
                    self.last_reported = *state;
                    expired.report(sequence - 1, out, &mut counts);
                    out.other(sequence, Event::Subscription(*state, *since));
                }
                Content::Broadcast {
                    record,
                    count,
                    count_of_name,
                } => {
                    match &self.options.name {
                        Some(name) if **name != *record.name => continue,
                        Some(_) => self.count = (*count_of_name > 0).then_some(*count_of_name),
                        None => match &self.options.events {
                            NameSet::All => self.count = Some(*count),
                            events if !events.contains(&record.name) => continue,
                            NameSet::Matching(_) => {}
                        },
                    }
                    if oldest.is_some_and(|oldest| entry.moment.at < oldest) {
                        expired.add(entry.moment);
                        continue;
                    }
                    expired.report(sequence - 1, out, &mut counts);
                    counts.delivered += 1;
                    bytes += record.size();
                    out.broadcast(record);
                    if bytes >= READ_BYTES {
                        break;
                    }
                }
            }
        }
        expired.report(self.position, out, &mut counts);
        Ok(counts)
    }

    /// The instant before which events are too old, for a listener with a `max_age`. For others,
    /// the clock is not read.
    fn oldest_wanted(&self) -> Option<std::time::Instant> {
        let most = self.options.max_age?;
        Moment::now().at.checked_sub(most)
    }

    /// Reports what was evicted before this listener read it, and moves on to the oldest entry that
    /// is left.
    fn skip_evicted(
        &mut self,
        ring: &Ring,
        out: &mut impl EventSink,
        counts: &mut ReadCounts,
    ) -> Result<(), Ended> {
        let evicted = &ring.evicted;
        let last = ring.first - 1;
        let overflow = evicted.overflow_to > self.position;
        let count_now = self.options.count_at(ring, last);
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
            counts.gaps.add(gap.reason);
            // If another gap follows, the position does not move yet: an app that ends between the
            // two gaps and then resumes receives both.
            out.other(if slow { self.position } else { last }, Event::Gap(gap));
        }
        if slow {
            let missed = missed.unwrap_or(0);
            counts.missed += missed;
            let reason = if overflow {
                GapReason::Overflow
            } else {
                GapReason::Expired
            };
            counts.slow = Some(reason);
            let gap = Gap {
                reason,
                missed,
                from: self.position_moment,
                to: evicted.moment,
            };
            counts.gaps.add(gap.reason);
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

/// Consecutive events that were skipped because they are older than the listener's `max_age`.
#[derive(Default)]
struct ExpiredRun {
    missed: u64,
    span: Option<(Moment, Moment)>,
}

impl ExpiredRun {
    fn add(&mut self, moment: Moment) {
        self.missed += 1;
        let from = self.span.map_or(moment, |(from, _)| from);
        self.span = Some((from, moment));
    }

    /// Reports them, if there are any, before the next event. Inlined, since it runs for each
    /// event: a call would be a fifth of the cost of a delivery in a burst.
    #[inline]
    fn report(&mut self, sequence: u64, out: &mut impl EventSink, counts: &mut ReadCounts) {
        if let Some(span) = self.span {
            self.report_expired(span, sequence, out, counts);
        }
    }

    #[cold]
    fn report_expired(
        &mut self,
        (from, to): (Moment, Moment),
        sequence: u64,
        out: &mut impl EventSink,
        counts: &mut ReadCounts,
    ) {
        counts.missed += self.missed;
        counts.gaps.add(GapReason::Expired);
        counts.slow = Some(GapReason::Expired);
        let gap = Gap {
            reason: GapReason::Expired,
            missed: self.missed,
            from: Some(from),
            to,
        };
        out.other(sequence, Event::Gap(gap));
        *self = Self::default();
    }
}
