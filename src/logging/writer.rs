//! The one thread that writes the log. A pipe that nobody empties and a journal that is stuck hold up this thread and nothing else.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use log::Log as _;
use systemd_journal_logger::JournalLog;

use super::entry::Entry;
use super::line::format_line;

/// Records that wait at the most.
const MOST_WAITING: usize = 1024;

/// Bytes that wait at the most, save for one record that is larger by itself.
const MOST_BYTES: usize = 1 << 20;

/// How long the end of the process waits for what was logged before.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Where the log goes.
pub(super) enum Sink {
    Journal(JournalLog),
    StandardError { colours: bool },
}

impl Sink {
    fn write(&self, entry: &Entry) {
        match self {
            Self::Journal(journal) => entry.with_record(|record| journal.log(record)),
            Self::StandardError { colours } => {
                let line = format_line(entry, *colours);
                // In one write, so that it does not mix with what others write there. A closed standard error leaves nowhere to say so.
                io::stderr().lock().write_all(line.as_bytes()).ok();
            }
        }
    }
}

/// The way to the thread.
pub(super) struct Writer {
    orders: SyncSender<Order>,
    queue: Arc<Queue>,
}

enum Order {
    Write(Entry),
    /// Answers when all is written that was logged before.
    Flush(SyncSender<()>),
}

/// What is known of the queue on both sides.
#[derive(Default)]
struct Queue {
    bytes: AtomicUsize,
    /// Records that found no room since that was last told.
    missing: AtomicU64,
}

impl Writer {
    /// Starts the thread. It ends with the writer, or with the process.
    ///
    /// # Errors
    /// When the system has no thread.
    pub fn start(sink: Sink) -> io::Result<Self> {
        let (orders, received) = sync_channel(MOST_WAITING);
        let queue = Arc::<Queue>::default();
        let shared = queue.clone();
        thread::Builder::new()
            .name("expd-log".to_owned())
            .spawn(move || write_all(&sink, &received, &shared))?;
        Ok(Self { orders, queue })
    }

    /// Has a record written, without waiting. Where too much waits already, it is counted as missing.
    pub fn write(&self, entry: Entry) {
        let size = entry.size();
        let before = self.queue.bytes.fetch_add(size, Ordering::Relaxed);
        let fits = before == 0 || before.saturating_add(size) <= MOST_BYTES;
        if !fits || self.orders.try_send(Order::Write(entry)).is_err() {
            self.queue.bytes.fetch_sub(size, Ordering::Relaxed);
            self.queue.missing.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until all is written that was logged before, for a bounded time.
    pub fn flush(&self) {
        let (written, heard) = sync_channel(1);
        // Where there is no room, nobody takes the log; and where nobody answers in time, neither.
        if self.orders.try_send(Order::Flush(written)).is_ok() {
            heard.recv_timeout(LAST_WORDS).ok();
        }
    }
}

fn write_all(sink: &Sink, orders: &Receiver<Order>, queue: &Queue) {
    while let Ok(order) = orders.recv() {
        let asked = match order {
            Order::Write(entry) => {
                sink.write(&entry);
                queue.bytes.fetch_sub(entry.size(), Ordering::Relaxed);
                None
            }
            Order::Flush(written) => Some(written),
        };
        let missing = queue.missing.swap(0, Ordering::Relaxed);
        if missing > 0 {
            sink.write(&Entry::warning(format_args!(
                "the log lacks {missing} of its records here: whoever takes it stood still"
            )));
        }
        if let Some(written) = asked {
            // Whoever asked may have lost patience.
            written.send(()).ok();
        }
    }
}
