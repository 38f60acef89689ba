//! Cost of the guide's API of `expd-client` beside bare tonic, in one run.
//!
//! - `cargo bench -p expd-bench --bench client` takes two minutes;
//! - `cargo bench -p expd-bench --bench client -- ROUNDS` measures so many rounds (7).
//!
//! Each value comes from a separate process; library and bare client alternate, and the median
//! of the rounds counts. CPU is that of the whole process. It prints a table, writes it as JSON to
//! `target/client/`, and fails where a ratio is above its bound. `EXPD_BINARY` names the daemon;
//! otherwise it is built with the profile of the benchmark itself.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a measurement, run by hand"
)]

mod bare;
mod library;
mod program;
mod results;
mod sender;

use std::path::Path;

use expd_bench::process::Process;
use expd_bench::{program as daemon_program, target};
use program::{Kind, Task};
use results::{Comparison, Measured};

/// Default number of rounds.
const ROUNDS: usize = 7;

/// Events that the daemon keeps for a listener that starts late: all of a backlog.
const LOG: &str = "log_events = 20000\nlog_bytes = \"32MiB\"\nlog_age = \"10m\"";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match *words.as_slice() {
        ["program", kind, task, socket, channel] => {
            let (kind, task) = (Kind::parse(kind), Task::parse(task));
            block_on(program::run(kind, task, Path::new(socket), channel));
        }
        ["send", socket, channel, task] => {
            block_on(sender::run(Path::new(socket), channel, Task::parse(task)));
        }
        // `cargo test --all-targets` runs every benchmark, too.
        _ if !words.contains(&"--bench") => {}
        _ => measure(words.iter().find_map(|word| word.parse().ok())),
    }
}

fn block_on<T>(role: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(role)
}

fn measure(rounds: Option<usize>) {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("socket");
    let _daemon = daemon(folder.path(), &socket);
    let mut comparisons = Vec::new();
    for task in [Task::Call, Task::Heard, Task::Backlog] {
        let (mut bare, mut library) = (Vec::new(), Vec::new());
        for round in 0..rounds.unwrap_or(ROUNDS) {
            let mut turns = [(Kind::Bare, &mut bare), (Kind::Library, &mut library)];
            if round % 2 == 1 {
                turns.reverse();
            }
            for (kind, measured) in turns {
                let channel = format!("{task}-{kind}-{round}");
                measured.push(once(kind, task, &socket, &channel));
            }
        }
        let measured = Comparison::of(task, &bare, &library);
        for comparison in &measured {
            println!("{comparison}");
        }
        comparisons.extend(measured);
    }
    let out = target().join("client");
    std::fs::create_dir_all(&out).unwrap();
    let text = serde_json::to_string_pretty(&comparisons).unwrap();
    std::fs::write(out.join("client.json"), text).unwrap();
    let above = comparisons
        .iter()
        .filter(|comparison| !comparison.is_within())
        .count();
    assert_eq!(above, 0, "{above} comparisons are above their bound");
}

/// Runs one program, and its sender.
fn once(kind: Kind, task: Task, socket: &Path, channel: &str) -> Measured {
    let (kind, word) = (kind.to_string(), task.to_string());
    let at = socket.to_str().unwrap();
    let mut program = Process::role(&["program", &kind, &word, at, channel]);
    if task != Task::Call {
        assert_eq!(program.line(), "ready", "{kind} does not listen");
        let mut sender = Process::role(&["send", at, channel, &word]);
        if task == Task::Backlog {
            assert_eq!(sender.line(), "sent");
            program.tell("go on");
        }
        return parsed(&program.line());
    }
    parsed(&program.line())
}

fn parsed(line: &str) -> Measured {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
}

/// A daemon with its own network, whose log holds a backlog.
fn daemon(folder: &Path, socket: &Path) -> Process {
    let settings = format!(
        r#"
        [daemon]
        log = "warn"
        [daemon.limits]
        {LOG}
        [hub]
        listen = "127.0.0.1:0"
        [[hub.devices]]
        uuid = "screen"
        secret = "secret"
        [instances.default]
        host = "http://127.0.0.1:0"
        [instances.default.credentials]
        type = "device"
        uuid = "screen"
        secret = "secret"
        "#
    );
    let file = folder.join("expd.toml");
    std::fs::write(&file, settings).unwrap();
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let (file, at) = (file.to_str().unwrap(), socket.to_str().unwrap());
    let arguments = ["serve", "--embedded", "--config", file, "--socket", at];
    let daemon = Process::start(&daemon_program("bench"), &arguments);
    block_on(sender::await_network(socket));
    daemon
}
