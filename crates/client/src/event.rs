//! Events of a listener.
//!
//! Each type serializes as in the contract's JSON mapping (camelCase names, times as RFC 3339, enum
//! values by name), with two differences for the reader's sake: a payload is its own JSON, in its
//! exact text, and a 64-bit count is a number.

use std::fmt;
use std::time::SystemTime;

use serde::{Serialize, Serializer};

use crate::convert::{channel_from_wire, payload_from_wire};
use crate::error::ClientError;
use expd_domain::{BroadcastId, Channel, ChannelId, GapReason, Payload, SubscriptionState};
use expd_proto as proto;

/// An event of a listener's stream.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ListenEvent {
    /// Position in the channel's log that the stream has reached with this event.
    pub sequence: u64,
    /// The event.
    #[serde(flatten)]
    pub event: Event,
}

/// Kinds of events.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Event {
    /// State of the subscription: the first event, and one at each change.
    Subscription(Subscription),
    /// A broadcast.
    Broadcast(Broadcast),
    /// A point where events may be missing.
    Gap(Gap),
}

/// State of the channel's subscription at EXP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Subscription {
    /// The state.
    pub state: SubscriptionState,
    /// ID of this listener.
    pub listener_id: String,
    /// The channel's ID on the network; empty before the first login.
    pub channel_id: String,
    /// ID of the channel's log.
    pub log_id: String,
    /// Start of the state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
}

/// A broadcast.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Broadcast {
    /// ID of the broadcast, which a response quotes.
    pub id: BroadcastId,
    /// The event's name.
    pub name: String,
    /// The channel.
    #[serde(with = "ChannelFields")]
    pub channel: Channel,
    /// ID of the channel, which a response quotes.
    pub channel_id: ChannelId,
    /// The payload.
    pub payload: Payload,
    /// Arrival at the daemon.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub received_at: Option<Time>,
}

/// A point where events may be missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Gap {
    /// The reason.
    pub reason: GapReason,
    /// Number of missed events; `None` if it is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missed: Option<u64>,
    /// Start of the span; `None` if it is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Time>,
    /// End of the span.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Time>,
}

/// A point in time, printed as RFC 3339 in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub SystemTime);

impl Time {
    /// Converts a time of the contract; `None` also for one that the system cannot represent.
    pub(crate) fn from_wire(time: Option<prost_types::Timestamp>) -> Option<Self> {
        time.and_then(|time| SystemTime::try_from(time).ok())
            .map(Self)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", prost_types::Timestamp::from(self.0))
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// JSON form of a channel.
#[derive(Serialize)]
#[serde(remote = "Channel")]
pub(crate) struct ChannelFields {
    name: String,
    system: bool,
    consumer: bool,
}

impl ListenEvent {
    /// Converts an event of the contract; `None` for a kind that this version does not know.
    pub(crate) fn from_wire(event: proto::ListenEvent) -> Result<Option<Self>, ClientError> {
        use proto::listen_event;
        let kind = match event.event {
            Some(listen_event::Event::Subscription(subscription)) => {
                Event::Subscription(Subscription {
                    state: match subscription.state() {
                        proto::subscription::State::Confirmed => SubscriptionState::Confirmed,
                        // A state that this version does not know counts as unconfirmed.
                        proto::subscription::State::Pending
                        | proto::subscription::State::Unspecified => SubscriptionState::Pending,
                    },
                    listener_id: subscription.listener_id,
                    channel_id: subscription.channel_id,
                    log_id: subscription.log_id,
                    since: Time::from_wire(subscription.since),
                })
            }
            Some(listen_event::Event::Broadcast(broadcast)) => Event::Broadcast(Broadcast {
                id: BroadcastId::new(broadcast.id),
                name: broadcast.name,
                channel: channel_from_wire(broadcast.channel)?,
                channel_id: ChannelId::from_wire(broadcast.channel_id),
                payload: broadcast
                    .payload
                    .map_or_else(|| Ok(Payload::null()), payload_from_wire)?,
                received_at: Time::from_wire(broadcast.received_at),
            }),
            Some(listen_event::Event::Gap(gap)) => Event::Gap(Gap {
                reason: match gap.reason() {
                    proto::gap::Reason::Offline => GapReason::Offline,
                    proto::gap::Reason::Overflow => GapReason::Overflow,
                    proto::gap::Reason::Expired => GapReason::Expired,
                    proto::gap::Reason::Restarted => GapReason::Restarted,
                    proto::gap::Reason::Unspecified => GapReason::Unknown,
                },
                missed: Some(gap.missed).filter(|missed| *missed > 0),
                from: Time::from_wire(gap.from),
                to: Time::from_wire(gap.to),
            }),
            None => return Ok(None),
        };
        Ok(Some(ListenEvent {
            sequence: event.sequence,
            event: kind,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::convert::channel_to_wire;

    #[test]
    fn an_event_is_one_json_document_with_the_payloads_exact_text() {
        let wire = proto::ListenEvent {
            sequence: 7,
            event: Some(proto::listen_event::Event::Broadcast(proto::Broadcast {
                id: "b1".into(),
                name: "hi".into(),
                channel: Some(channel_to_wire(&Channel::new("menu").consumer())),
                channel_id: "WyJ".into(),
                payload: Some(proto::Payload {
                    form: Some(proto::payload::Form::Json(r#"{"z":1e400,"a":0.10}"#.into())),
                }),
                received_at: Some(prost_types::Timestamp {
                    seconds: 0,
                    nanos: 500_000_000,
                }),
            })),
        };
        let event = ListenEvent::from_wire(wire).unwrap().unwrap();
        assert_eq!(
            serde_json::to_string(&event).unwrap(),
            r#"{"sequence":7,"broadcast":{"id":"b1","name":"hi","channel":{"name":"menu","system":false,"consumer":true},"channelId":"WyJ","payload":{"z":1e400,"a":0.10},"receivedAt":"1970-01-01T00:00:00.500Z"}}"#
        );
    }

    #[test]
    fn what_a_newer_daemon_says_is_passed_over_and_a_gap_is_told_all_the_same() {
        use proto::listen_event;
        let event = |event| proto::ListenEvent { sequence: 1, event };
        assert_eq!(ListenEvent::from_wire(event(None)).unwrap(), None);

        let gap = proto::Gap {
            reason: 99,
            missed: 3,
            ..proto::Gap::default()
        };
        let told = ListenEvent::from_wire(event(Some(listen_event::Event::Gap(gap)))).unwrap();
        let Some(Event::Gap(gap)) = told.map(|told| told.event) else {
            panic!("a gap was not told");
        };
        assert_eq!((gap.reason, gap.missed), (GapReason::Unknown, Some(3)));

        let subscription = proto::Subscription {
            state: 99,
            ..proto::Subscription::default()
        };
        let told =
            ListenEvent::from_wire(event(Some(listen_event::Event::Subscription(subscription))))
                .unwrap();
        let Some(Event::Subscription(it)) = told.map(|told| told.event) else {
            panic!("a subscription was not told");
        };
        assert_eq!(it.state, SubscriptionState::Pending);
    }
}
