//! The end of a page's socket: its reason, and its report.

use super::caller::PageCaller;
use crate::journal::JournalEvent;
use crate::router::Ended;
use expd_server::engine::Closed;

/// Reason for the end of a page's socket.
#[derive(Debug, thiserror::Error)]
pub(super) enum End {
    #[error(transparent)]
    Socket(#[from] Closed),
    /// Events of the page's subscriptions may have been missed.
    #[error("broadcasts may have been missed; the page says offline, then online")]
    Missed,
    #[error("the connection to EXP is lost")]
    CloudAway,
    #[error("the access rules no longer allow one of its channels")]
    RightTaken,
    #[error("its app was removed from the settings or changed")]
    AppChanged,
    #[error("another socket of its login has replaced it")]
    Replaced,
    /// The page says `online` once it is back, and receives the events since the refresh.
    #[error("token refreshed: the page continues on a new socket")]
    Kept,
    #[error("{0}")]
    Listener(Ended),
    #[error("the daemon is stopping")]
    Stopping,
}

impl End {
    /// True if the page may have missed events: its next handshake is refused once.
    pub fn has_missed(&self) -> bool {
        matches!(self, Self::Missed | Self::CloudAway)
    }

    /// True if only this page was cut off, because it was slow or an event could not be delivered.
    pub fn is_cut(&self) -> bool {
        matches!(self, Self::Socket(Closed::Slow) | Self::Missed)
    }

    /// Logs it, with the number of events that the page has yet to receive.
    pub fn report(&self, caller: &PageCaller, behind: u64) {
        let (app, origin) = (&*caller.app.name, &*caller.origin);
        match self {
            Self::Socket(Closed::Slow) | Self::Missed => log::warn!(
                event = JournalEvent::PageCut,
                instance = caller.bridge.name,
                peer_kind = caller.caller.kind().as_str(),
                app,
                origin,
                reason = if self.has_missed() { "missed" } else { "slow" },
                behind;
                "closed the socket of a page: {self}"
            ),
            Self::CloudAway
            | Self::RightTaken
            | Self::AppChanged
            | Self::Kept
            | Self::Listener(_) => {
                log::info!(app, origin; "closed the socket of a page: {self}");
            }
            Self::Socket(_) | Self::Replaced | Self::Stopping => {
                log::debug!(app, origin; "the socket of a page has ended: {self}");
            }
        }
    }
}
