//! Conversions between the contract's messages and the domain, in both directions.

use std::time::{Duration, SystemTime};

use prost::Message as _;
use prost_types::value::Kind;
use serde_json::Value;
use tonic::Status;

use super::error;
use super::offload::off_thread;
use super::structured;
use crate::moment::WallClock;
use crate::router::Gap;
use crate::upstream::link::LinkStatus;
use expd_domain::quoted::shortened;
use expd_domain::{Channel, GapReason, KnownIdentity, LinkState, Payload, SubscriptionState};
use expd_proto as proto;

/// Limit of a timeout or wait in a request.
const MAX_DURATION: Duration = Duration::from_secs(3600);

/// Limit of a text from the network in an answer, in bytes.
const MAX_NETWORK_TEXT: usize = 1024;

/// Decoders of Protocol Buffers stop at 100 nested messages, and a level of JSON takes up to three.
const MAX_VALUE_DEPTH: usize = 30;

/// Converts a request's channel.
pub fn channel_in(channel: Option<proto::Channel>) -> Result<Channel, Status> {
    let channel = channel.ok_or_else(|| {
        error::invalid(
            "the request names no channel; set channel.name (and system or consumer if needed)",
        )
    })?;
    Ok(Channel {
        name: channel.name,
        system: channel.system,
        consumer: channel.consumer,
    })
}

/// Converts a channel for an answer.
pub fn channel_out(channel: &Channel) -> proto::Channel {
    proto::Channel {
        name: channel.name.clone(),
        system: channel.system,
        consumer: channel.consumer,
    }
}

/// Converts a request's payload; none means `null`. A large one is checked on a blocking thread.
pub async fn payload_in(payload: Option<proto::Payload>, most: usize) -> Result<Payload, Status> {
    let Some(form) = payload.and_then(|payload| payload.form) else {
        return Ok(Payload::null());
    };
    let size = match &form {
        proto::payload::Form::Json(text) => text.len(),
        // Its size was bounded before it was decoded.
        proto::payload::Form::Value(value) => value.encoded_len(),
    };
    off_thread(size, move || check_payload(form, most)).await?
}

fn check_payload(form: proto::payload::Form, most: usize) -> Result<Payload, Status> {
    let text = match form {
        proto::payload::Form::Json(text) => text,
        proto::payload::Form::Value(value) => value_in(value)?.to_string(),
    };
    if text.len() > most {
        return Err(error::exhausted(format_args!(
            "the payload has {} bytes; at most {most} are allowed (daemon.limits.max_payload)",
            text.len()
        )));
    }
    Payload::parse(text).map_err(error::of_payload)
}

/// Converts payloads for an answer to the requested form; large ones on a blocking thread.
pub async fn payloads_out(
    payloads: Vec<Payload>,
    form: proto::PayloadForm,
) -> Result<Vec<proto::Payload>, Status> {
    let size = payloads.iter().map(|payload| payload.as_str().len()).sum();
    off_thread(size, move || {
        let payloads = payloads.into_iter();
        payloads.map(|payload| payload_out(payload, form)).collect()
    })
    .await
}

/// Converts checked JSON for an answer, unchanged, to the requested form; a large one on a blocking
/// thread.
pub async fn json_out(text: String, form: proto::PayloadForm) -> Result<proto::Payload, Status> {
    let size = text.len();
    let json = proto::Payload {
        form: Some(proto::payload::Form::Json(text)),
    };
    match form {
        proto::PayloadForm::Json => Ok(json),
        proto::PayloadForm::Value => off_thread(size, || payload_as_value(json)).await,
    }
}

/// Converts a payload for an answer to the requested form.
fn payload_out(payload: Payload, form: proto::PayloadForm) -> proto::Payload {
    let json = proto::Payload {
        form: Some(proto::payload::Form::Json(payload.into_text())),
    };
    match form {
        proto::PayloadForm::Json => json,
        proto::PayloadForm::Value => payload_as_value(json),
    }
}

/// Converts a payload to its structured form. One that is too large or too deeply nested stays
/// text.
pub fn payload_as_value(payload: proto::Payload) -> proto::Payload {
    let value = match &payload.form {
        Some(proto::payload::Form::Json(text)) if text.len() <= structured::MAX_BYTES => {
            let mut values = structured::MAX_VALUES;
            serde_json::from_str::<Value>(text)
                .ok()
                .and_then(|value| value_out(value, MAX_VALUE_DEPTH, &mut values))
        }
        _ => None,
    };
    match value {
        Some(value) => proto::Payload {
            form: Some(proto::payload::Form::Value(value)),
        },
        None => payload,
    }
}

