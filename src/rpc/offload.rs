//! Work on large messages, moved off the thread that delivers events.

use tokio::sync::Semaphore;
use tonic::Status;

use super::error;

/// Messages up to this size are processed in place; larger ones on a blocking thread.
pub(super) const MAX_INLINE: usize = 64 << 10;

/// Limits concurrent large jobs, so that the delivering thread gets a processor.
static LARGE_JOBS: Semaphore = Semaphore::const_new(2);

/// Runs work on `bytes` bytes: in place where they are few, else on a blocking thread.
pub(super) async fn off_thread<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Status> {
    if bytes <= MAX_INLINE {
        return Ok(work());
    }
    // The semaphore is never closed.
    let _turn = LARGE_JOBS.acquire().await;
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| error::internal(format_args!("cannot process a large message: {error}")))
}
