//! Reports channels that the network refuses or leaves unanswered: one log line for many of them,
//! and an error in the status while it lasts.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::connection::{Connection, RefusedChannels, UNANSWERED_ASKS};
use super::status::LinkStatus;
use crate::journal::JournalEvent;
use crate::metrics::Counters;
use expd_domain::excerpt::excerpt;

/// Least time between two log lines.
const LOG_EVERY: Duration = Duration::from_secs(10);

/// Least time between two replacements of a connection because of refusals.
const REPLACED_EVERY: Duration = Duration::from_secs(10);

/// Reporter of refusals, with the times of the last reports.
pub(super) struct RefusalNotice {
    name: String,
    status: watch::Sender<LinkStatus>,
    counters: Arc<Counters>,
    logged_at: Option<Instant>,
    replaced_at: Option<Instant>,
    /// Error in the status.
    shown: Option<String>,
    /// Channels refused since the last log line.
    count: usize,
}

impl RefusalNotice {
    pub fn new(name: String, status: watch::Sender<LinkStatus>, counters: Arc<Counters>) -> Self {
        Self {
            name,
            status,
            counters,
            logged_at: None,
            replaced_at: None,
            shown: None,
            count: 0,
        }
    }

    /// The error in the status, if refusals caused one.
    pub fn shown(&self) -> Option<&str> {
        self.shown.as_deref()
    }

    /// Starts over with a new connection, on which nothing is refused yet.
    pub fn reset(&mut self) {
        self.shown = None;
    }

    /// Reports refused channels. True if the connection should be replaced because it holds
    /// channels no longer wanted: they count towards a network's limit on the channels of a socket.
    pub fn on_refusals(&mut self, refusals: Vec<RefusedChannels>, connection: &Connection) -> bool {
        let mut replace = false;
        for RefusedChannels { channels, reason } in refusals {
            if channels.is_empty() && !connection.subscriptions.has_pending() {
                self.counters.unexpected_messages.inc();
                log::debug!(instance = self.name; "unexpected message: an error: {reason}");
                continue;
            }
            let subject = match channels.as_slice() {
                [] => "a subscription".to_owned(),
                [one] => format!("the channel {:?}", excerpt(&one.name)),
                [one, rest @ ..] => {
                    let name = excerpt(&one.name);
                    format!("the channel {name:?} and {} more", rest.len())
                }
            };
            self.count += channels.len().max(1);
            let fact = format!("the network refuses {subject} ({reason})");
            replace |= self.report(&fact, connection);
        }
        replace
    }

    /// Reports channels that were asked for again and that the network neither confirms nor
    /// refuses. True if the connection should be replaced, as in [`Self::on_refusals`].
    pub fn on_unanswered(
        &mut self,
        unanswered: usize,
        refused: usize,
        connection: &Connection,
    ) -> bool {
        let mut replace = refused > 0 && self.is_replacement_due(connection);
        if unanswered > 0 {
            let fact = format!(
                "the network leaves {unanswered} subscriptions unanswered, the oldest after {UNANSWERED_ASKS} requests or more"
            );
            self.count += unanswered;
            replace |= self.report(&fact, connection);
        }
        replace
    }

    fn report(&mut self, fact: &str, connection: &Connection) -> bool {
        let surplus = connection.subscriptions.surplus();
        let remedy = if surplus > 0 {
            format!(
                "the connection still holds {surplus} channels without listeners, and is replaced by one without them"
            )
        } else {
            "they are asked for again; if the network limits the channels of a socket, end listeners or spread them over several instances, else check what this identity may listen to".to_owned()
        };
        let message = format!("{fact}; {remedy}");
        let now = Instant::now();
        if self.logged_at.is_none_or(|at| now - at >= LOG_EVERY) {
            self.logged_at = Some(now);
            let count = std::mem::take(&mut self.count);
            log::warn!(event = JournalEvent::SubscriptionRefused, instance = self.name, channels = count; "{message}");
        }
        self.shown = Some(message.clone());
        self.status
            .send_modify(|status| status.last_error = Some(message));
        self.is_replacement_due(connection)
    }

    /// True, and recorded, if the connection holds channels no longer wanted and none was replaced
    /// for that lately.
    fn is_replacement_due(&mut self, connection: &Connection) -> bool {
        let now = Instant::now();
        let lately = (self.replaced_at).is_some_and(|at| now - at < REPLACED_EVERY);
        let due = connection.subscriptions.surplus() > 0 && !lately;
        if due {
            self.replaced_at = Some(now);
        }
        due
    }

    /// Removes the error from the status once every wanted channel is confirmed.
    pub fn end(&mut self, connection: &Connection) {
        if self.shown.is_none() || connection.subscriptions.has_pending() {
            return;
        }
        let shown = self.shown.take();
        self.logged_at = None;
        log::info!(instance = self.name; "the network confirms all wanted channels");
        self.status.send_if_modified(|status| {
            let ours = status.last_error == shown;
            if ours {
                status.last_error = None;
            }
            ours
        });
    }
}
