//! Memory for answers, accounted for to their callers.

use std::future::ready;

use futures_util::future::BoxFuture;

/// Accounts for the memory of an answer on behalf of its caller.
pub trait AnswerRoom: Send + Sync {
    /// Reserves bytes while `spare` more are free, waiting a while for them; false if there is no
    /// memory in time.
    fn reserve_beside(&self, bytes: usize, spare: usize) -> BoxFuture<'_, bool>;

    /// Reserves bytes of an answer that has arrived.
    fn reserve(&self, bytes: usize) -> BoxFuture<'_, bool> {
        self.reserve_beside(bytes, 0)
    }

    /// Reserves bytes before a request is sent. [`SPARE`] times as much stays free, so that
    /// requests never take the memory that the answers to others wait for.
    fn reserve_ahead(&self, bytes: usize) -> BoxFuture<'_, bool> {
        self.reserve_beside(bytes, bytes.saturating_mul(SPARE))
    }

    /// Gives reserved bytes back.
    fn release(&self, bytes: usize);
}

/// See [`AnswerRoom::reserve_ahead`]. A thousand requests for small answers leave 1 MiB; those for
/// large ones, of 408 KiB each, leave 25 MiB.
const SPARE: usize = 64;

/// Bytes of an answer that are reserved until this is dropped.
pub(super) struct ReservedRoom<'a> {
    room: &'a dyn AnswerRoom,
    bytes: usize,
}

impl<'a> ReservedRoom<'a> {
    /// Reserves bytes before a request is sent; `None` if there is no memory in time.
    pub(super) async fn take_ahead(room: &'a dyn AnswerRoom, bytes: usize) -> Option<Self> {
        let is_reserved = room.reserve_ahead(bytes).await;
        is_reserved.then_some(Self { room, bytes })
    }

    /// Keeps the bytes reserved for good, and returns their number.
    pub(super) fn keep(mut self) -> usize {
        std::mem::take(&mut self.bytes)
    }
}

impl Drop for ReservedRoom<'_> {
    fn drop(&mut self) {
        self.room.release(self.bytes);
    }
}

/// No accounting: for small answers that no app asked for (logins and refreshes).
pub struct Unbounded;

impl AnswerRoom for Unbounded {
    fn reserve_beside(&self, _: usize, _: usize) -> BoxFuture<'_, bool> {
        Box::pin(ready(true))
    }

    fn release(&self, _: usize) {}
}
