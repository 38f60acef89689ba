//! Apps at their limits: each takes everything that one user may have of one resource, and
//! continues to ask for more at the pace of a program that retries.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use expd_bench::daemon::{ATTACKER, channel};
use expd_proto as proto;
use expd_proto::network_client::NetworkClient;
use expd_test_support::http2::try_connect_as;
use tokio::io::AsyncReadExt as _;
use tokio::net::UnixStream;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tonic::transport::Channel;
use tonic::{Code, Status};

type Running = Pin<Box<dyn Future<Output = ()>>>;

pub struct Load {
    pub name: &'static str,
    pub run: fn(PathBuf, std::sync::Arc<Progress>) -> Running,
}

pub const LOADS: [Load; 5] = [
    Load {
        name: "calls",
        run: |socket, progress| Box::pin(calls(socket, progress)),
    },
    Load {
        name: "broadcasts a second",
        run: |socket, progress| Box::pin(broadcasts(socket, progress, 100, 2000)),
    },
    Load {
        name: "bytes a second",
        run: |socket, progress| Box::pin(broadcasts(socket, progress, 256 << 10, 200)),
    },
    Load {
        name: "streams",
        run: |socket, progress| Box::pin(streams(socket, progress)),
    },
    Load {
        name: "connections",
        run: |socket, progress| Box::pin(connections(socket, progress)),
    },
];

/// Interval at which a refused program tries again.
const RETRY: Duration = Duration::from_millis(10);

/// Refusals, of which the first indicates that the limit is reached.
#[derive(Debug, Default)]
pub struct Progress(AtomicU64);

impl Progress {
    pub fn refused(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn count(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn note<T>(&self, outcome: &Result<T, Status>) {
        let code = outcome.as_ref().err().map(Status::code);
        if code == Some(Code::ResourceExhausted) {
            self.count();
        }
    }

    /// Waits until the limit is reached and the burst before it is over. False if the machine is
    /// too slow for that: the row then has no refusals, and says nothing about the limit.
    pub async fn reached(&self) -> bool {
        let waiting = async {
            while self.refused() == 0 {
                sleep(Duration::from_millis(10)).await;
            }
            sleep(Duration::from_secs(1)).await;
        };
        timeout(Duration::from_secs(60), waiting).await.is_ok()
    }
}

fn place() -> proto::Channel {
    proto::Channel {
        name: "another app's".to_owned(),
        ..Default::default()
    }
}

fn broadcast(bytes: usize, timeout: Duration) -> proto::BroadcastRequest {
    proto::BroadcastRequest {
        channel: Some(place()),
        name: "n".to_owned(),
        payload: Some(proto::Payload {
            form: Some(proto::payload::Form::Json(format!(
                "\"{}\"",
                "x".repeat(bytes)
            ))),
        }),
        timeout: timeout.try_into().ok(),
        ..Default::default()
    }
}

async fn network(socket: &std::path::Path) -> NetworkClient<Channel> {
    loop {
        if let Some(channel) = channel(socket, ATTACKER).await {
            return NetworkClient::new(channel);
        }
        sleep(RETRY).await;
    }
}

/// Broadcasts that wait for responses for an hour, as many as may be pending, and one more at each
/// retry.
async fn calls(socket: PathBuf, progress: std::sync::Arc<Progress>) {
    let mut open = JoinSet::new();
    // As many calls as one connection may have.
    for _ in 0..8 {
        let network = network(&socket).await;
        for _ in 0..300 {
            let (mut network, progress) = (network.clone(), progress.clone());
            open.spawn(async move {
                let hour = Duration::from_secs(3600);
                progress.note(&network.broadcast(broadcast(10, hour)).await);
            });
            if open.len() % 20 == 0 {
                // The rate of broadcasts is another limit.
                sleep(Duration::from_millis(25)).await;
            }
        }
    }
    let mut network = network(&socket).await;
    let mut due = pace(RETRY);
    loop {
        due.tick().await;
        let hour = Duration::from_secs(3600);
        let asked = network.broadcast(broadcast(10, hour));
        if let Ok(outcome) = timeout(Duration::from_millis(200), asked).await {
            progress.note(&outcome);
        }
    }
}

/// Broadcasts of one size, this many per second, of which the daemon accepts what the rate allows.
async fn broadcasts(
    socket: PathBuf,
    progress: std::sync::Arc<Progress>,
    bytes: usize,
    per_second: u32,
) {
    let network = network(&socket).await;
    let at_once = (per_second / 100).max(1);
    let mut due = pace(Duration::from_secs(1) * at_once / per_second);
    let mut open = JoinSet::new();
    loop {
        due.tick().await;
        while open.try_join_next().is_some() {}
        for _ in 0..at_once {
            // A program that waits for its responses has no more pending.
            if open.len() >= 256 {
                break;
            }
            let (mut network, progress) = (network.clone(), progress.clone());
            open.spawn(async move {
                progress.note(&network.broadcast(broadcast(bytes, Duration::ZERO)).await);
            });
        }
    }
}

/// As many streams as may be open, on one channel, and one more at each retry.
async fn streams(socket: PathBuf, progress: std::sync::Arc<Progress>) {
    let listen = || proto::ListenRequest {
        channel: Some(place()),
        ..Default::default()
    };
    let mut open = Vec::new();
    let mut network = network(&socket).await;
    let mut due = pace(RETRY);
    loop {
        if progress.refused() > 0 {
            due.tick().await;
        } else if open.len() % 500 == 499 {
            network = self::network(&socket).await;
        }
        let outcome = network.listen(listen()).await;
        progress.note(&outcome);
        open.extend(outcome);
    }
}

/// As many connections as may be open, and one more at each retry.
async fn connections(socket: PathBuf, progress: std::sync::Arc<Progress>) {
    let mut open: Vec<Channel> = Vec::new();
    let mut due = pace(RETRY);
    loop {
        if progress.refused() > 0 {
            due.tick().await;
            let Ok(mut stream) = try_connect_as(&socket, ATTACKER).await else {
                continue;
            };
            if is_closed(&mut stream).await {
                progress.count();
            }
            continue;
        }
        match channel(&socket, ATTACKER).await {
            Some(channel) => open.push(channel),
            None => progress.count(),
        }
    }
}

/// True if the daemon closes the connection at once.
async fn is_closed(stream: &mut UnixStream) -> bool {
    let mut bytes = [0; 64];
    let mut closed = async || loop {
        match stream.read(&mut bytes).await {
            Ok(0) | Err(_) => return true,
            Ok(_) => {}
        }
    };
    timeout(Duration::from_millis(5), closed()).await == Ok(true)
}

fn pace(period: Duration) -> tokio::time::Interval {
    let mut due = interval(period);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    due
}
