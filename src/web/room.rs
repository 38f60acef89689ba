//! Memory of the answers to pages.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::timeout;

use crate::shares::{Memory, Share};
use crate::upstream::transport::AnswerRoom;

/// Time that an answer waits for memory which other answers hold.
const MEMORY_TIMEOUT: Duration = Duration::from_secs(10);

/// Memory of one answer, released on drop.
pub(super) struct PageRoom {
    memory: Memory,
    held: Mutex<Option<(Share, usize)>>,
}

impl PageRoom {
    pub fn new(memory: Memory) -> Self {
        Self {
            memory,
            held: Mutex::new(None),
        }
    }

    fn try_hold(&self, bytes: usize) -> bool {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *held {
            Some((share, before)) => {
                let all = before.saturating_add(bytes);
                let grown = share.resize(all).is_ok();
                if grown {
                    *before = all;
                }
                grown
            }
            None => match self.memory.take(bytes) {
                Ok(share) => {
                    *held = Some((share, bytes));
                    true
                }
                Err(_) => false,
            },
        }
    }

    /// Releases everything that was held: those bytes have been passed on.
    pub fn release(&self) {
        let released = self
            .held
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        drop(released);
    }
}

impl AnswerRoom for PageRoom {
    fn hold(&self, bytes: usize) -> BoxFuture<'_, bool> {
        Box::pin(async move {
            let room = self.memory.when_freed(|| self.try_hold(bytes));
            timeout(MEMORY_TIMEOUT, room).await.is_ok()
        })
    }
}
