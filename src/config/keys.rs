//! The table of all keys: type, bounds, default and meaning, with a file for each part of the
//! settings. The reader takes its bounds from here, unknown keys are recognized by it, and
//! docs/settings.md is generated from it.

mod access;
mod daemon;
mod hub;
mod instances;
mod key;
mod limits;
mod sections;
mod web;

pub(super) use key::{ACCESS, Key, ValueType};
pub(super) use sections::SECTIONS;

/// All keys, in the order of the reference.
pub(super) fn all() -> impl Iterator<Item = &'static Key> {
    let parts = [
        daemon::KEYS,
        limits::KEYS,
        instances::KEYS,
        access::KEYS,
        web::KEYS,
        hub::KEYS,
    ];
    parts.into_iter().flatten()
}

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
    all().find(|key| key.section == section && key.name == name)
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
    for key in all().filter(|key| key.section == section) {
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
    if let Some(key) = all().find(|key| key.name == name) {
        return join(key.section, key.name);
    }
    if let Some(sibling) = sibling
        && distance(&sibling) <= 2.max(name.len() / 3)
    {
        return join(section, &sibling);
    }
    all()
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
        for key in all() {
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
