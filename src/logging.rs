//! Log records: to the journal where it is connected (`JOURNAL_STREAM`), to standard error otherwise.
//!
//! Promises: one record is one line; nothing that came from outside can break out of it. Libraries are heard from `warn` up
//! alone, whatever the level: below that they print URLs and headers, which hold tokens.

use std::io::Write as _;
use std::time::SystemTime;

use anstyle::{AnsiColor, Style};
use log::kv::{Error, Key, Value, VisitSource};
use log::{Level, LevelFilter, Log, Metadata, Record};
use systemd_journal_logger::{JournalLog, connected_to_journal};

use crate::config::LogLevel;

/// The target that begins every record of our own.
const OURS: &str = "expd";
/// The most that is heard of libraries.
const LIBRARIES: LevelFilter = LevelFilter::Warn;
/// What the journal knows us by.
const IDENTIFIER: &str = "expd";

/// Opens the log. Once per process.
///
/// # Errors
/// When a log is open already.
pub fn init(level: LogLevel) -> Result<(), LoggingError> {
    // Connected and not reachable happens in containers: standard error still gets there.
    let journal = connected_to_journal()
        .then(JournalLog::empty)
        .and_then(Result::ok)
        .map(|journal| journal.with_syslog_identifier(IDENTIFIER.to_owned()));
    let sink = match journal {
        Some(journal) => Sink::Journal(journal),
        None => Sink::StandardError {
            colours: !matches!(
                anstream::AutoStream::choice(&std::io::stderr()),
                anstream::ColorChoice::Never
            ),
        },
    };
    log::set_boxed_logger(Box::new(Logger { sink })).map_err(|_| LoggingError::OpenAlready)?;
    set_level(level);
    Ok(())
}

/// Changes how much is logged, from now on.
pub fn set_level(level: LogLevel) {
    log::set_max_level(match level {
        LogLevel::Error => LevelFilter::Error,
        LogLevel::Warn => LevelFilter::Warn,
        LogLevel::Info => LevelFilter::Info,
        LogLevel::Debug => LevelFilter::Debug,
        LogLevel::Trace => LevelFilter::Trace,
    });
}

/// Why there is no log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoggingError {
    /// A process has one.
    #[error("cannot open the log: one is open already in this process; open it once, at the start")]
    OpenAlready,
}

struct Logger {
    sink: Sink,
}

enum Sink {
    Journal(JournalLog),
    StandardError { colours: bool },
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        heard(metadata, log::max_level())
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        match &self.sink {
            Sink::Journal(journal) => journal.log(record),
            Sink::StandardError { colours } => {
                let line = format_line(record, SystemTime::now(), *colours);
                // In one write, so that lines of several threads do not mix. A closed standard error leaves nowhere to say so.
                std::io::stderr().lock().write_all(line.as_bytes()).ok();
            }
        }
    }

    fn flush(&self) {}
}

fn heard(metadata: &Metadata<'_>, level: LevelFilter) -> bool {
    let most = if room(metadata.target()).is_some() {
        level
    } else {
        level.min(LIBRARIES)
    };
    metadata.level() <= most
}

/// The room that a record of our own comes from; none for a library's.
fn room(target: &str) -> Option<&str> {
    let rest = target.strip_prefix(OURS)?;
    if rest.is_empty() {
        return Some(OURS);
    }
    rest.strip_prefix("::")
}

/// `2025-01-31T12:00:00.000Z INFO  upstream::link logged in instance=default`
fn format_line(record: &Record<'_>, now: SystemTime, colours: bool) -> String {
    let (faint, strong) = if colours {
        (Style::new().dimmed(), level_style(record.level()))
    } else {
        (Style::new(), Style::new())
    };
    let time = humantime::format_rfc3339_millis(now);
    let room = room(record.target()).unwrap_or(record.target());
    let mut line = format!(
        "{faint}{time}{faint:#} {strong}{:<5}{strong:#} {faint}{room}{faint:#} ",
        record.level()
    );
    push_plain(&mut line, &record.args().to_string());
    // The visitor does not fail, and a record that does would have nobody to tell.
    let mut pairs = Pairs {
        line: &mut line,
        faint,
    };
    record.key_values().visit(&mut pairs).ok();
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

struct Pairs<'a> {
    line: &'a mut String,
    faint: Style,
}

impl<'kvs> VisitSource<'kvs> for Pairs<'_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
        let faint = self.faint;
        let value = value.to_string();
        let pair = format!(" {faint}{key}={faint:#}");
        self.line.push_str(&pair);
        let plain = !value.is_empty()
            && !value
                .chars()
                .any(|c| c.is_whitespace() || c.is_control() || c == '"' || c == '=');
        if plain {
            self.line.push_str(&value);
        } else {
            let quoted = format!("{value:?}");
            self.line.push_str(&quoted);
        }
        Ok(())
    }
}

/// Adds a text without what would begin a line or steer a terminal.
fn push_plain(line: &mut String, text: &str) {
    for c in text.chars() {
        if c.is_control() {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::Duration;

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
            format_line(&record, now, colours)
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
        let text = line("expd", "a\nb\x1b[31mc", &[("k", "d\ne")], false);
        assert_eq!(text.matches('\n').count(), 1);
        assert!(text.contains(r"a\nb\u{1b}[31mc"), "{text}");
        assert!(text.contains(r#"k="d\ne""#), "{text}");
    }

    #[test]
    fn colours_are_there_when_asked_for_alone() {
        assert!(line("expd", "m", &[("k", "v")], true).contains("\x1b["));
        assert!(!line("expd", "m", &[("k", "v")], false).contains('\x1b'));
    }

    #[test]
    fn libraries_are_never_heard_below_warn() {
        let heard = |target: &str, record: Level, level: LevelFilter| {
            let metadata = Metadata::builder().level(record).target(target).build();
            super::heard(&metadata, level)
        };
        for library in [
            "tungstenite",
            "rust_engineio::asynchronous",
            "hyper_util",
            "expdx",
        ] {
            assert!(!heard(library, Level::Info, LevelFilter::Trace));
            assert!(heard(library, Level::Warn, LevelFilter::Trace));
            assert!(!heard(library, Level::Warn, LevelFilter::Error));
        }
        assert!(heard("expd::router", Level::Trace, LevelFilter::Trace));
        assert!(!heard("expd::router", Level::Debug, LevelFilter::Info));
    }

    /// The log is the whole process's, so a process of its own plays this through.
    #[test]
    fn the_level_can_be_changed_at_run_time() {
        let output = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "logging::tests::played_at_run_time",
                "--ignored",
                "--nocapture",
            ])
            .env_remove("JOURNAL_STREAM")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        let said: Vec<&str> = text
            .lines()
            .filter_map(|line| line.split("said ").nth(1))
            .collect();
        assert_eq!(said, ["one", "three", "five n=5"], "{text}");
    }

    #[test]
    #[ignore = "played by the_level_can_be_changed_at_run_time, in a process of its own"]
    fn played_at_run_time() {
        init(LogLevel::Info).unwrap();
        assert_eq!(init(LogLevel::Info), Err(LoggingError::OpenAlready));
        log::info!("said one");
        log::debug!("said two");
        set_level(LogLevel::Debug);
        log::debug!("said three");
        set_level(LogLevel::Warn);
        log::info!("said four");
        log::warn!(n = 5; "said five");
    }
}
