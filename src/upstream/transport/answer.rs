//! HTTP answers: read up to a bound and in bounded time.

use std::future::ready;
use std::time::{Duration, SystemTime};

use futures_util::future::BoxFuture;
use reqwest::{Response, StatusCode};
use serde::de::IgnoredAny;
use tokio::time::{Instant, timeout_at};

use super::error::CallError;
use super::line::line_time;
use expd_domain::Payload;
use expd_domain::excerpt::excerpt;
use expd_domain::message::ErrorBody;
use expd_domain::quoted::{QUOTED_CHARS, shortened};
use expd_wire::diagnosis::RouteDescription;
use expd_wire::server_time;

/// Time for the rest of an answer once it has begun, beyond what its bytes need on a slow line.
const REST_TIMEOUT: Duration = Duration::from_secs(30);

/// Bytes that the HTTP library reads ahead of an answer without a length: it reads twice as much
/// each time, up to 408 KiB, and holds the next chunk and the one it is reading beside the one in
/// hand.
const FIRST_READS: usize = 64 << 10;
const READ_AHEAD_FACTOR: usize = 7;
const MAX_READ_AHEAD: usize = READ_AHEAD_FACTOR * (408 << 10);

/// Bounds in bytes on the code and the message of an error that are kept and passed on.
const LONGEST_CODE: usize = 64;
const LONGEST_MESSAGE: usize = 512;

/// An HTTP answer, read to its end.
pub struct Answer {
    pub status: StatusCode,
    /// The server's `Retry-After`.
    pub retry_after: Option<Duration>,
    /// The server's clock (`Date`), to the second.
    pub date: Option<SystemTime>,
    pub body: Vec<u8>,
}

/// Accounts for the memory of an answer on behalf of its caller.
pub trait AnswerRoom: Send + Sync {
    /// Reserves bytes, waiting a while for them; false where there is no memory in time.
    fn hold(&self, bytes: usize) -> BoxFuture<'_, bool>;
}

/// No accounting: for answers that no app asked for (logins and refreshes), which are small.
pub struct Unbounded;

impl AnswerRoom for Unbounded {
    fn hold(&self, _: usize) -> BoxFuture<'_, bool> {
        Box::pin(ready(true))
    }
}

impl Answer {
    /// An answer whose body is not read.
    pub(super) fn without_body(response: &Response) -> Self {
        Self {
            status: response.status(),
            date: server_time::now(response.headers()),
            retry_after: server_time::retry_after(response.headers()),
            body: Vec::new(),
        }
    }

    /// Reads an answer whose head has arrived. Its bytes are accounted for before they are read:
    /// all at once where the server announces their number, else as the buffer grows.
    pub(super) async fn read(
        mut response: Response,
        most: usize,
        room: &dyn AnswerRoom,
        route: &RouteDescription,
    ) -> Result<Self, CallError> {
        let mut answer = Self::without_body(&response);
        let status = answer.status;
        let broke_off = |why: String| CallError::Unknown {
            reason: format!(
                "the answer from {} (status {status}) broke off: {why}",
                route.host()
            ),
        };
        let mut begun = Instant::now();
        let body = &mut answer.body;
        // The HTTP library accepts no more bytes than were announced.
        let announced = response.content_length();
        let mut read_ahead = 0;
        if let Some(announced) = announced {
            let announced = usize::try_from(announced).unwrap_or(usize::MAX);
            begun += reserve(body, announced, most, room).await?;
        } else {
            begun += hold_read_ahead(&mut read_ahead, FIRST_READS, room).await?;
        }
        loop {
            let deadline = begun + REST_TIMEOUT + line_time(body.len());
            match timeout_at(deadline, response.chunk()).await {
                Err(_) => return Err(broke_off("its rest did not arrive in time".to_owned())),
                Ok(Err(error)) => return Err(broke_off(route.describe(&error))),
                Ok(Ok(Some(chunk))) => {
                    if announced.is_none() {
                        let ahead = chunk.len().saturating_mul(READ_AHEAD_FACTOR);
                        begun += hold_read_ahead(&mut read_ahead, ahead, room).await?;
                    }
                    begun += reserve(body, chunk.len(), most, room).await?;
                    body.extend_from_slice(&chunk);
                }
                Ok(Ok(None)) => return Ok(answer),
            }
        }
    }

    /// EXP's error code and message, truncated to what is passed on; empty where the body is not
    /// EXP's error object.
    pub fn error_body(&self) -> ErrorBody {
        let said: ErrorBody = serde_json::from_slice(&self.body).unwrap_or_default();
        ErrorBody {
            code: shortened(&said.code, LONGEST_CODE).into_owned(),
            message: shortened(&said.message, LONGEST_MESSAGE).into_owned(),
        }
    }