fn value_in(value: prost_types::Value) -> Result<Value, Status> {
    Ok(match value.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(flag)) => Value::Bool(flag),
        Some(Kind::StringValue(text)) => Value::String(text),
        Some(Kind::NumberValue(number)) => number_in(number)?,
        Some(Kind::ListValue(list)) => list
            .values
            .into_iter()
            .map(value_in)
            .collect::<Result<_, _>>()?,
        Some(Kind::StructValue(fields)) => fields
            .fields
            .into_iter()
            .map(|(key, value)| Ok((key, value_in(value)?)))
            .collect::<Result<_, Status>>()?,
    })
}

fn number_in(number: f64) -> Result<Value, Status> {
    /// Doubles represent every whole number up to this one.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0
        && number.abs() <= EXACT
        && !(number == 0.0 && number.is_sign_negative())
    {
        // In range, as was just checked. An integer prints as "1", not as "1.0".
        #[expect(clippy::cast_possible_truncation)]
        return Ok(Value::from(number as i64));
    }
    serde_json::Number::from_f64(number)
        .map(Value::Number)
        .ok_or_else(|| {
            error::invalid(format_args!(
                "the payload holds the number {number}, which JSON cannot express; send null or a text instead"
            ))
        })
}

/// Converts JSON to the structured form, at most `levels` deep and with at most `values` values.
fn value_out(value: Value, levels: usize, values: &mut usize) -> Option<prost_types::Value> {
    let deeper = levels.checked_sub(1);
    *values = values.checked_sub(1)?;
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(flag) => Kind::BoolValue(flag),
        Value::String(text) => Kind::StringValue(text),
        Value::Number(number) => Kind::NumberValue(number_out(&number)),
        Value::Array(items) => Kind::ListValue(prost_types::ListValue {
            values: items
                .into_iter()
                .map(|value| value_out(value, deeper?, values))
                .collect::<Option<_>>()?,
        }),
        Value::Object(fields) => Kind::StructValue(prost_types::Struct {
            fields: fields
                .into_iter()
                .map(|(key, value)| Some((key, value_out(value, deeper?, values)?)))
                .collect::<Option<_>>()?,
        }),
    };
    Some(prost_types::Value { kind: Some(kind) })
}

/// The nearest double; numbers beyond the range of doubles are clamped to it.
fn number_out(number: &serde_json::Number) -> f64 {
    number
        .as_f64()
        .or_else(|| number.to_string().parse::<f64>().ok())
        .unwrap_or_default()
        .clamp(f64::MIN, f64::MAX)
}

/// Converts a request's duration, between 0 and an hour.
pub fn duration_in(
    field: &str,
    duration: Option<prost_types::Duration>,
) -> Result<Option<Duration>, Status> {
    let Some(duration) = duration else {
        return Ok(None);
    };
    let shown = format!("{}s and {}ns", duration.seconds, duration.nanos);
    let refused = |why: &str| Err(error::invalid(format_args!("{field} is {shown}: {why}")));
    match Duration::try_from(duration) {
        Err(_) => refused("it must not be negative"),
        Ok(duration) if duration > MAX_DURATION => refused("at most 1 hour is allowed"),
        Ok(duration) => Ok(Some(duration)),
    }
}

/// Converts the state of a subscription for an answer.
pub fn state_out(state: SubscriptionState) -> proto::subscription::State {
    match state {
        SubscriptionState::Pending => proto::subscription::State::Pending,
        SubscriptionState::Confirmed => proto::subscription::State::Confirmed,
    }
}

/// Converts a gap for an answer.
pub fn gap_out(gap: &Gap) -> proto::Gap {
    use proto::gap::Reason;
    let clock = WallClock::now();
    let reason = match gap.reason {
        GapReason::Offline => Reason::Offline,
        GapReason::Overflow => Reason::Overflow,
        GapReason::Expired => Reason::Expired,
        GapReason::Restarted => Reason::Restarted,
        GapReason::Unknown => Reason::Unspecified,
    };
    proto::Gap {
        reason: reason.into(),
        missed: gap.missed,
        from: gap.from.map(|from| clock.date(from.boot).into()),
        to: Some(clock.date(gap.to.boot).into()),
    }
}

