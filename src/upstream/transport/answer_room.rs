//! Room in memory for answers, which somebody accounts for.

use std::future::ready;

use futures_util::future::BoxFuture;

/// Accounts for the memory of an answer on behalf of its caller.
pub trait AnswerRoom: Send + Sync {
    /// Reserves bytes, waiting a while for them; false where there is no memory in time.
    fn hold(&self, bytes: usize) -> BoxFuture<'_, bool>;
}

/// No accounting: for answers that no app asked for (logins and refreshes), which are small.
pub struct Unbounded;

impl AnswerRoom for Unbounded {
    fn hold(&self, _: usize) -> BoxFuture<'_, bool> {
        Box::pin(ready(true))
    }
}
