//! Requests to broadcast and to respond, in every form that EXP's clients send.

use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::error::ApiError;
use expd_domain::{BroadcastId, Channel, ChannelId, DEFAULT_BROADCAST_TIMEOUT, Payload, Quoted};

/// Maximum response timeout of a broadcast.
const MAX_TIMEOUT: Duration = Duration::from_secs(3600);

#[derive(Deserialize)]
pub struct BroadcastBody {
    pub name: String,
    pub channel: ChannelField,
    #[serde(default)]
    pub payload: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
pub struct ResponseBody {
    pub id: BroadcastId,
    pub channel: ChannelField,
    #[serde(default)]
    pub payload: Option<Box<RawValue>>,
}

/// Channel as an object, as in the specification, or as an ID, as the SDKs send it.
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "a channel is an object with name, system and consumer, or a channel ID"
)]
pub enum ChannelField {
    Id(ChannelId),
    Named {
        name: String,
        #[serde(default)]
        system: Option<bool>,
        #[serde(default)]
        consumer: Option<bool>,
    },
}

impl ChannelField {
    /// The channel, in an organization.
    ///
    /// # Errors
    /// The ID is malformed, or of another organization.
    pub fn resolve(self, organization: &str) -> Result<Channel, ApiError> {
        match self {
            Self::Id(id) => decode_channel(organization, &id),
            Self::Named {
                name,
                system,
                consumer,
            } => Ok(Channel {
                name,
                system: system.unwrap_or(false),
                consumer: consumer.unwrap_or(false),
            }),
        }
    }
}

#[derive(Deserialize)]
pub struct BroadcastQuery {
    pub timeout: Option<String>,
}

impl BroadcastQuery {
    /// The time for which responses are collected.
    ///
    /// # Errors
    /// It is not a number.
    pub fn timeout(&self) -> Result<Duration, ApiError> {
        // The JS SDK sends the text `undefined` if its caller set no timeout.
        let text = self.timeout.as_deref().unwrap_or_default().trim();
        if matches!(text, "" | "undefined" | "null") {
            return Ok(DEFAULT_BROADCAST_TIMEOUT);
        }
        let millis = text.parse::<f64>().ok().filter(|ms| *ms >= 0.0);
        let millis = millis.ok_or_else(|| {
            ApiError::bad_request(
                "network.timeout.invalid",
                format!(
                    "the timeout {} is not a number of milliseconds",
                    Quoted(text)
                ),
            )
        })?;
        Ok(Duration::try_from_secs_f64(millis / 1000.0)
            .unwrap_or(MAX_TIMEOUT)
            .min(MAX_TIMEOUT))
    }
}

/// Decodes a channel ID of an organization.
///
/// # Errors
/// It is malformed, or of another organization.
pub fn decode_channel(organization: &str, id: &ChannelId) -> Result<Channel, ApiError> {
    let (named, channel) = id.decode()?;
    if named != organization {
        return Err(ApiError::forbidden(
            "network.channel.foreign",
            "this channel ID belongs to another organization; make it with the organization of the logged-in identity",
        ));
    }
    Ok(channel)
}

/// A JSON list of payloads, each verbatim.
#[must_use]
pub fn json_array(payloads: &[Payload]) -> String {
    let length: usize = payloads.iter().map(|p| p.as_str().len() + 1).sum();
    let mut text = String::with_capacity(length + 2);
    text.push('[');
    for (n, payload) in payloads.iter().enumerate() {
        if n > 0 {
            text.push(',');
        }
        text.push_str(payload.as_str());
    }
    text.push(']');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn responses_are_joined_as_they_came() {
        let payloads = ["1e400", "{ \"a\": 0.10 }", "null"].map(|t| Payload::parse(t).unwrap());
        assert_eq!(json_array(&payloads), "[1e400,{ \"a\": 0.10 },null]");
        assert_eq!(json_array(&[]), "[]");
    }

    #[test]
    fn a_timeout_is_milliseconds_within_bounds() {
        let timeout = |text: Option<&str>| {
            BroadcastQuery {
                timeout: text.map(str::to_owned),
            }
            .timeout()
        };
        assert_eq!(timeout(None).unwrap(), DEFAULT_BROADCAST_TIMEOUT);
        assert_eq!(
            timeout(Some("undefined")).unwrap(),
            DEFAULT_BROADCAST_TIMEOUT
        );
        assert_eq!(timeout(Some("0")).unwrap(), Duration::ZERO);
        assert_eq!(timeout(Some("1500")).unwrap(), Duration::from_millis(1500));
        assert_eq!(timeout(Some("1e300")).unwrap(), MAX_TIMEOUT);
        for bad in ["-1", "soon", "NaN"] {
            assert_eq!(
                timeout(Some(bad)).unwrap_err().code,
                "network.timeout.invalid"
            );
        }
    }
}
