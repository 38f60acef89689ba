//! `[daemon]`, `[daemon.limits]` and `[[access]]`, checked.

use crate::access::{AccessRule, Verb, accounts};

use super::keys;
use super::mistake::quoted;
use super::reader::Reader;
use super::route::Route;
use super::settings::{DEFAULT_INSTANCE, DaemonSettings, Limits, LogLevel};

pub(super) fn read(reader: &mut Reader) -> DaemonSettings {
    let default = DaemonSettings::default();
    let mut section = reader.section(Route::default().key("daemon"));
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
    let log = match section.choice("log") {
        Some("error") => LogLevel::Error,
        Some("warn") => LogLevel::Warn,
        Some("debug") => LogLevel::Debug,
        Some("trace") => LogLevel::Trace,
        Some(_) => LogLevel::Info,
        None => default.log,
    };
    DaemonSettings {
        open: section.choice("access").is_some(),
        socket: section.path("socket"),
        socket_mode: section.mode("socket_mode").unwrap_or(default.socket_mode),
        socket_group,
        listen: section.address("listen"),
        state_dir: section.path("state_dir"),
        log,
        metrics: section.address("metrics"),
        drain_timeout: section
            .duration("drain_timeout")
            .unwrap_or(default.drain_timeout),
        limits: read_limits(reader),
    }
}

fn read_limits(reader: &mut Reader) -> Limits {
    let default = Limits::default();
    let mut section = reader.section(Route::default().key("daemon").key("limits"));
    let log_bytes = section.size("log_bytes");
    let total_log_bytes = section.size("total_log_bytes");
    let limits = Limits {
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
    limits
}

/// Notes where rules stand together with the word that there shall be none.
pub(super) fn check_open(reader: &mut Reader, daemon: &DaemonSettings, access: &[AccessRule]) {
    if daemon.open && !access.is_empty() {
        let mut section = reader.section(Route::default().key("daemon"));
        section.mistake(
            keys::ACCESS,
            "says that there are no access rules, and there are",
            "remove it, or the [[access]] rules",
        );
    }
}

/// Reads the access rules. `instances` are the configured ones, so that a rule on another is told.
pub(super) fn read_access(reader: &mut Reader, instances: &[String]) -> Vec<AccessRule> {
    let routes = reader.items(&Route::default().key("access"));
    routes
        .into_iter()
        .map(|route| {
            let mut section = reader.section(route);
            let rule = AccessRule {
                uid: section.count("uid").and_then(|uid| u32::try_from(uid).ok()),
                user: section.text("user"),
                group: section.text("group"),
                unit: section.text("unit"),
                // What is not known has been told.
                allow: section
                    .choices("allow")
                    .unwrap_or_default()
                    .iter()
                    .filter_map(|verb| Verb::from_name(verb))
                    .collect(),
                channels: section.texts("channels").unwrap_or_default(),
                instances: section.texts("instances").unwrap_or_default(),
            };
            if rule.allow.is_empty() {
                if section.texts("allow").is_some_and(|verbs| verbs.is_empty()) {
                    section.mistake(
                        "allow",
                        "allows nothing",
                        "name what is allowed, or remove the rule",
                    );
                } else if !section.is_set("allow") {
                    section.missing(
                        "allow",
                        "name what is allowed, as in [\"listen\", \"status\"]",
                    );
                }
            }
            if rule.allow.contains(&Verb::Request) && !rule.channels.is_empty() {
                section.mistake(
                    "channels",
                    "a request of the API is not about channels: this rule would never allow one",
                    "give \"request\" a rule of its own, without channels",
                );
            }
            for instance in &rule.instances {
                if instance != DEFAULT_INSTANCE && !instances.contains(instance) {
                    section.mistake(
                        "instances",
                        format!("there is no instance {}", quoted(instance)),
                        format!("add [instances.{instance}], or name another"),
                    );
                }
            }
            // Accounts come and go while the settings stay, and a rule for nobody lets nobody in: worth a word, not an end.
            if let Some(user) = &rule.user
                && !matches!(accounts::user_id(user), Ok(Some(_)))
            {
                let what = format!("there is no user {}: the rule matches nobody", quoted(user));
                section.warning("user", what, "create the user, or name another");
            }
            if let Some(group) = &rule.group
                && !matches!(accounts::group_id(group), Ok(Some(_)))
            {
                let what = format!(
                    "there is no group {}: the rule matches nobody",
                    quoted(group)
                );
                section.warning("group", what, "create the group, or name another");
            }
            rule
        })
        .collect()
}
