//! docs/limits.md names the limits of the gRPC server that the code enforces.

use std::time::Duration;

use super::call::{CALL_BYTES, PROGRESS_TIMEOUT, WINDOW};
use super::meter::CALLS_AT_ONCE;
use super::rate_limit::{BURST, OWNERS_RATE, RATE};
use super::users::CONNECTION_BYTES;
use super::*;
use crate::config::Limits;
use crate::rpc::{message, offload, structured};
use crate::shares::KEPT;

const LIMITS: &str = include_str!("../../../docs/limits.md");

fn size(bytes: usize) -> String {
    match bytes {
        bytes if bytes % (1 << 20) == 0 => format!("{} MiB", bytes >> 20),
        bytes => format!("{} KiB", bytes >> 10),
    }
}

fn count(number: usize) -> String {
    match (number / 1000, number % 1000) {
        (0, rest) => rest.to_string(),
        (thousands, rest) => format!("{thousands},{rest:03}"),
    }
}

fn seconds(time: Duration) -> String {
    format!("{} s", time.as_secs())
}

fn percent(part: f64) -> String {
    format!("{:.0} %", part * 100.0)
}

/// The row of docs/limits.md for one input.
fn row(input: &str) -> &'static str {
    let begins = format!("| {input} | ");
    let row = LIMITS.lines().find_map(|line| line.strip_prefix(&begins));
    row.unwrap_or_else(|| panic!("docs/limits.md has no limits for {input:?}"))
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table")]
fn the_limits_page_says_what_is_enforced() {
    let limits = Limits::default();
    let window = usize::try_from(CONNECTION_WINDOW).unwrap();
    let head = usize::try_from(HEADER_BYTES).unwrap();
    for (input, named) in [
        ("a call's header fields", vec![size(head)]),
        (
            "calls on one local connection",
            vec![
                format!(
                    "`daemon.limits.max_calls_per_connection` ({})",
                    count(limits.max_calls_per_connection)
                ),
                format!("{} on its way for each call", size(WINDOW)),
                format!("{} for the connection", size(window)),
                format!("{} cancelled", count(MAX_EARLY_RESETS)),
            ],
        ),
        (
            "local connections",
            vec![
                format!(
                    "`daemon.limits.max_connections` ({})",
                    count(limits.max_connections)
                ),
                format!("{} for the first frame", seconds(PREFACE_TIMEOUT)),
                format!("without a call for {}", seconds(IDLE_TIMEOUT)),
            ],
        ),
        (
            "a gRPC request",
            vec![
                format!("{} besides the payload", size(structured::MAX_OTHER_BYTES)),
                format!("{} to arrive", seconds(message::ARRIVAL_TIMEOUT)),
            ],
        ),
        (
            "a payload as `google.protobuf.Value`",
            vec![
                size(structured::MAX_BYTES),
                format!("{} values", count(structured::MAX_VALUES)),
            ],
        ),
        (
            "requests, answers and connections of local programs, in memory",
            vec![
                format!(
                    "`daemon.limits.max_call_bytes` ({})",
                    size(limits.max_call_bytes)
                ),
                format!("{} for a connection", size(CONNECTION_BYTES)),
                format!("{} and the header fields for a call", size(CALL_BYTES)),
                format!("{} until its message is there", size(WINDOW)),
                format!("a message of more than {}", size(offload::MAX_INLINE)),
            ],
        ),
        (
            "a user whom no access rule gives any right",
            vec![
                format!("{} connections", count(STRANGER_CONNECTIONS)),
                format!("{} calls each", count(STRANGER_CALLS)),
                size(STRANGER_BYTES),
            ],
        ),
        (
            "calls of one connection begun at once",
            vec![format!("{CALLS_AT_ONCE}; ")],
        ),
        (
            "one user's part of the delivering thread's time, for what its clients send",
            vec![
                format!("{} after {} ms at once", percent(RATE), BURST.as_millis()),
                format!("own user {}", percent(OWNERS_RATE)),
            ],
        ),
        (
            "broadcasts of one user",
            vec![
                format!(
                    "`daemon.limits.user.broadcasts_per_second` ({})",
                    count(limits.user.broadcasts.per_second)
                ),
                format!("{} at once", count(limits.user.broadcasts.burst)),
            ],
        ),
        (
            "bytes of broadcasts, responses and API requests that one user sends, and of content that it gets",
            vec![
                format!(
                    "`daemon.limits.user.bytes_per_second` ({})",
                    size(limits.user.bytes.per_second)
                ),
                format!("{} at once", size(limits.user.bytes.burst)),
            ],
        ),
        (
            "an answer of which its client takes nothing",
            vec![seconds(PROGRESS_TIMEOUT)],
        ),
    ] {
        let row = row(input);
        for limit in named {
            assert!(
                row.contains(&limit),
                "{input} | {row}\nshould name {limit:?}"
            );
        }
    }
    let shares =
        row("one user's share of connections, streams, memory, listeners, channels and calls");
    assert!(
        shares.contains("half, or what `daemon.limits.user` says"),
        "{shares}"
    );
    assert!(
        shares.contains("of waiting broadcasts half; a sixteenth"),
        "{shares}"
    );
    assert_eq!(KEPT, 16);
}
