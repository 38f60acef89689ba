//! The one table of all keys: what may be set, of which type, within which bounds, and what it means. The reader takes its
//! bounds from here, unknown keys are told by it, and docs/settings.md is printed from it.

use std::time::Duration;

use crate::access::Verb;
use expd_domain::payload;

/// One key.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) section: &'static str,
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// As it would be written in the file; empty where nothing is set.
    pub(super) default: &'static str,
    pub(super) meaning: &'static str,
}

/// What may be written for a key.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Text,
    /// A name that becomes a part of other names.
    Path,
    Bool,
    Duration(Duration, Duration),
    Size(usize, usize),
    Count(usize, usize),
    Address,
    LoopbackAddress,
    Mode,
    Choice(&'static [&'static str]),
    Url,
    Secret,
    Texts,
    /// A list, each item one of these.
    Choices(&'static [&'static str]),
}

/// The tables of the file. `NAME` stands for any name, `[]` for each item of an array of tables.
pub(super) const SECTIONS: [(&str, &str); 9] = [
    ("daemon", "The local door."),
    (
        "daemon.limits",
        "Bounds on what apps and the network may make the daemon hold.",
    ),
    (
        "instances.NAME",
        "One identity and its way to EXP; `default` is the one that a request naming none means.",
    ),
    ("instances.NAME.credentials", "Who logs in."),
    (
        "access[]",
        "Who may do what. The rules stand in `[[access]]` tables; without any, whoever may open the socket may do everything. With rules, a call is allowed if one of them allows it, and refused otherwise, root's too. A rule is for whoever fits all of `uid`, `user`, `group` and `unit` that it names; one that names none is for everybody, and it alone fits callers over TCP, of whom nothing is known. `systemctl reload expd` applies changes, also to streams that are open: one that loses its right ends at once. A reload is refused, and the rules stay as they were, where it would take all of them away (see `daemon.access`), and where the file looks cut: its last line has no end, or its last rule is an earlier one without what narrows it. Write `allow` last in each rule: what was cut from such a rule is never taken for a whole one.",
    ),
    (
        "hub",
        "The embedded EXP-compatible network of `expd hub` and `expd serve --embedded`.",
    ),
    ("hub.devices[]", "A device that may log in."),
    ("hub.users[]", "A user that may log in."),
    ("hub.consumer_apps[]", "A consumer app that may log in."),
];

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);
const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;
const GIB: usize = 1 << 30;
const MILLION: usize = 1_000_000;
/// Above any machine's sensible limit of open files.
const MOST_CONNECTIONS: usize = 100_000;

/// The table of the access rules, and the key that says that there are none.
pub(super) const ACCESS: &str = "access";

pub(super) const VERBS: [&str; 6] = Verb::NAMES;

const fn key(
    section: &'static str,
    name: &'static str,
    kind: Kind,
    default: &'static str,
    meaning: &'static str,
) -> Key {
    Key {
        section,
        name,
        kind,
        default,
        meaning,
    }
}

