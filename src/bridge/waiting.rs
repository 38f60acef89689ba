//! The queue of broadcasts that wait for a connection, its limits and its order.
//!
//! A [`QueueSlot`] counts one of them, and its bytes, against its user's shares until it is
//! dropped. The broadcasts of one program on one instance get their [`SendTurn`] in the order of
//! arrival.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::config::Limits;
use crate::router::{InstanceId, Program};
use crate::shares::{self, Asker, Limit, LimitHits, Share, Shares};

/// Memory of a waiting broadcast besides its names and payload: its task, timers and map entries.
const OVERHEAD: usize = 4096;

/// The queue that all instances share. Clones share it.
#[derive(Clone, Debug)]
pub struct OfflineQueue {
    room: Arc<Room>,
    /// Cancelled when the daemon stops.
    stop: CancellationToken,
    /// Cancelled when the instance ends.
    ended: CancellationToken,
}

#[derive(Debug)]
struct Room {
    slots: Shares,
    bytes: Shares,
    /// Keyed by program, no larger than the number of slots. Never locked across an await.
    queues: Mutex<HashMap<QueueKey, Queue>>,
}

/// A program on an instance; all callers over TCP count as one.
type QueueKey = (InstanceId, Option<Program>);

#[derive(Debug)]
struct Queue {
    slots: usize,
    /// One permit, granted in the order of the requests.
    turn: Arc<Semaphore>,
}

/// The queue, or a user's share of it, is full.
#[derive(Debug, thiserror::Error)]
#[error(
    "nothing was sent: too many {what} wait for the connection: {whose}, of {most} in total ({setting}); wait for some to finish, or raise the limit"
)]
pub struct QueueFull {
    what: &'static str,
    whose: shares::Full,
    most: usize,
    setting: &'static str,
}

/// A place in the queue, freed on drop.
#[derive(Debug)]
pub(super) struct QueueSlot {
    room: Arc<Room>,
    program: QueueKey,
    turn: Arc<Semaphore>,
    _place: Share,
    _bytes: Share,
}

/// The turn to send next among the broadcasts of one program, until dropped.
#[derive(Debug)]
pub(super) struct SendTurn {
    _permit: Option<OwnedSemaphorePermit>,
}

impl OfflineQueue {
    /// A queue of the configured size; `stop` ends every wait.
    pub fn new(limits: &Limits, hits: &LimitHits, stop: CancellationToken) -> Self {
        let room = Room {
            slots: Shares::of(Limit::Waiting, limits.max_waiting, None, hits),
            bytes: Shares::of(Limit::WaitingBytes, limits.max_waiting_bytes, None, hits),
            queues: Mutex::default(),
        };
        let room = Arc::new(room);
        let ended = CancellationToken::new();
        Self { room, stop, ended }
    }

    /// The same queue for an instance that `ended` ends.
    pub(super) fn ending_with(&self, ended: CancellationToken) -> Self {
        Self {
            ended,
            ..self.clone()
        }
    }

    /// Takes a slot for a broadcast of `bytes` bytes.
    pub(super) fn enter(
        &self,
        instance: InstanceId,
        peer: Option<Program>,
        bytes: usize,
    ) -> Result<QueueSlot, QueueFull> {
        let asker = Asker::of(peer);
        let slot = self.room.slots.take(asker, 1).map_err(|full| QueueFull {
            what: "broadcasts",
            whose: full,
            most: self.room.slots.most(),
            setting: "daemon.limits.max_waiting",
        })?;
        let bytes = bytes.saturating_add(OVERHEAD);
        let bytes = self
            .room
            .bytes
            .take(asker, bytes)
            .map_err(|full| QueueFull {
                what: "bytes of broadcasts",
                whose: full,
                most: self.room.bytes.most(),
                setting: "daemon.limits.max_waiting_bytes",
            })?;
        let program = (instance, peer);
        let mut queues = self.room.queues();
        let queue = queues.entry(program).or_insert_with(|| Queue {
            slots: 0,
            turn: Arc::new(Semaphore::new(1)),
        });
        queue.slots += 1;
        Ok(QueueSlot {
            room: self.room.clone(),
            program,
            turn: queue.turn.clone(),
            _place: slot,
            _bytes: bytes,
        })
    }

