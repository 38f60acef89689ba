//! HTTP answers: read up to a bound and in bounded time.

use std::time::{Duration, SystemTime};

use reqwest::header::{CONTENT_TYPE, HeaderName, LOCATION};
use reqwest::{Response, StatusCode};
use serde::de::IgnoredAny;
use tokio::task::yield_now;
use tokio::time::{Instant, timeout_at};

use super::answer_reader::{Decoding, ReadAhead, grow_body};
use super::answer_room::AnswerRoom;
use super::decoder::{Coding, DecodeError};
use super::error::CallError;
use super::line::line_time;
use super::read_size::ReadSize;
use expd_domain::excerpt::excerpt;
use expd_domain::message::ErrorBody;
use expd_domain::payload;
use expd_domain::quoted::{QUOTED_CHARS, shortened};
use expd_wire::diagnosis::RouteDescription;
use expd_wire::server_time;

/// Time for the rest of an answer once it has begun, beyond what its bytes need on a slow line.
pub(super) const REST_TIMEOUT: Duration = Duration::from_secs(30);

/// Bounds in bytes on the code and the message of an error that are kept and passed on.
const LONGEST_CODE: usize = 64;
const LONGEST_MESSAGE: usize = 512;

/// Bound in bytes on header fields that are passed on.
const LONGEST_FIELD: usize = 256;

/// An HTTP answer, read to its end, and decoded.
pub struct Answer {
    pub status: StatusCode,
    /// Origin of the server that answered.
    pub host: String,
    /// Address that a redirect names, shortened.
    pub location: Option<String>,
    /// The server's `Retry-After`.
    pub retry_after: Option<Duration>,
    /// The server's clock (`Date`), to the second.
    pub date: Option<SystemTime>,
    /// The server's `Content-Type`, shortened; empty if it names none.
    pub content_type: String,
    pub body: Vec<u8>,
}

/// The body of an answer as an API call passes it on, byte for byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnswerBody {
    Empty,
    /// JSON that may be a payload.
    Json(String),
    /// Anything else, with its `Content-Type`.
    Raw {
        bytes: Vec<u8>,
        content_type: String,
    },
}

impl Answer {
    /// An answer whose body is not read.
    pub(super) fn without_body(response: &Response) -> Self {
        let location = response.headers().get(LOCATION);
        let location = location.map(|value| String::from_utf8_lossy(value.as_bytes()));
        Self {
            status: response.status(),
            host: response.url().origin().ascii_serialization(),
            location: location
                .filter(|_| response.status().is_redirection())
                .map(|location| excerpt(&location)),
            date: server_time::now(response.headers()),
            retry_after: server_time::retry_after(response.headers()),
            content_type: field(response, CONTENT_TYPE),
            body: Vec::new(),
        }
    }

    /// Reads an answer whose head has arrived, and decodes it. Its bytes are accounted for before
    /// they are read: all at once if the server announces their number, else as the buffer
    /// grows.
    pub(super) async fn read(
        mut response: Response,
        coding: Option<Coding>,
        most: usize,
        room: &dyn AnswerRoom,
        read_size: &ReadSize,
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
        let unreadable =
            |error: DecodeError| CallError::unreadable(route.host(), status, &error.to_string());
        let mut begun = Instant::now();
        let body = &mut answer.body;
        // The HTTP library accepts no more bytes than were announced. Encoded ones are not the
        // body.
        let announced = response.content_length().filter(|_| coding.is_none());
        read_size.note(response.content_length().map_or(0, saturated));
        let mut decoding = coding.map(Decoding::new);
        let mut read_ahead = ReadAhead::default();
        if let Some(announced) = announced {
            begun += grow_body(body, saturated(announced), most, room).await?;
        } else {
            begun += read_ahead.begin(room).await?;
        }
        let mut arrived = 0;
        loop {
            let deadline = begun + REST_TIMEOUT + line_time(arrived);
            let chunk = match timeout_at(deadline, response.chunk()).await {
                Err(_) => return Err(broke_off("the rest did not arrive in time".to_owned())),
                Ok(Err(error)) => return Err(broke_off(route.describe(&error))),
                Ok(Ok(Some(chunk))) => chunk,
                Ok(Ok(None)) => break,
            };
            arrived += chunk.len();
            read_size.note(arrived);
            if announced.is_none() {
                begun += read_ahead.grow(chunk.len(), room).await?;
            }
            let Some(decoding) = &mut decoding else {
                begun += grow_body(body, chunk.len(), most, room).await?;
                body.extend_from_slice(&chunk);
                continue;
            };
            if arrived > most {
                return Err(CallError::TooLarge { most });
            }
            // The timeout covers the server's sending alone.
            let arrived_at = Instant::now();
            decoding.begin(&chunk, room).await?;
            let mut input = &*chunk;
            while let Some(piece) = decoding.piece(&mut input).map_err(unreadable)? {
                grow_body(body, piece.len(), most, room).await?;
                body.extend_from_slice(piece);
                yield_now().await;
            }
            begun += arrived_at.elapsed();
        }
        if let Some(decoding) = &decoding {
            decoding.decoder.finish().map_err(unreadable)?;
        }
        Ok(answer)
    }

