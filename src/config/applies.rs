//! Time at which a changed setting applies: at a reload or after a restart. The reference of the
//! settings and the messages of a reload use it.

use super::keys;

/// The time at which a changed setting applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Applies {
    /// At `systemctl reload expd`.
    Reload,
    /// At the next start.
    Restart,
}

impl Applies {
    /// Word in the reference.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Reload => "reload",
            Self::Restart => "restart",
        }
    }

    /// Looks up the key `name` in `section`. A key that is not listed here needs a restart.
    pub(super) fn of(section: &str, name: &str) -> Self {
        match (section, name) {
            ("daemon", keys::ACCESS | "log" | "drain_timeout")
            | (
                "daemon.limits"
                | "daemon.limits.user"
                | "daemon.tcp.tokens[]"
                | "instances.NAME"
                | "instances.NAME.credentials"
                | "access[]"
                | "web.apps[]",
                _,
            ) => Self::Reload,
            _ => Self::Restart,
        }
    }
}

/// True if a change of this key, given in the form of the file, needs a restart.
pub fn needs_restart(key: &str) -> bool {
    let (section, name) = place(key);
    Applies::of(&section, name) == Applies::Restart
}

/// Splits a key in the form of the file into section and name: `access[3].uid` into `access[]` and
/// `uid`.
fn place(key: &str) -> (String, &str) {
    let array = format!("{key}[]");
    if keys::SECTIONS.iter().any(|(section, _)| *section == array) {
        // The array itself, where it is empty.
        return (array, "");
    }
    let (table, name) = key.rsplit_once('.').unwrap_or(("", key));
    let mut section = String::new();
    for step in table.split('.').filter(|step| !step.is_empty()) {
        let step = match step.split_once('[') {
            Some((array, _)) => format!("{array}[]"),
            None if section == "instances" => "NAME".to_owned(),
            None => step.to_owned(),
        };
        section = keys::join(&section, &step);
    }
    (section, name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_the_file_is_found_in_its_section() {
        for (key, section, name) in [
            ("access[3].allow", "access[]", "allow"),
            (
                "daemon.limits.user.max_calls",
                "daemon.limits.user",
                "max_calls",
            ),
            ("instances.a-b.host", "instances.NAME", "host"),
            (
                "instances.daemon.credentials.secret_file",
                "instances.NAME.credentials",
                "secret_file",
            ),
            ("web.apps[0].origins", "web.apps[]", "origins"),
            ("hub.devices[1].uuid", "hub.devices[]", "uuid"),
            ("web.apps", "web.apps[]", ""),
        ] {
            assert_eq!(place(key), (section.to_owned(), name), "{key}");
        }
    }

    #[test]
    fn only_what_is_bound_or_opened_at_the_start_needs_a_restart() {
        for key in [
            "access",
            "access[0].allow",
            "daemon.log",
            "daemon.access",
            "daemon.limits.log_age",
            "daemon.tcp.tokens[0].token",
            "instances.default.credentials.secret",
            "web.apps[0].instance",
        ] {
            assert!(!needs_restart(key), "{key}");
        }
        for key in [
            "daemon.metrics",
            "daemon.socket",
            "web.listen",
            "hub.devices[0].uuid",
        ] {
            assert!(needs_restart(key), "{key}");
        }
    }
}
