//! A listener: its request, its public record, and the handle that reads its channel's log.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use super::cursor::{Cursor, CursorOptions, ReadCounts, Resume};
use super::error::RouterError;
use super::event::{Ended, Event, EventSink};
use super::gap_counts::GapCounts;
use super::gap_notice::{SlowListener, log_slow};
use super::log::ChannelLog;
use super::report::InstanceId;
use crate::moment::Moment;
use crate::shares::{Asker, Holder, Memory, Program, Share};
use expd_domain::{Channel, GapReason, NameSet, Overflow};

/// Bytes accounted for a listener, besides its texts.
const LISTENER_BYTES: usize = 1 << 10;

/// Bytes accounted for a channel, besides its name and its log.
const CHANNEL_BYTES: usize = 2 << 10;

/// A web page that listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebPage {
    /// Name of its app in the settings.
    pub app: Arc<str>,
    /// The number under which its shares are counted.
    pub number: u32,
}

/// An app's request to listen.
#[derive(Clone, Debug)]
pub struct ListenSpec {
    pub channel: Channel,
    /// Name of the events to deliver; `None` for all events.
    pub name: Option<String>,
    /// Names of the events that it may receive.
    pub events: NameSet,
    /// Tag that ends a group of listeners together; may be empty.
    pub context: String,
    /// Age above which events are skipped.
    pub max_age: Option<Duration>,
    /// Policy for when the listener falls behind the log.
    pub overflow: Overflow,
    /// Position at which an earlier stream ended.
    pub resume: Option<Resume>,
    /// The listening process, if the kernel reports it.
    pub peer: Option<Program>,
    /// The listening page; `None` for a program.
    pub page: Option<WebPage>,
    /// Name of the token with which a program listens over TCP.
    pub token: Option<Arc<str>>,
    /// The memory budget of the user; `None` where memory is not counted.
    pub memory: Option<Memory>,
}

impl ListenSpec {
    /// Listens to all that comes on a channel from now on, without a budget. Who listens is not
    /// said.
    pub fn new(channel: Channel) -> Self {
        Self {
            channel,
            name: None,
            events: NameSet::All,
            context: String::new(),
            max_age: None,
            overflow: Overflow::Skip,
            resume: None,
            peer: None,
            page: None,
            token: None,
            memory: None,
        }
    }

    /// Takes the listener's share of the user's memory.
    pub(super) fn take_memory(&self) -> Result<Option<Share>, RouterError> {
        let texts = self.name.as_ref().map_or(0, String::len) + self.context.len();
        self.take_bytes(LISTENER_BYTES + 2 * self.channel.name.len() + texts)
    }

    /// Takes the channel's share of the user's memory, if this is the channel's first listener.
    pub(super) fn take_channel_memory(&self) -> Result<Option<Share>, RouterError> {
        // The name, and both spellings of the ID with which it is requested.
        self.take_bytes(CHANNEL_BYTES + 4 * self.channel.name.len())
    }

    fn take_bytes(&self, bytes: usize) -> Result<Option<Share>, RouterError> {
        let Some(memory) = &self.memory else {
            return Ok(None);
        };
        let most = memory.most();
        let taken = memory.take(bytes).map(Some);
        taken.map_err(|full| RouterError::TooMuchMemory { most, full })
    }

    /// The user whose shares the listener takes, and the program.
    pub(super) fn asker(&self) -> Asker {
        match &self.page {
            Some(page) => Holder::App(page.number).into(),
            None => Asker::of(self.peer),
        }
    }
}

