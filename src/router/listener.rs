//! A listener: a cursor into a channel's log, and what is known about whoever holds it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use super::log::{Body, ChannelLog, Gap, GapReason, Moment, Record, Ring, State};
use super::{InstanceId, Peer};
use crate::exp::Channel;

/// How many events one read hands over at most, so that a listener far behind does not hold the log's lock for long.
const READ_BATCH: usize = 256;

/// How many bytes one read hands over at most, as long as it is one event. What was read is held for an app until it takes it,
/// after it has left the log, too: a thousand apps that do not read then cost a thousand times this at the most.
const READ_BYTES: usize = 64 * 1024;

/// What an app asked to hear.
#[derive(Clone, Debug)]
pub struct ListenSpec {
    /// The channel.
    pub channel: Channel,
    /// Only events of this name; all when not set.
    pub name: Option<String>,
    /// The tag by which a group of listeners is ended; may be empty.
    pub context: String,
    /// Events older than this are skipped.
    pub max_age: Option<Duration>,
    /// What happens when the listener falls off the log.
    pub overflow: Overflow,
    /// Where an earlier stream ended.
    pub resume: Option<Resume>,
    /// Who listens, as far as the kernel told.
    pub peer: Option<Peer>,
}

/// A position in a log, as an earlier stream knew it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resume {
    /// The log's ID.
    pub log_id: String,
    /// The last sequence that was dealt with.
    pub after: u64,
}

/// What happens to a listener that falls off the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overflow {
    /// It is told and goes on.
    Skip,
    /// It ends.
    Cancel,
}

/// One event as a listener gets it.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The position up to which the listener has come with this event.
    pub sequence: u64,
    /// The event.
    pub event: Event,
}

/// What a listener gets.
#[derive(Clone, Debug)]
pub enum Event {
    /// How the subscription stands, since when.
    Subscription(State, SystemTime),
    /// A broadcast, encoded once for all.
    Broadcast(Arc<Record>),
    /// Something may be missing.
    Gap(Gap),
}

/// Why a listener ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ended {
    /// It was cancelled by its ID or its context.
    #[error("the listener was cancelled")]
    Cancelled,
    /// It was too slow and had asked to be ended then.
    #[error(
        "the listener fell behind the channel's log and had asked for overflow CANCEL; read faster, or listen with SKIP"
    )]
    Overflow,
    /// The daemon stops.
    #[error("the daemon is stopping; listen again, with resume, when it is back")]
    Stopping,
}

/// What the router and the status know of a listener. Shared; the listener's own task writes the figures.
#[derive(Debug)]
pub struct Card {
    /// Names the listener.
    pub id: String,
    /// Whose channel.
    pub instance: InstanceId,
    /// The channel.
    pub channel: Channel,
    /// The event name; empty for all.
    pub name: String,
    /// The context; empty for none.
    pub context: String,
    /// Who listens.
    pub peer: Option<Peer>,
    /// Broadcasts handed over.
    pub delivered: AtomicU64,
    /// Broadcasts told as missed.
    pub missed: AtomicU64,
    /// Gaps told.
    pub gaps: AtomicU64,
    /// The last position handed over.
    pub position: AtomicU64,
    pub(super) log: Arc<ChannelLog>,
    ended: AtomicU8,
    gone: AtomicBool,
}

impl Card {
    /// Ends the listener; its stream says why. The first reason stays.
    pub(super) fn end(&self, why: Ended) {
        let code = match why {
            Ended::Cancelled => 1,
            Ended::Overflow => 2,
            Ended::Stopping => 3,
        };
        // A second ending changes nothing, so a failed exchange is fine.
        self.ended
            .compare_exchange(0, code, Ordering::AcqRel, Ordering::Acquire)
            .ok();
        self.log.wake();
    }

    /// Why it has ended, if it has.
    pub(super) fn ended(&self) -> Option<Ended> {
        match self.ended.load(Ordering::Acquire) {
            0 => None,
            1 => Some(Ended::Cancelled),
            2 => Some(Ended::Overflow),
            _ => Some(Ended::Stopping),
        }
    }

    /// Whether nobody holds the listener any more.
    pub(super) fn gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    /// Events of the log that were not handed over yet.
    pub fn behind(&self) -> u64 {
        let (_, _, newest) = self.log.size();
        newest.saturating_sub(self.position.load(Ordering::Relaxed))
    }
}

/// A place among the daemon's listeners; freed when dropped.
#[derive(Debug)]
pub(super) struct Place(Arc<AtomicUsize>);

