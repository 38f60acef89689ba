//! Listeners in pull form: kept between the calls of a program that asks for one event at a time.
//!
//! A listener is taken out for the time of a call and put back after it, so nothing is locked while
//! a call waits. What a call has handed out is kept until the next one says that it arrived: an
//! answer that its client gave up on is lost to nobody's knowledge.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::frame::{EventEncoder, MIN_ACCOUNTED};
use crate::router::{Delivery, Ended, Listener, Moment, Peer};
use crate::shares::{Memory, Share};
use expd_domain::Quoted;
use expd_domain::payload::MAX_BYTES;
use expd_proto as proto;

/// The time that a listener is kept that nobody asks for an event.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// Listeners of one user that are kept though the programs that opened them have no connection any more.
const MAX_ORPHANS: usize = 64;

/// The interval at which those that nobody asks for are looked for.
const SWEEP_INTERVAL: Duration = Duration::from_secs(5);

/// All listeners in pull form. There are as many at most as the router allows listeners.
#[derive(Clone, Debug, Default)]
pub struct PullListeners(Arc<Mutex<HashMap<String, Kept>>>);

#[derive(Debug)]
enum Kept {
    /// Waits for the next call, since then.
    Idle(Box<PullListener>, Instant),
    /// A call has it.
    CheckedOut,
}

/// A listener between two calls: the cursor, and what it has read but not yet handed over.
#[derive(Debug)]
struct PullListener {
    listener: Listener,
    encoder: EventEncoder,
    /// At most one read's worth, and what a call took and did not hand out.
    ready: VecDeque<Delivery>,
    /// Handed out last, and not known to have arrived.
    handed_out: Option<Delivery>,
    /// The sequence of the last event that arrived.
    acknowledged: Option<u64>,
    /// The memory of the user who opened it.
    memory: Memory,
    /// What is counted of that for the events above.
    held: Option<Share>,
    /// The program that opened it has no connection any more.
    is_orphaned: bool,
}

/// A call's word on the events that were handed out before it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Acknowledgement {
    /// The sequence of the last one that arrived, where the client says so.
    pub after: Option<u64>,
    /// The call before was given up.
    pub repeat: bool,
}

impl PullListener {
    /// Counts the events that it keeps.
    fn count(&mut self, read: Option<&Delivery>) {
        let kept = self.ready.iter().chain(&self.handed_out).chain(read);
        let bytes: usize = kept.map(Delivery::size).sum();
        if bytes < MIN_ACCOUNTED {
            self.held = None;
            return;
        }
        // There was room for the largest event before it was read.
        match &mut self.held {
            Some(held) => drop(held.resize(bytes)),
            None => self.held = self.memory.take(bytes).ok(),
        }
    }

    /// Settles what became of the event that was handed out last: where it did not arrive, it comes next.
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
            // Of two with one sequence the first was taken for arrived when the second was asked
            // for.
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

/// Why a listener could not be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PullError {
    /// Never opened, cancelled, or not asked for too long.
    #[error(
        "no listener has the ID {id}: it was never opened, was cancelled, or nobody asked for an event for 60 s; open another", id = Quoted(.0)
    )]
    Unknown(String),
    /// The client says that more arrived than was handed out.
    #[error(
        "after is {after}, but this listener was handed nothing further than {furthest}; give the sequence of the last event that arrived from it"
    )]
    Ahead {
        /// The sequence that the client named.
        after: u64,
        /// The last sequence that was handed out.
        furthest: u64,
    },
    /// Another call waits on it.
    #[error(
        "another NextEvent waits on listener {id}; ask again when it has returned, or open a listener of your own", id = Quoted(.0)
    )]
    Busy(String),
}

impl PullListeners {
    /// Keeps a listener, and says under which ID.
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

    /// Takes a listener out for one call, which says what arrived before; it is put back when the
    /// guard is dropped.
    ///
    /// # Errors
    /// When there is none, another call has it, or what is said to have arrived was never handed out.
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

    /// A program's last connection has closed. A script that asks with another program goes on with the listeners that it opened
    /// last; of a program that left more behind, the older ones end.
    pub fn orphan(&self, program: Peer) {
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

    /// Drops the listeners that have ended, and those that nobody has asked for too long, and gives back their room.
    pub fn sweep(&self) {
        let now = Moment::now().at;
        let over = |kept: &Kept| match kept {
            Kept::Idle(pull, since) => {
                pull.listener.ended() || now.saturating_duration_since(*since) > IDLE_TIMEOUT
            }
            // The call that has it finds out by itself.
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
        // Dropping a listener locks its log; this map need not be locked meanwhile.
        drop(all);
        drop(dropped);
    }

    /// Sweeps from time to time until the shutdown.
    pub async fn sweep_until(self, shutdown: CancellationToken) {
        let mut tick = tokio::time::interval(SWEEP_INTERVAL);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while shutdown.run_until_cancelled(tick.tick()).await.is_some() {
            self.sweep();
        }
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Kept>> {
        // The map is whole after each statement, so a panic elsewhere does not spoil it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A listener that a call has taken out.
#[derive(Debug)]
pub struct CheckedOut {
    listeners: PullListeners,
    id: String,
    /// None when it is not to be put back.
    pull: Option<Box<PullListener>>,
    /// Read, and not handed out yet.
    read: Option<Delivery>,
}

impl CheckedOut {
    /// Waits for the next event. Cancel-safe.
    ///
    /// # Errors
    /// Why the listener has ended; it is not put back then.
    pub async fn next(&mut self) -> Result<proto::ListenEvent, Ended> {
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

    /// The event leaves with the call's answer. Without this it is the next call's.
    fn hand_out(mut self) {
        if let Some(pull) = &mut self.pull {
            pull.handed_out = self.read.take();
        }
    }
}

/// A listener that a call took, beside the answer that its event leaves with. Dropped before that,
/// the event is the next call's.
#[derive(Clone, Debug)]
pub struct HandOut(Arc<Mutex<Option<CheckedOut>>>);

impl HandOut {
    /// Of a call whose answer is being made.
    pub fn new(taken: CheckedOut) -> Self {
        Self(Arc::new(Mutex::new(Some(taken))))
    }

    /// The answer is made and leaves.
    pub fn complete(&self) {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(taken) = taken.take() {
            taken.hand_out();
        }
    }
}

impl Drop for CheckedOut {
    fn drop(&mut self) {
        let Some(mut pull) = self.pull.take() else {
            return;
        };
        if let Some(read) = self.read.take() {
            pull.ready.push_front(read);
        }
        // Whoever asks again is there.
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
