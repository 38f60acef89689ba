//! The table of all keys: type, bounds, default and meaning. The reader takes its bounds from here,
//! unknown keys are recognised by it, and docs/settings.md is generated from it.

use std::time::Duration;

use crate::access::Verb;
use expd_domain::payload;

/// One key.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) section: &'static str,
    pub(super) name: &'static str,
    pub(super) value_type: ValueType,
    /// In TOML; empty where nothing is set by default.
    pub(super) default: &'static str,
    pub(super) meaning: &'static str,
}

/// Type of a value.
#[derive(Clone, Copy, Debug)]
pub(super) enum ValueType {
    Text,
    /// A path to a file or folder.
    Path,
    Bool,
    Duration(Duration, Duration),
    /// A number of bytes.
    Size(u64, u64),
    Count(usize, usize),
    Address,
    LoopbackAddress,
    Mode,
    Choice(&'static [&'static str]),
    Url,
    Secret,
    Texts,
    /// A list of these words.
    Choices(&'static [&'static str]),
}

/// The tables of the file. `NAME` stands for any name, `[]` for each item of an array of tables.
pub(super) const SECTIONS: [(&str, &str); 13] = [
    ("daemon", "The daemon and its local API."),
    (
        "daemon.limits",
        "Limits on what applications and the network can make the daemon hold. A reload applies them to what is asked for from then on: whatever exceeds a lower limit stays until it ends by itself, but for the events in logs, which leave theirs with the next event (a listener that had not read them is told by a gap). `max_calls_per_connection` applies to new connections.",
    ),
    (
        "daemon.limits.user",
        "The part of one user (all callers over TCP are one), and the rates of what it sends. Root and the daemon's own user have no part and no rate: an operator gets in. What exceeds one is refused with RESOURCE_EXHAUSTED and the time to try again; the log and `expd status` name the program, the metric `expd_limit_hits_total` the user.",
    ),
    (
        "daemon.tcp.tokens[]",
        "A token of callers over TCP (`daemon.listen`), by which an access rule may name them (`token`). Every call there brings one in the header `authorization: Bearer TOKEN`; without it only the gRPC health service answers. `systemctl reload expd` applies changes: streams whose token is gone end at once.",
    ),
    (
        "instances.NAME",
        "One identity and its connection to EXP. A request that names no instance means `default`. A reload starts an instance that is new in the settings, and ends one that is gone, with its streams (`NOT_FOUND`). One that has changed logs in anew behind its streams, which stay: a second connection is confirmed before the first one closes, and only where the identity is another, or the former connection was gone already, a gap tells what may have been missed. Another `network` or type of credentials replaces the instance: its streams end with `UNAVAILABLE`, and listen again.",
    ),
    (
        "instances.NAME.credentials",
        "The credentials of the login.",
    ),
    (
        "access[]",
        "Access rules: which callers may do what. Without rules, everyone who can open the socket may do everything, and pages (`[[web.apps]]`) nothing: a rule with `app` is about the pages of that app alone, and counts for nobody else. With rules that are not about apps, a call is allowed if any rule allows it, and refused otherwise, root's calls included. A rule applies to a caller that matches all of `uid`, `user`, `group`, `unit` and `token` that it sets; one that sets none of them applies to everyone, whoever has a token over TCP included. It gives its permissions where all of its conditions hold (`instances`, `channels`, `system`, `consumer`, `events`, `methods`, `paths`); [access.md](access.md) shows them at work. `systemctl reload expd` applies changes, to open streams too: a stream that loses its permission ends at once. A reload is refused, and the rules stay in force, if it would remove all of them (see `daemon.access`), or if the file looks truncated: its last line has no newline, or its last rule is an earlier one without the keys that narrow it. Write `allow` last in each rule: a rule that is truncated before it is never valid.",
    ),
    (
        "web",
        "The door for pages: the protocol of EXP's SDKs on a loopback address, for web pages on this host, which share the daemon's connection. Off where `listen` is not set. A page names it as its host (`host: 'http://127.0.0.1:9980'`) and logs in as one of the apps.",
    ),
    (
        "web.apps[]",
        "A page that may log in at the door. What it may do, access rules say that name it (`app`); without one it may do nothing. `systemctl reload expd` applies changes: the pages of an app that is gone, or has another key or instance, are closed.",
    ),
    (
        "hub",
        "The EXP-compatible network of `expd hub` and `expd serve --embedded`.",
    ),
    ("hub.devices[]", "A device that can log in."),
    ("hub.users[]", "A user that can log in."),
    ("hub.consumer_apps[]", "A consumer app that can log in."),
];

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);
const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
/// More than a device has; a program of 32 bits can address no more.
const MAX_MEMORY: u64 = if usize::BITS < 64 { 1 << 31 } else { 64 << 30 };
const MILLION: usize = 1_000_000;
/// Above any sensible limit of open files.
const MOST_CONNECTIONS: usize = 100_000;