#[rustfmt::skip] // A table is read by its columns.
pub(super) const KEYS: &[Key] = &[
    key("daemon", "socket", Kind::Path, "", "Where the Unix socket is. When not set: `/run/expd/expd.sock` as root or where it exists, else `$XDG_RUNTIME_DIR/expd/expd.sock`, else `/tmp/expd-UID/expd.sock`."),
    key("daemon", "socket_mode", Kind::Mode, r#""0660""#, "The socket file's permission bits; who may write to it may connect."),
    key("daemon", "socket_group", Kind::Text, "", "The socket file's group, by name; the daemon's own when not set."),
    key("daemon", "listen", Kind::LoopbackAddress, "", "A loopback TCP address on which the same API is served too."),
    key("daemon", ACCESS, Kind::Choice(&["open"]), "", "`open` says that there are no access rules on purpose. A reload that finds no rules where there were some is refused without it, so that a file that was cut opens nothing."),
    key("daemon", "state_dir", Kind::Path, "", "Where a paired device's credentials are kept. When not set: `$STATE_DIRECTORY` (systemd), else `/var/lib/expd` as root, else `$XDG_STATE_HOME/expd` or `~/.local/state/expd`."),
    key("daemon", "log", Kind::Choice(&["error", "warn", "info", "debug", "trace"]), r#""info""#, "How much is logged. Payloads are logged at `trace` alone, secrets never."),
    key("daemon", "metrics", Kind::LoopbackAddress, "", "A loopback address on which counters are served over HTTP at `/metrics`, in Prometheus' text format. Every local program that calls it by a loopback address or as `localhost` can read them; they name no channel and no caller."),
    key("daemon", "drain_timeout", Kind::Duration(Duration::ZERO, Duration::from_secs(300)), r#""500ms""#, "How long calls in flight may go on once the daemon was told to stop."),

    key("daemon.limits", "log_events", Kind::Count(1, MILLION), "1024", "Events that one channel's log holds."),
    key("daemon.limits", "log_bytes", Kind::Size(KIB, 64 * GIB), r#""4MiB""#, "Bytes that one channel's log holds; the newest event is kept whatever its size."),
    key("daemon.limits", "log_age", Kind::Duration(SECOND, DAY), r#""60s""#, "How long a channel's log holds an event, and how long a channel nobody listens to keeps its log and its subscription."),
    key("daemon.limits", "total_log_bytes", Kind::Size(KIB, 64 * GIB), r#""64MiB""#, "Bytes that all logs hold together; the oldest events go first."),
    key("daemon.limits", "max_payload", Kind::Size(KIB, payload::MAX_BYTES), r#""16MB""#, "Bytes of JSON text in one payload."),
    key("daemon.limits", "max_listeners", Kind::Count(1, MILLION), "10000", "Listeners on the whole host; one user may have half of them."),
    key("daemon.limits", "max_channels", Kind::Count(1, MILLION), "10000", "Channels of one instance; one user may have half of them."),
    key("daemon.limits", "max_connections", Kind::Count(1, MOST_CONNECTIONS), "4096", "Local connections at a time; one user may have half of them, more are refused."),
    key("daemon.limits", "max_calls_per_connection", Kind::Count(1, 100_000), "1024", "Calls, streams among them, that one local connection may have open; more wait."),
    key("daemon.limits", "max_call_bytes", Kind::Size(16 * MIB, 64 * GIB), r#""128MiB""#, "Bytes of requests, answers and connections that local programs make the daemon hold; one user may have half of it."),
    key("daemon.limits", "max_calls", Kind::Count(1, MILLION), "4096", "Calls to EXP in flight at a time, per instance; one user may have half of them."),
    key("daemon.limits", "max_waiting", Kind::Count(1, MILLION), "1024", "Broadcasts that wait for a connection (`wait_for_connection`), over all instances; one user may have half of them."),
    key("daemon.limits", "max_waiting_bytes", Kind::Size(KIB, 64 * GIB), r#""64MiB""#, "Bytes that waiting broadcasts hold together; one user may have half of them."),

    key("instances.NAME", "host", Kind::Url, r#""https://api.goexp.io""#, "The API's base URL."),
    key("instances.NAME", "transport", Kind::Choice(&["auto", "websocket", "polling"]), r#""auto""#, "How the live socket travels: WebSocket, HTTP long polling, or whichever works."),
    key("instances.NAME", "protocol", Kind::Choice(&["auto", "3", "4"]), r#""auto""#, "The generation of Engine.IO that the live socket speaks; `auto` tells it from the server's handshake."),
    key("instances.NAME", "socket_library", Kind::Choice(&["own", "rust_socketio"]), r#""own""#, "Which implementation of Socket.IO carries the live socket: expd's own, or the `rust_socketio` crate for generation 4 over a direct WebSocket, which respells payloads (`1e400` becomes `1e+400`) and drops what nests deeper than 127 levels."),
    key("instances.NAME", "proxy", Kind::Url, "", "The HTTP proxy for API and socket; the environment's (`HTTPS_PROXY`, `NO_PROXY`) when not set."),
    key("instances.NAME", "ca_file", Kind::Path, "", "A PEM file of certificate authorities that are trusted besides the system's."),
    key("instances.NAME", "channel_id", Kind::Choice(&["both", "urlsafe", "standard"]), r#""both""#, "Which Base64 spellings of a channel ID are subscribed: the specification's (`urlsafe`), the SDKs' (`standard`), or both where they differ."),
    key("instances.NAME", "broadcast_channel", Kind::Choice(&["object", "id"]), r#""object""#, "How a broadcast names its channel: as the specification's object, or as a channel ID like the SDKs."),

    key("instances.NAME.credentials", "type", Kind::Choice(&["device", "user", "consumer_app"]), "", "Which kind of credentials. Required."),
    key("instances.NAME.credentials", "uuid", Kind::Text, "", "`device`, `consumer_app`: whose credentials."),
    key("instances.NAME.credentials", "secret", Kind::Secret, "", "`device`: the device's secret."),
    key("instances.NAME.credentials", "allow_pairing", Kind::Bool, "false", "`device`: whether to ask for a pairing code where uuid or secret are missing or refused."),
    key("instances.NAME.credentials", "username", Kind::Text, "", "`user`: the user's name."),
    key("instances.NAME.credentials", "password", Kind::Secret, "", "`user`: the user's password."),
    key("instances.NAME.credentials", "organization", Kind::Text, "", "`user`: the organization to log in to."),
    key("instances.NAME.credentials", "api_key", Kind::Secret, "", "`consumer_app`: the app's API key."),

    key("access[]", "uid", Kind::Count(0, u32::MAX as usize), "", "The numeric user ID that this rule is for."),
    key("access[]", "user", Kind::Text, "", "The user that this rule is for, by name. A name that does not exist fits nobody."),
    key("access[]", "group", Kind::Text, "", "The group that this rule is for, by name: the calling process must be in it."),
    key("access[]", "unit", Kind::Text, "", "The systemd unit that this rule is for, as in `kiosk.service`. Units of the system alone: those within a user's own service manager count as `user@UID.service`."),
    key("access[]", "allow", Kind::Choices(&VERBS), "", "What is allowed. Required. `status` shows the channels and instances of the rule; `request` also stands for identities; `admin` is about other users' listeners: to read, cancel or clear them. The API's paths that broadcast or respond need those rights on every channel as well, its logins need `admin`."),
    key("access[]", "channels", Kind::Texts, "[]", "The channels it is allowed on, by name; all when empty."),
    key("access[]", "instances", Kind::Texts, "[]", "The instances it is allowed on; all when empty."),

    key("hub", "listen", Kind::Address, r#""127.0.0.1:9000""#, "Where the network listens; port 0 takes a free one."),
    key("hub", "organization", Kind::Text, r#""demo""#, "The one organization that it serves."),
    // The SDKs set a 32-bit timer of milliseconds from it, which ends before 25 days.
    key("hub", "token_ttl", Kind::Duration(SECOND, Duration::from_secs(24 * 86_400)), r#""1h""#, "How long a token lives."),
    key("hub", "hosts", Kind::Texts, "[]", "Names by which the network may be called, besides loopback names and addresses: those under which a proxy in front of it is known, for one. Where there are some, and always on a loopback address, a request with another `Host` is refused."),
    key("hub", "token_key", Kind::Secret, "", "What signs the tokens of sessions. When not set: a random key that is kept in `hub/token.key` in `daemon.state_dir`, for tokens to outlive a restart."),
    key("hub", "operator_key", Kind::Secret, "", "What the operator's commands (`expd hub pair`) prove themselves with. When not set: a random key that is kept in `hub/operator.key` in `daemon.state_dir`, where the commands of the same user find it."),
    key("hub", "ping_interval", Kind::Duration(Duration::from_millis(100), Duration::from_secs(600)), r#""25s""#, "Engine.IO's ping interval."),
    key("hub", "ping_timeout", Kind::Duration(MILLISECOND, MINUTE), r#""20s""#, "How long the network waits for a pong."),

    key("hub.devices[]", "uuid", Kind::Text, "", "The device's uuid. Required."),
    key("hub.devices[]", "secret", Kind::Secret, "", "The device's secret. Required."),

    key("hub.users[]", "username", Kind::Text, "", "The user's name. Required."),
    key("hub.users[]", "password_hash", Kind::Text, "", "The password's Argon2 hash in PHC form. Required, or `password`."),
    key("hub.users[]", "password", Kind::Secret, "", "The password itself, for development; hashed on reading."),

    key("hub.consumer_apps[]", "uuid", Kind::Text, "", "The app's uuid. Required."),
    key("hub.consumer_apps[]", "api_key", Kind::Secret, "", "The app's API key. Required."),
];

/// The suffix of the key that names a file in place of a secret.
pub(super) const FILE_SUFFIX: &str = "_file";

/// What the name of every variable begins with.
pub(super) const PREFIX: &str = "EXPD__";

/// The variable that sets a key, as `EXPD__DAEMON__SOCKET`.
pub(super) fn variable(key: &str) -> String {
    let parts: Vec<String> = key
        .replace("[]", ".0")
        .split('.')
        .map(str::to_uppercase)
        .collect();
    format!("{PREFIX}{}", parts.join("__"))
}

/// The key `name` in `section`.
pub(super) fn find(section: &str, name: &str) -> Option<&'static Key> {
    KEYS.iter()
        .find(|key| key.section == section && key.name == name)
}

/// Whether `name` in `section` is the `K_file` of a secret K.
pub(super) fn is_secret_file(section: &str, name: &str) -> bool {
    name.strip_suffix(FILE_SUFFIX)
        .and_then(|secret| find(section, secret))
        .is_some_and(|key| matches!(key.kind, Kind::Secret))
}

/// Keys that say the same in another way, so that a later layer's replaces an earlier one's.
pub(super) fn rivals(section: &str, name: &str) -> Vec<String> {
    let secret = if is_secret_file(section, name) {
        name.strip_suffix(FILE_SUFFIX).unwrap_or(name)
    } else {
        name
    };
    if !find(section, secret).is_some_and(|key| matches!(key.kind, Kind::Secret))
        && secret != "password_hash"
    {
        return Vec::new();
    }
    let mut all = vec![secret.to_owned(), format!("{secret}{FILE_SUFFIX}")];
    if section == "hub.users[]" {
        all = ["password", "password_file", "password_hash"]
            .map(str::to_owned)
            .to_vec();
    }
    all.retain(|rival| rival != name);
    all
}

/// What a table at `section` may hold: its keys, the `K_file` of its secrets, and the tables below it.
pub(super) fn children(section: &str) -> Vec<String> {
    let mut names = Vec::new();
    for key in KEYS.iter().filter(|key| key.section == section) {
        names.push(key.name.to_owned());
        if matches!(key.kind, Kind::Secret) {
            names.push(format!("{}{FILE_SUFFIX}", key.name));
        }
    }
    for (below, _) in SECTIONS {
        let rest = if section.is_empty() {
            Some(below)
        } else {
            below
                .strip_prefix(section)
                .and_then(|rest| rest.strip_prefix('.'))
        };
        if let Some(name) = rest.and_then(|rest| rest.split('.').next()) {
            let name = name.trim_end_matches("[]").to_owned();
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names
}

/// What stands at `name` in the table `section`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A value.
    Value,
    /// A table.
    Table,
    /// An array of tables.
    Tables,
}

/// What stands at `name` in the table `section`; nothing where the key is unknown.
pub(super) fn place(section: &str, name: &str) -> Option<Place> {
    if find(section, name).is_some() || is_secret_file(section, name) {
        return Some(Place::Value);
    }
    let full = join(section, name);
    SECTIONS.iter().find_map(|(known, _)| {
        let rest = known.strip_prefix(full.as_str())?;
        if rest.starts_with("[]") {
            Some(Place::Tables)
        } else if rest.is_empty() || rest.starts_with('.') {
            Some(Place::Table)
        } else {
            None
        }
    })
}

pub(super) fn join(section: &str, name: &str) -> String {
    if section.is_empty() {
        name.to_owned()
    } else {
        format!("{section}.{name}")
    }
}

/// The known key that an unknown one was most likely meant to be, as a full key.
pub(super) fn nearest(section: &str, name: &str) -> String {
    let name = name.to_lowercase();
    // The right name in the wrong table is the likeliest slip.
    if let Some(key) = KEYS.iter().find(|key| key.name == name) {
        return join(key.section, key.name);
    }
    let distance = |known: &str| strsim::damerau_levenshtein(&name, known);
    let sibling = children(section)
        .into_iter()
        .min_by_key(|known| distance(known));
    if let Some(sibling) = sibling
        && distance(&sibling) <= 2.max(name.len() / 3)
    {
        return join(section, &sibling);
    }
    KEYS.iter()
        .min_by_key(|key| (distance(key.name), key.section != section))
        .map_or_else(String::new, |key| join(key.section, key.name))
}

/// The known text nearest to `text`, if any is near.
pub(super) fn nearest_of<'a>(text: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let text = text.to_lowercase();
    known
        .map(|known| {
            (
                strsim::damerau_levenshtein(&text, &known.to_lowercase()),
                known,
            )
        })
        .min()
        .filter(|(distance, _)| *distance <= 2.max(text.len() / 3))
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_key_is_the_one_meant() {
        assert_eq!(nearest("daemon", "soket"), "daemon.socket");
        assert_eq!(nearest("daemon", "log_age"), "daemon.limits.log_age");
        assert_eq!(nearest("", "deamon"), "daemon");
        assert_eq!(nearest("", "instance"), "instances");
        assert_eq!(
            nearest("instances.NAME.credentials", "secret_fle"),
            "instances.NAME.credentials.secret_file"
        );
        assert_eq!(nearest("hub", "device"), "hub.devices");
    }

    #[test]
    fn places_are_told_apart() {
        assert_eq!(place("", "daemon"), Some(Place::Table));
        assert_eq!(place("", "access"), Some(Place::Tables));
        assert_eq!(place("", "instances"), Some(Place::Table));
        assert_eq!(place("instances", "NAME"), Some(Place::Table));
        assert_eq!(place("daemon", "limits"), Some(Place::Table));
        assert_eq!(place("hub", "users"), Some(Place::Tables));
        assert_eq!(place("hub", "operator_key_file"), Some(Place::Value));
        assert_eq!(place("daemon", "socket_file"), None);
        assert_eq!(place("hub", "user"), None);
    }

    #[test]
    fn every_key_stands_in_a_listed_section() {
        for key in KEYS {
            assert!(
                SECTIONS.iter().any(|(section, _)| *section == key.section),
                "{key:?}"
            );
            assert!(key.meaning.ends_with('.'), "{key:?}");
        }
    }

    #[test]
    fn variables_are_named_after_the_keys() {
        assert_eq!(
            variable("daemon.limits.log_age"),
            "EXPD__DAEMON__LIMITS__LOG_AGE"
        );
        assert_eq!(
            variable("hub.devices[].secret"),
            "EXPD__HUB__DEVICES__0__SECRET"
        );
        assert_eq!(variable("access[].allow"), "EXPD__ACCESS__0__ALLOW");
    }

    #[test]
    fn a_secret_and_its_file_are_rivals() {
        assert_eq!(rivals("hub", "operator_key"), ["operator_key_file"]);
        assert_eq!(rivals("hub", "operator_key_file"), ["operator_key"]);
        assert_eq!(
            rivals("hub.users[]", "password_hash"),
            ["password", "password_file"]
        );
        assert!(rivals("daemon", "socket").is_empty());
    }
}