impl Place {
    /// Takes a place where fewer than `limit` are taken.
    pub(super) fn take(taken: &Arc<AtomicUsize>, limit: usize) -> Option<Self> {
        taken
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |n| {
                (n < limit).then_some(n + 1)
            })
            .ok()
            .map(|_| Self(taken.clone()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A cursor into a channel's log. Dropping it ends the listener.
#[derive(Debug)]
pub struct Listener {
    card: Arc<Card>,
    slot: usize,
    filter: Option<String>,
    max_age: Option<Duration>,
    overflow: Overflow,
    /// The last position handed over.
    position: u64,
    /// When the event at `position` came, where known.
    position_wall: Option<SystemTime>,
    /// Broadcasts up to `position`: of the filter's name where there is one, where known.
    count: Option<u64>,
    /// The state that the app was last told; none before the first event.
    told: Option<State>,
    /// What is to be told before anything from the log.
    first: VecDeque<Event>,
    _place: Place,
}

impl Listener {
    pub(super) fn open(
        id: String,
        instance: InstanceId,
        log: Arc<ChannelLog>,
        spec: ListenSpec,
        place: Place,
        now: Moment,
    ) -> Self {
        let slot = log.enter();
        let card = Arc::new(Card {
            id,
            instance,
            channel: spec.channel,
            name: spec.name.clone().unwrap_or_default(),
            context: spec.context,
            peer: spec.peer,
            delivered: AtomicU64::new(0),
            missed: AtomicU64::new(0),
            gaps: AtomicU64::new(0),
            position: AtomicU64::new(0),
            log,
            ended: AtomicU8::new(0),
            gone: AtomicBool::new(false),
        });
        let mut listener = Self {
            card,
            slot,
            filter: spec.name,
            max_age: spec.max_age,
            overflow: spec.overflow,
            position: 0,
            position_wall: None,
            count: None,
            told: None,
            first: VecDeque::new(),
            _place: place,
        };
        listener.begin(spec.resume, now);
        listener
    }

    /// Chooses where to begin and what to say first.
    fn begin(&mut self, resume: Option<Resume>, now: Moment) {
        let card = self.card.clone();
        let ring = card.log.lock();
        let newest = ring.next() - 1;
        let mut restarted = false;
        self.position = match resume {
            None => newest,
            Some(resume) if resume.log_id == card.log.id => resume.after.min(newest),
            Some(_) => {
                restarted = true;
                ring.first - 1
            }
        };
        let reached = self.position + 1 >= ring.first;
        self.position_wall = if self.position == newest {
            Some(now.wall)
        } else {
            ring.wall_at(self.position)
        };
        self.count = match &self.filter {
            Some(name) => ring.count_of_name_at(name, self.position),
            None => ring.count_at(self.position),
        };
        let (state, since) = if reached {
            ring.state_at(self.position)
        } else {
            (ring.evicted.state, ring.evicted.state_since)
        };
        self.told = Some(state);
        self.first.push_back(Event::Subscription(state, since));
        if restarted {
            self.first.push_back(Event::Gap(Gap {
                reason: GapReason::Restarted,
                missed: 0,
                from: None,
                to: ring.silent_until().min(now.wall),
            }));
        }
        card.position.store(self.position, Ordering::Relaxed);
    }

    /// The listener's card.
    pub fn card(&self) -> &Arc<Card> {
        &self.card
    }

    /// The log's name, for resuming.
    pub fn log_id(&self) -> &str {
        &self.card.log.id
    }

    /// Moves what is new to `out`, or arranges to be woken. Ready with nothing in `out` is possible: all that was new was not
    /// for this listener.
    ///
    /// # Errors
    /// Why the listener has ended; whatever was in the log before is not handed over any more.
    pub fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        out: &mut Vec<Delivery>,
    ) -> Poll<Result<(), Ended>> {
        if let Some(ended) = self.card.ended() {
            return Poll::Ready(Err(ended));
        }
        if !self.first.is_empty() {
            let sequence = self.position;
            let before = out.len();
            out.extend(
                self.first
                    .drain(..)
                    .map(|event| Delivery { sequence, event }),
            );
            self.count_gaps(out, before);
            return Poll::Ready(Ok(()));
        }
        let card = self.card.clone();
        let mut ring = card.log.lock();
        if ring.next() - 1 <= self.position {
            ring.wait(self.slot, context.waker());
            drop(ring);
            // An ending between the first look and the registration would otherwise wake nobody.
            return match card.ended() {
                Some(ended) => Poll::Ready(Err(ended)),
                None => Poll::Pending,
            };
        }
        let before = out.len();
        let delivered = self.read(&ring, out);
        drop(ring);
        self.count_gaps(out, before);
        card.position.store(self.position, Ordering::Relaxed);
        Poll::Ready(delivered)
    }

    fn count_gaps(&self, out: &[Delivery], before: usize) {
        let new = out.get(before..).unwrap_or_default();
        let gaps = new
            .iter()
            .filter(|d| matches!(d.event, Event::Gap(_)))
            .count();
        if gaps > 0 {
            self.card.gaps.fetch_add(gaps as u64, Ordering::Relaxed);
        }
    }

    /// Whether it has ended.
    pub fn ended(&self) -> bool {
        self.card.ended().is_some()
    }

    /// Waits for events and moves them to `out`.
    ///
    /// # Errors
    /// As [`Listener::poll_read`].
    pub async fn read_some(&mut self, out: &mut Vec<Delivery>) -> Result<(), Ended> {
        std::future::poll_fn(|context| self.poll_read(context, out)).await
    }

    fn read(&mut self, ring: &Ring, out: &mut Vec<Delivery>) -> Result<(), Ended> {
        if self.position + 1 < ring.first {
            self.fall(ring, out)?;
        }
        let now = Moment::now();
        let mut aged = Aged::default();
        let mut delivered = 0;
        let mut bytes = 0;
        for (sequence, entry) in ring.after(self.position).take(READ_BATCH) {
            self.position = sequence;
            self.position_wall = Some(entry.wall);
            let event = match &entry.body {
                Body::Gap(gap) => Event::Gap(gap.clone()),
                Body::State { state, .. } if self.told == Some(*state) => continue,
                Body::State { state, since } => {
                    self.told = Some(*state);
                    Event::Subscription(*state, *since)
                }
                Body::Broadcast {
                    record,
                    count,
                    count_of_name,
                } => {
                    match &self.filter {
                        Some(name) if **name != *record.name => continue,
                        Some(_) => self.count = (*count_of_name > 0).then_some(*count_of_name),
                        None => self.count = Some(*count),
                    }
                    let age = now.at.saturating_duration_since(entry.at);
                    if self.max_age.is_some_and(|most| age > most) {
                        aged.count(entry.wall);
                        continue;
                    }
                    delivered += 1;
                    bytes += record.frame.len();
                    Event::Broadcast(record.clone())
                }
            };
            self.tell_aged(&mut aged, sequence - 1, out);
            out.push(Delivery { sequence, event });
            if bytes >= READ_BYTES {
                break;
            }
        }
        self.tell_aged(&mut aged, self.position, out);
        self.card.delivered.fetch_add(delivered, Ordering::Relaxed);
        Ok(())
    }

    /// Tells of events that were skipped because of `max_age`.
    fn tell_aged(&self, aged: &mut Aged, sequence: u64, out: &mut Vec<Delivery>) {
        if let Some((from, to)) = aged.span {
            self.card.missed.fetch_add(aged.missed, Ordering::Relaxed);
            let event = Event::Gap(Gap {
                reason: GapReason::Expired,
                missed: aged.missed,
                from: Some(from),
                to,
            });
            out.push(Delivery { sequence, event });
            *aged = Aged::default();
        }
    }

    /// The log has moved past this listener: tells what it missed, and puts it on the oldest entry that is still there.
    fn fall(&mut self, ring: &Ring, out: &mut Vec<Delivery>) -> Result<(), Ended> {
        let evicted = &ring.evicted;
        let last = ring.first - 1;
        let overflow = evicted.overflow_to > self.position;
        let count_now = match &self.filter {
            Some(name) => ring.count_of_name_at(name, last),
            None => Some(evicted.count),
        };
        let missed = match (self.count, count_now) {
            (Some(before), Some(now)) => Some(now.saturating_sub(before)),
            _ => None,
        };
        let slow = missed != Some(0);
        if slow && overflow && self.overflow == Overflow::Cancel {
            return Err(Ended::Overflow);
        }
        if let Some((from, to)) = evicted.outages.after(self.position) {
            let gap = Gap {
                reason: GapReason::Offline,
                missed: 0,
                from,
                to,
            };
            // Where another gap follows, the listener has come no further yet: an app that ends between the two and resumes
            // is told both.
            out.push(Delivery {
                sequence: if slow { self.position } else { last },
                event: Event::Gap(gap),
            });
        }
        if slow {
            let missed = missed.unwrap_or(0);
            self.card.missed.fetch_add(missed, Ordering::Relaxed);
            out.push(Delivery {
                sequence: last,
                event: Event::Gap(Gap {
                    reason: if overflow {
                        GapReason::Overflow
                    } else {
                        GapReason::Expired
                    },
                    missed,
                    from: self.position_wall,
                    to: evicted.wall,
                }),
            });
        }
        if self.told != Some(evicted.state) {
            self.told = Some(evicted.state);
            out.push(Delivery {
                sequence: last,
                event: Event::Subscription(evicted.state, evicted.state_since),
            });
        }
        self.position = last;
        self.position_wall = Some(evicted.wall);
        self.count = count_now;
        Ok(())
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.card.gone.store(true, Ordering::Release);
        self.card.log.leave(self.slot);
    }
}

/// Events skipped in a row because they were older than the listener's `max_age`.
#[derive(Default)]
struct Aged {
    missed: u64,
    span: Option<(SystemTime, SystemTime)>,
}

impl Aged {
    fn count(&mut self, wall: SystemTime) {
        self.missed += 1;
        let from = self.span.map_or(wall, |(from, _)| from);
        self.span = Some((from, wall));
    }
}
