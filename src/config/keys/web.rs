//! Keys of `[web]` and `[[web.apps]]`.

use super::key::{Key, ValueType};

pub(super) const KEYS: &[Key] = &[
    Key {
        section: "web",
        name: "listen",
        value_type: ValueType::LoopbackAddress,
        default: "",
        meaning: "Loopback address on which pages are served. Where not set, the door is off.",
    },
    Key {
        section: "web",
        name: "root",
        value_type: ValueType::Path,
        default: "",
        meaning: "Folder of pages that the door serves itself, below `/`. Pages from there are of \
             the same origin as the door (`http://127.0.0.1:9980`), so that browsers ask no \
             permission. Every page and program of this host can read them.",
    },
    Key {
        section: "web.apps[]",
        name: "name",
        value_type: ValueType::Text,
        default: "",
        meaning: "The app's name, by which access rules and the status name it. Required.",
    },
    Key {
        section: "web.apps[]",
        name: "origins",
        value_type: ValueType::Texts,
        default: "",
        meaning: "Exact origins of the app's pages, as in `https://kiosk.example`. Required.",
    },
    Key {
        section: "web.apps[]",
        name: "uuid",
        value_type: ValueType::Text,
        default: "",
        meaning: "The uuid with which the app's pages log in at the door; of the operator's \
             choice. Required.",
    },
    Key {
        section: "web.apps[]",
        name: "api_key",
        value_type: ValueType::Secret,
        default: "",
        meaning: "The key with which they log in (`apiKey` or `secret` in the SDK); of the \
             operator's choice, and never one of EXP's. Required. Also as a systemd credential \
             named `expd.web.NAME.api_key`.",
    },
    Key {
        section: "web.apps[]",
        name: "instance",
        value_type: ValueType::Text,
        default: r#""default""#,
        meaning: "The instance whose connection and identity the app's pages share.",
    },
];