/// Public record of a listener, shared by the router and the status service. The listener's own
/// task writes the counts.
#[derive(Debug)]
pub struct ListenerInfo {
    /// The listener's random ID.
    pub id: String,
    /// Its number among all listeners that this daemon has opened, counted from 1.
    pub number: u64,
    /// The channel's instance.
    pub instance: InstanceId,
    /// Its name, for the journal.
    pub(super) instance_name: Arc<str>,
    pub channel: Channel,
    /// The event name; empty for all.
    pub name: String,
    /// The context; empty for none.
    pub context: String,
    /// The listening process.
    pub peer: Option<Program>,
    /// The listening page.
    pub page: Option<WebPage>,
    /// Name of the token of a program over TCP.
    pub token: Option<Arc<str>>,
    /// Number of delivered broadcasts.
    pub delivered: AtomicU64,
    /// Number of broadcasts reported as missed.
    pub missed: AtomicU64,
    /// Reported gaps. Written by the listener's own task, now and then.
    gaps: Mutex<GapCounts>,
    /// The last position that was read.
    pub position: AtomicU64,
    pub(super) log: Arc<ChannelLog>,
    ended: AtomicU8,
    dropped: AtomicBool,
}

impl ListenerInfo {
    /// Ends the listener; its stream reports the reason. Only the first reason counts.
    pub(super) fn end(&self, why: Ended) {
        let code = match why {
            Ended::Cancelled => 1,
            Ended::Overflow => 2,
            Ended::Stopping => 3,
            Ended::Instance => 4,
            Ended::Removed => 5,
            Ended::Replaced => 6,
        };
        // Fails if the listener has already ended: only the first reason counts.
        self.ended
            .compare_exchange(0, code, Ordering::AcqRel, Ordering::Acquire)
            .ok();
        self.log.wake();
    }

    /// The reason for its end, if it has ended.
    pub(super) fn ended(&self) -> Option<Ended> {
        match self.ended.load(Ordering::Acquire) {
            0 => None,
            1 => Some(Ended::Cancelled),
            2 => Some(Ended::Overflow),
            4 => Some(Ended::Instance),
            5 => Some(Ended::Removed),
            6 => Some(Ended::Replaced),
            _ => Some(Ended::Stopping),
        }
    }

    /// True once its [`Listener`] was dropped.
    pub(super) fn is_dropped(&self) -> bool {
        self.dropped.load(Ordering::Acquire)
    }

    /// True while it can still be ended.
    pub(super) fn is_open(&self) -> bool {
        !self.is_dropped() && self.ended().is_none()
    }

    /// The gaps that were reported to it.
    pub(super) fn gaps(&self) -> MutexGuard<'_, GapCounts> {
        // The value is consistent after each statement.
        self.gaps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, counts: ReadCounts) {
        self.delivered
            .fetch_add(counts.delivered, Ordering::Relaxed);
        if counts.gaps.total() > 0 {
            self.missed.fetch_add(counts.missed, Ordering::Relaxed);
            self.gaps().add_all(counts.gaps);
            if let Some(reason) = counts.slow {
                self.log_slow(reason, counts.missed, false);
            }
        }
    }

    #[cold]
    fn log_slow(&self, reason: GapReason, missed: u64, is_ended: bool) {
        let slow = SlowListener {
            instance: &self.instance_name,
            channel: &self.channel.name,
            peer: self.peer.map(|peer| (peer.pid, peer.uid)),
        };
        log_slow(&slow, reason, missed, is_ended);
    }

    /// Number of events in the log that it has not read yet.
    pub fn behind(&self) -> u64 {
        let (_, _, newest) = self.log.size();
        newest.saturating_sub(self.position.load(Ordering::Relaxed))
    }
}

/// Handle of a listener, held by the task that serves it. Dropping it ends the listener.
#[derive(Debug)]
pub struct Listener {
    info: Arc<ListenerInfo>,
    slot: usize,
    cursor: Cursor,
    /// Events that are delivered before those of the log.
    first: Vec<Event>,
    /// Its share of the limit of listeners.
    _share: Share,
    _memory: Option<Share>,
}

