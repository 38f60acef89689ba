//! Effect of an app at its limit on others: the p99 of an honest program alone, and beside an app
//! of another user that has reached one limit after the other and keeps trying.
//!
//! `cargo bench -p expd-bench --bench shares` runs every limit in turn, `ROUNDS` times (5) for
//! `SECONDS` each (10), and prints the table of `docs/limits.md`: medians over the rounds. Beside
//! each run there is one alone, right before it, so that both have the same machine. `-- NAME ...`
//! runs those limits alone. It needs root, which may connect as any user. `EXPD_BINARY` names the
//! daemon; otherwise it is built with the profile of the benchmark itself.
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

mod load;

use std::sync::Arc;
use std::time::Duration;

use expd_bench::daemon::Daemon;
use expd_bench::victim::Victim;
use tokio_util::sync::CancellationToken;

use load::{LOADS, Load, Progress};

/// Interval of the honest program's requests, and of the broadcasts sent to it.
const PERIOD: Duration = Duration::from_millis(5);

/// The p50 and p99 of one run, in milliseconds.
#[derive(Clone, Copy)]
struct Percentiles {
    calls: (f64, f64),
    deliveries: (f64, f64),
}

/// Measurements of the runs of one limit.
#[derive(Default)]
struct Row {
    alone: Vec<Percentiles>,
    beside: Vec<Percentiles>,
    /// Refusals that the app at its limit had, in a second.
    refused: Vec<f64>,
}

fn number(name: &str, default: u64) -> u64 {
    let text = std::env::var(name).ok();
    text.map_or(default, |text| text.parse().expect("this is no number"))
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test --all-targets` starts every benchmark, too.
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
    let (rounds, seconds) = (number("ROUNDS", 5), number("SECONDS", 10));
    let time = Duration::from_secs(seconds);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let loads = LOADS
        .iter()
        .filter(|load| wanted.is_empty() || wanted.contains(&load.name));
    let mut rows: Vec<(&Load, Row)> = loads.map(|load| (load, Row::default())).collect();
    for round in 1..=rounds {
        for (load, row) in &mut rows {
            let (alone, _) = runtime.block_on(measure(None, time));
            let (beside, refused) = runtime.block_on(measure(Some(load), time));
            eprintln!(
                "round {round}, {}: calls {:.2} and {:.2} ms, deliveries {:.2} and {:.2} ms, {refused:.0} refusals a second",
                load.name, alone.calls.1, beside.calls.1, alone.deliveries.1, beside.deliveries.1
            );
            row.alone.push(alone);
            row.beside.push(beside);
            row.refused.push(refused);
        }
    }
    println!(
        "| at its limit of | refused | `GetIdentity` of another user, p99: alone, beside | a delivery to it, p99: alone, beside |"
    );
    println!("| --- | --- | --- | --- |");
    for (load, row) in &rows {
        print(load.name, row);
    }
}

/// One run of the honest program, beside a load or alone.
async fn measure(load: Option<&'static Load>, time: Duration) -> (Percentiles, f64) {
    let daemon = Daemon::start().await;
    let victim = Victim::start(&daemon, PERIOD).await;
    let stop = CancellationToken::new();
    let progress = Arc::new(Progress::default());
    // The other app has a thread of its own, as a program of its own would.
    let loading = load.map(|load| {
        let (socket, stop, progress) = (daemon.socket(), stop.clone(), progress.clone());
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let loaded = (load.run)(socket, progress);
                stop.run_until_cancelled(loaded).await;
            });
        })
    });
    if let Some(load) = load
        && !progress.reached().await
    {
        eprintln!("{}: the limit was not reached in a minute", load.name);
    }
    let before = progress.refused();
    let (calls, deliveries, _) = victim.endure(&daemon, time).await;
    let refused = progress.refused() - before;
    stop.cancel();
    if let Some(loading) = loading {
        tokio::task::spawn_blocking(|| loading.join().unwrap())
            .await
            .unwrap();
    }
    let percentiles = Percentiles {
        calls: percentiles(calls),
        deliveries: percentiles(deliveries),
    };
    (percentiles, refused as f64 / time.as_secs_f64())
}

fn percentiles(mut times: Vec<Duration>) -> (f64, f64) {
    times.sort_unstable();
    let at = |part: f64| {
        let index = (times.len() as f64 * part) as usize;
        times[index.min(times.len() - 1)].as_secs_f64() * 1e3
    };
    (at(0.5), at(0.99))
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

fn print(name: &str, row: &Row) {
    let shown = |of: fn(&Percentiles) -> (f64, f64)| {
        let alone = median(row.alone.iter().map(|it| of(it).1));
        let beside = median(row.beside.iter().map(|it| of(it).1));
        let grown = (beside / alone - 1.0) * 100.0;
        format!("{alone:.2}, {beside:.2} ms ({grown:+.0} %)")
    };
    println!(
        "| {name} | {:.0}/s | {} | {} |",
        median(row.refused.iter().copied()),
        shown(|it| it.calls),
        shown(|it| it.deliveries)
    );
}
