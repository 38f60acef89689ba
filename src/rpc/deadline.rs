//! The deadline that a client sets for its call: the call's end, and the latest time to send a
//! broadcast.

use std::time::Duration;

use axum::body::Body;
use axum::middleware::Next;
use http::{HeaderMap, Request, Response};
use tokio::time::timeout;

use super::error;
use expd_domain::ROUND_TRIP_ALLOWANCE;

/// A call is ended this long before its deadline, ahead of the server library's own timer, which
/// would answer CANCELLED. Longer than the timers' resolution of a millisecond.
const MARGIN: Duration = Duration::from_millis(2);

/// Time that a broadcast waits for the connection where its call has no deadline.
const DEFAULT_WAIT: Duration = Duration::from_secs(60);

/// Limit of a broadcast's wait, whatever the deadline.
const MAX_WAIT: Duration = Duration::from_secs(3600);

/// Middleware that ends a call at its deadline with `DEADLINE_EXCEEDED`. It does not end streams
/// that have begun; their clients do.
pub async fn enforce(request: Request<Body>, next: Next) -> Response<Body> {
    let Some(deadline) = from_headers(request.headers()) else {
        return next.run(request).await;
    };
    let in_time = timeout(deadline.saturating_sub(MARGIN), next.run(request)).await;
    in_time.unwrap_or_else(|_| error::deadline_passed(deadline).into_http())
}

/// Parses the time limit of a call; none where its client set none.
pub fn from_headers(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    // At most eight digits, as gRPC specifies; the products below stay in range.
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

/// Latest time to send a broadcast, measured from the start of its call, for its answer to arrive
/// before the deadline. If a broadcast is not sent by then, its caller is told that nothing was
/// sent, which `DEADLINE_EXCEEDED` would not say.
pub fn send_by(deadline: Option<Duration>, timeout: Duration, wait: bool) -> Option<Duration> {
    let latest = deadline.map(|deadline| {
        let rest = deadline.saturating_sub(timeout);
        if rest.is_zero() {
            // The caller does not wait for the responses.
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
