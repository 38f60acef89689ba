//! Keys of `[[access]]`.

use super::key::{Key, ValueType};
use crate::access::Verb;

/// Names of the permissions.
const VERBS: [&str; 7] = Verb::NAMES;

/// The methods of EXP's API.
const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

pub(super) const KEYS: &[Key] = &[
    Key {
        section: "access[]",
        name: "uid",
        value_type: ValueType::Count(0, u32::MAX as usize),
        default: "",
        meaning: "Numeric ID of a user. 65534, as whom the kernel shows everybody of another user \
             namespace, matches the user `nobody` of the daemon's own alone.",
    },
    Key {
        section: "access[]",
        name: "user",
        value_type: ValueType::Text,
        default: "",
        meaning: "Name of a user. A name that does not exist matches nobody.",
    },
    Key {
        section: "access[]",
        name: "group",
        value_type: ValueType::Text,
        default: "",
        meaning: "Name of a group that the calling process must be in.",
    },
    Key {
        section: "access[]",
        name: "unit",
        value_type: ValueType::Text,
        default: "",
        meaning: "A systemd unit, as in `kiosk.service`; `*` stands for any text, as in \
             `docker-*.scope`. Only units of the system: those of a user's own service manager \
             count as `user@UID.service`.",
    },
    Key {
        section: "access[]",
        name: "app",
        value_type: ValueType::Text,
        default: "",
        meaning: "Name of an app in `[[web.apps]]`: the rule is about its pages alone. Not \
             together with `uid`, `user`, `group` or `unit`.",
    },
    Key {
        section: "access[]",
        name: "token",
        value_type: ValueType::Text,
        default: "",
        meaning: "Name of a token in `[[daemon.tcp.tokens]]`: the rule is about the calls that \
             bring it. Not together with `uid`, `user`, `group`, `unit` or `app`.",
    },
    Key {
        section: "access[]",
        name: "allow",
        value_type: ValueType::Choices(&VERBS),
        default: "",
        meaning: "The permissions. Required. `status` shows the channels and instances of the \
             rule; `request` includes reading the identity; `run` allows bringing identities along \
             (`RunInstance`), of any host that the daemon reaches, under the names in `instances`; \
             what is called on them needs its own permissions; `admin` allows reading, cancelling \
             and clearing the listeners of other users. Paths of the API that broadcast or respond \
             (`/api/networks/`) need those permissions on every channel as well. Paths of logins \
             (`/api/auth/`) are refused to everyone: the daemon keeps its token to itself.",
    },
    Key {
        section: "access[]",
        name: "channels",
        value_type: ValueType::Texts,
        default: "[]",
        meaning: "Names of the channels on which the permissions hold; all where empty. `*` stands \
             for any text, as in `menu-*`.",
    },
    Key {
        section: "access[]",
        name: "system",
        value_type: ValueType::Bool,
        default: "",
        meaning: "`true`: only the system side of these channels; `false`: all but that. Where not \
             set: both.",
    },
    Key {
        section: "access[]",
        name: "consumer",
        value_type: ValueType::Bool,
        default: "",
        meaning: "`true`: only channels with the consumer flag; `false`: only those without. Where \
             not set: both.",
    },
    Key {
        section: "access[]",
        name: "events",
        value_type: ValueType::Texts,
        default: "[]",
        meaning: "Names of the events that may be heard and broadcast; all where empty. `*` stands \
             for any text. A listener that asks for all events of a channel is given those that \
             may be heard. Only with `listen` and `broadcast`.",
    },
    Key {
        section: "access[]",
        name: "methods",
        value_type: ValueType::Choices(&METHODS),
        default: "[]",
        meaning: "Methods of API requests; all where empty. Only with `request`.",
    },
    Key {
        section: "access[]",
        name: "paths",
        value_type: ValueType::Texts,
        default: "[]",
        meaning: "Paths of API requests, without query, as in `/api/devices/*`; all where empty. \
             `*` stands for any text, slashes included. Only with `request`.",
    },
    Key {
        section: "access[]",
        name: "instances",
        value_type: ValueType::Texts,
        default: "[]",
        meaning: "Names of the instances on which the permissions hold; all where empty.",
    },
];
