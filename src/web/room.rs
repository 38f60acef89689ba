//! Memory of the answers to pages, and of what is written to their live sockets.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use futures_util::future::BoxFuture;
use tokio::time::{Instant, timeout};

use crate::shares::{Memory, Share};
use crate::upstream::transport::{AnswerRoom, SPARE};

/// Time that an answer waits, in all, for memory which other answers hold.
const MEMORY_TIMEOUT: Duration = Duration::from_secs(10);

/// Memory of one answer, released with the last of its clones and [kept](Self::keep) bytes.
#[derive(Clone)]
pub(super) struct PageRoom(Arc<Room>);

struct Room {
    memory: Memory,
    held: Mutex<Option<(Share, usize)>>,
    waited: Mutex<Duration>,
}

impl PageRoom {
    pub fn new(memory: Memory) -> Self {
        Self(Arc::new(Room {
            memory,
            held: Mutex::new(None),
            waited: Mutex::default(),
        }))
    }

    /// The same bytes; the answer's memory is held until they have left, too.
    pub fn keep(&self, bytes: impl Into<Bytes>) -> Bytes {
        let bytes = bytes.into();
        if bytes.is_empty() {
            return bytes;
        }
        Bytes::from_owner(Kept {
            bytes,
            _room: self.clone(),
        })
    }

    /// Waits until `try_take` succeeds; false where the answer's time for that is over.
    async fn when_freed(&self, try_take: impl Fn() -> bool) -> bool {
        let waited = || self.0.waited.lock().unwrap_or_else(PoisonError::into_inner);
        let begun = Instant::now();
        let left = MEMORY_TIMEOUT.saturating_sub(*waited());
        let room = self.0.memory.when_freed(try_take);
        let is_taken = timeout(left, room).await.is_ok();
        *waited() += begun.elapsed();
        is_taken
    }

    fn try_hold(&self, bytes: usize) -> bool {
        let mut held = self.0.held.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *held {
            Some((share, before)) => {
                let all = before.saturating_add(bytes);
                let grown = share.resize(all).is_ok();
                if grown {
                    *before = all;
                }
                grown
            }
            None => match self.0.memory.take(bytes) {
                Ok(share) => {
                    *held = Some((share, bytes));
                    true
                }
                Err(_) => false,
            },
        }
    }
}

/// Bytes of an answer that have not left yet.
struct Kept {
    bytes: Bytes,
    _room: PageRoom,
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl AnswerRoom for PageRoom {
    fn hold(&self, bytes: usize) -> BoxFuture<'_, bool> {
        Box::pin(self.when_freed(move || self.try_hold(bytes)))
    }

    fn hold_ahead(&self, bytes: usize) -> BoxFuture<'_, bool> {
        Box::pin(async move {
            let spare = bytes.saturating_mul(SPARE);
            let has_room = || self.0.memory.has_room(spare);
            self.when_freed(|| has_room() && self.try_hold(bytes)).await
        })
    }

    fn release(&self, bytes: usize) {
        let mut held = self.0.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((share, before)) = &mut *held {
            let less = before.saturating_sub(bytes);
            // Never refused: it is less.
            share.resize(less).ok();
            *before = less;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shares::{Holder, Shares};

    #[tokio::test]
    async fn an_answer_holds_its_memory_until_its_last_bytes_have_left() {
        let shares = Shares::new(1000);
        let room = PageRoom::new(Memory::new(shares.clone(), Holder::App(1)));
        assert!(room.hold(300).await);
        let first = room.keep("the beginning");
        assert!(room.hold(100).await);
        let (last, rest) = (room.keep("the end"), first.slice(4..));
        drop((room, first));
        assert_eq!((shares.taken(), &*rest), (400, &b"beginning"[..]));
        drop(rest);
        assert_eq!(shares.taken(), 400);
        drop(last);
        assert_eq!(shares.taken(), 0);
    }
}
