//! Keys of `[instances.NAME]` and its credentials.

use super::key::{Key, ValueType};

pub(super) const KEYS: &[Key] = &[
    Key {
        section: "instances.NAME",
        name: "host",
        value_type: ValueType::Url,
        default: r#""https://api.goexp.io""#,
        meaning: "Base URL of the API.",
    },
    Key {
        section: "instances.NAME",
        name: "hosts",
        value_type: ValueType::Choice(&["announced", "configured"]),
        default: r#""announced""#,
        meaning: "Hosts of calls and of the live socket: those that the login's answer announces \
             (`api.host`, `network.host`), or `host` alone. The token goes to no other. An \
             announced host that is no URL, or that is `http` where `host` is `https`, is not \
             used.",
    },
    Key {
        section: "instances.NAME",
        name: "network",
        value_type: ValueType::Bool,
        default: "true",
        meaning: "Open the live socket. Where `false`, API calls and broadcasts work, and \
             listening is refused.",
    },
    Key {
        section: "instances.NAME",
        name: "transport",
        value_type: ValueType::Choice(&["auto", "websocket", "polling"]),
        default: r#""auto""#,
        meaning: "Transport of the live socket: WebSocket, HTTP long polling, or whichever works.",
    },
    Key {
        section: "instances.NAME",
        name: "protocol",
        value_type: ValueType::Choice(&["auto", "3", "4"]),
        default: r#""auto""#,
        meaning: "Engine.IO protocol of the live socket; `auto` detects it from the server's \
             handshake.",
    },
    Key {
        section: "instances.NAME",
        name: "socket_library",
        value_type: ValueType::Choice(&["own", "rust_socketio"]),
        default: r#""own""#,
        meaning: "Implementation of Socket.IO: expd's own, or the `rust_socketio` crate for \
             Engine.IO 4 over a direct WebSocket, which reformats payloads (`1e400` becomes \
             `1e+400`) and drops those nested deeper than 127 levels.",
    },
    Key {
        section: "instances.NAME",
        name: "proxy",
        value_type: ValueType::Url,
        default: "",
        meaning: "HTTP proxy for the API and the live socket; the environment's (`HTTPS_PROXY`, \
             `NO_PROXY`) where not set.",
    },
    Key {
        section: "instances.NAME",
        name: "ca_file",
        value_type: ValueType::Path,
        default: "",
        meaning: "PEM file of certificate authorities that are trusted in addition to the \
             system's.",
    },
    Key {
        section: "instances.NAME",
        name: "channel_id",
        value_type: ValueType::Choice(&["both", "urlsafe", "standard"]),
        default: r#""both""#,
        meaning: "Base64 alphabets in which a channel ID is subscribed: the specification's \
             (`urlsafe`), the SDKs' (`standard`), or both where they differ.",
    },
    Key {
        section: "instances.NAME",
        name: "broadcast_channel",
        value_type: ValueType::Choice(&["object", "id"]),
        default: r#""object""#,
        meaning: "Form of the channel in a broadcast: the object of the specification, or a \
             channel ID as in the SDKs.",
    },
    Key {
        section: "instances.NAME.credentials",
        name: "type",
        value_type: ValueType::Choice(&["device", "user", "consumer_app"]),
        default: "",
        meaning: "Type of credentials. Required.",
    },
    Key {
        section: "instances.NAME.credentials",
        name: "uuid",
        value_type: ValueType::Text,
        default: "",
        meaning: "`device`, `consumer_app`: the uuid of the device or app.",
    },
    Key {
        section: "instances.NAME.credentials",
        name: "secret",
        value_type: ValueType::Secret,
        default: "",
        meaning: "`device`: the device's secret.",
    },
    Key {
        section: "instances.NAME.credentials",
        name: "allow_pairing",
        value_type: ValueType::Bool,
        default: "false",
        meaning: "`device`: request a pairing code where uuid or secret are missing or refused.",
    },
    Key {
        section: "instances.NAME.credentials",
        name: "username",
        value_type: ValueType::Text,
        default: "",
        meaning: "`user`: the user's name.",
    },
    Key {
        section: "instances.NAME.credentials",
        name: "password",
        value_type: ValueType::Secret,
        default: "",
        meaning: "`user`: the user's password.",
    },
    Key {
        section: "instances.NAME.credentials",
        name: "organization",
        value_type: ValueType::Text,
        default: "",
        meaning: "`user`: the organization to log in to.",
    },
    Key {
        section: "instances.NAME.credentials",
        name: "api_key",
        value_type: ValueType::Secret,
        default: "",
        meaning: "`consumer_app`: the app's API key.",
    },
];