    /// EXP's error message, or else the name of the status.
    pub fn message(&self) -> String {
        let said = self.error_body().message;
        if said.is_empty() {
            self.status.to_string()
        } else {
            excerpt(&said)
        }
    }

    /// True where an API may have given this answer to a call without a result: an empty body,
    /// JSON, or the name of the status, which some servers send as the body. A page of HTML comes
    /// from a captive portal or a proxy.
    pub fn is_api_answer(&self) -> bool {
        let body = self.body.trim_ascii();
        let name = self.status.canonical_reason().unwrap_or_default();
        body.is_empty()
            || body.eq_ignore_ascii_case(name.as_bytes())
            || serde_json::from_slice::<IgnoredAny>(body).is_ok()
    }

    /// The beginning of the body, quoted for an error message.
    pub fn quoted_start(&self) -> String {
        // A character takes at most four bytes.
        let most = self.body.len().min(4 * (QUOTED_CHARS + 1));
        let head = self.body.get(..most).unwrap_or_default();
        format!("{:?}", excerpt(&String::from_utf8_lossy(head)))
    }

    /// Turns the answer into an error.
    pub fn into_error(self) -> CallError {
        let ErrorBody { code, message } = self.error_body();
        CallError::Exp {
            status: self.status.as_u16(),
            code,
            message,
            retry_after: self.retry_after,
        }
    }

    /// Turns the body into a payload. A body that is not JSON, or breaks the limits on payloads,
    /// becomes a JSON string.
    pub fn into_payload(self) -> Option<Payload> {
        if self.body.is_empty() {
            return None;
        }
        let text = String::from_utf8(self.body)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        Some(Payload::from_text(text))
    }
}

/// Accounts for what the HTTP library reads ahead of an answer without a length, up to `ahead`
/// bytes in all. Returns the time waited.
async fn hold_read_ahead(
    held: &mut usize,
    ahead: usize,
    room: &dyn AnswerRoom,
) -> Result<Duration, CallError> {
    let more = ahead.min(MAX_READ_AHEAD).saturating_sub(*held);
    if more == 0 {
        return Ok(Duration::ZERO);
    }
    let waited = hold(more, room).await?;
    *held += more;
    Ok(waited)
}

/// Reserves room for `more` bytes in a body, and accounts for it first. Returns the time waited.
async fn reserve(
    body: &mut Vec<u8>,
    more: usize,
    most: usize,
    room: &dyn AnswerRoom,
) -> Result<Duration, CallError> {
    let needed = body.len().saturating_add(more);
    if needed > most {
        return Err(CallError::TooLarge { most });
    }
    if needed <= body.capacity() {
        return Ok(Duration::ZERO);
    }
    let capacity = match body.capacity() {
        0 => needed,
        before => needed.max(2 * before).min(most),
    };
    // Twice: the chunks as they arrive, and the buffer that they are copied to.
    let waited = hold(2 * (capacity - body.capacity()), room).await?;
    body.reserve_exact(capacity - body.len());
    Ok(waited)
}

/// Accounts for bytes of an answer. Returns the time waited.
async fn hold(bytes: usize, room: &dyn AnswerRoom) -> Result<Duration, CallError> {
    let asked = Instant::now();
    if room.hold(bytes).await {
        Ok(asked.elapsed())
    } else {
        Err(CallError::NoRoom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(body: &str) -> Answer {
        Answer {
            status: StatusCode::OK,
            retry_after: None,
            date: None,
            body: body.as_bytes().to_vec(),
        }
    }

    #[test]
    fn an_answer_without_a_result_is_nothing_json_or_the_name_of_its_status() {
        for body in [
            "",
            " \n",
            "{}",
            "[]",
            "null",
            "OK",
            "\"thanks\"",
            r#"{"code":"x"}"#,
        ] {
            assert!(answer(body).is_api_answer(), "{body:?}");
        }
        for body in ["<html>Log in</html>", "OK, log in", "{", "\u{1f}\u{8b}"] {
            assert!(!answer(body).is_api_answer(), "{body:?}");
        }
        assert!(answer(&"<p>".repeat(300_000)).quoted_start().len() < 100);
    }

    #[test]
    fn a_body_is_json_to_the_letter_or_else_text() {
        for (body, payload) in [
            ("{\"b\":1.00,\"a\":1e400}", "{\"b\":1.00,\"a\":1e400}"),
            (" [1, 2]\n", "[1, 2]"),
            ("Bad Gateway", "\"Bad Gateway\""),
            ("{\"a\":", "\"{\\\"a\\\":\""),
        ] {
            assert_eq!(answer(body).into_payload().unwrap().as_str(), payload);
        }
        assert_eq!(answer("").into_payload(), None);
    }
}
