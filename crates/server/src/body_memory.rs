//! Memory budgets of request bodies.

use std::sync::Arc;

use super::byte_budget::{ByteBudget, Reservation};

/// Budget of all large bodies while they are read and parsed, and of one identity: four of maximum
/// size.
const LARGE_MEMORY: usize = 256 * 1024 * 1024;
const LARGE_OF_IDENTITY: usize = 68 * 1024 * 1024;

/// Bodies up to this size have a separate budget.
const SMALL: usize = 64 * 1024;
const SMALL_MEMORY: usize = 32 * 1024 * 1024;
const SMALL_OF_IDENTITY: usize = 8 * 1024 * 1024;

pub struct BodyMemory {
    large: Arc<ByteBudget<String>>,
    small: Arc<ByteBudget<String>>,
}

impl Default for BodyMemory {
    fn default() -> Self {
        Self {
            large: ByteBudget::new(LARGE_MEMORY, LARGE_OF_IDENTITY),
            small: ByteBudget::new(SMALL_MEMORY, SMALL_OF_IDENTITY),
        }
    }
}

impl BodyMemory {
    /// Reserves memory for a body as soon as there is room. The caller sets the timeout.
    pub async fn reserve(&self, owner: &str, size: usize) -> Reservation<String> {
        let memory = if size <= SMALL {
            &self.small
        } else {
            &self.large
        };
        memory.reserve(owner.to_owned(), size).await
    }
}
