//! Listeners in pull form, kept between the calls of a program that asks for one event at a time.
//!
//! A listener is checked out for a call and put back after it, so no lock is held while a call
//! waits. The event of an answer is kept until the next call acknowledges it: an answer that its
//! client gave up on is not lost.

mod error;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

pub use error::PullError;

use super::frame::{EventEncoder, MIN_ACCOUNTED};
use crate::router::{Delivery, Ended, Event, Listener, Moment, Program};
use crate::shares::{Memory, Share};
use expd_domain::NameSet;
use expd_domain::payload::MAX_BYTES;
use expd_proto as proto;

/// A listener without a call for this long is cancelled.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// Limit of one user's listeners whose programs have no connection any more.
const MAX_ORPHANS: usize = 64;

/// Interval between two searches for idle listeners.
const SWEEP_INTERVAL: Duration = Duration::from_secs(5);

/// All listeners in pull form, bounded by the router's limit of listeners. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct PullListeners(Arc<Mutex<HashMap<String, Kept>>>);

#[derive(Debug)]
enum Kept {
    /// Waits for the next call since the given time.
    Idle(Box<PullListener>, Instant),
    /// Checked out by a call.
    CheckedOut,
}

/// A listener between two calls, with the events that it has read and not yet handed out.
#[derive(Debug)]
struct PullListener {
    listener: Listener,
    encoder: EventEncoder,
    /// Events of at most one read, and one that a call took but did not hand out.
    ready: VecDeque<Delivery>,
    /// The event handed out last, not acknowledged yet.
    handed_out: Option<Delivery>,
    /// Sequence of the last acknowledged event.
    acknowledged: Option<u64>,
    /// Memory budget of the user who opened it.
    memory: Memory,
    /// Memory accounted for the events above.
    held: Option<Share>,
    /// True once the program that opened it has no connection left.
    is_orphaned: bool,
}

/// A call's acknowledgement of the events handed out before it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Acknowledgement {
    /// Sequence of the last event that arrived, where the client states it.
    pub after: Option<u64>,
    /// True if the client gave up on the previous call.
    pub repeat: bool,
}

impl PullListener {
    /// Accounts memory for the events that it keeps.
    fn count(&mut self, read: Option<&Delivery>) {
        let kept = self.ready.iter().chain(&self.handed_out).chain(read);
        let bytes: usize = kept.map(Delivery::size).sum();
        if bytes < MIN_ACCOUNTED {
            self.held = None;
            return;
        }
        // Memory for the largest event was available before the read.
        match &mut self.held {
            Some(held) => {
                held.resize(bytes).ok();
            }
            None => self.held = self.memory.take(bytes).ok(),
        }
    }

    /// Applies an acknowledgement: if the event handed out last did not arrive, it comes next
    /// again.
    fn settle(&mut self, ack: Acknowledgement) -> Result<(), PullError> {
        let furthest = self.handed_out.as_ref().map(|last| last.sequence);
        let furthest = furthest.max(self.acknowledged);
        if let (Some(after), Some(furthest)) = (ack.after, furthest)
            && after > furthest
        {
            return Err(PullError::Ahead { after, furthest });
        }
        let Some(handed) = self.handed_out.take() else {
            return Ok(());
        };
        let lost = ack.after.is_some_and(|after| {
            // Two events may have one sequence; asking for the second acknowledged the first.
            let either = self.acknowledged == Some(handed.sequence);
            after < handed.sequence || (ack.repeat && either)
        });
        if lost {
            self.ready.push_front(handed);
        } else {
            self.acknowledged = Some(handed.sequence);
        }
        Ok(())
    }
}

impl PullListeners {
    /// Keeps a listener and returns its ID.
    pub fn insert(&self, listener: Listener, encoder: EventEncoder, memory: Memory) -> String {
        let id = listener.info().id.clone();
        let pull = Box::new(PullListener {
            listener,
            encoder,
            ready: VecDeque::new(),
            handed_out: None,
            acknowledged: None,
            memory,
            held: None,
            is_orphaned: false,
        });
        self.lock()
            .insert(id.clone(), Kept::Idle(pull, Moment::now().at));
        id
    }

    /// Checks out a listener for one call, which acknowledges earlier events. Dropping the guard
    /// puts it back.
    ///
    /// # Errors
    /// The listener is unknown, is checked out by another call, or the acknowledged event was never
    /// handed out.
    pub fn check_out(&self, id: &str, ack: Acknowledgement) -> Result<CheckedOut, PullError> {
        let mut all = self.lock();
        let kept = all
            .get_mut(id)
            .ok_or_else(|| PullError::Unknown(id.to_owned()))?;
        let Kept::Idle(pull, _) = kept else {
            return Err(PullError::Busy(id.to_owned()));
        };
        pull.settle(ack)?;
        match std::mem::replace(kept, Kept::CheckedOut) {
            Kept::Idle(pull, _) => Ok(CheckedOut {
                listeners: self.clone(),
                id: id.to_owned(),
                pull: Some(pull),
                read: None,
            }),
            Kept::CheckedOut => Err(PullError::Busy(id.to_owned())),
        }
    }

