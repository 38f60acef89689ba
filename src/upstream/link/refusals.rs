//! Channels that the network refuses, or leaves unanswered, as they are told: in the log, not at each of thousands; and in the
//! status, for as long as it lasts.

use std::time::Duration;

use tokio::time::Instant;

use super::Link;
use super::connection::{Connection, Refusal};
use super::rotation::Rotation;

/// How often the log speaks of it.
const LOG_EVERY: Duration = Duration::from_secs(10);

/// How often a connection is replaced because channels are refused on it.
const REPLACED_EVERY: Duration = Duration::from_secs(10);

/// A channel that was asked for so many times, the last time 15 s after the first, is told as unanswered.
pub(super) const UNANSWERED_ASKS: u32 = 3;

/// What was told of refusals, and when.
#[derive(Debug, Default)]
pub(super) struct RefusalNotice {
    logged_at: Option<Instant>,
    replaced_at: Option<Instant>,
    /// What the status says.
    pub shown: Option<String>,
    /// Refused since the log spoke of it last.
    count: usize,
}

impl Link {
    /// Tells of channels that the network has refused on the present connection, and has a connection replaced that holds
    /// channels which nobody wants any more: where the network limits the channels of a socket, those are in the way.
    pub(super) fn on_refusals(
        &mut self,
        refusals: Vec<Refusal>,
        connection: &Connection,
        rotation: &mut Rotation,
    ) {
        for Refusal { channels, reason } in refusals {
            let pending = connection.subscriptions.has_pending();
            if channels.is_empty() && !pending {
                self.count_unexpected(&[format!("an error: {reason}")]);
                continue;
            }
            let subject = match channels.as_slice() {
                [] => "a subscription".to_owned(),
                [one] => format!("the channel {:?}", shortened(&one.name)),
                [one, rest @ ..] => {
                    let name = shortened(&one.name);
                    format!("the channel {name:?} and {} more", rest.len())
                }
            };
            self.refusal_notice.count += channels.len().max(1);
            let fact = format!("the network refuses {subject} ({reason})");
            self.report_unsubscribed(&fact, connection, rotation);
        }
    }

    /// Some channels were asked for again. Tells of those that the network neither confirms nor refuses, and has a connection
    /// replaced on which one is refused still.
    pub(super) fn on_unanswered(
        &mut self,
        (unanswered, refused): (usize, usize),
        connection: &Connection,
        rotation: &mut Rotation,
    ) {
        if refused > 0 {
            self.replace_surplus(connection, rotation);
        }
        if unanswered > 0 {
            let fact = format!(
                "the network leaves {unanswered} subscriptions unanswered, the oldest after {UNANSWERED_ASKS} requests or more"
            );
            self.refusal_notice.count += unanswered;
            self.report_unsubscribed(&fact, connection, rotation);
        }
    }

    fn report_unsubscribed(
        &mut self,
        fact: &str,
        connection: &Connection,
        rotation: &mut Rotation,
    ) {
        let surplus = connection.subscriptions.surplus();
        let remedy = if surplus > 0 {
            format!(
                "the connection still holds {surplus} channels that nobody listens to any more, and is replaced by one without them"
            )
        } else {
            "they are asked for again; if the network limits the channels of a socket, end listeners or spread them over several instances, else check what this identity may listen to".to_owned()
        };
        let message = format!("{fact}; {remedy}");
        let now = Instant::now();
        let notice = &mut self.refusal_notice;
        if notice.logged_at.is_none_or(|at| now - at >= LOG_EVERY) {
            notice.logged_at = Some(now);
            let count = std::mem::take(&mut notice.count);
            log::warn!(instance = self.parts.name, channels = count; "{message}");
        }
        notice.shown = Some(message.clone());
        self.status
            .send_modify(|status| status.last_error = Some(message));
        self.replace_surplus(connection, rotation);
    }

    fn replace_surplus(&mut self, connection: &Connection, rotation: &mut Rotation) {
        let now = Instant::now();
        let last = self.refusal_notice.replaced_at;
        let lately = last.is_some_and(|at| now - at < REPLACED_EVERY);
        if connection.subscriptions.surplus() > 0 && !lately {
            self.refusal_notice.replaced_at = Some(now);
            rotation.start();
        }
    }

    /// Takes the trouble out of the status once every channel that is wanted is confirmed.
    pub(super) fn end_refusals(&mut self, connection: &Connection) {
        if self.refusal_notice.shown.is_none() || connection.subscriptions.has_pending() {
            return;
        }
        let shown = self.refusal_notice.shown.take();
        self.refusal_notice.logged_at = None;
        log::info!(instance = self.parts.name; "the network confirms every channel that is wanted");
        self.status.send_if_modified(|status| {
            let ours = status.last_error == shown;
            if ours {
                status.last_error = None;
            }
            ours
        });
    }
}

/// The beginning of a channel's name, which may be 16 KiB long.
fn shortened(name: &str) -> String {
    expd_domain::excerpt::excerpt(name)
}
