//! A log record as one line of text, for standard error.

use anstyle::{AnsiColor, Style};
use log::Level;

use super::record::LogRecord;
use super::target::{library, room};
use expd_domain::quoted::is_hidden;

/// `2025-01-31T12:00:00.000Z INFO  logged in instance=default`
///
/// Up to `info` the reader is an operator: the line has the sentence and its fields, and a library
/// is named by its crate in a field of its own. Below, the reader is a developer, and the line
/// names the room or the library's module as well.
pub(super) fn format_line(record: &LogRecord, colours: bool) -> String {
    let (faint, strong) = if colours {
        (Style::new().dimmed(), level_style(record.level))
    } else {
        (Style::new(), Style::new())
    };
    let time = humantime::format_rfc3339_millis(record.at);
    let level = record.level;
    let mut line = format!("{faint}{time}{faint:#} {strong}{level:<5}{strong:#} ");
    if level > Level::Info {
        let room = room(&record.target).unwrap_or(&record.target);
        let room = format!("{faint}{room}{faint:#} ");
        line.push_str(&room);
    }
    line.push_str(&record.text);
    let library = library(&record.target).filter(|_| level <= Level::Info);
    let library = library.map(|library| ("library", library));
    let fields = record.fields.iter();
    let fields = fields.map(|(key, value)| (key.as_str(), value.as_str()));
    for (key, value) in fields.chain(library) {
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

/// Appends a value, in quotes if its end would be unclear otherwise.
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

    fn line(level: Level, target: &str, message: &str, pairs: &[(&str, &str)]) -> String {
        format(level, target, message, pairs, false)
    }

    fn format(
        level: Level,
        target: &str,
        message: &str,
        pairs: &[(&str, &str)],
        colours: bool,
    ) -> String {
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(1_738_324_800_042);
        let record = |arguments: std::fmt::Arguments<'_>| {
            let record = Record::builder()
                .level(level)
                .target(target)
                .key_values(&pairs)
                .args(arguments)
                .build();
            format_line(&LogRecord::new(&record, now), colours)
        };
        record(format_args!("{message}"))
    }

    #[test]
    fn an_operator_reads_the_sentence_and_its_fields() {
        let pairs = [("instance", "default"), ("why", "a b")];
        for (level, name) in [
            (Level::Error, "ERROR"),
            (Level::Warn, "WARN "),
            (Level::Info, "INFO "),
        ] {
            assert_eq!(
                line(level, "expd::upstream::link", "logged in", &pairs),
                format!("2025-01-31T12:00:00.042Z {name} logged in instance=default why=\"a b\"\n")
            );
        }
        assert!(line(Level::Info, "expd", "m", &[]).ends_with("INFO  m\n"));
        // A field without a value is left out.
        assert!(
            line(Level::Warn, "h2::client", "m", &[("empty", "")])
                .ends_with("WARN  m library=h2\n")
        );
    }

    #[test]
    fn a_developer_reads_the_room_as_well() {
        let debug = line(Level::Debug, "expd::upstream::link", "m", &[("n", "1")]);
        assert!(debug.ends_with("DEBUG upstream::link m n=1\n"), "{debug}");
        let trace = line(Level::Trace, "expd_hub::server", "m", &[]);
        assert!(trace.ends_with("TRACE hub::server m\n"), "{trace}");
    }

    #[test]
    fn what_comes_from_outside_cannot_break_out_of_its_line() {
        let text = line(
            Level::Info,
            "expd",
            "a\nb\x1b[31mc\u{202e}",
            &[("k", "d\ne"), ("l", "f\u{2066}")],
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
        let line = |colours| format(Level::Debug, "expd", "m", &[("k", "v")], colours);
        assert!(line(true).contains("\x1b["));
        assert!(!line(false).contains('\x1b'));
    }
}
