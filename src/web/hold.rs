//! The end of a page's output: from a refresh of its token on, nothing more is written to its
//! socket, and another one takes over.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

/// Time limit after a refresh for the page to open the socket that takes over. The SDKs open it as
/// soon as they have the answer, which takes a second at most.
const SUCCESSOR_TIMEOUT: Duration = Duration::from_secs(10);

/// A page to which nothing more is written.
pub(super) struct Hold {
    /// Notified once the page has received everything.
    waiting: Option<oneshot::Sender<()>>,
    /// Deadline for its successor.
    until: Instant,
}

impl Hold {
    pub fn new(waiting: oneshot::Sender<()>) -> Self {
        Self {
            waiting: Some(waiting),
            until: Instant::now() + SUCCESSOR_TIMEOUT,
        }
    }

    /// Another refresh of a held page. Its deadline stays: a page that keeps refreshing would
    /// otherwise never receive anything.
    pub fn refresh(&mut self, waiting: oneshot::Sender<()>) {
        self.waiting = Some(waiting);
    }

    /// Notifies the waiting refresh that the page has received everything.
    pub fn end_wait(&mut self) {
        if let Some(waiting) = self.waiting.take() {
            // Fails if the wait has timed out.
            waiting.send(()).ok();
        }
    }

    /// Waits until a page that is held should have opened another socket.
    pub async fn overdue(hold: Option<&Self>) {
        match hold {
            Some(hold) => sleep_until(hold.until).await,
            None => std::future::pending().await,
        }
    }
}
