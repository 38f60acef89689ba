//! A listener: who listens to what, and the [`Listener`] through which it reads its channel's log.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use super::cursor::{Cursor, CursorOptions, Resume, Tally};
use super::error::RouterError;
use super::event::{Ended, Event, EventSink};
use super::log::ChannelLog;
use super::moment::Moment;
use super::report::InstanceId;
use crate::shares::{Holder, Memory, Share};
use expd_domain::{Channel, Overflow};

/// Bytes that are counted for a listener besides its texts, and for a channel besides its name and its log.
const LISTENER_BYTES: usize = 1 << 10;
const CHANNEL_BYTES: usize = 2 << 10;

/// A local process, as the kernel named it when it connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Peer {
    /// Its process.
    pub pid: u32,
    /// Its user.
    pub uid: u32,
}

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
    /// The memory of whoever listens; none where it is not counted.
    pub memory: Option<Memory>,
}

impl ListenSpec {
    /// Takes the user's memory for what is kept of the listener.
    pub(super) fn take_memory(&self) -> Result<Option<Share>, RouterError> {
        let texts = self.name.as_ref().map_or(0, String::len) + self.context.len();
        self.take_bytes(LISTENER_BYTES + 2 * self.channel.name.len() + texts)
    }

    /// The same for its channel, where it is the first to want it.
    pub(super) fn take_channel_memory(&self) -> Result<Option<Share>, RouterError> {
        // The name, and both spellings of the ID in which it is asked for.
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

    /// The user of whose shares the listener takes.
    pub(super) fn holder(&self) -> Holder {
        Holder::of(self.peer.map(|peer| peer.uid))
    }
}

/// What the router and the status know of a listener. Shared; the listener's own task writes the figures.
#[derive(Debug)]
pub struct ListenerInfo {
    /// Names the listener. Random.
    pub id: String,
    /// Its number among all listeners that this daemon has opened, from 1.
    pub number: u64,
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
    dropped: AtomicBool,
}

impl ListenerInfo {
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

    /// True once its [`Listener`] was dropped.
    pub(super) fn is_dropped(&self) -> bool {
        self.dropped.load(Ordering::Acquire)
    }

    /// True while it can still be ended.
    pub(super) fn is_open(&self) -> bool {
        !self.is_dropped() && self.ended().is_none()
    }

    fn add(&self, tally: Tally) {
        self.delivered.fetch_add(tally.delivered, Ordering::Relaxed);
        if tally.gaps > 0 {
            self.missed.fetch_add(tally.missed, Ordering::Relaxed);
            self.gaps.fetch_add(tally.gaps, Ordering::Relaxed);
        }
    }

    /// Events of the log that were not handed over yet.
    pub fn behind(&self) -> u64 {
        let (_, _, newest) = self.log.size();
        newest.saturating_sub(self.position.load(Ordering::Relaxed))
    }
}

/// A listener, held by whoever serves it. Dropping it ends the listener.
#[derive(Debug)]
pub struct Listener {
    info: Arc<ListenerInfo>,
    slot: usize,
    cursor: Cursor,
    /// What is to be told before anything from the log.
    first: Vec<Event>,
    /// Its place among the listeners of the daemon.
    _share: Share,
    _memory: Option<Share>,
}

/// What the router allots to a new listener.
pub(super) struct NewListener {
    pub id: String,
    pub number: u64,
    pub instance: InstanceId,
    pub log: Arc<ChannelLog>,
    pub share: Share,
    pub memory: Option<Share>,
}

impl Listener {
    pub(super) fn open(new: NewListener, spec: ListenSpec, now: Moment) -> Self {
        let log = new.log;
        let slot = log.enter();
        let options = CursorOptions {
            name: spec.name.clone(),
            max_age: spec.max_age,
            overflow: spec.overflow,
        };
        let (cursor, first) = Cursor::begin(options, spec.resume, &log.id, &log.lock(), now);
        let info = Arc::new(ListenerInfo {
            id: new.id,
            number: new.number,
            instance: new.instance,
            channel: spec.channel,
            name: spec.name.unwrap_or_default(),
            context: spec.context,
            peer: spec.peer,
            delivered: AtomicU64::new(0),
            missed: AtomicU64::new(0),
            gaps: AtomicU64::new(0),
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

    /// Its record, shared with the router and the status.
    pub fn info(&self) -> &Arc<ListenerInfo> {
        &self.info
    }

    /// The log's name, for resuming.
    pub fn log_id(&self) -> &str {
        &self.info.log.id
    }

    /// Hands what is new to `out`, or arranges to be woken. Ready with nothing handed over is possible: all that was new was not
    /// for this listener.
    ///
    /// # Errors
    /// Why the listener has ended; whatever was in the log before is not handed over any more, except where the daemon stops: then
    /// all of it comes first, as far as it is read before the drain is over.
    // This and the cursor's reading happen for each delivery: as calls they would be 6 % of what a paced one executes.
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
                let gaps = u64::from(matches!(event, Event::Gap(_)));
                info.gaps.fetch_add(gaps, Ordering::Relaxed);
                out.other(self.cursor.position(), event);
            }
            return Poll::Ready(Ok(()));
        }
        let mut ring = info.log.lock();
        if ring.next() - 1 <= self.cursor.position() {
            ring.wait(self.slot, context.waker());
            drop(ring);
            // An ending between the first look and the registration would otherwise wake nobody.
            return match info.ended() {
                Some(ended) => Poll::Ready(Err(ended)),
                None => Poll::Pending,
            };
        }
        let read = self.cursor.read(&ring, out);
        drop(ring);
        info.position
            .store(self.cursor.position(), Ordering::Relaxed);
        Poll::Ready(read.map(|tally| info.add(tally)))
    }

    /// Whether it has ended.
    pub fn ended(&self) -> bool {
        self.info.ended().is_some()
    }

    /// Waits for events and hands them to `out`.
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
        self.info.log.leave(self.slot);
    }
}
