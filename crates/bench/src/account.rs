//! Messages that the streams of a run have received, and the credit that they return for them.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::load::{self, Load};

/// At full speed, one in this many messages is inspected.
const SAMPLE: u64 = 64;

/// Result of the subscribers.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Got {
    /// Messages over all streams.
    pub deliveries: u64,
    /// Reported gaps.
    pub gaps: u64,
    /// From the first message to the last one.
    pub seconds: f64,
    /// Latencies in nanoseconds: median, 99th percentile, maximum.
    pub p50: u64,
    /// See `p50`.
    pub p99: u64,
    /// See `p50`.
    pub max: u64,
}

/// State that all streams share.
struct Shared {
    load: Load,
    /// Number of streams that have passed each mark; marks are a quarter of the window apart.
    marks: Vec<AtomicU64>,
    credit: mpsc::Sender<u64>,
    ready: mpsc::Sender<()>,
}

/// One stream's own account.
pub struct Account {
    shared: Arc<Shared>,
    count: u64,
    gaps: u64,
    first: Option<Instant>,
    last: Option<Instant>,
    latencies: Vec<u64>,
    /// True once the run's last message has arrived, or can no longer arrive.
    pub ended: bool,
}

impl Account {
    fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            count: 0,
            gaps: 0,
            first: None,
            last: None,
            latencies: Vec::new(),
            ended: false,
        }
    }

    /// True if the next message is to be inspected: all of a paced load, one in `SAMPLE` at full
    /// speed.
    pub fn wants_to_look(&self) -> bool {
        self.shared.load.rate.is_some() || self.count.is_multiple_of(SAMPLE)
    }

    /// The network has confirmed the subscription.
    pub fn confirmed(&self) {
        // It holds as many as there are streams.
        self.shared.ready.try_send(()).ok();
    }

    /// Counts a message.
    pub fn take(&mut self, made_at: Option<u64>) {
        if self.count == 0 {
            self.first = Some(Instant::now());
        }
        self.count += 1;
        if let Some(made_at) = made_at {
            self.latencies.push(load::now().saturating_sub(made_at));
        }
        let load = &self.shared.load;
        if load.rate.is_some() {
            return;
        }
        let step = load.window() / 4;
        if self.count.is_multiple_of(step) {
            let marks = &self.shared.marks;
            let mark = &marks[usize::try_from(self.count / step).unwrap() % marks.len()];
            if mark.fetch_add(1, Ordering::Relaxed) + 1 == load.streams as u64 {
                mark.store(0, Ordering::Relaxed);
                // The queue has room for all marks.
                self.shared.credit.try_send(self.count).ok();
            }
        }
    }

    /// Counts a gap.
    pub fn gap(&mut self) {
        self.gaps += 1;
    }

    /// Records that the run's last message has arrived.
    pub fn end(&mut self) {
        self.last = Some(Instant::now());
        self.ended = true;
    }
}

/// Starts streams, each with an account, listens until the run ends, and prints the result.
pub async fn listen(
    folder: &Path,
    load: Load,
    credit_socket: &str,
    begin: impl AsyncFnOnce(Vec<Account>) -> JoinSet<Account>,
) {
    let (credit, mut credits) = mpsc::channel::<u64>(1024);
    let (ready, mut readies) = mpsc::channel(load.streams);
    let shared = Arc::new(Shared {
        load,
        marks: (0..16).map(|_| AtomicU64::new(0)).collect(),
        credit,
        ready,
    });
    let accounts = (0..load.streams).map(|_| Account::new(shared.clone()));
    let mut streams = begin(accounts.collect()).await;
    for _ in 0..load.streams {
        readies.recv().await.unwrap();
    }
    let mut telling = UnixStream::connect(folder.join(credit_socket))
        .await
        .unwrap();
    println!("ready");
    let mut accounts = Vec::new();
    while !streams.is_empty() {
        tokio::select! {
            account = streams.join_next() => accounts.extend(account.map(Result::unwrap)),
            Some(taken) = credits.recv() => telling.write_all(&taken.to_le_bytes()).await.unwrap(),
        }
    }
    println!("{}", serde_json::to_string(&sum(&accounts)).unwrap());
}

fn sum(accounts: &[Account]) -> Got {
    let mut got = Got::default();
    let mut latencies = Vec::new();
    for account in accounts {
        got.deliveries += account.count;
        got.gaps += account.gaps;
        latencies.extend_from_slice(&account.latencies);
    }
    let first = accounts.iter().filter_map(|a| a.first).min();
    let last = accounts.iter().filter_map(|a| a.last).max();
    if let (Some(first), Some(last)) = (first, last) {
        got.seconds = last.duration_since(first).as_secs_f64();
    }
    latencies.sort_unstable();
    if let Some(most) = latencies.last() {
        got.max = *most;
        got.p50 = latencies[latencies.len() / 2];
        got.p99 = latencies[latencies.len() * 99 / 100];
    }
    got
}
