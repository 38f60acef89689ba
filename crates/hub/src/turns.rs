//! Turns of uploads and deliveries: they limit how many run at a time.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::error::ApiError;
use expd_server::byte_budget::{ByteBudget, Reservation};

/// Concurrent uploads: in total, and of one identity.
const UPLOADS: usize = 32;
const UPLOADS_OF_IDENTITY: usize = 4;

/// Concurrent deliveries: in total, and to one identity, which may be many pages.
const DELIVERIES: usize = 256;
const DELIVERIES_OF_IDENTITY: usize = 128;

/// Timeout of waiting for a turn.
const TURN_TIMEOUT: Duration = Duration::from_secs(10);

/// One upload or delivery, over on drop.
pub(super) type Turn = Reservation<String>;

pub(super) struct Turns {
    uploads: Arc<ByteBudget<String>>,
    deliveries: Arc<ByteBudget<String>>,
}

impl Default for Turns {
    fn default() -> Self {
        Self {
            uploads: ByteBudget::new(UPLOADS, UPLOADS_OF_IDENTITY),
            deliveries: ByteBudget::new(DELIVERIES, DELIVERIES_OF_IDENTITY),
        }
    }
}

impl Turns {
    pub(super) async fn upload(&self, owner: &str) -> Result<Turn, ApiError> {
        let turn = timeout(TURN_TIMEOUT, self.uploads.reserve(owner.to_owned(), 1)).await;
        turn.map_err(|_| {
            ApiError::busy(
                "content.uploads.tooMany",
                "too many uploads are in progress; try again later",
            )
        })
    }

    pub(super) async fn delivery(&self, owner: &str) -> Result<Turn, ApiError> {
        let turn = timeout(TURN_TIMEOUT, self.deliveries.reserve(owner.to_owned(), 1)).await;
        turn.map_err(|_| {
            ApiError::busy(
                "content.deliveries.tooMany",
                "too many files are being delivered; try again later",
            )
        })
    }
}
