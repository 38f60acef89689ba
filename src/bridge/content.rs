//! Content being transferred to a user, no faster than the user's rate of bytes.
//!
//! A download waits where other calls of its user are refused: completing it matters more than its
//! speed. An eighth of the burst is left to those other calls, so that they are not refused because
//! of the download.

use bytes::Bytes;
use tokio::time::{Instant, sleep_until};

use crate::shares::{Asker, Share, UserRates};
use crate::upstream::api::{Content, ContentHead};
use crate::upstream::transport::{AnswerRoom, CallError};

/// Content whose head has arrived; the call to the network is open until it is dropped.
pub struct UserContent {
    content: Content,
    rates: UserRates,
    asker: Asker,
    /// The user's rate is used up until this time.
    go_on_at: Option<Instant>,
    /// True once its wait was counted as a reached limit.
    is_counted: bool,
    _call: Share,
}

impl UserContent {
    /// Content for a user, with the open call.
    pub(super) fn new(content: Content, rates: UserRates, asker: Asker, call: Share) -> Self {
        Self {
            content,
            rates,
            asker,
            go_on_at: None,
            is_counted: false,
            _call: call,
        }
    }

    pub fn head(&self) -> &ContentHead {
        &self.content.head
    }

    /// The next bytes, once the user's rate allows them; none at the end.
    ///
    /// # Errors
    /// As [`Content::next`] says.
    pub async fn next(&mut self, room: &dyn AnswerRoom) -> Result<Option<Bytes>, CallError> {
        if let Some(at) = self.go_on_at {
            sleep_until(at).await;
            self.go_on_at = None;
        }
        let next = self.content.next(room).await?;
        if let Some(bytes) = &next
            && let Some(wait) = self.rates.charge_bytes(self.asker, bytes.len())
        {
            self.go_on_at = Some(Instant::now() + wait);
            if !std::mem::replace(&mut self.is_counted, true) {
                self.rates.report_bytes(self.asker);
            }
        }
        Ok(next)
    }
}
