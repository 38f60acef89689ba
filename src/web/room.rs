//! Memory of the answers to pages, and of what is written to their live sockets.

use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;
use futures_util::future::BoxFuture;

use crate::shares::{Memory, MemoryWait, Share};
use crate::upstream::transport::AnswerRoom;

/// Memory of one answer, released with the last of its clones and [kept](Self::keep) bytes.
#[derive(Clone)]
pub(super) struct PageRoom(Arc<Room>);

struct Room {
    memory: Memory,
    held: Mutex<Option<(Share, usize)>>,
    wait: MemoryWait,
}

impl PageRoom {
    pub fn new(memory: Memory) -> Self {
        Self(Arc::new(Room {
            memory,
            held: Mutex::new(None),
            wait: MemoryWait::default(),
        }))
    }

    /// The same bytes; the answer's memory is held until they are sent, too.
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

    fn try_reserve(&self, bytes: usize) -> bool {
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

/// Bytes of an answer that are not sent yet.
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
    fn reserve_beside(&self, bytes: usize, spare: usize) -> BoxFuture<'_, bool> {
        let try_reserve = move || self.try_reserve(bytes);
        Box::pin(self.0.wait.take(&self.0.memory, spare, try_reserve))
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
        assert!(room.reserve(300).await);
        let first = room.keep("the beginning");
        assert!(room.reserve(100).await);
        let (last, rest) = (room.keep("the end"), first.slice(4..));
        drop((room, first));
        assert_eq!((shares.taken(), &*rest), (400, &b"beginning"[..]));
        drop(rest);
        assert_eq!(shares.taken(), 400);
        drop(last);
        assert_eq!(shares.taken(), 0);
    }
}
