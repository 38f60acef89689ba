//! `[daemon]` and `[daemon.limits]`, checked.

use std::path::Path;

use crate::access::accounts;

use super::mistake::quoted;
use super::reader::Reader;
use super::route::Route;
use super::section::Section;
use super::settings::{DaemonSettings, Limits, LogFormat, LogLevel, UserLimits};
use super::tokens;
use crate::shares::Rate;

/// Reads the daemon's settings. Tokens may be in systemd's `credentials` folder.
pub(super) fn read(reader: &mut Reader, credentials: Option<&Path>) -> DaemonSettings {
    let tokens = tokens::read(reader, credentials);
    let default = DaemonSettings::default();
    let mut section = Section::new(reader, Route::default().key("daemon"));
    let socket_group = section.text("socket_group");
    if let Some(group) = &socket_group {
        match accounts::group_id(group) {
            Ok(Some(_)) => {}
            Ok(None) => section.mistake(
                "socket_group",
                format!("there is no group {}", quoted(group)),
                "create it (groupadd --system), or name another",
            ),
            Err(error) => section.mistake(
                "socket_group",
                format!("cannot look up the group {}: {error}", quoted(group)),
                "check the system's name service (nsswitch.conf)",
            ),
        }
    }
    let log = section.choice("log").and_then(LogLevel::from_word);
    let log_format = section.choice("log_format").and_then(LogFormat::from_word);
    DaemonSettings {
        open: section.choice("access").is_some(),
        socket: section.path("socket"),
        socket_mode: section.mode("socket_mode").unwrap_or(default.socket_mode),
        socket_group,
        listen: section.address("listen"),
        tokens,
        state_dir: section.path("state_dir"),
        log: log.unwrap_or(default.log),
        log_format: log_format.unwrap_or(default.log_format),
        metrics: section.address("metrics"),
        metrics_socket: section.path("metrics_socket"),
        drain_timeout: section
            .duration("drain_timeout")
            .unwrap_or(default.drain_timeout),
        limits: read_limits(reader),
    }
}

fn read_limits(reader: &mut Reader) -> Limits {
    let default = Limits::default();
    let mut section = Section::new(reader, Route::default().key("daemon").key("limits"));
    let log_bytes = section.size("log_bytes");
    let total_log_bytes = section.size("total_log_bytes");
    let mut limits = Limits {
        user: default.user,
        log_events: section.count("log_events").unwrap_or(default.log_events),
        log_bytes: log_bytes.unwrap_or(default.log_bytes),
        log_age: section.duration("log_age").unwrap_or(default.log_age),
        total_log_bytes: total_log_bytes.unwrap_or(default.total_log_bytes),
        max_payload: section.size("max_payload").unwrap_or(default.max_payload),
        max_listeners: section
            .count("max_listeners")
            .unwrap_or(default.max_listeners),
        max_channels: section
            .count("max_channels")
            .unwrap_or(default.max_channels),
        max_connections: section
            .count("max_connections")
            .unwrap_or(default.max_connections),
        max_calls_per_connection: section
            .count("max_calls_per_connection")
            .unwrap_or(default.max_calls_per_connection),
        max_call_bytes: section
            .size("max_call_bytes")
            .unwrap_or(default.max_call_bytes),
        max_calls: section.count("max_calls").unwrap_or(default.max_calls),
        max_waiting: section.count("max_waiting").unwrap_or(default.max_waiting),
        max_waiting_bytes: section
            .size("max_waiting_bytes")
            .unwrap_or(default.max_waiting_bytes),
        max_run_instances: section
            .count("max_run_instances")
            .unwrap_or(default.max_run_instances),
    };
    if limits.log_bytes > limits.total_log_bytes {
        let name = if log_bytes.is_some() {
            "log_bytes"
        } else {
            "total_log_bytes"
        };
        section.mistake(
            name,
            "one channel's log would be larger than all logs together",
            "make total_log_bytes at least as large as log_bytes",
        );
    }
    limits.user = read_user_limits(reader);
    limits
}

fn read_user_limits(reader: &mut Reader) -> UserLimits {
    let default = UserLimits::default();
    let route = Route::default().key("daemon").key("limits").key("user");
    let mut section = Section::new(reader, route);
    let (broadcasts, bytes) = (default.broadcasts, default.bytes);
    UserLimits {
        max_connections: section.count("max_connections"),
        max_streams: section.count("max_streams"),
        max_call_bytes: section.size("max_call_bytes"),
        max_listeners: section.count("max_listeners"),
        max_channels: section.count("max_channels"),
        max_calls: section.count("max_calls"),
        broadcasts: Rate {
            per_second: section
                .count("broadcasts_per_second")
                .unwrap_or(broadcasts.per_second),
            burst: section.count("broadcast_burst").unwrap_or(broadcasts.burst),
        },
        bytes: Rate {
            per_second: section.size("bytes_per_second").unwrap_or(bytes.per_second),
            burst: section.size("burst_bytes").unwrap_or(bytes.burst),
        },
    }
}
