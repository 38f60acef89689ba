//! A record as a line of text.

use anstyle::{AnsiColor, Style};
use log::Level;

use super::entry::Entry;
use super::room;
use expd_domain::quoted::is_hidden;

/// `2025-01-31T12:00:00.000Z INFO  upstream::link logged in instance=default`
pub(super) fn format_line(entry: &Entry, colours: bool) -> String {
    let (faint, strong) = if colours {
        (Style::new().dimmed(), level_style(entry.level))
    } else {
        (Style::new(), Style::new())
    };
    let time = humantime::format_rfc3339_millis(entry.at);
    let room = room(&entry.target).unwrap_or(&entry.target);
    let mut line = format!(
        "{faint}{time}{faint:#} {strong}{:<5}{strong:#} {faint}{room}{faint:#} ",
        entry.level
    );
    line.push_str(&entry.text);
    for (key, value) in &entry.pairs {
        let pair = format!(" {faint}{key}={faint:#}");
        line.push_str(&pair);
        push_value(&mut line, value);
    }
    line.push('\n');
    line
}

fn level_style(level: Level) -> Style {
    let colour = match level {
        Level::Error => AnsiColor::Red,
        Level::Warn => AnsiColor::Yellow,
        Level::Info => AnsiColor::Green,
        Level::Debug => AnsiColor::Blue,
        Level::Trace => AnsiColor::Magenta,
    };
    colour.on_default().bold()
}

/// Adds a value, in quotes where it would not be seen to end otherwise.
fn push_value(line: &mut String, value: &str) {
    let plain = !value.is_empty()
        && !value
            .chars()
            .any(|c| c.is_whitespace() || is_hidden(c) || c == '"' || c == '=');
    if plain {
        line.push_str(value);
    } else {
        let quoted = format!("{value:?}");
        line.push_str(&quoted);
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use log::Record;

    use super::*;

    fn line(target: &str, message: &str, pairs: &[(&str, &str)], colours: bool) -> String {
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(1_738_324_800_042);
        let record = |arguments: std::fmt::Arguments<'_>| {
            let record = Record::builder()
                .level(Level::Info)
                .target(target)
                .key_values(&pairs)
                .args(arguments)
                .build();
            format_line(&Entry::new(&record, now), colours)
        };
        record(format_args!("{message}"))
    }

    #[test]
    fn a_line_has_time_level_room_message_and_pairs() {
        assert_eq!(
            line(
                "expd::upstream::link",
                "logged in",
                &[("instance", "default"), ("why", "a b")],
                false
            ),
            "2025-01-31T12:00:00.042Z INFO  upstream::link logged in instance=default why=\"a b\"\n"
        );
        assert!(line("expd", "m", &[], false).ends_with("INFO  expd m\n"));
        assert!(
            line("h2::client", "m", &[("empty", "")], false)
                .ends_with(" h2::client m empty=\"\"\n")
        );
    }

    #[test]
    fn what_comes_from_outside_cannot_break_out_of_its_line() {
        let text = line(
            "expd",
            "a\nb\x1b[31mc\u{202e}",
            &[("k", "d\ne"), ("l", "f\u{2066}")],
            false,
        );
        assert_eq!(text.matches('\n').count(), 1);
        assert!(text.contains(r"a\nb\u{1b}[31mc"), "{text}");
        assert!(
            text.contains(r#"c\u{202e} k="d\ne" l="f\u{2066}""#),
            "{text}"
        );
    }

    #[test]
    fn colours_are_there_when_asked_for_alone() {
        assert!(line("expd", "m", &[("k", "v")], true).contains("\x1b["));
        assert!(!line("expd", "m", &[("k", "v")], false).contains('\x1b'));
    }
}
