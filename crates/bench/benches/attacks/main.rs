//! Effect of an attack on others: while one user attacks the daemon, another calls for its identity
//! and receives broadcasts. The latencies of both are recorded, with the growth of the daemon's
//! memory.
//!
//! `cargo bench -p expd-bench --bench attacks` runs every attack for some seconds, beside a run
//! without one, and prints the table of `docs/attacks.md`; `-- NAME ...` runs only those, for
//! `SECONDS` each (10). It needs root, to connect as any user. `EXPD_BINARY` names the daemon to
//! attack; otherwise it is built with the profile of the benchmark itself.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::cast_possible_truncation,
    reason = "a measurement, run by hand"
)]

mod attack;

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use attack::ATTACKS;
use expd_bench::daemon::Daemon;
use expd_bench::victim::Victim;

/// Interval of the victim's requests, and of the broadcasts sent to it.
const PERIOD: Duration = Duration::from_millis(20);

/// Results of a run: latencies, and the growth of the daemon's memory in bytes.
struct Row {
    name: &'static str,
    calls: Vec<Duration>,
    deliveries: Vec<Duration>,
    grown: usize,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test --all-targets` runs every benchmark, too.
    if !arguments.iter().any(|argument| argument == "--bench") {
        return;
    }
    if !rustix::process::geteuid().is_root() {
        eprintln!("this needs root, which may connect as any user");
        return;
    }
    let wanted: Vec<&str> = arguments
        .iter()
        .map(String::as_str)
        .filter(|argument| !argument.starts_with("--"))
        .collect();
    let seconds = std::env::var("SECONDS").ok();
    let seconds = seconds.map_or(10, |text| text.parse().expect("SECONDS is no number"));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    println!(
        "| attack | `GetIdentity` of another user: p50, p99, longest | a delivery to it: p50, p99, longest | memory |"
    );
    println!("| --- | --- | --- | --- |");
    for attack in &ATTACKS {
        if wanted.is_empty() || wanted.contains(&attack.name) {
            let row = runtime.block_on(measure(attack, Duration::from_secs(seconds)));
            print(&row);
        }
    }
}

async fn measure(attack: &'static attack::Attack, time: Duration) -> Row {
    let daemon = Daemon::start().await;
    let victim = Victim::start(&daemon, PERIOD).await;
    let before = daemon.memory();
    let stop = CancellationToken::new();
    // The attacker has its own thread, as it would have its own process.
    let attacking = {
        let (socket, stop) = (daemon.socket(), stop.clone());
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let attacked = (attack.run)(socket, stop.clone());
                stop.run_until_cancelled(attacked).await;
                stop.cancelled().await;
            });
        })
    };
    let (calls, deliveries, most) = victim.endure(&daemon, time).await;
    stop.cancel();
    tokio::task::spawn_blocking(|| attacking.join().unwrap())
        .await
        .unwrap();
    Row {
        name: attack.name,
        calls,
        deliveries,
        grown: most.saturating_sub(before),
    }
}

fn print(row: &Row) {
    let shown = |times: &[Duration]| {
        let mut times = times.to_vec();
        times.sort_unstable();
        let at = |part: f64| {
            let index = (times.len() as f64 * part) as usize;
            times.get(index.min(times.len().saturating_sub(1))).copied()
        };
        let millis = |time: Option<Duration>| {
            time.map_or("none".to_owned(), |time| {
                format!("{:.1}", time.as_secs_f64() * 1e3)
            })
        };
        format!(
            "{}, {}, {} ms ({})",
            millis(at(0.5)),
            millis(at(0.99)),
            millis(at(1.0)),
            times.len()
        )
    };
    println!(
        "| {} | {} | {} | {:.1} MB |",
        row.name,
        shown(&row.calls),
        shown(&row.deliveries),
        row.grown as f64 / 1e6
    );
}
