//! Request bodies, read within limits of size, memory and time.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use futures_util::StreamExt as _;
use serde_json::value::RawValue;
use tokio::time::{Instant, timeout, timeout_at};

use super::body_memory::BodyMemory;
use super::byte_budget::Reservation;
use super::connection::ClientConnection;
use super::error::ApiError;
use expd_domain::Payload;
use expd_domain::payload::MAX_BYTES;

/// Limit of a body around a payload: the payload, the longest names and the channel ID.
pub const PAYLOAD_BODY: usize = MAX_BYTES + 512 * 1024;

/// Limit of any other body of a logged-in client: a resource's document.
pub const SMALL_BODY: usize = 1024 * 1024;

/// Limit of a body that needs no login: a login, an operator's call.
pub const PUBLIC_BODY: usize = 16 * 1024;

/// Maximum number of bytes of an oversized body that are read and discarded, so that the client
/// sees the response instead of a broken connection.
const MAX_DISCARDED: usize = 64 * 1024 * 1024;

/// Timeouts: for a body, for a body that needs no login, and for the wait for memory.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
const PUBLIC_TIMEOUT: Duration = Duration::from_secs(10);
const MEMORY_TIMEOUT: Duration = Duration::from_secs(10);

/// Minimum progress of a body, and the interval in which it is due.
const MIN_PROGRESS: usize = 16 * 1024;
const STALL_TIMEOUT: Duration = Duration::from_secs(10);

pub fn content_length(headers: &HeaderMap) -> Option<usize> {
    let length = headers.get(header::CONTENT_LENGTH)?;
    length.to_str().ok()?.parse().ok()
}

/// Limits for reading a body.
pub struct BodyTerms<'a> {
    /// Identity whose memory budget is charged; `None` charges nobody.
    pub owner: Option<&'a str>,
    pub content_length: Option<usize>,
    pub limit: usize,
}

/// Reads a body of at most the limit; if it has an owner, within the owner's memory budget.
///
/// # Errors
/// The body is too large, too slow or incomplete, or there is no memory for it.
pub async fn read(
    memory: &BodyMemory,
    connection: &ClientConnection,
    body: Body,
    terms: BodyTerms<'_>,
) -> Result<(Vec<u8>, Option<Reservation<String>>), ApiError> {
    let BodyTerms {
        owner,
        content_length,
        limit,
    } = terms;
    let (reservation, time_limit) = match owner {
        Some(owner) => {
            let size = content_length.unwrap_or(limit).min(limit);
            let taken = timeout(MEMORY_TIMEOUT, memory.reserve(owner, size));
            let reservation = taken.await.map_err(|_| {
                ApiError::busy(
                    "request.body.noRoom",
                    "half-sent requests use up the memory for bodies; finish them, or try again later",
                )
            })?;
            (Some(reservation), READ_TIMEOUT)
        }
        None => (None, PUBLIC_TIMEOUT),
    };
    connection.await_body();
    let read = collect(body, content_length, limit, time_limit).await;
    connection.begin_request();
    Ok((read?, reservation))
}

async fn collect(
    body: Body,
    content_length: Option<usize>,
    limit: usize,
    time_limit: Duration,
) -> Result<Vec<u8>, ApiError> {
    let end = Instant::now() + time_limit;
    let mut progress = (Instant::now() + STALL_TIMEOUT, 0_usize);
    let mut bytes = Vec::with_capacity(content_length.unwrap_or(0).min(limit));
    let mut seen = 0_usize;
    let mut stream = body.into_data_stream();
    while let Some(chunk) = timeout_at(end.min(progress.0), stream.next())
        .await
        .map_err(|_| too_slow(time_limit))?
    {
        let chunk = chunk.map_err(|_| {
            ApiError::bad_request(
                "request.body.broken",
                "the connection closed before the end of the body",
            )
        })?;
        seen = seen.saturating_add(chunk.len());
        progress.1 += chunk.len();
        if progress.1 >= MIN_PROGRESS {
            progress = (Instant::now() + STALL_TIMEOUT, 0);
        }
        if seen > MAX_DISCARDED {
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
            "the body exceeds the limit of {limit} bytes"
        )));
    }
    Ok(bytes)
}

fn too_slow(time_limit: Duration) -> ApiError {
    ApiError::new(
        StatusCode::REQUEST_TIMEOUT,
        "request.body.timeout",
        format!(
            "the body did not arrive within {} s, or was slower than {MIN_PROGRESS} bytes in {} s",
            time_limit.as_secs(),
            STALL_TIMEOUT.as_secs()
        ),
    )
}

/// Parses a payload field separately from its envelope, to tell an oversized payload from a
/// malformed body.
pub fn payload(raw: Option<Box<RawValue>>) -> Result<Payload, ApiError> {
    match raw {
        Some(raw) => Ok(Payload::parse(Box::<str>::from(raw).into_string())?),
        None => Ok(Payload::null()),
    }
}

/// Responds with text that is already JSON.
pub fn json(text: impl Into<Bytes>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], text.into()).into_response()
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::stream;
    use tokio::time::sleep;

    use super::*;

    /// A body of this many chunks, with a pause before each.
    fn body(chunks: usize, size: usize, pause: Duration) -> Body {
        Body::from_stream(stream::unfold(0, move |sent| async move {
            if sent == chunks {
                return None;
            }
            sleep(pause).await;
            Some((Ok::<_, Infallible>(Bytes::from(vec![b'x'; size])), sent + 1))
        }))
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_goes_nowhere_ends_and_one_that_goes_slowly_does_not() {
        let second = Duration::from_secs(1);
        let begun = Instant::now();
        for stalls in [body(1, 1, 3600 * second), body(usize::MAX, 1, second)] {
            let error = collect(stalls, None, SMALL_BODY, READ_TIMEOUT).await;
            assert_eq!(error.unwrap_err().code, "request.body.timeout");
        }
        assert!(begun.elapsed() < 2 * STALL_TIMEOUT + second);
        let slow = collect(
            body(9, MIN_PROGRESS, 6 * second),
            None,
            SMALL_BODY,
            READ_TIMEOUT,
        );
        assert_eq!(slow.await.unwrap().len(), 9 * MIN_PROGRESS);
        let endless = collect(
            body(99, MIN_PROGRESS, second),
            None,
            PAYLOAD_BODY,
            READ_TIMEOUT,
        );
        assert_eq!(endless.await.unwrap_err().code, "request.body.timeout");
    }
}
