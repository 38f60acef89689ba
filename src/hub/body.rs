//! Request bodies: read within a bound, parsed as JSON, refused in JSON.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::{StatusCode, header};
use futures_util::StreamExt as _;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use tokio::sync::OwnedSemaphorePermit;

use super::error::ApiError;
use super::state::HubState;
use crate::exp::Payload;
use crate::exp::payload::MAX_BYTES;

/// The largest body around a payload: the payload, and room for the longest names and channel ID.
pub(super) const PAYLOAD_BODY: usize = MAX_BYTES + 512 * 1024;

/// The largest body of everything else that a session sends: a resource's document.
pub(super) const SMALL_BODY: usize = 1024 * 1024;

/// The largest body that anybody may send: a login, an operator's call. So small that all connections together, sending
/// slowly, leave room for those who are logged in.
pub(super) const OPEN_BODY: usize = 16 * 1024;

/// How much of a body that is too large is still read and thrown away, so that the client gets to see the answer instead
/// of a broken connection.
const DISCARDED: usize = 64 * 1024 * 1024;

/// How long a body may take to arrive.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// A JSON body of at most `LIMIT` bytes. The handler's other extractors run first, so that only those who may come in
/// get to send one.
pub(super) struct JsonBody<T, const LIMIT: usize> {
    pub value: T,
    /// Its share of the memory that all bodies together may take; given back when the handler lets go of it.
    pub share: OwnedSemaphorePermit,
}

impl<T: DeserializeOwned, const LIMIT: usize> FromRequest<Arc<HubState>> for JsonBody<T, LIMIT> {
    type Rejection = ApiError;

    async fn from_request(request: Request, hub: &Arc<HubState>) -> Result<Self, ApiError> {
        let announced = request
            .headers()
            .get(header::CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
        let read = async {
            let share = announced.unwrap_or(LIMIT).min(LIMIT) / 1024 + 1;
            let share = hub
                .body_budget
                .clone()
                .acquire_many_owned(u32::try_from(share).unwrap_or(u32::MAX))
                .await
                .map_err(|_| stopping())?;
            let bytes = read(request.into_body(), announced, LIMIT).await?;
            Ok::<_, ApiError>((bytes, share))
        };
        let (bytes, share) = tokio::time::timeout(READ_TIMEOUT, read)
            .await
            .map_err(|_| {
                ApiError::new(
                    StatusCode::REQUEST_TIMEOUT,
                    "request.body.timeout",
                    format!(
                        "the body did not arrive within {} s",
                        READ_TIMEOUT.as_secs()
                    ),
                )
            })??;
        let value = serde_json::from_slice(&bytes).map_err(|error| {
            ApiError::bad_request(
                "request.body.malformed",
                format!("the body is not the JSON that belongs here: {error}"),
            )
        })?;
        Ok(Self { value, share })
    }
}

fn stopping() -> ApiError {
    ApiError::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "network.stopping",
        "the network is stopping",
    )
}

async fn read(body: Body, announced: Option<usize>, limit: usize) -> Result<Vec<u8>, ApiError> {
    let mut bytes = Vec::with_capacity(announced.unwrap_or(0).min(limit));
    let mut seen = 0_usize;
    let mut stream = body.into_data_stream();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|_| {
            ApiError::bad_request("request.body.broken", "the body ended before its end")
        })?;
        seen = seen.saturating_add(chunk.len());
        if seen > DISCARDED {
            break;
        }
        if seen > limit {
            bytes = Vec::new();
        } else {
            bytes.extend_from_slice(&chunk);
        }
    }
    if seen > limit {
        return Err(ApiError::too_large(format!(
            "the body has more than the {limit} bytes that are allowed here"
        )));
    }
    Ok(bytes)
}

/// A payload field as it came. It is parsed apart from its envelope so that a payload that is too large can be told from
/// a body that is malformed.
pub(super) fn payload(raw: Option<Box<RawValue>>) -> Result<Payload, ApiError> {
    match raw {
        Some(raw) => Ok(Payload::parse(Box::<str>::from(raw).into_string())?),
        None => Ok(Payload::null()),
    }
}
