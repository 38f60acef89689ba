//! Reason why a listening command waits: a word for scripts, a sentence for people.

use std::fmt;

use serde::Serialize;

use super::output::printable;
use expd_client::{ChannelStatus, LinkEvent, LinkState, Time};

/// Reasons for waiting, as JSON names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum Reason {
    /// No daemon answers on the socket.
    NoDaemon,
    /// The daemon refuses the listener, because a limit is reached.
    OverLimit,
    /// The daemon is logging in, or opening its connection.
    Connecting,
    /// The daemon is not connected to EXP.
    Offline,
    /// EXP refuses the credentials.
    Refused,
    /// The device waits to be paired.
    Pairing,
    /// EXP refuses the channel because of a limit or a missing permission.
    ChannelRefused,
    /// EXP has not confirmed the channel yet.
    NotConfirmed,
}

/// A reason with its details, at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Pending {
    pub(super) reason: Reason,
    /// Detail from EXP or the daemon; empty if none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) detail: String,
    /// Start of the link's state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) since: Option<Time>,
}

impl Pending {
    /// A reason with a detail.
    pub(super) fn new(reason: Reason, detail: &str) -> Self {
        Self {
            reason,
            detail: detail.to_owned(),
            since: None,
        }
    }

    /// The reason according to the instance's link. While it is online, `refusals` are EXP's
    /// messages about the channels.
    pub(super) fn of(link: Option<&LinkEvent>, refusals: &[String]) -> Self {
        let Some(link) = link else {
            return Self::new(Reason::NotConfirmed, "");
        };
        let reason = match link.state {
            LinkState::Online => {
                return match refusals.first() {
                    Some(refusal) => Self::new(Reason::ChannelRefused, refusal),
                    None => Self::new(Reason::NotConfirmed, "expd is online and has asked for it"),
                };
            }
            LinkState::Connecting => Reason::Connecting,
            LinkState::Offline => Reason::Offline,
            LinkState::Refused => Reason::Refused,
            LinkState::Pairing => Reason::Pairing,
        };
        Self {
            since: link.since,
            ..Self::new(reason, &link.reason)
        }
    }

    /// True if both have the same reason and detail.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        (self.reason, &self.detail) == (other.reason, &other.detail)
    }
}

impl fmt::Display for Pending {
    /// A sentence; empty if nothing is known.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let detail = printable(&self.detail);
        let sentence = match self.reason {
            Reason::NotConfirmed => return f.write_str(&detail),
            Reason::NoDaemon => "no daemon answers",
            Reason::OverLimit => "expd refuses the listener",
            Reason::ChannelRefused => "EXP refuses it",
            Reason::Connecting => "expd is connecting",
            Reason::Offline => "expd is offline",
            Reason::Refused => "expd is refused",
            Reason::Pairing => "expd is waiting to be paired",
        };
        f.write_str(sentence)?;
        match &*detail {
            "" => Ok(()),
            detail => write!(f, ", {detail}"),
        }
    }
}

/// EXP's refusals of these channels.
pub(super) fn refusals<'c>(channels: impl Iterator<Item = &'c ChannelStatus>) -> Vec<String> {
    let refused = channels.filter(|it| it.confirmed_at.is_none() && !it.refusal.is_empty());
    refused.map(|channel| channel.refusal.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(state: LinkState, reason: &str) -> LinkEvent {
        LinkEvent {
            instance: "default".to_owned(),
            state,
            since: None,
            reason: reason.to_owned(),
        }
    }

    #[test]
    fn a_reason_is_a_word_for_scripts_and_a_sentence_for_people() {
        let online = link(LinkState::Online, "");
        let refused = ["too many channels".to_owned()];
        let unknown: &[String] = &[];
        for (link, refusals, word, sentence) in [
            (None, unknown, "NOT_CONFIRMED", ""),
            (
                Some(&online),
                unknown,
                "NOT_CONFIRMED",
                "expd is online and has asked for it",
            ),
            (
                Some(&online),
                &refused,
                "CHANNEL_REFUSED",
                "EXP refuses it, too many channels",
            ),
            (
                Some(&link(LinkState::Offline, "no route")),
                unknown,
                "OFFLINE",
                "expd is offline, no route",
            ),
            (
                Some(&link(LinkState::Pairing, "")),
                unknown,
                "PAIRING",
                "expd is waiting to be paired",
            ),
        ] {
            let pending = Pending::of(link, refusals);
            assert_eq!(pending.to_string(), sentence);
            let json = serde_json::to_value(&pending).unwrap();
            assert_eq!(json["reason"], word);
        }
    }
}
