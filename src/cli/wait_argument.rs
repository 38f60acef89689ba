//! Accepts `--wait DURATION` beside `--wait=DURATION`: the parser does not take the next argument
//! as an optional value, and a duration is never a payload.

use std::ffi::OsString;

use crate::config::parse_duration;

/// The short name of the option.
pub(super) const SHORT: &str = "wait";

/// Joins a duration that follows `--wait` to the option.
pub(super) fn joined(arguments: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut joined: Vec<OsString> = Vec::new();
    let mut is_open = true;
    for argument in arguments {
        let is_wait = |before: &OsString| {
            is_open && matches!(before.to_str(), Some("--wait" | "--wait-for-connection"))
        };
        let is_duration = argument.to_str().is_some_and(|text| {
            // A JSON number is a payload, and so is `0`.
            text.parse::<f64>().is_err() && parse_duration(text).is_ok()
        });
        match joined.last_mut().filter(|before| is_wait(before)) {
            Some(before) if is_duration => {
                before.push("=");
                before.push(argument);
            }
            _ => {
                is_open &= argument != "--";
                joined.push(argument);
            }
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_after_wait_is_its_value_and_a_payload_is_not() {
        let joined = |line: &str| {
            let words = joined(line.split(' ').map(OsString::from));
            words
                .join(OsString::from(" ").as_os_str())
                .into_string()
                .unwrap()
        };
        for (typed, taken) in [
            ("broadcast a b --wait 5m", "broadcast a b --wait=5m"),
            ("broadcast a b --wait 5", "broadcast a b --wait 5"),
            ("broadcast a b --wait {}", "broadcast a b --wait {}"),
            ("broadcast a b --wait", "broadcast a b --wait"),
            ("broadcast -- --wait 5m", "broadcast -- --wait 5m"),
        ] {
            assert_eq!(joined(typed), taken);
        }
    }
}
