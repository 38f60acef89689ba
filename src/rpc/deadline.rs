//! The deadline of a call, as its client told it: how a call ends there, and what is left of it for a broadcast.

use std::time::Duration;

use axum::body::Body;
use axum::middleware::Next;
use http::{HeaderMap, Request, Response};
use tokio::time::timeout;
use tonic::Status;

use expd_domain::ROUND_TRIP_ALLOWANCE;

/// How much before its deadline a call is ended, so that the server library's own timer, which would say CANCELLED, comes later: more
/// than the millisecond by which timers are exact.
const MARGIN: Duration = Duration::from_millis(2);

/// How long a broadcast waits for the connection where its call has no deadline.
const DEFAULT_WAIT: Duration = Duration::from_secs(60);

/// The longest that a broadcast waits, whatever the deadline.
const MAX_WAIT: Duration = Duration::from_secs(3600);

/// Ends a call at its deadline with the status that gRPC has for that. A stream is begun by then, and ended by its client.
pub async fn enforce(request: Request<Body>, next: Next) -> Response<Body> {
    let Some(deadline) = from_headers(request.headers()) else {
        return next.run(request).await;
    };
    let in_time = timeout(deadline.saturating_sub(MARGIN), next.run(request)).await;
    in_time.unwrap_or_else(|_| {
        Status::deadline_exceeded(format!(
            "the call's deadline of {deadline:?} has passed; what it asked for may have been done"
        ))
        .into_http()
    })
}

/// How long after its start a call is over, where its client said so.
pub fn from_headers(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    // As the specification has it; the unit's prefix keeps the products in range.
    if digits.len() > 8 {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(count * 3600),
        "M" => Duration::from_secs(count * 60),
        "S" => Duration::from_secs(count),
        "m" => Duration::from_millis(count),
        "u" => Duration::from_micros(count),
        "n" => Duration::from_nanos(count),
        _ => return None,
    })
}

/// How long after the start of its call a broadcast may leave at the latest, so that its answer can come before the deadline:
/// the caller then hears that nothing was sent, which it could not know from the deadline alone.
pub fn send_by(deadline: Option<Duration>, timeout: Duration, wait: bool) -> Option<Duration> {
    let latest = deadline.map(|deadline| {
        let rest = deadline.saturating_sub(timeout);
        if rest.is_zero() {
            // The caller does not mean to see the answer.
            deadline / 2
        } else {
            rest.saturating_sub(ROUND_TRIP_ALLOWANCE).max(rest / 2)
        }
    });
    if wait {
        Some(latest.unwrap_or(DEFAULT_WAIT).min(MAX_WAIT))
    } else {
        latest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLI: Duration = Duration::from_millis(1);

    #[test]
    fn deadlines_are_read_in_every_unit() {
        for (text, told) in [
            ("1H", Some(Duration::from_secs(3600))),
            ("2M", Some(Duration::from_secs(120))),
            ("3S", Some(Duration::from_secs(3))),
            ("99999999m", Some(MILLI * 99_999_999)),
            ("5u", Some(Duration::from_micros(5))),
            ("6n", Some(Duration::from_nanos(6))),
            ("99999999H", Some(Duration::from_secs(99_999_999 * 3600))),
            ("999999999S", None),
            ("S", None),
            ("", None),
            ("-1S", None),
            ("1d", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("grpc-timeout", text.parse().unwrap());
            assert_eq!(from_headers(&headers), told, "{text:?}");
        }
        assert_eq!(from_headers(&HeaderMap::new()), None);
    }

    #[test]
    fn a_broadcast_leaves_while_its_answer_can_still_come() {
        for (deadline, timeout, latest) in [
            (5000, 100, 3900),
            (5000, 4000, 500),
            (400, 100, 150),
            (101, 100, 0),
            (100, 100, 50),
            (100, 5000, 50),
        ] {
            let send_by = send_by(Some(MILLI * deadline), MILLI * timeout, false).unwrap();
            assert_eq!(send_by.as_millis(), latest, "{deadline} {timeout}");
        }
    }

    #[test]
    fn a_wait_has_an_end_in_any_case() {
        assert_eq!(send_by(None, MILLI, false), None);
        assert_eq!(send_by(None, MILLI, true), Some(DEFAULT_WAIT));
        let far = Some(MAX_WAIT * 2);
        assert_eq!(send_by(far, MILLI, true), Some(MAX_WAIT));
        assert!(send_by(far, MILLI, false) > Some(MAX_WAIT));
    }
}
