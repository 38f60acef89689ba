//! Sender of the broadcasts, in a separate process.

use std::path::Path;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::{interval, sleep};

use crate::bare::Bare;
use crate::program::{Order, RATE, Task};

/// Maximum number of concurrent broadcasts of a backlog.
const AT_ONCE: usize = 16;

/// Timeout of the daemon's start.
const PATIENCE: Duration = Duration::from_secs(20);

/// Sends, and reports when everything is sent.
pub async fn run(socket: &Path, channel: &str, task: Task) {
    let mut bare = Bare::connect(socket).await;
    if task == Task::Heard {
        let mut beat = interval(Duration::from_secs(1) / RATE);
        for _ in 0..task.count() {
            beat.tick().await;
            bare.send(channel, &Order::now()).await.unwrap();
        }
    } else {
        let mut senders = JoinSet::new();
        for n in 0..AT_ONCE {
            let mut bare = Bare::connect(socket).await;
            let channel = channel.to_owned();
            // The first tasks take the remainder.
            let count = task.count() / AT_ONCE + usize::from(n < task.count() % AT_ONCE);
            senders.spawn(async move {
                for _ in 0..count {
                    bare.send(&channel, &Order::now()).await.unwrap();
                }
            });
        }
        while let Some(sent) = senders.join_next().await {
            sent.unwrap();
        }
    }
    println!("sent");
    // It ends with the process that measures.
    std::future::pending::<()>().await;
}

/// Waits until the daemon at a socket accepts broadcasts.
pub async fn await_network(socket: &Path) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if tokio::net::UnixStream::connect(socket).await.is_ok() {
            let mut bare = Bare::connect(socket).await;
            if bare.send("start", &Order::now()).await.is_ok() {
                return;
            }
        }
        assert!(Instant::now() < deadline, "the daemon is not online");
        sleep(Duration::from_millis(20)).await;
    }
}
