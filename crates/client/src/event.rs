//! What a listener hears, as types, and how it comes off the wire.
//!
//! Each type serializes as the contract's JSON mapping has it (camelCase names, times as RFC 3339, enum values by name), with
//! two differences for the reader's sake: a payload is the JSON it is, in its exact text, and a 64-bit count is a number.

use std::fmt;
use std::time::{Duration, SystemTime};

use serde::{Serialize, Serializer};

use super::{ClientError, Listen};
use expd_domain::{
    BroadcastId, Channel, ChannelId, GapReason, Overflow, Payload, SubscriptionState,
};
use expd_proto as proto;

/// One event of a stream.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ListenEvent {
    /// The position in the channel's log that the stream has reached with this event.
    pub sequence: u64,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// What happened on a channel.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Event {
    /// How the channel stands at EXP.
    Subscription(Subscription),
    /// Somebody broadcast.
    Broadcast(Broadcast),
    /// Something may be missing here.
    Gap(Gap),
}

/// How the channel stands at EXP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Subscription {
    /// Whether EXP has confirmed it.
    pub state: SubscriptionState,
    /// Names this listener.
    pub listener_id: String,
    /// The channel's ID on the wire; empty before the first login.
    pub channel_id: String,
    /// Names the channel's log.
    pub log_id: String,
    /// Since when it is so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
}

/// What was broadcast.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Broadcast {
    /// To respond with.
    pub id: BroadcastId,
    /// The event's name.
    pub name: String,
    /// Where.
    #[serde(with = "ChannelFields")]
    pub channel: Channel,
    /// To respond with.
    pub channel_id: ChannelId,
    /// What the sender gave.
    pub payload: Payload,
    /// When the daemon received it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub received_at: Option<Time>,
}

/// Something may be missing here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Gap {
    /// Why.
    pub reason: GapReason,
    /// How many events; `None` where that cannot be known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missed: Option<u64>,
    /// The beginning of the span; absent where not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Time>,
    /// The end of the span.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Time>,
}

/// A point in time, printed as RFC 3339 in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub SystemTime);

impl Time {
    /// A time off the wire; `None` also for one that the system cannot represent.
    pub(super) fn from_wire(time: Option<prost_types::Timestamp>) -> Option<Self> {
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

/// A channel's fields in JSON.
#[derive(Serialize)]
#[serde(remote = "Channel")]
pub(super) struct ChannelFields {
    name: String,
    system: bool,
    consumer: bool,
}

pub(super) fn channel_to_wire(channel: &Channel) -> proto::Channel {
    proto::Channel {
        name: channel.name.clone(),
        system: channel.system,
        consumer: channel.consumer,
    }
}

pub(super) fn channel_from_wire(channel: Option<proto::Channel>) -> Result<Channel, ClientError> {
    let channel = channel.ok_or_else(|| ClientError::Contract("a channel is missing".into()))?;
    Ok(Channel {
        name: channel.name,
        system: channel.system,
        consumer: channel.consumer,
    })
}

pub(super) fn payload_to_wire(payload: &Payload) -> proto::Payload {
    proto::Payload {
        form: Some(proto::payload::Form::Json(payload.as_str().to_owned())),
    }
}

pub(super) fn payload_from_wire(payload: proto::Payload) -> Result<Payload, ClientError> {
    match payload.form {
        None => Ok(Payload::null()),
        Some(proto::payload::Form::Json(text)) => {
            Payload::parse(text).map_err(|error| ClientError::Contract(error.to_string()))
        }
        Some(proto::payload::Form::Value(_)) => Err(ClientError::Contract(
            "a payload came as a value where JSON was asked for".into(),
        )),
    }
}

pub(super) fn duration_to_wire(duration: Duration) -> Result<prost_types::Duration, ClientError> {
    duration.try_into().map_err(|_| {
        ClientError::Request(format!(
            "{} is too long a time",
            humantime::format_duration(duration)
        ))
    })
}

pub(super) fn listen_to_wire(listen: &Listen) -> Result<proto::ListenRequest, ClientError> {
    let overflow = match listen.overflow {
        Overflow::Skip => proto::listener_options::Overflow::Skip,
        Overflow::Cancel => proto::listener_options::Overflow::Cancel,
    };
    Ok(proto::ListenRequest {
        instance: listen.instance.clone(),
        channel: Some(channel_to_wire(&listen.channel)),
        name: listen.name.clone(),
        context: listen.context.clone(),
        options: Some(proto::ListenerOptions {
            max_age: listen.max_age.map(duration_to_wire).transpose()?,
            overflow: overflow.into(),
        }),
        payload_form: proto::PayloadForm::Json.into(),
        resume: listen.resume.as_ref().map(|position| proto::Resume {
            log_id: position.log_id.clone(),
            after: position.after,
        }),
    })
}

pub(super) fn event_from_wire(event: proto::ListenEvent) -> Result<ListenEvent, ClientError> {
    use proto::listen_event::Event as Wire;
    let unknown = |what: &str| ClientError::Contract(format!("{what} of an unknown kind"));
    let kind = match event.event {
        Some(Wire::Subscription(subscription)) => Event::Subscription(Subscription {
            state: match subscription.state() {
                proto::subscription::State::Pending => SubscriptionState::Pending,
                proto::subscription::State::Confirmed => SubscriptionState::Confirmed,
                proto::subscription::State::Unspecified => {
                    return Err(unknown("a subscription state"));
                }
            },
            listener_id: subscription.listener_id,
            channel_id: subscription.channel_id,
            log_id: subscription.log_id,
            since: Time::from_wire(subscription.since),
        }),
        Some(Wire::Broadcast(broadcast)) => Event::Broadcast(Broadcast {
            id: BroadcastId::new(broadcast.id),
            name: broadcast.name,
            channel: channel_from_wire(broadcast.channel)?,
            channel_id: ChannelId::from_wire(broadcast.channel_id),
            payload: broadcast
                .payload
                .map_or_else(|| Ok(Payload::null()), payload_from_wire)?,
            received_at: Time::from_wire(broadcast.received_at),
        }),
        Some(Wire::Gap(gap)) => Event::Gap(Gap {
            reason: match gap.reason() {
                proto::gap::Reason::Offline => GapReason::Offline,
                proto::gap::Reason::Overflow => GapReason::Overflow,
                proto::gap::Reason::Expired => GapReason::Expired,
                proto::gap::Reason::Restarted => GapReason::Restarted,
                proto::gap::Reason::Unspecified => return Err(unknown("a gap")),
            },
            missed: Some(gap.missed).filter(|missed| *missed > 0),
            from: Time::from_wire(gap.from),
            to: Time::from_wire(gap.to),
        }),
        None => return Err(unknown("an event")),
    };
    Ok(ListenEvent {
        sequence: event.sequence,
        event: kind,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let event = event_from_wire(wire).unwrap();
        assert_eq!(
            serde_json::to_string(&event).unwrap(),
            r#"{"sequence":7,"broadcast":{"id":"b1","name":"hi","channel":{"name":"menu","system":false,"consumer":true},"channelId":"WyJ","payload":{"z":1e400,"a":0.10},"receivedAt":"1970-01-01T00:00:00.500Z"}}"#
        );
    }

    #[test]
    fn an_event_of_a_kind_this_version_does_not_know_is_told() {
        for event in [
            None,
            Some(proto::listen_event::Event::Gap(proto::Gap::default())),
        ] {
            let wire = proto::ListenEvent { sequence: 1, event };
            let error = event_from_wire(wire).unwrap_err();
            assert!(error.to_string().contains("another version"), "{error}");
        }
    }
}