    /// Handles the end of a program's last connection. The user's newest orphaned listeners stay,
    /// because the next step of a script may be another program; beyond [`MAX_ORPHANS`], the oldest
    /// end.
    pub fn orphan(&self, program: Program) {
        let mut all = self.lock();
        let mut left: Vec<(Instant, String)> = Vec::new();
        for (id, kept) in all.iter_mut() {
            let Kept::Idle(pull, asked) = kept else {
                continue;
            };
            let opened_by = pull.listener.info().peer;
            let Some(owner) = opened_by.filter(|owner| owner.uid == program.uid) else {
                continue;
            };
            pull.is_orphaned |= owner == program;
            if pull.is_orphaned {
                left.push((*asked, id.clone()));
            }
        }
        left.sort_unstable();
        let over = left.len().saturating_sub(MAX_ORPHANS);
        let ended: Vec<Kept> = left
            .iter()
            .take(over)
            .filter_map(|(_, id)| all.remove(id))
            .collect();
        drop(all);
        drop(ended);
    }

    /// Drops listeners that have ended or been idle for too long, and shrinks the map.
    pub fn sweep(&self) {
        let now = Moment::now().at;
        let over = |kept: &Kept| match kept {
            Kept::Idle(pull, since) => {
                pull.listener.ended() || now.saturating_duration_since(*since) > IDLE_TIMEOUT
            }
            // The call that checked it out notices by itself.
            Kept::CheckedOut => false,
        };
        let mut all = self.lock();
        let ids: Vec<String> = all
            .iter()
            .filter(|(_, kept)| over(kept))
            .map(|(id, _)| id.clone())
            .collect();
        let dropped: Vec<Kept> = ids.iter().filter_map(|id| all.remove(id)).collect();
        let enough = 2 * all.len();
        all.shrink_to(enough);
        // Dropping a listener locks its log, so the map is unlocked first.
        drop(all);
        drop(dropped);
    }

    /// Sweeps periodically until the shutdown.
    pub async fn sweep_until(self, shutdown: CancellationToken) {
        let mut tick = tokio::time::interval(SWEEP_INTERVAL);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while shutdown.run_until_cancelled(tick.tick()).await.is_some() {
            self.sweep();
        }
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Kept>> {
        // The map is consistent after each statement.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A listener checked out by a call.
#[derive(Debug)]
pub struct CheckedOut {
    listeners: PullListeners,
    id: String,
    /// None if it must not be put back.
    pull: Option<Box<PullListener>>,
    /// Read and not handed out yet.
    read: Option<Delivery>,
}

impl CheckedOut {
    /// Restricts it to events of these names from now on, including those that it has read already.
    pub fn set_events(&mut self, events: NameSet) {
        self.keep_read();
        let Some(pull) = &mut self.pull else {
            return;
        };
        if pull.listener.info().name.is_empty() {
            pull.ready.retain(|delivery| match &delivery.event {
                Event::Broadcast(record) => events.contains(&record.name),
                Event::Subscription(..) | Event::Gap(_) => true,
            });
        }
        pull.listener.set_events(events);
    }

    /// Keeps what was read and not handed out for the next read.
    fn keep_read(&mut self) {
        if let Some(pull) = &mut self.pull
            && let Some(read) = self.read.take()
        {
            pull.ready.push_front(read);
        }
    }

    /// Waits for the next event. Cancel-safe.
    ///
    /// # Errors
    /// The listener has ended; it is not put back.
    pub async fn next(&mut self) -> Result<proto::ListenEvent, Ended> {
        self.keep_read();
        loop {
            let Some(pull) = &mut self.pull else {
                return Err(Ended::Cancelled);
            };
            if let Some(delivery) = pull.ready.pop_front() {
                let made = pull.encoder.message_anywhere(&delivery);
                pull.count(Some(&delivery));
                self.read = Some(delivery);
                return Ok(made.await);
            }
            pull.memory.room_for(MAX_BYTES).await;
            let mut read = Vec::new();
            match pull.listener.read_some(&mut read).await {
                Ok(()) => {
                    pull.ready.extend(read);
                    pull.count(None);
                }
                Err(why) => {
                    self.pull = None;
                    self.listeners.lock().remove(&self.id);
                    return Err(why);
                }
            }
        }
    }

    /// Hands the event out with the call's answer; otherwise the next call gets it.
    fn hand_out(mut self) {
        if let Some(pull) = &mut self.pull {
            pull.handed_out = self.read.take();
        }
    }
}

/// Hand-out of an event, attached to its answer. Dropping it before [`Self::complete`] leaves the
/// event to the next call.
#[derive(Clone, Debug)]
pub struct HandOut(Arc<Mutex<Option<CheckedOut>>>);

impl HandOut {
    /// The hand-out of a call whose answer is being made.
    pub fn new(taken: CheckedOut) -> Self {
        Self(Arc::new(Mutex::new(Some(taken))))
    }

    /// Hands the event out: the answer is encoded and about to be sent.
    pub fn complete(&self) {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(taken) = taken.take() {
            taken.hand_out();
        }
    }
}

impl Drop for CheckedOut {
    fn drop(&mut self) {
        self.keep_read();
        let Some(mut pull) = self.pull.take() else {
            return;
        };
        // A program that asks again is not gone.
        pull.is_orphaned = false;
        pull.count(None);
        let mut all = self.listeners.lock();
        let homeless = match all.get_mut(&self.id) {
            Some(kept) => {
                *kept = Kept::Idle(pull, Moment::now().at);
                None
            }
            None => Some(pull),
        };
        drop(all);
        drop(homeless);
    }
}

#[cfg(test)]
mod tests;
