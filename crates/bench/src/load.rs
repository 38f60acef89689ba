//! The load: number, size and rate of messages; and the credit that keeps full speed from causing
//! loss.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use expd_domain::Payload;
use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::net::UnixListener;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

/// A shorter frame ends the run, or is not one to count.
pub const SHORTEST: usize = 150;

/// One run's feed.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Load {
    /// Messages per second; `None` for as fast as the slowest stream receives them.
    pub rate: Option<u32>,
    /// Duration.
    pub seconds: f64,
    /// Bytes of JSON text in a payload.
    pub size: usize,
    /// Number of streams.
    pub streams: usize,
}

impl Load {
    /// Number of messages that the feed may be ahead of the slowest stream: half of what a
    /// channel's log holds, so that none is ever lost.
    pub fn window(&self) -> u64 {
        (2 * 1024 * 1024 / self.size as u64).clamp(8, 512)
    }

    /// Messages handed over at once at full speed: as many as in one read of a busy socket.
    fn batch(&self) -> u64 {
        (32 * 1024 / self.size as u64)
            .clamp(1, 128)
            .min(self.window() / 2)
    }
}

/// Nanoseconds of the clock that all processes of a machine share.
pub fn now() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).unwrap();
    now.tv_sec() as u64 * 1_000_000_000 + now.tv_nsec() as u64
}

/// A payload of `size` bytes with its creation time.
pub fn payload(size: usize) -> Payload {
    let head = format!(r#"{{"t":{},"text":""#, now());
    let filler = size.saturating_sub(head.len() + 2);
    Payload::parse(format!("{head}{}\"}}", "x".repeat(filler))).unwrap()
}

/// The payload that ends a run.
pub fn last() -> Payload {
    Payload::parse("0").unwrap()
}

/// Creation time of a message, if it is near its beginning.
pub fn made_at(message: &[u8]) -> Option<u64> {
    let head = message.get(..message.len().min(256))?;
    let at = head.windows(4).position(|four| four == b"\"t\":")? + 4;
    let digits = head
        .get(at..)?
        .iter()
        .take_while(|byte| byte.is_ascii_digit());
    Some(digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
}

/// Destination of messages.
pub trait Sink {
    /// Hands over messages at once.
    fn send(&mut self, payloads: Vec<Payload>) -> impl Future<Output = ()> + Send;
}

/// Result of the feed.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Fed {
    /// Messages sent.
    pub sent: u64,
    /// Other results of the role.
    pub more: BTreeMap<String, u64>,
}

/// Number of messages that the slowest stream has received, as the subscribers report it on a
/// socket.
pub fn credit(path: &Path) -> watch::Receiver<u64> {
    let listener = UnixListener::bind(path).unwrap();
    let (sender, receiver) = watch::channel(0);
    #[allow(clippy::disallowed_methods, reason = "ends with the process")]
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        while let Ok(taken) = stream.read_u64_le().await {
            sender.send_replace(taken);
        }
    });
    receiver
}

/// Waits on standard input for the order to start.
pub async fn order() -> Load {
    let mut line = String::new();
    BufReader::new(tokio::io::stdin())
        .read_line(&mut line)
        .await
        .unwrap();
    serde_json::from_str(&line).unwrap()
}

/// Sends the messages of a load.
pub async fn feed(load: Load, sink: &mut impl Sink, mut credit: watch::Receiver<u64>) -> Fed {
    let end = Instant::now() + Duration::from_secs_f64(load.seconds);
    let mut sent = 0;
    if let Some(rate) = load.rate {
        let mut ticks = tokio::time::interval(Duration::from_secs(1) / rate);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        while Instant::now() < end {
            ticks.tick().await;
            sink.send(vec![payload(load.size)]).await;
            sent += 1;
        }
    } else {
        while Instant::now() < end {
            let batch = load.batch();
            let taken = credit.wait_for(|taken| sent + batch <= taken + load.window());
            if tokio::time::timeout(Duration::from_secs(20), taken)
                .await
                .is_err()
            {
                eprintln!("the streams are stuck");
                break;
            }
            let payloads = (0..batch).map(|_| payload(load.size)).collect();
            sink.send(payloads).await;
            sent += batch;
        }
    }
    sink.send(vec![last()]).await;
    Fed {
        sent,
        more: BTreeMap::new(),
    }
}
