//! The thread that writes the log. A pipe without a reader, or a journal that is stuck, blocks
//! this thread and nothing else.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use log::Log as _;
use systemd_journal_logger::JournalLog;

use super::json::format_json;
use super::line::format_line;
use super::record::LogRecord;
use crate::standard_error;

/// Maximum number of queued records.
const MAX_WAITING: usize = 1024;

/// Maximum size of the queued records, save for a single larger one.
const MAX_WAITING_BYTES: usize = 1 << 20;

/// Timeout of a flush.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// Destination of the log.
pub(super) enum Sink {
    Journal(JournalLog),
    StandardError {
        colours: bool,
    },
    /// Standard error, one JSON object a line.
    Json,
}

impl Sink {
    fn write(&self, record: &LogRecord) {
        match self {
            Self::Journal(journal) => record.with_journal_record(|record| journal.log(record)),
            Self::StandardError { colours } => {
                standard_error::write(&format_line(record, *colours));
            }
            Self::Json => standard_error::write(&format_json(record)),
        }
    }
}

/// Handle of the thread.
pub(super) struct Writer {
    jobs: SyncSender<Job>,
    queue: Arc<Queue>,
}

enum Job {
    Write(LogRecord),
    /// Answers once all earlier records are written.
    Flush(SyncSender<()>),
}

/// Number of records that any writer of this process has dropped.
static DROPPED: AtomicU64 = AtomicU64::new(0);

/// The number of records that were dropped because the sink was blocked.
pub fn dropped_records() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

/// State of the queue, shared by both sides.
#[derive(Default)]
struct Queue {
    bytes: AtomicUsize,
    /// Number of records dropped since the last report.
    dropped: AtomicU64,
}

impl Writer {
    /// Starts the thread. It ends with the writer, or with the process.
    ///
    /// # Errors
    /// The system refuses a thread.
    pub fn start(sink: Sink) -> io::Result<Self> {
        let (jobs, received) = sync_channel(MAX_WAITING);
        let queue = Arc::<Queue>::default();
        let shared = queue.clone();
        thread::Builder::new()
            .name("expd-log".to_owned())
            .spawn(move || write_all(&sink, &received, &shared))?;
        Ok(Self { jobs, queue })
    }

    /// Queues a record without waiting. A record that finds no room is counted as dropped.
    pub fn write(&self, record: LogRecord) {
        let size = record.size();
        let before = self.queue.bytes.fetch_add(size, Ordering::Relaxed);
        let fits = before == 0 || before.saturating_add(size) <= MAX_WAITING_BYTES;
        if !fits || self.jobs.try_send(Job::Write(record)).is_err() {
            self.queue.bytes.fetch_sub(size, Ordering::Relaxed);
            self.queue.dropped.fetch_add(1, Ordering::Relaxed);
            DROPPED.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits for a bounded time until all earlier records are written.
    pub fn flush(&self) {
        let (written, done) = sync_channel(1);
        // Without room in the queue, or without an answer in time, the sink is blocked.
        if self.jobs.try_send(Job::Flush(written)).is_ok() {
            done.recv_timeout(FLUSH_TIMEOUT).ok();
        }
    }
}

fn write_all(sink: &Sink, jobs: &Receiver<Job>, queue: &Queue) {
    while let Ok(job) = jobs.recv() {
        let flushed = match job {
            Job::Write(record) => {
                sink.write(&record);
                queue.bytes.fetch_sub(record.size(), Ordering::Relaxed);
                None
            }
            Job::Flush(written) => Some(written),
        };
        let dropped = queue.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            sink.write(&LogRecord::warning(format_args!(
                "{dropped} log records dropped: the log sink was blocked"
            )));
        }
        if let Some(written) = flushed {
            // Fails if the caller's wait has timed out.
            written.send(()).ok();
        }
    }
}
