//! HTTP error responses to a handshake.

use std::time::Duration;

use http::header::PROXY_AUTHENTICATE;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::Value;

use crate::encoding::unrequested;
use crate::proxy_challenge::remedy;
use crate::server_time;
use crate::socket::Endpoint;
use expd_domain::excerpt::excerpt;

/// Number of a token's first characters that identify it in a text.
const TOKEN_PREFIX: usize = 12;

/// Reason why a server rejected a handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::socket) enum Rejection {
    /// It does not accept the token.
    Token(String),
    /// It does not offer this transport.
    Transport(String),
    /// It does not speak this generation, or does not understand the request in it.
    Generation(String),
    /// It is overloaded, and says when to try again.
    Busy(String, Duration),
    /// Anything else: not a Socket.IO server, a failing one, or a proxy.
    Other(String),
}

/// Codes of Engine.IO's error responses.
const TRANSPORT_UNKNOWN: u64 = 0;
const BAD_REQUEST: u64 = 3;
const FORBIDDEN: u64 = 4;
const UNSUPPORTED_GENERATION: u64 = 5;

impl Rejection {
    /// Classifies a response by its status, header fields and the beginning of its body.
    pub fn read(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        #[derive(Deserialize)]
        struct ErrorBody {
            code: Option<Value>,
        }
        // An encoded body is not decoded.
        let body = if unrequested(headers).is_some() {
            &[]
        } else {
            body
        };
        let said = format!("HTTP {status}{}", suffix_of(body));
        if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            return Self::Token(said);
        }
        if (status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error())
            && let Some(retry_after) = server_time::retry_after(headers)
        {
            return Self::Busy(said, retry_after);
        }
        if status == StatusCode::PROXY_AUTHENTICATION_REQUIRED {
            let fields = headers.get_all(PROXY_AUTHENTICATE);
            let remedy = remedy(fields.iter().filter_map(|field| field.to_str().ok()));
            return Self::Other(format!("{said}; the proxy {remedy}"));
        }
        if status.is_redirection() {
            return Self::Other(format!(
                "{said}; the server redirects clients; set host to the address it names"
            ));
        }
        if status != StatusCode::BAD_REQUEST {
            return Self::Other(format!("{said}; is this an EXP network's address?"));
        }
        // Socket.IO 1 passes on any code that the application refused with.
        let code = serde_json::from_slice::<ErrorBody>(body)
            .ok()
            .and_then(|error| error.code);
        match code.as_ref().map(Value::as_u64) {
            Some(Some(TRANSPORT_UNKNOWN)) => Self::Transport(said),
            Some(Some(BAD_REQUEST | UNSUPPORTED_GENERATION)) => Self::Generation(said),
            Some(Some(FORBIDDEN) | None) => Self::Token(said),
            Some(Some(_)) => Self::Other(said),
            None => Self::read_plain(said),
        }
    }

    /// On a WebSocket, Engine.IO responds in plain text: its own message, or the application's.
    fn read_plain(said: String) -> Self {
        let lower = said.to_ascii_lowercase();
        let words = lower.split_once(": ").map_or("", |(_, words)| words);
        if words.is_empty() {
            return Self::Other(said);
        }
        if words.contains("transport unknown") {
            return Self::Transport(said);
        }
        if ["bad request", "unsupported"]
            .iter()
            .any(|word| words.contains(word))
        {
            return Self::Generation(said);
        }
        Self::Token(said)
    }

    /// The status and the server's message.
    pub fn message(&self) -> &str {
        match self {
            Self::Token(said)
            | Self::Transport(said)
            | Self::Generation(said)
            | Self::Busy(said, _)
            | Self::Other(said) => said,
        }
    }
}

/// The message in an error's body, if it looks like one.
fn suffix_of(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let words = error_message(&text);
    if words.is_empty() || words.starts_with('<') {
        return String::new();
    }
    format!(": {words}")
}

/// The message in the JSON of an error: a text, or an object's `message`.
pub(in crate::socket) fn error_message(json: &str) -> String {
    let sentence = match serde_json::from_str(json) {
        Ok(Value::String(text)) => text,
        Ok(Value::Object(fields)) => match fields.get("message") {
            Some(Value::String(text)) => text.clone(),
            _ => json.to_owned(),
        },
        _ => json.to_owned(),
    };
    excerpt(&sentence)
}