/// Converts an identity for an answer, with the expiry of its token.
pub fn identity_out(identity: KnownIdentity, expires_at: Option<SystemTime>) -> proto::Identity {
    let text = |text: Option<&str>| network_text(text.unwrap_or_default());
    proto::Identity {
        r#type: identity.kind.as_word().to_owned(),
        uuid: network_text(&identity.uuid),
        organization: network_text(&identity.organization),
        paired: !identity.is_pairing(),
        pairing_code: text(identity.pairing_code.as_deref()),
        expires_at: expires_at.map(Into::into),
        username: text(identity.username.as_deref()),
        role: text(identity.role.as_deref()),
        unknown: identity.unknown.into_iter().map(str::to_owned).collect(),
        rest: identity.rest,
    }
}

/// A text from the network, shortened for an answer.
pub(super) fn network_text(text: &str) -> String {
    shortened(text, MAX_NETWORK_TEXT).into_owned()
}

/// Converts a link's state for an answer.
pub(super) fn link_state_out(state: LinkState) -> proto::link_event::State {
    match state {
        LinkState::Connecting => proto::link_event::State::Connecting,
        LinkState::Online => proto::link_event::State::Online,
        LinkState::Offline => proto::link_event::State::Offline,
        LinkState::Refused => proto::link_event::State::Refused,
        LinkState::Pairing => proto::link_event::State::Pairing,
    }
}

/// Converts the state of an instance's link for an event.
pub(super) fn link_event_out(instance: &str, status: &LinkStatus) -> proto::LinkEvent {
    proto::LinkEvent {
        instance: instance.to_owned(),
        state: link_state_out(status.state).into(),
        since: Some(status.since.date().into()),
        reason: network_text(&status.reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn through_value(text: &str) -> String {
        let value = payload_out(Payload::parse(text).unwrap(), proto::PayloadForm::Value);
        assert!(
            matches!(value.form, Some(proto::payload::Form::Value(_))),
            "{text}"
        );
        let back = check_payload(value.form.unwrap(), usize::MAX).unwrap();
        back.as_str().to_owned()
    }

    #[test]
    fn plain_documents_survive_the_structured_form() {
        for text in [
            "null",
            "true",
            "\"é\"",
            "1",
            "-2.5",
            "[]",
            "{\"a\":[1,{\"b\":null}]}",
        ] {
            assert_eq!(through_value(text), text);
        }
    }

    #[test]
    fn numbers_become_the_nearest_double() {
        assert_eq!(through_value("0.10"), "0.1");
        assert_eq!(through_value("1e400").parse::<f64>(), Ok(f64::MAX));
        assert_eq!(through_value("-1e400").parse::<f64>(), Ok(f64::MIN));
    }

    #[test]
    fn what_nests_too_deep_for_values_stays_text() {
        let deep = "[".repeat(40) + &"]".repeat(40);
        let out = payload_out(Payload::parse(&*deep).unwrap(), proto::PayloadForm::Value);
        assert_eq!(out.form, Some(proto::payload::Form::Json(deep)));
    }

    #[test]
    fn what_is_too_large_for_values_stays_text() {
        let many = format!("[{}1]", "1,".repeat(structured::MAX_VALUES));
        let long = format!("\"{}\"", "x".repeat(structured::MAX_BYTES));
        for text in [many, long] {
            let out = payload_out(Payload::parse(&*text).unwrap(), proto::PayloadForm::Value);
            assert_eq!(out.form, Some(proto::payload::Form::Json(text)));
        }
    }

    #[test]
    fn what_is_no_json_is_refused() {
        let nan = prost_types::Value {
            kind: Some(Kind::NumberValue(f64::NAN)),
        };
        for form in [
            proto::payload::Form::Value(nan),
            proto::payload::Form::Json("{".to_owned()),
        ] {
            let status = check_payload(form, 1000).unwrap_err();
            assert_eq!(status.code(), tonic::Code::InvalidArgument);
        }
        let long = proto::payload::Form::Json("[1,2,3,4,5]".to_owned());
        let status = check_payload(long, 10).unwrap_err();
        assert_eq!(status.code(), tonic::Code::ResourceExhausted);
    }

    #[test]
    fn durations_are_bounded() {
        let of = |seconds| Some(prost_types::Duration { seconds, nanos: 0 });
        assert!(duration_in("timeout", of(-1)).is_err());
        assert!(duration_in("timeout", of(3601)).is_err());
        assert_eq!(
            duration_in("timeout", of(3600)).unwrap(),
            Some(Duration::from_secs(3600))
        );
        assert_eq!(duration_in("timeout", None).unwrap(), None);
    }
}
