//! Conversion of the domain's types to and from the contract.

use std::time::Duration;

use expd_domain::{Channel, Payload};
use expd_proto as proto;

use crate::error::ClientError;

pub(crate) fn channel_to_wire(channel: &Channel) -> proto::Channel {
    proto::Channel {
        name: channel.name.clone(),
        system: channel.system,
        consumer: channel.consumer,
    }
}

pub(crate) fn channel_from_wire(channel: Option<proto::Channel>) -> Result<Channel, ClientError> {
    let channel = channel.ok_or_else(|| ClientError::Contract("a channel is missing".into()))?;
    Ok(Channel {
        name: channel.name,
        system: channel.system,
        consumer: channel.consumer,
    })
}

pub(crate) fn payload_to_wire(payload: &Payload) -> proto::Payload {
    proto::Payload {
        form: Some(proto::payload::Form::Json(payload.as_str().to_owned())),
    }
}

pub(crate) fn payload_from_wire(payload: proto::Payload) -> Result<Payload, ClientError> {
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

pub(crate) fn duration_to_wire(duration: Duration) -> Result<prost_types::Duration, ClientError> {
    duration.try_into().map_err(|_| {
        ClientError::Request(format!(
            "the duration {} is too long",
            humantime::format_duration(duration)
        ))
    })
}
