//! Keys of `[hub]`, its devices, users and apps.

use std::time::Duration;

use super::key::{Key, MIB, SECOND, ValueType};

const MILLISECOND: Duration = Duration::from_millis(1);
const MINUTE: Duration = Duration::from_secs(60);

pub(super) const KEYS: &[Key] = &[
    Key {
        section: "hub",
        name: "listen",
        value_type: ValueType::Address,
        default: r#""127.0.0.1:9000""#,
        meaning: "Address that the network listens on; port 0 takes a free one.",
    },
    Key {
        section: "hub",
        name: "organization",
        value_type: ValueType::Text,
        default: r#""demo""#,
        meaning: "The organization that it serves.",
    },
    // The SDKs set a 32-bit timer of milliseconds to it, which overflows at 25 days.
    Key {
        section: "hub",
        name: "token_ttl",
        value_type: ValueType::Duration(SECOND, Duration::from_secs(24 * 86_400)),
        default: r#""1h""#,
        meaning: "Lifetime of a token.",
    },
    Key {
        section: "hub",
        name: "url",
        value_type: ValueType::Url,
        default: "",
        meaning: "URL by which clients reach the network, where it is not the address that they \
             asked, as behind a proxy. It is announced to them for API calls and live sockets, and \
             its host is one of the network's own.",
    },
    Key {
        section: "hub",
        name: "hosts",
        value_type: ValueType::Texts,
        default: "[]",
        meaning: "Host names of the network in addition to loopback names and addresses, such as \
             that of a proxy in front of it. If any are set, and always on a loopback address, a \
             request with another `Host` is refused.",
    },
    Key {
        section: "hub",
        name: "token_key",
        value_type: ValueType::Secret,
        default: "",
        meaning: "Key that signs the tokens of sessions. Where not set: a random key in \
             `hub/token.key` in `daemon.state_dir`, so that tokens survive a restart.",
    },
    Key {
        section: "hub",
        name: "operator_key",
        value_type: ValueType::Secret,
        default: "",
        meaning: "Key that authenticates the operator's commands (`expd hub pair`). Where not set: \
             a random key in `hub/operator.key` in `daemon.state_dir`, where commands of the same \
             user find it.",
    },
    Key {
        section: "hub",
        name: "content_dir",
        value_type: ValueType::Path,
        default: "",
        meaning: "Folder whose files are content: folders, files, apps (folders with an \
             `index.html`), URLs (`NAME.url`) and variants of the file `NAME` (a folder \
             `NAME.variants`). It is read at the start; links are not followed.",
    },
    Key {
        section: "hub",
        name: "content_bytes",
        value_type: ValueType::Size(MIB, 16 << 40),
        default: r#""4GiB""#,
        meaning: "Size of all uploads together. One identity may have half of it. They lie in \
             `FILE.files` beside `hub.store`, else in the temporary folder while the network runs.",
    },
    Key {
        section: "hub",
        name: "store",
        value_type: ValueType::Path,
        default: "",
        meaning: "Database file that keeps resources, data, content, paired devices and \
             revocations over a restart. Where not set, all of it is in memory.",
    },
    Key {
        section: "hub",
        name: "ping_interval",
        value_type: ValueType::Duration(Duration::from_millis(100), Duration::from_secs(600)),
        default: r#""25s""#,
        meaning: "Ping interval of Engine.IO.",
    },
    Key {
        section: "hub",
        name: "ping_timeout",
        value_type: ValueType::Duration(MILLISECOND, MINUTE),
        default: r#""20s""#,
        meaning: "Time that a client has to answer a ping.",
    },
    Key {
        section: "hub.devices[]",
        name: "uuid",
        value_type: ValueType::Text,
        default: "",
        meaning: "The device's uuid. Required.",
    },
    Key {
        section: "hub.devices[]",
        name: "secret",
        value_type: ValueType::Secret,
        default: "",
        meaning: "The device's secret. Required.",
    },
    Key {
        section: "hub.users[]",
        name: "username",
        value_type: ValueType::Text,
        default: "",
        meaning: "The user's name. Required.",
    },
    Key {
        section: "hub.users[]",
        name: "password_hash",
        value_type: ValueType::Text,
        default: "",
        meaning: "Argon2 hash of the password in PHC form (`expd hub hash-password` makes one). \
             Required, or `password`.",
    },
    Key {
        section: "hub.users[]",
        name: "password",
        value_type: ValueType::Secret,
        default: "",
        meaning: "The password itself, for development; hashed when it is read.",
    },
    Key {
        section: "hub.users[]",
        name: "role",
        value_type: ValueType::Text,
        default: r#""owner""#,
        meaning: "The role that the network names when the user logs in. It grants nothing: every \
             user may do everything.",
    },
    Key {
        section: "hub.consumer_apps[]",
        name: "uuid",
        value_type: ValueType::Text,
        default: "",
        meaning: "The app's uuid. Required.",
    },
    Key {
        section: "hub.consumer_apps[]",
        name: "api_key",
        value_type: ValueType::Secret,
        default: "",
        meaning: "The app's API key. Required.",
    },
];