/// The router's part of a new listener.
pub(super) struct NewListener {
    pub id: String,
    pub number: u64,
    pub instance: InstanceId,
    pub instance_name: Arc<str>,
    pub log: Arc<ChannelLog>,
    pub share: Share,
    pub memory: Option<Share>,
}

impl Listener {
    pub(super) fn open(new: NewListener, spec: ListenSpec, now: Moment) -> Self {
        let log = new.log;
        let slot = log.add_listener();
        let options = CursorOptions {
            name: spec.name.clone(),
            events: spec.events,
            max_age: spec.max_age,
            overflow: spec.overflow,
        };
        let (cursor, first) = Cursor::begin(options, spec.resume, &log.id, &log.lock(), now);
        let info = Arc::new(ListenerInfo {
            id: new.id,
            number: new.number,
            instance: new.instance,
            instance_name: new.instance_name,
            channel: spec.channel,
            name: spec.name.unwrap_or_default(),
            context: spec.context,
            peer: spec.peer,
            page: spec.page,
            token: spec.token,
            delivered: AtomicU64::new(0),
            missed: AtomicU64::new(0),
            gaps: Mutex::default(),
            position: AtomicU64::new(cursor.position()),
            log,
            ended: AtomicU8::new(0),
            dropped: AtomicBool::new(false),
        });
        Self {
            info,
            slot,
            cursor,
            first,
            _share: new.share,
            _memory: new.memory,
        }
    }

    /// Its public record.
    pub fn info(&self) -> &Arc<ListenerInfo> {
        &self.info
    }

    /// Restricts it to events of these names from now on, unless it asked for a name.
    pub fn set_events(&mut self, events: NameSet) {
        self.cursor.set_events(events);
    }

    /// The log's ID, for resuming.
    pub fn log_id(&self) -> &str {
        &self.info.log.id
    }

    /// Hands new events to `out`, or registers the waker. It may be ready without any event, if
    /// none of the new ones is for this listener.
    ///
    /// # Errors
    /// The listener has ended. Events still in the log are no longer delivered, except when the
    /// daemon stops: then all of them come first, as far as they are read within the drain.
    // Inlined like `Cursor::read`, since both run for each delivery: as calls they would be 6 % of
    // the instructions of a paced one.
    #[inline]
    pub fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        out: &mut impl EventSink,
    ) -> Poll<Result<(), Ended>> {
        let info = &*self.info;
        match info.ended() {
            None | Some(Ended::Stopping) => {}
            Some(ended) => return Poll::Ready(Err(ended)),
        }
        if !self.first.is_empty() {
            for event in std::mem::take(&mut self.first) {
                if let Event::Gap(gap) = &event {
                    info.gaps().add(gap.reason);
                }
                out.other(self.cursor.position(), event);
            }
            return Poll::Ready(Ok(()));
        }
        let mut ring = info.log.lock();
        if ring.next() - 1 <= self.cursor.position() {
            ring.register(self.slot, context.waker());
            drop(ring);
            // A listener that ended between the first check and the registration would otherwise
            // never be woken.
            return match info.ended() {
                Some(ended) => Poll::Ready(Err(ended)),
                None => Poll::Pending,
            };
        }
        let read = self.cursor.read(&ring, out);
        drop(ring);
        info.position
            .store(self.cursor.position(), Ordering::Relaxed);
        if let Err(Ended::Overflow) = &read {
            info.log_slow(GapReason::Overflow, 0, true);
        }
        Poll::Ready(read.map(|counts| info.add(counts)))
    }

    pub fn ended(&self) -> bool {
        self.info.ended().is_some()
    }

    /// Waits for new events and hands them to `out`.
    ///
    /// # Errors
    /// As [`Listener::poll_read`].
    pub async fn read_some(&mut self, out: &mut impl EventSink) -> Result<(), Ended> {
        std::future::poll_fn(|context| self.poll_read(context, out)).await
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.info.dropped.store(true, Ordering::Release);
        self.info.log.remove_listener(self.slot);
    }
}
