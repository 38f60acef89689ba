//! Keys of `[daemon.limits]` and `[daemon.limits.user]`.

use std::time::Duration;

use super::key::{KIB, Key, MIB, SECOND, ValueType};
use expd_domain::payload;

const DAY: Duration = Duration::from_secs(86_400);
const MILLION: usize = 1_000_000;

/// Above any sensible limit of open files.
const MOST_CONNECTIONS: usize = 100_000;

/// More than a device has; a program of 32 bits can address no more.
const MAX_MEMORY: u64 = if usize::BITS < 64 { 1 << 31 } else { 64 << 30 };

pub(super) const KEYS: &[Key] = &[
    Key {
        section: "daemon.limits",
        name: "log_events",
        value_type: ValueType::Count(1, MILLION),
        default: "1024",
        meaning: "Events in one channel's log.",
    },
    Key {
        section: "daemon.limits",
        name: "log_bytes",
        value_type: ValueType::Size(KIB, MAX_MEMORY),
        default: r#""4MiB""#,
        meaning: "Bytes in one channel's log. The newest event is kept whatever its size.",
    },
    Key {
        section: "daemon.limits",
        name: "log_age",
        value_type: ValueType::Duration(SECOND, DAY),
        default: r#""60s""#,
        meaning: "Age limit of events in a channel's log, and time that a channel without \
             listeners keeps its log and its subscription.",
    },
    Key {
        section: "daemon.limits",
        name: "total_log_bytes",
        value_type: ValueType::Size(KIB, MAX_MEMORY),
        default: r#""64MiB""#,
        meaning: "Bytes in all logs together. The oldest events are removed first.",
    },
    Key {
        section: "daemon.limits",
        name: "max_payload",
        value_type: ValueType::Size(KIB, payload::MAX_BYTES as u64),
        default: r#""16MB""#,
        meaning: "Size of one payload's JSON text.",
    },
    Key {
        section: "daemon.limits",
        name: "max_listeners",
        value_type: ValueType::Count(1, MILLION),
        default: "10000",
        meaning: "Listeners in all. One user may have half of them.",
    },
    Key {
        section: "daemon.limits",
        name: "max_channels",
        value_type: ValueType::Count(1, MILLION),
        default: "10000",
        meaning: "Channels of one instance. One user may have half of them.",
    },
    Key {
        section: "daemon.limits",
        name: "max_connections",
        value_type: ValueType::Count(1, MOST_CONNECTIONS),
        default: "4096",
        meaning: "Concurrent local connections. One user may have half of them; more are refused.",
    },
    Key {
        section: "daemon.limits",
        name: "max_calls_per_connection",
        value_type: ValueType::Count(1, 100_000),
        default: "1024",
        meaning: "Concurrent calls, streams included, on one local connection; more wait.",
    },
    Key {
        section: "daemon.limits",
        name: "max_call_bytes",
        value_type: ValueType::Size(16 * MIB, MAX_MEMORY),
        default: r#""128MiB""#,
        meaning: "Memory for requests, answers and connections of local programs. One user may \
             have half of it.",
    },
    Key {
        section: "daemon.limits",
        name: "max_calls",
        value_type: ValueType::Count(1, MILLION),
        default: "4096",
        meaning: "Concurrent calls to EXP, per instance. One user may have half of them.",
    },
    Key {
        section: "daemon.limits",
        name: "max_waiting",
        value_type: ValueType::Count(1, MILLION),
        default: "1024",
        meaning: "Broadcasts waiting for a connection (`wait_for_connection`), over all instances. \
             One user may have half of them.",
    },
    Key {
        section: "daemon.limits",
        name: "max_waiting_bytes",
        value_type: ValueType::Size(KIB, MAX_MEMORY),
        default: r#""64MiB""#,
        meaning: "Bytes of all waiting broadcasts together. One user may have half of them.",
    },
    Key {
        section: "daemon.limits",
        name: "max_run_instances",
        value_type: ValueType::Count(1, 10_000),
        default: "32",
        meaning: "Instances that programs run with identities of their own (`RunInstance`). One \
             user may have half of them.",
    },
    Key {
        section: "daemon.limits.user",
        name: "max_connections",
        value_type: ValueType::Count(1, MOST_CONNECTIONS),
        default: "",
        meaning: "Local connections of one user. Where not set: half of \
             `daemon.limits.max_connections`.",
    },
    Key {
        section: "daemon.limits.user",
        name: "max_streams",
        value_type: ValueType::Count(1, MILLION),
        default: "",
        meaning: "Streams of one user: listening, and instances that it runs. Where not set: half \
             of `daemon.limits.max_listeners`.",
    },
    Key {
        section: "daemon.limits.user",
        name: "max_call_bytes",
        value_type: ValueType::Size(MIB, MAX_MEMORY),
        default: "",
        meaning: "Memory for requests, answers and connections of one user. Where not set: half of \
             `daemon.limits.max_call_bytes`.",
    },
    Key {
        section: "daemon.limits.user",
        name: "max_listeners",
        value_type: ValueType::Count(1, MILLION),
        default: "",
        meaning: "Listeners of one user. Where not set: half of `daemon.limits.max_listeners`.",
    },
    Key {
        section: "daemon.limits.user",
        name: "max_channels",
        value_type: ValueType::Count(1, MILLION),
        default: "",
        meaning: "Channels of one instance that one user asked for first. Where not set: half of \
             `daemon.limits.max_channels`.",
    },
    Key {
        section: "daemon.limits.user",
        name: "max_calls",
        value_type: ValueType::Count(1, MILLION),
        default: "",
        meaning: "Concurrent calls to EXP of one user, per instance. Where not set: half of \
             `daemon.limits.max_calls`.",
    },
    Key {
        section: "daemon.limits.user",
        name: "broadcasts_per_second",
        value_type: ValueType::Count(1, MILLION),
        default: "1000",
        meaning: "Broadcasts of one user a second, once `broadcast_burst` is used up.",
    },
    Key {
        section: "daemon.limits.user",
        name: "broadcast_burst",
        value_type: ValueType::Count(1, MILLION),
        default: "2000",
        meaning: "Broadcasts of one user at once after a rest.",
    },
    Key {
        section: "daemon.limits.user",
        name: "bytes_per_second",
        value_type: ValueType::Size(KIB, MAX_MEMORY),
        default: r#""32MiB""#,
        meaning: "Bytes of broadcasts, responses and bodies of API requests that one user sends to \
             EXP, and of content that it fetches, a second, once `burst_bytes` is used up.",
    },
    Key {
        section: "daemon.limits.user",
        name: "burst_bytes",
        value_type: ValueType::Size(KIB, MAX_MEMORY),
        default: r#""128MiB""#,
        meaning: "Bytes of these at once after a rest. A larger payload passes after a rest, and \
             is paid for by those after it.",
    },
];