    /// Number of an instance's broadcasts in the queue.
    pub(super) fn slots(&self, instance: InstanceId) -> usize {
        let queues = self.room.queues();
        queues
            .iter()
            .filter(|((of, _), _)| *of == instance)
            .map(|(_, queue)| queue.slots)
            .sum()
    }

    /// Waits for the daemon's stop or the instance's end; true for the former.
    pub(super) async fn stopped(&self) -> bool {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => true,
            () = self.ended.cancelled() => false,
        }
    }
}

impl Room {
    fn queues(&self) -> MutexGuard<'_, HashMap<QueueKey, Queue>> {
        // Consistent after each statement, so a panic elsewhere does no harm.
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl QueueSlot {
    /// Waits for the turn, behind earlier broadcasts of the same program.
    pub(super) async fn turn(&self) -> SendTurn {
        SendTurn {
            // The semaphore is never closed.
            _permit: self.turn.clone().acquire_owned().await.ok(),
        }
    }
}

impl Drop for QueueSlot {
    fn drop(&mut self) {
        let mut queues = self.room.queues();
        if let Some(queue) = queues.get_mut(&self.program) {
            queue.slots -= 1;
            if queue.slots == 0 {
                queues.remove(&self.program);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn room(slots: usize, bytes: usize) -> OfflineQueue {
        let limits = Limits {
            max_waiting: slots,
            max_waiting_bytes: bytes,
            ..Limits::default()
        };
        OfflineQueue::new(&limits, &LimitHits::default(), CancellationToken::new())
    }

    fn program(uid: u32, pid: u32) -> Program {
        Program { pid, uid }
    }

    const HERE: InstanceId = InstanceId(0);

    #[test]
    fn a_user_has_half_of_the_seats_and_a_seat_is_free_again_when_it_is_left() {
        let room = room(4, 1 << 20);
        let enter = |user: u32, pid| room.enter(HERE, Some(program(60_000 + user, pid)), 10);
        let _first = enter(1, 1).unwrap();
        let second = enter(1, 2).unwrap();
        let said = enter(1, 3).unwrap_err().to_string();
        assert!(
            said.contains("too many broadcasts") && said.contains("are in use by uid 60001"),
            "{said}"
        );
        let _others = [enter(2, 4).unwrap(), enter(2, 5).unwrap()];
        let said = enter(3, 6).unwrap_err().to_string();
        assert!(
            said.contains("nothing was sent: too many broadcasts") && said.contains("by all users"),
            "{said}"
        );
        drop(second);
        enter(3, 6).unwrap();
    }

    #[test]
    fn bytes_are_counted_too() {
        let room = room(100, 4 * (OVERHEAD + 1000));
        let enter = |user: u32, bytes| room.enter(HERE, Some(program(60_000 + user, 1)), bytes);
        let _seat = enter(1, 1000).unwrap();
        assert!(enter(1, 1001).is_err());
        drop(enter(1, 1000).unwrap());
        assert!(enter(2, 3000 + OVERHEAD).is_err());
        assert!(room.enter(HERE, None, usize::MAX).is_err());
    }

    #[test]
    fn nothing_is_kept_of_those_who_left() {
        let room = room(100, 1 << 20);
        for pid in 0..50 {
            let slots = [room.enter(HERE, Some(program(pid, pid)), 1).unwrap()];
            drop(slots);
        }
        assert!(room.room.queues().is_empty());
        assert_eq!((room.room.slots.taken(), room.room.bytes.taken()), (0, 0));
    }

    #[test]
    fn turns_go_round_in_order_and_past_those_who_gave_up() {
        let room = room(100, 1 << 20);
        let enter = |pid| room.enter(HERE, Some(program(1, pid)), 1).unwrap();
        let slots = [enter(7), enter(7), enter(7)];
        let first = slots[0].turn().now_or_never().unwrap();
        let mut second = Box::pin(slots[1].turn());
        let mut third = Box::pin(slots[2].turn());
        assert!((&mut second).now_or_never().is_none());
        assert!((&mut third).now_or_never().is_none());
        // Another program, and the same one on another instance, are not in this queue.
        assert!(enter(8).turn().now_or_never().is_some());
        let elsewhere = room.enter(InstanceId(1), Some(program(1, 7)), 1).unwrap();
        assert!(elsewhere.turn().now_or_never().is_some());
        drop(second);
        drop(first);
        assert!(third.now_or_never().is_some());
    }
}
