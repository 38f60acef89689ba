//! The broadcasts that wait for a connection: how many there may be, and whose turn it is.
//!
//! A [`Seat`] counts one of them, and its bytes, against its user's share and the whole room's; it is free again when it is
//! dropped, whatever the reason. The broadcasts of one program on one instance take their [`Turn`] in the order in which they came.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::config::Limits;
use crate::router::{InstanceId, Peer};

/// What a waiting broadcast takes besides its names and payload: its task, its timers, its places in the maps here.
const OVERHEAD: usize = 4096;

/// The room that all instances share.
#[derive(Clone, Debug)]
pub struct WaitingRoom {
    room: Arc<Room>,
    stop: CancellationToken,
}

#[derive(Debug)]
struct Room {
    most: Use,
    /// Locked for a few lines at a time, never over an await.
    inside: Mutex<Inside>,
}

#[derive(Debug, Default)]
struct Inside {
    all: Use,
    /// By user; all callers over TCP are one. No larger than the number of seats.
    users: HashMap<Option<u32>, Use>,
    /// By program. No larger than the number of seats.
    queues: HashMap<Program, Queue>,
}

/// A program on an instance; all callers over TCP are one.
type Program = (InstanceId, Option<Peer>);

#[derive(Clone, Copy, Debug, Default)]
struct Use {
    seats: usize,
    bytes: usize,
}

#[derive(Debug)]
struct Queue {
    seats: usize,
    /// One permit, which goes round in the order in which it was asked for.
    turn: Arc<Semaphore>,
}

/// The room, or a user's share of it, is full.
#[derive(Debug, thiserror::Error)]
#[error(
    "nothing was sent: {whose} {seats} broadcasts with {bytes} bytes for the connection already (daemon.limits.max_waiting: {most}, max_waiting_bytes: {most_bytes}; one user may have half of both); wait for some to finish, or raise the limits"
)]
pub struct Full {
    whose: &'static str,
    seats: usize,
    bytes: usize,
    most: usize,
    most_bytes: usize,
}

/// A place in the room, for as long as this is held.
#[derive(Debug)]
pub(super) struct Seat {
    room: Arc<Room>,
    program: Program,
    bytes: usize,
    turn: Arc<Semaphore>,
}

/// The right to send next among the broadcasts of one program, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    _permit: Option<OwnedSemaphorePermit>,
}

impl WaitingRoom {
    /// As large as the limits say; at `stop` everybody is to leave.
    pub fn new(limits: &Limits, stop: CancellationToken) -> Self {
        let most = Use {
            seats: limits.max_waiting,
            bytes: limits.max_waiting_bytes,
        };
        let inside = Mutex::default();
        Self {
            room: Arc::new(Room { most, inside }),
            stop,
        }
    }

    /// Takes a seat for a broadcast of so many bytes.
    pub(super) fn enter(
        &self,
        instance: InstanceId,
        peer: Option<Peer>,
        bytes: usize,
    ) -> Result<Seat, Full> {
        let Room { most, .. } = *self.room;
        let bytes = bytes.saturating_add(OVERHEAD);
        let user = peer.map(|peer| peer.uid);
        let mut inside = self.room.inside();
        let full = |whose, used: Use| Full {
            whose,
            seats: used.seats,
            bytes: used.bytes,
            most: most.seats,
            most_bytes: most.bytes,
        };
        if !inside.all.has_room(most, bytes) {
            return Err(full("there wait", inside.all));
        }
        let share = inside.users.get(&user).copied().unwrap_or_default();
        if !share.has_room(most.half(), bytes) {
            return Err(full("of this user there wait", share));
        }
        inside.all.add(bytes);
        inside.users.entry(user).or_default().add(bytes);
        let program = (instance, peer);
        let queue = inside.queues.entry(program).or_insert_with(|| Queue {
            seats: 0,
            turn: Arc::new(Semaphore::new(1)),
        });
        queue.seats += 1;
        Ok(Seat {
            room: self.room.clone(),
            program,
            bytes,
            turn: queue.turn.clone(),
        })
    }

