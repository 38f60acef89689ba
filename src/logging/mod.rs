//! Log records: to the journal where it is connected (`JOURNAL_STREAM`), to standard error otherwise.
//!
//! Promises: one record is one line; nothing that came from outside can break out of it. Libraries are heard from `warn` up
//! alone, whatever the level: below that they print URLs and headers, which hold tokens. Whoever logs never waits for whoever
//! takes the log. Nobody fills the log by causing one record again and again.

mod entry;
mod libraries;
mod limit;
mod line;
mod writer;

use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::{Instant, SystemTime};

use log::{LevelFilter, Log, Metadata, Record};
use systemd_journal_logger::{JournalLog, connected_to_journal};

use self::entry::Entry;
use self::limit::{Limit, Verdict};
use self::writer::{Sink, Writer};
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
/// When a log is open already, or the system has no thread for it.
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
    let writer = Writer::start(sink)?;
    let limit = Mutex::default();
    log::set_boxed_logger(Box::new(Logger { writer, limit }))
        .map_err(|_| LoggingError::OpenAlready)?;
    libraries::hear();
    set_level(level);
    Ok(())
}

/// Waits until all that was logged before is written, for a bounded time. To be called before the process ends.
pub fn flush() {
    log::logger().flush();
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
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// A process has one.
    #[error("cannot open the log: one is open already in this process; open it once, at the start")]
    OpenAlready,
    /// The log's own thread.
    #[error("cannot start the log's thread: {0}; raise the limit of tasks (TasksMax=, ulimit -u)")]
    Thread(#[from] io::Error),
}

struct Logger {
    writer: Writer,
    limit: Mutex<Limit>,
}

impl Logger {
    /// Tells of records that were held back, where their time is over, or of all.
    fn tell_held(&self, now: Instant, all: bool) {
        let due = self.limit().due(now, all);
        for held in due {
            self.writer.write(Entry::held(&held));
        }
    }

    fn limit(&self) -> std::sync::MutexGuard<'_, Limit> {
        // Nothing in it is half done when a record's own text panics.
        self.limit.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        heard(metadata, log::max_level())
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let now = Instant::now();
        self.tell_held(now, false);
        let verdict = self.limit().count(record, now);
        if verdict == Verdict::Hold {
            return;
        }
        let mut entry = Entry::new(record, SystemTime::now());
        if verdict == Verdict::ShowAsLast {
            entry
                .text
                .push_str(" (further records of this kind are counted for a minute)");
        }
        self.writer.write(entry);
    }

    fn flush(&self) {
        self.tell_held(Instant::now(), true);
        self.writer.flush();
    }
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
    // A crate of the workspace is a room, too.
    rest.strip_prefix("::").or_else(|| rest.strip_prefix('_'))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use log::Level;

    use super::*;

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
        assert!(heard("expd_hub::server", Level::Trace, LevelFilter::Trace));
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
        assert_eq!(said, ["one", "three", "five n=5", "six stream=6"], "{text}");
    }

    #[test]
    #[ignore = "played by the_level_can_be_changed_at_run_time, in a process of its own"]
    fn played_at_run_time() {
        init(LogLevel::Info).unwrap();
        let again = init(LogLevel::Info);
        assert!(matches!(again, Err(LoggingError::OpenAlready)), "{again:?}");
        log::info!("said one");
        log::debug!("said two");
        set_level(LogLevel::Debug);
        log::debug!("said three");
        set_level(LogLevel::Warn);
        log::info!("said four");
        log::warn!(n = 5; "said five");
        tracing::warn!(target: "h2::server", stream = 6, "said {}", "six");
        tracing::info!(target: "h2::server", "said seven");
        flush();
    }
}
