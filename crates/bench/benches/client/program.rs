//! A measured program: it receives or sends broadcasts, through the library or tonic only.

use std::fmt;
use std::io::BufRead as _;
use std::path::Path;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use crate::bare::Bare;
use crate::library::Library;
use crate::results::Measured;

/// Events and calls before the measurement starts.
pub const WARM_UP: usize = 200;

/// Events per second at a kiosk's busiest moments.
pub const RATE: u32 = 400;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Bare,
    Library,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    /// Broadcasts, without a wait for responses.
    Call,
    /// Receives broadcasts as they arrive, [`RATE`] a second.
    Heard,
    /// Receives broadcasts that wait in the daemon's log, as fast as possible.
    Backlog,
}

/// Payload of every broadcast.
#[derive(Serialize, Deserialize)]
pub struct Order {
    /// Time of the sender's call, in nanoseconds of the machine's monotonic clock.
    pub at: u64,
    text: String,
}

/// Latencies so far, and the CPU at the end of the warm-up.
pub struct Meter {
    left: usize,
    latencies: Vec<u64>,
    begun: Duration,
}

impl Kind {
    pub fn parse(word: &str) -> Self {
        match word {
            "bare" => Self::Bare,
            "library" => Self::Library,
            _ => panic!("no client is named {word}"),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bare => "bare",
            Self::Library => "library",
        })
    }
}

impl Task {
    pub fn parse(word: &str) -> Self {
        match word {
            "call" => Self::Call,
            "heard" => Self::Heard,
            "backlog" => Self::Backlog,
            _ => panic!("no task is named {word}"),
        }
    }

    /// Number of events or calls, including the warm-up.
    pub fn count(self) -> usize {
        WARM_UP
            + match self {
                Self::Call => 3000,
                Self::Heard => 800,
                Self::Backlog => 8000,
            }
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Call => "call",
            Self::Heard => "heard",
            Self::Backlog => "backlog",
        })
    }
}

impl Order {
    /// An order with the current time, about 200 bytes long.
    pub fn now() -> Self {
        Self {
            at: nanoseconds(),
            text: "tomato soup ".repeat(14),
        }
    }
}

impl Meter {
    pub fn new(task: Task) -> Self {
        Self {
            left: task.count(),
            latencies: Vec::with_capacity(task.count()),
            begun: Duration::ZERO,
        }
    }

    /// Records the latency of an event or a call that started at `at`; false after the last one.
    pub fn take(&mut self, at: u64) -> bool {
        self.latencies.push(nanoseconds().saturating_sub(at));
        if self.latencies.len() == WARM_UP {
            self.begun = cpu();
        }
        self.left -= 1;
        self.left > 0
    }

    fn result(self) -> Measured {
        let spent = cpu().saturating_sub(self.begun);
        let mut counted = self.latencies[WARM_UP..].to_vec();
        counted.sort_unstable();
        Measured {
            cpu: spent.as_secs_f64() * 1e6 / counted.len() as f64,
            p50: counted[counted.len() / 2] as f64 / 1e3,
        }
    }
}

/// Runs a program, which prints its measurements.
pub async fn run(kind: Kind, task: Task, socket: &Path, channel: &str) {
    let mut meter = Meter::new(task);
    match (kind, task) {
        (Kind::Bare, Task::Call) => Bare::connect(socket).await.call(channel, &mut meter).await,
        (Kind::Bare, _) => {
            let listener = Bare::connect(socket).await.listen(channel).await;
            ready(task);
            listener.receive(&mut meter).await;
        }
        (Kind::Library, Task::Call) => {
            let library = Library::start(socket).await;
            library.call(channel, &mut meter).await;
        }
        (Kind::Library, _) => {
            let listener = Library::start(socket).await.listen(channel).await;
            ready(task);
            listener.receive(&mut meter).await;
        }
    }
    println!("{}", serde_json::to_string(&meter.result()).unwrap());
}

/// Lets the sender start; a backlog is sent completely before this process continues.
fn ready(task: Task) {
    println!("ready");
    if task == Task::Backlog {
        std::io::stdin().lock().lines().next();
    }
}

/// Time of the machine's monotonic clock, which all its processes share.
pub fn nanoseconds() -> u64 {
    let now = Duration::from(clock_gettime(ClockId::CLOCK_MONOTONIC).unwrap());
    u64::try_from(now.as_nanos()).unwrap()
}

fn cpu() -> Duration {
    clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)
        .unwrap()
        .into()
}
