//! Work on large messages, off the thread that delivers.

use tokio::sync::Semaphore;
use tonic::Status;

/// What is up to this size is worked on at once; more goes to a thread that delivers nothing.
pub(super) const MAX_INLINE: usize = 64 << 10;

/// Large works at a time: what delivers must not wait for a processor behind all of them.
static LARGE_JOBS: Semaphore = Semaphore::const_new(2);

/// Does work on so many bytes: at once where they are few, else on a thread that delivers nothing.
pub(super) async fn off_thread<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Status> {
    if bytes <= MAX_INLINE {
        return Ok(work());
    }
    // It is never closed.
    let _turn = LARGE_JOBS.acquire().await;
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Status::internal(format!("a large message was not worked on: {error}")))
}
