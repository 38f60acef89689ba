//! The end of a page's output: from a refresh of its token on, nothing more is written to its
//! socket, and another one takes over.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

/// Time from the refresh in which the page opens the socket that takes over. The SDKs do so in the
/// same moment as they have the answer, which takes a second at most.
const SUCCESSOR_TIMEOUT: Duration = Duration::from_secs(10);

/// A page that is written to no more.
pub(super) struct Hold {
    /// Somebody waits until the page has received everything.
    waiting: Option<oneshot::Sender<()>>,
    /// Its successor is there by then.
    until: Instant,
}

impl Hold {
    pub fn new(waiting: oneshot::Sender<()>) -> Self {
        Self {
            waiting: Some(waiting),
            until: Instant::now() + SUCCESSOR_TIMEOUT,
        }
    }

    /// Another refresh of a page that is held already. Its time stays the same: a page that only
    /// refreshes would hear nothing for ever.
    pub fn refresh(&mut self, waiting: oneshot::Sender<()>) {
        self.waiting = Some(waiting);
    }

    /// Tells whoever waits that the page has received everything.
    pub fn end_wait(&mut self) {
        if let Some(waiting) = self.waiting.take() {
            // Nobody waits any more where it took too long.
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
