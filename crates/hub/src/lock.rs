//! One way to lock.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks. A panic while a lock was held is a bug in this room that has been reported; the maps behind it are whole
/// between any two statements, so the others go on.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
