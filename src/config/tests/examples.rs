//! Tests of the examples in `config/`, and of the settings reference's defaults.

use std::path::Path;

use super::*;
use crate::config::keys::ValueType;

#[test]
fn the_defaults_in_the_table_are_those_of_the_code() {
    let mut text = String::new();
    for section in ["daemon", "daemon.limits", "instances.default", "hub"] {
        text.extend(["[", section, "]\n"]);
        let known = section.replace("default", "NAME");
        for key in keys::all().filter(|key| key.section == known) {
            if !key.default.is_empty() {
                text.extend([key.name, " = ", key.default, "\n"]);
            }
        }
    }
    let set = SettingsFixture::of(&format!("{text}{DEVICE}")).good();
    let unset = SettingsFixture::of(DEVICE).good();
    assert_eq!(
        format!("{:?}", set.settings),
        format!("{:?}", unset.settings)
    );
    assert!(set.hub_listen_is_set);
}

#[test]
fn the_examples_hold_no_mistake() {
    for name in ["expd.toml", "embedded.toml"] {
        let file = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("config")
            .join(name);
        let text = std::fs::read_to_string(file).unwrap();
        let loaded = SettingsFixture::of("")
            .file("expd.toml", &text, 0o600)
            .good();
        assert_eq!(loaded.warnings, [], "{name}");
    }
}

/// Each commented line of the example works once the comment sign is removed.
#[test]
fn the_examples_commented_keys_are_known_with_their_defaults() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/config/expd.toml");
    let text = std::fs::read_to_string(path).unwrap();
    let mut section = String::new();
    let mut shown = 0;
    for line in text.lines() {
        let line = line.strip_prefix('#').unwrap_or(line);
        if line.starts_with('[') {
            section = line.trim_matches(['[', ']']).replace(".default", ".NAME");
            if line.starts_with("[[") {
                section.push_str("[]");
            }
            continue;
        }
        let Some((name, value)) = line
            .split_once(" = ")
            .filter(|(name, _)| !name.contains(' '))
        else {
            continue;
        };
        shown += 1;
        let name = name
            .strip_suffix("_file")
            .filter(|_| keys::is_secret_file(&section, name))
            .unwrap_or(name);
        let key =
            keys::find(&section, name).unwrap_or_else(|| panic!("{section}.{name} is unknown"));
        let free =
            key.default.is_empty() || matches!(key.value_type, ValueType::Bool | ValueType::Texts);
        assert!(free || value == key.default, "{section}.{name} = {value}");
    }
    assert!(shown > 35, "{shown}");
}