/// The array of access rules, and the key that declares that there are none.
pub(super) const ACCESS: &str = "access";

pub(super) const VERBS: [&str; 7] = Verb::NAMES;

/// The methods of EXP's API.
pub(super) const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

const fn key(
    section: &'static str,
    name: &'static str,
    value_type: ValueType,
    default: &'static str,
    meaning: &'static str,
) -> Key {
    Key {
        section,
        name,
        value_type,
        default,
        meaning,
    }
}

#[rustfmt::skip] // A table is read by its columns.
pub(super) const KEYS: &[Key] = &[
    key("daemon", "socket", ValueType::Path, "", "Path of the Unix socket. Where not set: `$EXPD_SOCKET`, else `expd.sock` in `$RUNTIME_DIRECTORY` (systemd), else `/run/expd/expd.sock` as root, else `$XDG_RUNTIME_DIR/expd/expd.sock`, else `/tmp/expd-UID/expd.sock`."),
    key("daemon", "socket_mode", ValueType::Mode, r#""0660""#, "Permission bits of the socket file. Users who may write to it can connect."),
    key("daemon", "socket_group", ValueType::Text, "", "Name of the socket file's group; the daemon's own where not set."),
    key("daemon", "listen", ValueType::LoopbackAddress, "", "Loopback TCP address on which the same API is served too, to callers with a token of `daemon.tcp.tokens`."),
    key("daemon", ACCESS, ValueType::Choice(&["open"]), "", "`open` declares that the absence of access rules is intended. Without it, a reload that finds no rules where there were some is refused, so that a truncated file opens nothing."),
    key("daemon", "state_dir", ValueType::Path, "", "Folder for the credentials of paired devices. Where not set: `$STATE_DIRECTORY` (systemd), else `/var/lib/expd` as root, else `$XDG_STATE_HOME/expd` or `~/.local/state/expd`."),
    key("daemon", "log", ValueType::Choice(&["error", "warn", "info", "debug", "trace"]), r#""info""#, "Minimum level of log records. Payloads are logged only at `trace`, secrets never."),
    key("daemon", "log_format", ValueType::Choice(&["auto", "text", "json"]), r#""auto""#, "Form of log records: those of the journal where it is connected and text otherwise (`auto`), or text or JSON (one object a line, for containers) on standard error in any case. `expd serve --log-format` comes first."),
    key("daemon", "metrics", ValueType::LoopbackAddress, "", "Loopback address on which metrics are served over HTTP at `/metrics`, in the text format of Prometheus. Every local program can read them, by a loopback address or `localhost`; they name no channel and no caller."),
    key("daemon", "metrics_socket", ValueType::Path, "", "Unix socket on which the metrics are served too (`curl --unix-socket PATH http://localhost/metrics`), with the mode and the group of the daemon's own."),
    key("daemon", "drain_timeout", ValueType::Duration(Duration::ZERO, Duration::from_secs(300)), r#""500ms""#, "Time that calls in flight have to finish once the daemon is stopped."),

    key("daemon.tcp.tokens[]", "name", ValueType::Text, "", "The token's name, by which access rules and the log name its bearers. Required."),
    key("daemon.tcp.tokens[]", "token", ValueType::Secret, "", "The token, of at least 16 characters (`openssl rand -hex 32` makes one). Required. Also as a systemd credential named `expd.tcp.NAME.token`."),

    key("daemon.limits", "log_events", ValueType::Count(1, MILLION), "1024", "Events in one channel's log."),
    key("daemon.limits", "log_bytes", ValueType::Size(KIB, MAX_MEMORY), r#""4MiB""#, "Bytes in one channel's log. The newest event is kept whatever its size."),
    key("daemon.limits", "log_age", ValueType::Duration(SECOND, DAY), r#""60s""#, "Age limit of events in a channel's log, and time that a channel without listeners keeps its log and its subscription."),
    key("daemon.limits", "total_log_bytes", ValueType::Size(KIB, MAX_MEMORY), r#""64MiB""#, "Bytes in all logs together. The oldest events are removed first."),
    key("daemon.limits", "max_payload", ValueType::Size(KIB, payload::MAX_BYTES as u64), r#""16MB""#, "Size of one payload's JSON text."),
    key("daemon.limits", "max_listeners", ValueType::Count(1, MILLION), "10000", "Listeners in all. One user may have half of them."),
    key("daemon.limits", "max_channels", ValueType::Count(1, MILLION), "10000", "Channels of one instance. One user may have half of them."),
    key("daemon.limits", "max_connections", ValueType::Count(1, MOST_CONNECTIONS), "4096", "Concurrent local connections. One user may have half of them; more are refused."),
    key("daemon.limits", "max_calls_per_connection", ValueType::Count(1, 100_000), "1024", "Concurrent calls, streams included, on one local connection; more wait."),
    key("daemon.limits", "max_call_bytes", ValueType::Size(16 * MIB, MAX_MEMORY), r#""128MiB""#, "Memory for requests, answers and connections of local programs. One user may have half of it."),
    key("daemon.limits", "max_calls", ValueType::Count(1, MILLION), "4096", "Concurrent calls to EXP, per instance. One user may have half of them."),
    key("daemon.limits", "max_waiting", ValueType::Count(1, MILLION), "1024", "Broadcasts waiting for a connection (`wait_for_connection`), over all instances. One user may have half of them."),
    key("daemon.limits", "max_waiting_bytes", ValueType::Size(KIB, MAX_MEMORY), r#""64MiB""#, "Bytes of all waiting broadcasts together. One user may have half of them."),
    key("daemon.limits", "max_run_instances", ValueType::Count(1, 10_000), "32", "Instances that programs run with identities of their own (`RunInstance`). One user may have half of them."),

    key("daemon.limits.user", "max_connections", ValueType::Count(1, MOST_CONNECTIONS), "", "Local connections of one user. Where not set: half of `daemon.limits.max_connections`."),
    key("daemon.limits.user", "max_streams", ValueType::Count(1, MILLION), "", "Streams of one user: listening, and instances that it runs. Where not set: half of `daemon.limits.max_listeners`."),
    key("daemon.limits.user", "max_call_bytes", ValueType::Size(MIB, MAX_MEMORY), "", "Memory for requests, answers and connections of one user. Where not set: half of `daemon.limits.max_call_bytes`."),
    key("daemon.limits.user", "max_listeners", ValueType::Count(1, MILLION), "", "Listeners of one user. Where not set: half of `daemon.limits.max_listeners`."),
    key("daemon.limits.user", "max_channels", ValueType::Count(1, MILLION), "", "Channels of one instance that one user asked for first. Where not set: half of `daemon.limits.max_channels`."),
    key("daemon.limits.user", "max_calls", ValueType::Count(1, MILLION), "", "Concurrent calls to EXP of one user, per instance. Where not set: half of `daemon.limits.max_calls`."),
    key("daemon.limits.user", "broadcasts_per_second", ValueType::Count(1, MILLION), "1000", "Broadcasts of one user a second, once `broadcast_burst` is used up."),
    key("daemon.limits.user", "broadcast_burst", ValueType::Count(1, MILLION), "2000", "Broadcasts of one user at once after a rest."),
    key("daemon.limits.user", "bytes_per_second", ValueType::Size(KIB, MAX_MEMORY), r#""32MiB""#, "Bytes of broadcasts, responses and bodies of API requests that one user sends to EXP, and of content that it fetches, a second, once `burst_bytes` is used up."),
    key("daemon.limits.user", "burst_bytes", ValueType::Size(KIB, MAX_MEMORY), r#""128MiB""#, "Bytes of these at once after a rest. A larger payload passes after a rest, and is paid for by those after it."),

    key("instances.NAME", "host", ValueType::Url, r#""https://api.goexp.io""#, "Base URL of the API."),
    key("instances.NAME", "hosts", ValueType::Choice(&["announced", "configured"]), r#""announced""#, "Hosts of calls and of the live socket: those that the login's answer announces (`api.host`, `network.host`), or `host` alone. The token goes to no other. An announced host that is no URL, or that is `http` where `host` is `https`, is not used."),
    key("instances.NAME", "network", ValueType::Bool, "true", "Open the live socket. Where `false`, API calls and broadcasts work, and listening is refused."),
    key("instances.NAME", "transport", ValueType::Choice(&["auto", "websocket", "polling"]), r#""auto""#, "Transport of the live socket: WebSocket, HTTP long polling, or whichever works."),
    key("instances.NAME", "protocol", ValueType::Choice(&["auto", "3", "4"]), r#""auto""#, "Engine.IO protocol of the live socket; `auto` detects it from the server's handshake."),
    key("instances.NAME", "socket_library", ValueType::Choice(&["own", "rust_socketio"]), r#""own""#, "Implementation of Socket.IO: expd's own, or the `rust_socketio` crate for Engine.IO 4 over a direct WebSocket, which reformats payloads (`1e400` becomes `1e+400`) and drops those nested deeper than 127 levels."),
    key("instances.NAME", "proxy", ValueType::Url, "", "HTTP proxy for the API and the live socket; the environment's (`HTTPS_PROXY`, `NO_PROXY`) where not set."),
    key("instances.NAME", "ca_file", ValueType::Path, "", "PEM file of certificate authorities that are trusted in addition to the system's."),
    key("instances.NAME", "channel_id", ValueType::Choice(&["both", "urlsafe", "standard"]), r#""both""#, "Base64 alphabets in which a channel ID is subscribed: the specification's (`urlsafe`), the SDKs' (`standard`), or both where they differ."),
    key("instances.NAME", "broadcast_channel", ValueType::Choice(&["object", "id"]), r#""object""#, "Form of the channel in a broadcast: the object of the specification, or a channel ID as in the SDKs."),

    key("instances.NAME.credentials", "type", ValueType::Choice(&["device", "user", "consumer_app"]), "", "Type of credentials. Required."),
    key("instances.NAME.credentials", "uuid", ValueType::Text, "", "`device`, `consumer_app`: the uuid of the device or app."),
    key("instances.NAME.credentials", "secret", ValueType::Secret, "", "`device`: the device's secret."),
    key("instances.NAME.credentials", "allow_pairing", ValueType::Bool, "false", "`device`: request a pairing code where uuid or secret are missing or refused."),
    key("instances.NAME.credentials", "username", ValueType::Text, "", "`user`: the user's name."),
    key("instances.NAME.credentials", "password", ValueType::Secret, "", "`user`: the user's password."),
    key("instances.NAME.credentials", "organization", ValueType::Text, "", "`user`: the organization to log in to."),
    key("instances.NAME.credentials", "api_key", ValueType::Secret, "", "`consumer_app`: the app's API key."),

    key("access[]", "uid", ValueType::Count(0, u32::MAX as usize), "", "Numeric ID of a user. 65534, as whom the kernel shows everybody of another user namespace, matches the user `nobody` of the daemon's own alone."),
    key("access[]", "user", ValueType::Text, "", "Name of a user. A name that does not exist matches nobody."),
    key("access[]", "group", ValueType::Text, "", "Name of a group that the calling process must be in."),
    key("access[]", "unit", ValueType::Text, "", "A systemd unit, as in `kiosk.service`; `*` stands for any text, as in `docker-*.scope`. Only units of the system: those of a user's own service manager count as `user@UID.service`."),
    key("access[]", "app", ValueType::Text, "", "Name of an app in `[[web.apps]]`: the rule is about its pages alone. Not together with `uid`, `user`, `group` or `unit`."),
    key("access[]", "token", ValueType::Text, "", "Name of a token in `[[daemon.tcp.tokens]]`: the rule is about the calls that bring it. Not together with `uid`, `user`, `group`, `unit` or `app`."),
    key("access[]", "allow", ValueType::Choices(&VERBS), "", "The permissions. Required. `status` shows the channels and instances of the rule; `request` includes reading the identity; `run` allows bringing identities along (`RunInstance`), of any host that the daemon reaches, under the names in `instances`; what is called on them needs its own permissions; `admin` allows reading, cancelling and clearing the listeners of other users. Paths of the API that broadcast or respond (`/api/networks/`) need those permissions on every channel as well. Paths of logins (`/api/auth/`) are refused to everyone: the daemon keeps its token to itself."),
    key("access[]", "channels", ValueType::Texts, "[]", "Names of the channels on which the permissions hold; all where empty. `*` stands for any text, as in `menu-*`."),
    key("access[]", "system", ValueType::Bool, "", "`true`: only the system side of these channels; `false`: all but that. Where not set: both."),
    key("access[]", "consumer", ValueType::Bool, "", "`true`: only channels with the consumer flag; `false`: only those without. Where not set: both."),
    key("access[]", "events", ValueType::Texts, "[]", "Names of the events that may be heard and broadcast; all where empty. `*` stands for any text. A listener that asks for all events of a channel is given those that may be heard. Only with `listen` and `broadcast`."),
    key("access[]", "methods", ValueType::Choices(&METHODS), "[]", "Methods of API requests; all where empty. Only with `request`."),
    key("access[]", "paths", ValueType::Texts, "[]", "Paths of API requests, without query, as in `/api/devices/*`; all where empty. `*` stands for any text, slashes included. Only with `request`."),
    key("access[]", "instances", ValueType::Texts, "[]", "Names of the instances on which the permissions hold; all where empty."),

    key("web", "listen", ValueType::LoopbackAddress, "", "Loopback address on which pages are served. Where not set, the door is off."),
    key("web", "root", ValueType::Path, "", "Folder of pages that the door serves itself, below `/`. Pages from there are of the same origin as the door (`http://127.0.0.1:9980`), so that browsers ask no permission. Every page and program of this host can read them."),

    key("web.apps[]", "name", ValueType::Text, "", "The app's name, by which access rules and the status name it. Required."),
    key("web.apps[]", "origins", ValueType::Texts, "", "Exact origins of the app's pages, as in `https://kiosk.example`. Required."),
    key("web.apps[]", "uuid", ValueType::Text, "", "The uuid with which the app's pages log in at the door; of the operator's choice. Required."),
    key("web.apps[]", "api_key", ValueType::Secret, "", "The key with which they log in (`apiKey` or `secret` in the SDK); of the operator's choice, and never one of EXP's. Required. Also as a systemd credential named `expd.web.NAME.api_key`."),
    key("web.apps[]", "instance", ValueType::Text, r#""default""#, "The instance whose connection and identity the app's pages share."),

    key("hub", "listen", ValueType::Address, r#""127.0.0.1:9000""#, "Address that the network listens on; port 0 takes a free one."),
    key("hub", "organization", ValueType::Text, r#""demo""#, "The organization that it serves."),
    // The SDKs set a 32-bit timer of milliseconds to it, which overflows at 25 days.
    key("hub", "token_ttl", ValueType::Duration(SECOND, Duration::from_secs(24 * 86_400)), r#""1h""#, "Lifetime of a token."),
    key("hub", "url", ValueType::Url, "", "URL by which clients reach the network, where it is not the address that they asked, as behind a proxy. It is announced to them for API calls and live sockets, and its host is one of the network's own."),
    key("hub", "hosts", ValueType::Texts, "[]", "Host names of the network in addition to loopback names and addresses, such as that of a proxy in front of it. If any are set, and always on a loopback address, a request with another `Host` is refused."),
    key("hub", "token_key", ValueType::Secret, "", "Key that signs the tokens of sessions. Where not set: a random key in `hub/token.key` in `daemon.state_dir`, so that tokens survive a restart."),
    key("hub", "operator_key", ValueType::Secret, "", "Key that authenticates the operator's commands (`expd hub pair`). Where not set: a random key in `hub/operator.key` in `daemon.state_dir`, where commands of the same user find it."),
    key("hub", "content_dir", ValueType::Path, "", "Folder whose files are content: folders, files, apps (folders with an `index.html`), URLs (`NAME.url`) and variants of the file `NAME` (a folder `NAME.variants`). It is read at the start; links are not followed."),
    key("hub", "content_bytes", ValueType::Size(MIB, 16 << 40), r#""4GiB""#, "Size of all uploads together. One identity may have half of it. They lie in `FILE.files` beside `hub.store`, else in the temporary folder while the network runs."),
    key("hub", "store", ValueType::Path, "", "Database file that keeps resources, data, content, paired devices and revocations over a restart. Where not set, all of it is in memory."),
    key("hub", "ping_interval", ValueType::Duration(Duration::from_millis(100), Duration::from_secs(600)), r#""25s""#, "Ping interval of Engine.IO."),
    key("hub", "ping_timeout", ValueType::Duration(MILLISECOND, MINUTE), r#""20s""#, "Time that a client has to answer a ping."),

    key("hub.devices[]", "uuid", ValueType::Text, "", "The device's uuid. Required."),
    key("hub.devices[]", "secret", ValueType::Secret, "", "The device's secret. Required."),

    key("hub.users[]", "username", ValueType::Text, "", "The user's name. Required."),
    key("hub.users[]", "password_hash", ValueType::Text, "", "Argon2 hash of the password in PHC form (`expd hub hash-password` makes one). Required, or `password`."),
    key("hub.users[]", "password", ValueType::Secret, "", "The password itself, for development; hashed when it is read."),
    key("hub.users[]", "role", ValueType::Text, r#""owner""#, "The role that the network names when the user logs in. It grants nothing: every user may do everything."),

    key("hub.consumer_apps[]", "uuid", ValueType::Text, "", "The app's uuid. Required."),
    key("hub.consumer_apps[]", "api_key", ValueType::Secret, "", "The app's API key. Required."),
];

/// Suffix of the key that names a file with a secret.
pub(super) const FILE_SUFFIX: &str = "_file";

/// Prefix of the names of variables.
pub(super) const PREFIX: &str = "EXPD__";

/// The variable that sets a key: `EXPD__DAEMON__SOCKET`.
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

/// True if `name` in `section` is the `K_file` of a secret K.
pub(super) fn is_secret_file(section: &str, name: &str) -> bool {
    name.strip_suffix(FILE_SUFFIX)
        .and_then(|secret| find(section, secret))
        .is_some_and(|key| matches!(key.value_type, ValueType::Secret))
}

/// Alternative keys for the same value; one from a later layer replaces this key.
pub(super) fn rivals(section: &str, name: &str) -> Vec<String> {
    let secret = if is_secret_file(section, name) {
        name.strip_suffix(FILE_SUFFIX).unwrap_or(name)
    } else {
        name
    };
    if !find(section, secret).is_some_and(|key| matches!(key.value_type, ValueType::Secret))
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

/// The names that a table may contain: keys, the `K_file` of secrets, and tables.
pub(super) fn children(section: &str) -> Vec<String> {
    let mut names = Vec::new();
    for key in KEYS.iter().filter(|key| key.section == section) {
        names.push(key.name.to_owned());
        if matches!(key.value_type, ValueType::Secret) {
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

/// Shape of the value at a known name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Value,
    Table,
    Tables,
}

/// The shape of `name` in the table `section`; none for an unknown name.
pub(super) fn shape(section: &str, name: &str) -> Option<Shape> {
    if find(section, name).is_some() || is_secret_file(section, name) {
        return Some(Shape::Value);
    }
    let full = join(section, name);
    SECTIONS.iter().find_map(|(known, _)| {
        let rest = known.strip_prefix(full.as_str())?;
        if rest.starts_with("[]") {
            Some(Shape::Tables)
        } else if rest.is_empty() || rest.starts_with('.') {
            Some(Shape::Table)
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

/// The known key that is most likely meant by an unknown one, in full.
pub(super) fn nearest(section: &str, name: &str) -> String {
    let name = name.to_lowercase();
    let distance = |known: &str| strsim::damerau_levenshtein(&name, known);
    let sibling = children(section)
        .into_iter()
        .min_by_key(|known| distance(known));
    // One letter too many or too few, else the right name in the wrong table.
    if let Some(sibling) = sibling.as_deref()
        && distance(sibling) <= 1
    {
        return join(section, sibling);
    }
    if let Some(key) = KEYS.iter().find(|key| key.name == name) {
        return join(key.section, key.name);
    }
    if let Some(sibling) = sibling
        && distance(&sibling) <= 2.max(name.len() / 3)
    {
        return join(section, &sibling);
    }
    KEYS.iter()
        .min_by_key(|key| (distance(key.name), key.section != section))
        .map_or_else(String::new, |key| join(key.section, key.name))
}

/// The known word nearest to `text`, if any is near.
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
    fn shapes_are_told_apart() {
        assert_eq!(shape("", "daemon"), Some(Shape::Table));
        assert_eq!(shape("", "access"), Some(Shape::Tables));
        assert_eq!(shape("", "instances"), Some(Shape::Table));
        assert_eq!(shape("instances", "NAME"), Some(Shape::Table));
        assert_eq!(shape("daemon", "limits"), Some(Shape::Table));
        assert_eq!(shape("hub", "users"), Some(Shape::Tables));
        assert_eq!(shape("hub", "operator_key_file"), Some(Shape::Value));
        assert_eq!(shape("daemon", "socket_file"), None);
        assert_eq!(shape("hub", "user"), None);
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