    /// EXP's error code and message, truncated to what is passed on; empty if the body is not
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
        match self.stranger() {
            Some(stranger) if said.is_empty() => format!("{}, {stranger}", self.status),
            _ if said.is_empty() => self.status.to_string(),
            _ => excerpt(&said),
        }
    }

    /// Description of an answer that is not EXP's: a redirect or a page, as from captive portals
    /// and proxies.
    pub fn stranger(&self) -> Option<String> {
        if let Some(location) = &self.location {
            return Some(format!("a redirect to {location}"));
        }
        if self.status == StatusCode::NETWORK_AUTHENTICATION_REQUIRED {
            return Some("the answer of a captive portal: log in to this network".to_owned());
        }
        let page = self.status.is_success() && self.is_page();
        page.then(|| {
            format!(
                "a page of a captive portal or a proxy ({})",
                self.quoted_start()
            )
        })
    }

    /// True for a page of HTML.
    fn is_page(&self) -> bool {
        let body = self.body.trim_ascii_start();
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        [
            "<!doctype html",
            "<html",
            "<head",
            "<body",
            "<meta",
            "<script",
            "<!--",
        ]
        .iter()
        .any(|mark| {
            let head = body.get(..mark.len()).unwrap_or_default();
            head.eq_ignore_ascii_case(mark.as_bytes())
        })
    }

    /// True if an API may have given this answer to a call without a result: an empty body, JSON,
    /// or the name of the status, which some servers send as the body. A page of HTML comes from a
    /// captive portal or a proxy.
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
        let ErrorBody { code, mut message } = self.error_body();
        if message.is_empty() {
            message = self.stranger().unwrap_or_default();
        }
        CallError::Exp {
            status: self.status.as_u16(),
            code,
            message,
            retry_after: self.retry_after,
        }
    }

    /// Returns the body: as JSON, which may be a payload, if all of it is.
    pub fn into_body(self) -> AnswerBody {
        if self.body.is_empty() {
            return AnswerBody::Empty;
        }
        let raw = |bytes| AnswerBody::Raw {
            bytes,
            content_type: self.content_type,
        };
        match String::from_utf8(self.body) {
            Ok(text) if payload::check(&text).is_ok() => AnswerBody::Json(text),
            Ok(text) => raw(text.into_bytes()),
            Err(error) => raw(error.into_bytes()),
        }
    }
}

fn saturated(length: u64) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}

/// A header field of an answer, shortened; empty if missing or no text.
pub(super) fn field(response: &Response, name: HeaderName) -> String {
    let value = response.headers().get(name);
    let text = value.and_then(|value| value.to_str().ok());
    shortened(text.unwrap_or_default(), LONGEST_FIELD).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(body: &str) -> Answer {
        Answer {
            status: StatusCode::OK,
            host: "https://exp.example".to_owned(),
            location: None,
            retry_after: None,
            date: None,
            content_type: "text/plain".to_owned(),
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
    fn a_page_is_no_answer_of_exp_and_a_redirect_names_where_to() {
        for page in [
            "<html>",
            " \n<!DOCTYPE HTML><p>",
            "\u{feff}<HTML lang=\"en\">",
            "<!-- x -->",
        ] {
            let stranger = answer(page).stranger().unwrap();
            assert!(stranger.contains("captive portal"), "{stranger}");
        }
        for body in ["", "{}", "null", "OK", "<p", "\"<html>\""] {
            assert_eq!(answer(body).stranger(), None, "{body}");
        }
        let moved = Answer {
            status: StatusCode::FOUND,
            location: Some("https://portal.example/".to_owned()),
            ..answer("<html>")
        };
        assert!(
            moved
                .message()
                .contains("a redirect to https://portal.example/")
        );
        let error = moved.into_error().to_string();
        assert!(
            error.contains("302: a redirect to https://portal.example/"),
            "{error}"
        );
    }

    #[test]
    fn a_body_is_json_or_else_raw_and_either_to_the_letter() {
        for json in ["{\"b\":1.00,\"a\":1e400}", " [1, 2]\n", "null"] {
            let body = answer(json).into_body();
            assert_eq!(body, AnswerBody::Json(json.to_owned()));
        }
        let deep = "[".repeat(200) + &"]".repeat(200);
        for text in ["Bad Gateway", "{\"a\":", " ", "\"\\ud800\"", &deep] {
            let AnswerBody::Raw {
                bytes,
                content_type,
            } = answer(text).into_body()
            else {
                panic!("{text} was taken for JSON");
            };
            assert_eq!((&*bytes, &*content_type), (text.as_bytes(), "text/plain"));
        }
        assert_eq!(answer("").into_body(), AnswerBody::Empty);
        let mut latin = answer("");
        latin.body = b"\"\xe9\"".to_vec();
        assert!(matches!(latin.into_body(), AnswerBody::Raw { bytes, .. } if bytes.len() == 3));
    }
}