    /// How many broadcasts of an instance are in the room.
    pub(super) fn seats(&self, instance: InstanceId) -> usize {
        let inside = self.room.inside();
        let queues = inside.queues.iter();
        queues
            .filter(|((of, _), _)| *of == instance)
            .map(|(_, queue)| queue.seats)
            .sum()
    }

    /// Waits for the daemon's stop.
    pub(super) async fn closes(&self) {
        self.stop.cancelled().await;
    }
}

impl Room {
    fn inside(&self) -> MutexGuard<'_, Inside> {
        // Numbers that a panic elsewhere cannot leave half changed.
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// Waits for the turn: after those of the same program that asked before.
    pub(super) async fn turn(&self) -> Turn {
        Turn {
            // The semaphore is never closed.
            _permit: self.turn.clone().acquire_owned().await.ok(),
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut inside = self.room.inside();
        inside.all.take(self.bytes);
        let user = self.program.1.map(|peer| peer.uid);
        if let Some(share) = inside.users.get_mut(&user) {
            share.take(self.bytes);
            if share.seats == 0 {
                inside.users.remove(&user);
            }
        }
        if let Some(queue) = inside.queues.get_mut(&self.program) {
            queue.seats -= 1;
            if queue.seats == 0 {
                inside.queues.remove(&self.program);
            }
        }
    }
}

impl Use {
    fn has_room(self, most: Self, bytes: usize) -> bool {
        self.seats < most.seats && self.bytes.saturating_add(bytes) <= most.bytes
    }

    /// At least one of the smallest, so that a limit of 1 does not shut everybody out.
    fn half(self) -> Self {
        Self {
            seats: self.seats.div_ceil(2),
            bytes: self.bytes.div_ceil(2),
        }
    }

    fn add(&mut self, bytes: usize) {
        self.seats += 1;
        self.bytes += bytes;
    }

    fn take(&mut self, bytes: usize) {
        self.seats -= 1;
        self.bytes -= bytes;
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn room(seats: usize, bytes: usize) -> WaitingRoom {
        let limits = Limits {
            max_waiting: seats,
            max_waiting_bytes: bytes,
            ..Limits::default()
        };
        WaitingRoom::new(&limits, CancellationToken::new())
    }

    fn program(uid: u32, pid: u32) -> Peer {
        Peer { pid, uid }
    }

    const HERE: InstanceId = InstanceId(0);

    #[test]
    fn a_user_has_half_of_the_seats_and_a_seat_is_free_again_when_it_is_left() {
        let room = room(4, 1 << 20);
        let enter = |uid, pid| room.enter(HERE, Some(program(uid, pid)), 10);
        let _first = enter(1, 1).unwrap();
        let second = enter(1, 2).unwrap();
        let said = enter(1, 3).unwrap_err().to_string();
        assert!(
            said.contains("of this user there wait 2 broadcasts"),
            "{said}"
        );
        let _others = [enter(2, 4).unwrap(), enter(2, 5).unwrap()];
        let said = enter(3, 6).unwrap_err().to_string();
        assert!(
            said.contains("nothing was sent: there wait 4 broadcasts"),
            "{said}"
        );
        drop(second);
        enter(3, 6).unwrap();
    }

    #[test]
    fn bytes_are_counted_too() {
        let room = room(100, 4 * (OVERHEAD + 1000));
        let enter = |uid, bytes| room.enter(HERE, Some(program(uid, 1)), bytes);
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
            let seats = [room.enter(HERE, Some(program(pid, pid)), 1).unwrap()];
            drop(seats);
        }
        let inside = room.room.inside();
        assert!(inside.users.is_empty() && inside.queues.is_empty());
        assert_eq!((inside.all.seats, inside.all.bytes), (0, 0));
    }

    #[test]
    fn turns_go_round_in_order_and_past_those_who_gave_up() {
        let room = room(100, 1 << 20);
        let enter = |pid| room.enter(HERE, Some(program(1, pid)), 1).unwrap();
        let seats = [enter(7), enter(7), enter(7)];
        let first = seats[0].turn().now_or_never().unwrap();
        let mut second = Box::pin(seats[1].turn());
        let mut third = Box::pin(seats[2].turn());
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