/// Removes the endpoint's token from a text that may quote it. Quotes are truncated, so the
/// beginning of the token counts as the token.
pub(in crate::socket) fn redact(text: &str, endpoint: &Endpoint) -> String {
    let token = endpoint.token.expose();
    let head: String = token.chars().take(TOKEN_PREFIX).collect();
    if head.is_empty() {
        return text.to_owned();
    }
    let mut redacted = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, found)) = rest.split_once(&head) {
        redacted.push_str(before);
        redacted.push('…');
        let more = token.get(head.len()..).unwrap_or_default().chars();
        let same = found.chars().zip(more).take_while(|(a, b)| a == b);
        let length: usize = same.map(|(c, _)| c.len_utf8()).sum();
        rest = found.get(length..).unwrap_or_default();
    }
    redacted.push_str(rest);
    redacted
}

#[cfg(test)]
mod tests {
    use http::header::RETRY_AFTER;

    use super::Rejection::{Busy, Generation, Other, Token, Transport};
    use super::*;

    #[test]
    fn answers_are_told_apart() {
        let read = |status: u16, body: &str| {
            let status = StatusCode::from_u16(status).unwrap();
            Rejection::read(status, &HeaderMap::new(), body.as_bytes())
        };
        assert!(matches!(read(401, ""), Token(_)));
        assert!(
            matches!(read(403, r#"{"code":4,"message":"no"}"#), Token(said) if said.ends_with(": no"))
        );
        assert!(matches!(
            read(400, r#"{"code":4,"message":"no"}"#),
            Token(_)
        ));
        assert!(matches!(read(400, r#"{"code":"stranger"}"#), Token(_)));
        assert!(matches!(
            read(400, r#"{"code":0,"message":"Transport unknown"}"#),
            Transport(_)
        ));
        assert!(matches!(read(400, "Transport unknown"), Transport(_)));
        assert!(matches!(
            read(
                400,
                r#"{"code":5,"message":"Unsupported protocol version"}"#
            ),
            Generation(_)
        ));
        assert!(matches!(
            read(400, "\"The client is using an unsupported version\""),
            Generation(_)
        ));
        assert!(matches!(
            read(400, "Unsupported protocol version"),
            Generation(_)
        ));
        assert!(matches!(read(400, "stranger"), Token(_)));
        assert!(matches!(read(400, "<html>"), Other(_)));
        assert!(matches!(read(400, ""), Other(_)));
        assert!(
            matches!(read(404, "<html>not here</html>"), Other(said) if !said.contains("html"))
        );
        assert!(matches!(read(502, "bad gateway"), Other(_)));
        assert!(matches!(read(302, ""), Other(said) if said.contains("redirects")));
        assert!(matches!(read(407, ""), Other(said) if said.contains("user name and password")));
    }

    #[test]
    fn a_busy_server_is_left_alone_for_as_long_as_it_says() {
        let headers = HeaderMap::from_iter([(RETRY_AFTER, "30".parse().unwrap())]);
        let read =
            |status: u16| Rejection::read(StatusCode::from_u16(status).unwrap(), &headers, b"");
        for status in [429, 502, 503] {
            assert!(
                matches!(read(status), Busy(_, after) if after == Duration::from_secs(30)),
                "{status}"
            );
        }
        assert!(matches!(read(404), Other(_)));
        assert!(matches!(read(401), Token(_)));
    }

    #[test]
    fn words_are_short_and_plain() {
        assert_eq!(error_message(r#""not authorized""#), "not authorized");
        assert_eq!(error_message(r#"{"message":"no","data":{}}"#), "no");
        assert_eq!(error_message("a\nb\u{1b}[0m"), "a b [0m");
        assert_eq!(error_message(&"x".repeat(5000)), "x".repeat(64) + "…");
    }

    #[test]
    fn a_token_is_never_quoted_back_not_even_its_beginning() {
        let endpoint = Endpoint {
            path: crate::PathRecord::default(),
            url: "http://exp.example".into(),
            token: expd_domain::Secret::new("0123456789abcdef.0123456789abcdef.signature"),
            proxy: None,
            ca_file: None,
            library: crate::choice::SocketLibrary::Own,
            timeout: Duration::from_secs(1),
            max_message: usize::MAX,
        };
        for (said, redacted) in [
            (
                "bad token 0123456789abcdef.0123456789abcdef.signature!",
                "bad token …!",
            ),
            ("bad token 0123456789abcdef.01…", "bad token ……"),
            ("012345678 is no token", "012345678 is no token"),
        ] {
            assert_eq!(redact(said, &endpoint), redacted);
        }
    }
}
