//! Size of the HTTP library's reads, for which it allocates memory before the answer is looked at.
//!
//! A fresh connection reads 8 KiB at a time, and twice as much after each read that filled its
//! buffer, up to 408 KiB; a kept connection goes on with the size that it reached. So an answer may
//! take that much before its head has been looked at, and it is accounted for before the request is
//! sent.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Bytes of a connection besides what it reads.
const CONNECTION: usize = 8 << 10;

/// The first read of a fresh connection.
const SMALLEST: usize = 8 << 10;

/// The largest read; of TLS, which hands out a record or two of 16 KiB at a time.
const LARGEST: usize = 408 << 10;
const LARGEST_OF_TLS: usize = 32 << 10;

/// Time after which a large answer no longer affects the reads: an idle connection is closed
/// sooner, and on a busy one two small answers in a row halve their size.
const REMEMBERED: Duration = Duration::from_secs(600);

/// The size of the reads that the answers so far have led to. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct ReadSize(Arc<Mutex<Option<Largest>>>);

/// The largest recent answer.
#[derive(Clone, Copy, Debug)]
struct Largest {
    bytes: usize,
    seen: Instant,
}

impl ReadSize {
    /// Records an answer of so many bytes, as announced or as arrived.
    pub(super) fn note(&self, bytes: usize) {
        if bytes < SMALLEST / 2 {
            return;
        }
        let seen = Instant::now();
        let mut largest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = largest.filter(|it| seen.duration_since(it.seen) < REMEMBERED);
        if before.is_none_or(|before| before.bytes <= bytes) {
            *largest = Some(Largest { bytes, seen });
        }
    }

    /// Bytes that a request's connection may take before the answer is looked at.
    pub(super) fn of_request(&self, is_tls: bool) -> usize {
        let largest = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let largest = largest.filter(|it| it.seen.elapsed() < REMEMBERED);
        let most = if is_tls { LARGEST_OF_TLS } else { LARGEST };
        let read = largest.map_or(0, |it| it.bytes.saturating_mul(2));
        CONNECTION + read.clamp(SMALLEST, most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn large_answers_are_remembered_for_as_long_as_a_connection_may_read_so_much() {
        let size = ReadSize::default();
        let fresh = CONNECTION + SMALLEST;
        size.note(1000);
        assert_eq!(size.of_request(false), fresh);
        size.note(100_000);
        size.note(6000);
        assert_eq!(size.of_request(false), CONNECTION + 200_000);
        assert_eq!(size.of_request(true), CONNECTION + LARGEST_OF_TLS);
        size.note(usize::MAX);
        assert_eq!(size.of_request(false), CONNECTION + LARGEST);
        tokio::time::advance(REMEMBERED / 2).await;
        size.note(50_000);
        assert_eq!(size.of_request(false), CONNECTION + LARGEST);
        tokio::time::advance(REMEMBERED / 2).await;
        assert_eq!(size.of_request(false), fresh);
        size.note(50_000);
        assert_eq!(size.of_request(false), CONNECTION + 100_000);
    }
}
