//! The log: to the journal if it is connected (`JOURNAL_STREAM`), else to standard error, there as
//! text for people or as JSON for collectors of container output.
//!
//! One record is one line, and outside input cannot break out of it. Libraries are logged from
//! `warn` up, whatever the level: below that they print URLs and headers, which hold tokens. A
//! caller never waits for the log's reader. A rate limit keeps a repeated record from filling the
//! log.

mod json;
mod libraries;
mod line;
mod rate_limit;
mod record;
mod target;
#[cfg(test)]
mod tests;
mod writer;

pub use writer::dropped_records;

use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::{Instant, SystemTime};

use log::{LevelFilter, Log, Metadata, Record};
use systemd_journal_logger::{JournalLog, connected_to_journal};

use self::rate_limit::{RateLimit, RecordDecision};
use self::record::LogRecord;
use self::target::is_enabled;
use self::writer::{Sink, Writer};
use crate::config::{LogFormat, LogLevel};
use crate::journal::{EVENT, JournalEvent};
use crate::standard_error;

/// Syslog identifier in the journal.
const IDENTIFIER: &str = "expd";

/// Opens the log, once per process.
///
/// # Errors
/// A log is open already, or the system refuses a thread.
pub fn init(level: LogLevel, format: LogFormat) -> Result<(), LoggingError> {
    // In containers the journal may be connected and still unreachable; standard error works.
    let journal = (format == LogFormat::Auto && connected_to_journal())
        .then(JournalLog::empty)
        .and_then(Result::ok)
        .map(|journal| journal.with_syslog_identifier(IDENTIFIER.to_owned()));
    let sink = match journal {
        Some(journal) => Sink::Journal(journal),
        None if format == LogFormat::Json => Sink::Json,
        None => Sink::StandardError {
            colours: standard_error::has_colours(),
        },
    };
    let writer = Writer::start(sink)?;
    let rate_limit = Mutex::default();
    log::set_boxed_logger(Box::new(Logger { writer, rate_limit }))
        .map_err(|_| LoggingError::OpenAlready)?;
    libraries::install();
    set_level(level);
    Ok(())
}

/// Waits for a bounded time until all earlier records are written. Call it before the process ends.
pub fn flush() {
    log::logger().flush();
}

/// Changes the level from now on.
pub fn set_level(level: LogLevel) {
    log::set_max_level(match level {
        LogLevel::Error => LevelFilter::Error,
        LogLevel::Warn => LevelFilter::Warn,
        LogLevel::Info => LevelFilter::Info,
        LogLevel::Debug => LevelFilter::Debug,
        LogLevel::Trace => LevelFilter::Trace,
    });
}

/// Reason why the log could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// The process has a log already.
    #[error("cannot open the log: one is open already in this process; open it once, at the start")]
    OpenAlready,
    /// The log's thread could not be started.
    #[error("cannot start the log's thread: {0}; raise the limit of tasks (TasksMax=, ulimit -u)")]
    Thread(#[from] io::Error),
}

struct Logger {
    writer: Writer,
    rate_limit: Mutex<RateLimit>,
}

impl Logger {
    /// Logs the counts of suppressed records whose window is over, or all of them.
    fn report_suppressed(&self, now: Instant, all: bool) {
        let due = self.rate_limit().due(now, all);
        for suppressed in due {
            self.writer.write(LogRecord::suppressed(&suppressed));
        }
    }

    fn rate_limit(&self) -> std::sync::MutexGuard<'_, RateLimit> {
        // The rate limit is consistent even if the text of a record panics.
        self.rate_limit
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asserts, in tests, that a record is logged at the level that its event is documented with.
fn debug_assert_level(record: &Record<'_>) {
    if cfg!(debug_assertions)
        && let Some(name) = record.key_values().get(EVENT.into())
    {
        let level = JournalEvent::from_name(&name.to_string()).map(JournalEvent::level);
        debug_assert_eq!(level, Some(record.level()), "the level of the event {name}");
    }
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        is_enabled(metadata, log::max_level())
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let now = Instant::now();
        self.report_suppressed(now, false);
        let decision = self.rate_limit().count(record, now);
        if decision == RecordDecision::Suppress {
            return;
        }
        debug_assert_level(record);
        let mut record = LogRecord::new(record, SystemTime::now());
        if decision == RecordDecision::ShowLast {
            record
                .text
                .push_str(" (similar records are suppressed for a minute)");
        }
        self.writer.write(record);
    }

    fn flush(&self) {
        self.report_suppressed(Instant::now(), true);
        self.writer.flush();
    }
}
