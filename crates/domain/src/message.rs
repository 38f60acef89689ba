//! Broadcasts, responses and errors as they travel on the wire.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::channel_id::ChannelId;
use super::payload::Payload;

/// Time for which EXP collects responses to a broadcast unless the caller sets one.
pub const DEFAULT_BROADCAST_TIMEOUT: Duration = Duration::from_millis(100);

/// Part of a call's deadline that is reserved for the round trip to EXP, beside the time for
/// responses.
pub const ROUND_TRIP_ALLOWANCE: Duration = Duration::from_secs(1);

/// Random ID that the network assigns to a broadcast; a response quotes it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BroadcastId(String);

impl BroadcastId {
    /// Wraps an ID as received.
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

/// Argument of the Socket.IO event `broadcast`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Broadcast {
    /// ID of the broadcast.
    pub id: BroadcastId,
    /// Name of the event.
    pub name: String,
    /// Channel of the broadcast.
    pub channel: ChannelId,
    /// The sender's payload; `null` when absent.
    #[serde(default)]
    pub payload: Payload,
}

/// Body of `POST /api/networks/current/responses`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Response {
    /// ID of the broadcast.
    pub id: BroadcastId,
    /// Channel of the broadcast.
    pub channel: ChannelId,
    /// Payload of the response; `null` when absent.
    #[serde(default)]
    pub payload: Payload,
}

/// Body of an error response.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ErrorBody {
    /// A short name for programs, such as `network.channel.forbidden`.
    pub code: String,
    /// A sentence for people.
    pub message: String,
}
