//! Broadcasts and responses as they travel.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::channel::ChannelId;
use super::payload::Payload;

/// Time that EXP collects responses to a broadcast where the caller does not say.
pub const DEFAULT_BROADCAST_TIMEOUT: Duration = Duration::from_millis(100);

/// Part of a call's deadline that is kept for the round trip to EXP, beside the time for responses.
pub const ROUND_TRIP_ALLOWANCE: Duration = Duration::from_secs(1);

/// The random text by which the network names one broadcast; a response quotes it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BroadcastId(String);

impl BroadcastId {
    /// Takes over an ID as it came.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The ID as it is sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BroadcastId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The payload of the Socket.IO event `broadcast`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Broadcast {
    /// Names this broadcast.
    pub id: BroadcastId,
    /// The event's name.
    pub name: String,
    /// Where it was broadcast.
    pub channel: ChannelId,
    /// What the sender gave; absent means `null`.
    #[serde(default)]
    pub payload: Payload,
}

/// The body of `POST /api/networks/current/responses`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Response {
    /// The broadcast that is answered.
    pub id: BroadcastId,
    /// Its channel.
    pub channel: ChannelId,
    /// The answer; absent means `null`.
    #[serde(default)]
    pub payload: Payload,
}

/// The body of an error answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ErrorBody {
    /// A short name for programs, such as `network.channel.forbidden`.
    pub code: String,
    /// A sentence for people.
    pub message: String,
}
