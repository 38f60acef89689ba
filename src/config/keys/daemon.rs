//! Keys of `[daemon]` and `[[daemon.tcp.tokens]]`.

use std::time::Duration;

use super::key::{ACCESS, Key, ValueType};

pub(super) const KEYS: &[Key] = &[
    Key {
        section: "daemon",
        name: "socket",
        value_type: ValueType::Path,
        default: "",
        meaning: "Path of the Unix socket. Where not set: `$EXPD_SOCKET`, else `expd.sock` in \
             `$RUNTIME_DIRECTORY` (systemd), else `/run/expd/expd.sock` as root, else \
             `$XDG_RUNTIME_DIR/expd/expd.sock`, else `/tmp/expd-UID/expd.sock`.",
    },
    Key {
        section: "daemon",
        name: "socket_mode",
        value_type: ValueType::Mode,
        default: r#""0660""#,
        meaning: "Permission bits of the socket file. Users who may write to it can connect.",
    },
    Key {
        section: "daemon",
        name: "socket_group",
        value_type: ValueType::Text,
        default: "",
        meaning: "Name of the socket file's group; the daemon's own where not set.",
    },
    Key {
        section: "daemon",
        name: "listen",
        value_type: ValueType::LoopbackAddress,
        default: "",
        meaning: "Loopback TCP address on which the same API is served too, to callers with a \
             token of `daemon.tcp.tokens`.",
    },
    Key {
        section: "daemon",
        name: ACCESS,
        value_type: ValueType::Choice(&["open"]),
        default: "",
        meaning: "`open` declares that the absence of access rules is intended. Without it, a \
             reload that finds no rules where there were some is refused, so that a truncated file \
             opens nothing.",
    },
    Key {
        section: "daemon",
        name: "state_dir",
        value_type: ValueType::Path,
        default: "",
        meaning: "Folder for the credentials of paired devices. Where not set: `$STATE_DIRECTORY` \
             (systemd), else `/var/lib/expd` as root, else `$XDG_STATE_HOME/expd` or \
             `~/.local/state/expd`.",
    },
    Key {
        section: "daemon",
        name: "log",
        value_type: ValueType::Choice(&["error", "warn", "info", "debug", "trace"]),
        default: r#""info""#,
        meaning: "Minimum level of log records. Payloads are logged only at `trace`, secrets \
             never.",
    },
    Key {
        section: "daemon",
        name: "log_format",
        value_type: ValueType::Choice(&["auto", "text", "json"]),
        default: r#""auto""#,
        meaning: "Form of log records: those of the journal where it is connected and text \
             otherwise (`auto`), or text or JSON (one object a line, for containers) on standard \
             error in any case. `expd serve --log-format` comes first.",
    },
    Key {
        section: "daemon",
        name: "metrics",
        value_type: ValueType::LoopbackAddress,
        default: "",
        meaning: "Loopback address on which metrics are served over HTTP at `/metrics`, in the \
             text format of Prometheus. Every local program can read them, by a loopback address \
             or `localhost`; they name no channel and no caller.",
    },
    Key {
        section: "daemon",
        name: "metrics_socket",
        value_type: ValueType::Path,
        default: "",
        meaning: "Unix socket on which the metrics are served too (`curl --unix-socket PATH \
             http://localhost/metrics`), with the mode and the group of the daemon's own.",
    },
    Key {
        section: "daemon",
        name: "drain_timeout",
        value_type: ValueType::Duration(Duration::ZERO, Duration::from_secs(300)),
        default: r#""500ms""#,
        meaning: "Time that calls in flight have to finish once the daemon is stopped.",
    },
    Key {
        section: "daemon.tcp.tokens[]",
        name: "name",
        value_type: ValueType::Text,
        default: "",
        meaning: "The token's name, by which access rules and the log name its bearers. Required.",
    },
    Key {
        section: "daemon.tcp.tokens[]",
        name: "token",
        value_type: ValueType::Secret,
        default: "",
        meaning: "The token, of at least 16 characters (`openssl rand -hex 32` makes one). \
             Required. Also as a systemd credential named `expd.tcp.NAME.token`.",
    },
];
