//! Handlers: broadcasts and responses over HTTP.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::body::{self, JsonBody, PAYLOAD_BODY};
use super::error::ApiError;
use super::login::Login;
use super::publish::{new_id, publish};
use super::socket_registry::Audience;
use super::state::HubState;
use expd_domain::channel::check_event_name;
use expd_domain::{BroadcastId, Channel, ChannelId, Payload, Quoted};

/// Response timeout of a broadcast whose sender gives none.
const DEFAULT_TIMEOUT: Duration = Duration::from_millis(100);

/// Limit of a broadcast's response timeout.
const MAX_TIMEOUT: Duration = Duration::from_secs(3600);

#[derive(Deserialize)]
pub(super) struct BroadcastBody {
    name: String,
    channel: ChannelField,
    #[serde(default)]
    payload: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
pub(super) struct ResponseBody {
    id: BroadcastId,
    channel: ChannelField,
    #[serde(default)]
    payload: Option<Box<RawValue>>,
}

/// Channel as an object, as the specification has it, or as an ID, as the SDKs send it.
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "a channel is an object with name, system and consumer, or a channel ID"
)]
enum ChannelField {
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
    fn resolve(self, hub: &HubState) -> Result<Channel, ApiError> {
        match self {
            Self::Id(id) => hub.decode_channel(&id),
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
pub(super) struct BroadcastQuery {
    timeout: Option<String>,
}

impl BroadcastQuery {
    fn timeout(&self) -> Result<Duration, ApiError> {
        // The JS SDK sends the text `undefined` where its caller gave no timeout.
        let text = self.timeout.as_deref().unwrap_or_default().trim();
        if matches!(text, "" | "undefined" | "null") {
            return Ok(DEFAULT_TIMEOUT);
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

/// `POST /api/networks/current/broadcasts`: held open for the timeout, then answered with the exact
/// texts of the responses.
pub(super) async fn broadcast(
    State(hub): State<Arc<HubState>>,
    login: Login,
    query: Result<Query<BroadcastQuery>, QueryRejection>,
    body: JsonBody<BroadcastBody, PAYLOAD_BODY>,
) -> Result<Response, ApiError> {
    let Query(query) = query
        .map_err(|error| ApiError::bad_request("request.query.malformed", error.body_text()))?;
    let timeout = query.timeout()?;
    let JsonBody { value, reservation } = body;
    let channel = value.channel.resolve(&hub)?;
    login.may_broadcast(&channel)?;
    check_event_name(&value.name)?;
    let payload = body::payload(value.payload)?;

    let id = new_id();
    // Registered before it is delivered, so that no response is too early.
    let waiting = hub.pending.open(id.clone(), channel.clone())?;
    hub.counters.broadcasts.increment();
    publish(
        &hub,
        &channel,
        &id,
        &value.name,
        &payload,
        Audience::Everyone,
    );
    log::debug!("{login} broadcast on {channel}");
    // A pending broadcast holds responses, not its payload.
    drop((payload, reservation));
    if !timeout.is_zero() {
        tokio::select! {
            () = tokio::time::sleep(timeout) => {}
            () = hub.stopping.cancelled() => {}
        }
    }
    Ok(body::json(json_array(&waiting.finish())))
}

/// `POST /api/networks/current/responses`
pub(super) async fn respond(
    State(hub): State<Arc<HubState>>,
    login: Login,
    body: JsonBody<ResponseBody, PAYLOAD_BODY>,
) -> Result<Json<serde_json::Value>, ApiError> {
    let JsonBody {
        value,
        reservation: _reservation,
    } = body;
    let channel = value.channel.resolve(&hub)?;
    login.may_listen(&channel)?;
    login.require_paired()?;
    let payload = body::payload(value.payload)?;
    hub.pending.respond(&value.id, &channel, payload)?;
    hub.counters.responses.increment();
    Ok(Json(serde_json::json!({})))
}

fn json_array(payloads: &[Payload]) -> String {
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
        assert_eq!(timeout(None).unwrap(), DEFAULT_TIMEOUT);
        assert_eq!(timeout(Some("undefined")).unwrap(), DEFAULT_TIMEOUT);
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
