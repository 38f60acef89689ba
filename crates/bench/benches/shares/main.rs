//! Effect of an app at its limit on others: the p99 of an honest program alone, and beside an app
//! of another user that has reached one limit after the other and keeps trying.
//!
//! The other app is first at another daemon, with its own network, and then at the honest
//! program's. What an app does takes processor time wherever it is; more than beside one elsewhere
//! is the daemon's doing.
//!
//! `cargo bench -p expd-bench --bench shares` runs every limit in turn, `ROUNDS` times (5) for
//! `SECONDS` each (10), and prints the table of `docs/limits.md`: medians over the rounds. The
//! three runs of a limit follow each other, so that all have the same machine. `-- NAME ...` runs
//! those limits alone. It needs root, which may connect as any user. `EXPD_BINARY` names the
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

/// The daemon of the other app.
#[derive(Clone, Copy)]
enum Place {
    /// Another daemon.
    Elsewhere,
    /// The honest program's daemon.
    Here,
}

/// Result of one run.
struct RunResult {
    percentiles: Percentiles,
    /// Refusals per second of the app at its limit.
    refused: f64,
    /// Part of one core that the honest program's daemon, and its network, used.
    cores: (f64, f64),
}

/// Measurements of the runs of one limit.
#[derive(Default)]
struct Row {
    alone: Vec<Percentiles>,
    elsewhere: Vec<Percentiles>,
    here: Vec<Percentiles>,
    /// See [`RunResult::refused`].
    refused: Vec<f64>,
}

fn number(name: &str, default: u64) -> u64 {
    let text = std::env::var(name).ok();
    text.map_or(default, |text| text.parse().expect("this is no number"))
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
            for place in [None, Some(Place::Elsewhere), Some(Place::Here)] {
                let load = place.map(|place| (*load, place));
                let run = runtime.block_on(measure(load, time));
                row.add(place, &run);
                report(round, load, &run);
            }
        }
    }
    println!(
        "| at its limit of | refused | `GetIdentity` of another user, p99: alone, beside one elsewhere, beside one here | a delivery to it, p99: the same |"
    );
    println!("| --- | --- | --- | --- |");
    for (load, row) in &rows {
        print(load.name, row);
    }
}

impl Row {
    fn add(&mut self, place: Option<Place>, run: &RunResult) {
        match place {
            None => self.alone.push(run.percentiles),
            Some(Place::Elsewhere) => self.elsewhere.push(run.percentiles),
            Some(Place::Here) => {
                self.here.push(run.percentiles);
                self.refused.push(run.refused);
            }
        }
    }
}

fn report(round: u64, load: Option<(&Load, Place)>, run: &RunResult) {
    let name = match load {
        None => "alone".to_owned(),
        Some((load, Place::Elsewhere)) => format!("{} elsewhere", load.name),
        Some((load, Place::Here)) => format!("{} here", load.name),
    };
    let Percentiles { calls, deliveries } = run.percentiles;
    let (daemon, network) = run.cores;
    eprintln!(
        "round {round}, {name}: calls p50 {:.2}, p99 {:.2} ms, deliveries {:.2}, {:.2} ms; {:.0} refusals a second; {daemon:.2} cores for the daemon, {network:.2} for its network",
        calls.0, calls.1, deliveries.0, deliveries.1, run.refused
    );
}

/// One run of the honest program, with a load or without.
async fn measure(load: Option<(&'static Load, Place)>, time: Duration) -> RunResult {
    let daemon = Daemon::start().await;
    let elsewhere = match load {
        Some((_, Place::Elsewhere)) => Some(Daemon::start().await),
        _ => None,
    };
    let victim = Victim::start(&daemon, PERIOD).await;
    let stop = CancellationToken::new();
    let progress = Arc::new(Progress::default());
    // The other app has its own thread, as it would have its own process.
    let loading = load.map(|(load, _)| {
        let socket = elsewhere.as_ref().unwrap_or(&daemon).socket();
        let (stop, progress) = (stop.clone(), progress.clone());
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
    if let Some((load, _)) = load
        && !progress.reached().await
    {
        eprintln!("{}: the limit was not reached in a minute", load.name);
    }
    let (refused, spent) = (progress.refused(), daemon.processor_time());
    let (calls, deliveries, _) = victim.endure(&daemon, time).await;
    let refused = progress.refused() - refused;
    let now = daemon.processor_time();
    stop.cancel();
    if let Some(loading) = loading {
        tokio::task::spawn_blocking(|| loading.join().unwrap())
            .await
            .unwrap();
    }
    let seconds = time.as_secs_f64();
    RunResult {
        percentiles: Percentiles {
            calls: percentiles(calls),
            deliveries: percentiles(deliveries),
        },
        refused: refused as f64 / seconds,
        cores: ((now.0 - spent.0) / seconds, (now.1 - spent.1) / seconds),
    }
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
        let p99 = |runs: &[Percentiles]| median(runs.iter().map(|it| of(it).1));
        let (alone, elsewhere, here) = (p99(&row.alone), p99(&row.elsewhere), p99(&row.here));
        let more = (here / elsewhere - 1.0) * 100.0;
        format!("{alone:.2}, {elsewhere:.2}, {here:.2} ms ({more:+.0} %)")
    };
    println!(
        "| {name} | {:.0}/s | {} | {} |",
        median(row.refused.iter().copied()),
        shown(|it| it.calls),
        shown(|it| it.deliveries)
    );
}
