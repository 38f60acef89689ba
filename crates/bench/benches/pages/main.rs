//! Cost of web pages: deliveries to pages compared with deliveries to gRPC streams in one run,
//! memory of an idle page, and the cost of a web server that no page uses.
//!
//! - `cargo bench -p expd-bench --bench pages` takes six minutes;
//! - `cargo bench -p expd-bench --bench pages -- ROUNDS` measures this many rounds (5).
//!
//! Each value comes from separate processes: a network, the daemon, and the listeners. The systems
//! alternate in every round, so that a busy moment of the machine affects all of them, and the
//! median of the rounds counts. The benchmark prints a table, writes it as JSON to `target/pages/`,
//! and fails if a value exceeds its bound. `EXPD_BINARY` names the daemon; otherwise it is built
//! with the profile of the benchmark itself.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a measurement, run by hand"
)]

mod idle;
mod listeners;
mod page;
mod results;
mod run;

use std::path::Path;

use expd_bench::load::Load;
use expd_bench::{network, program, target};

use listeners::Kind;
use results::{Cell, Report};
use run::System;

/// Default number of rounds.
const ROUNDS: usize = 5;

/// Listeners of each run.
const LISTENERS: usize = 10;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match *words.as_slice() {
        ["network", folder, port] => {
            block_on(network::run(Path::new(folder), port.parse().unwrap()));
        }
        ["listeners", kind, load, folder, web] => {
            let kind: Kind = serde_json::from_str(kind).unwrap();
            let load = serde_json::from_str(load).unwrap();
            block_on(listeners::run(kind, load, Path::new(folder), web));
        }
        ["idle", web] => block_on(idle::run(web)),
        // `cargo test --all-targets` runs every benchmark, too.
        _ if !words.contains(&"--bench") => {}
        _ => measure(words.iter().find_map(|word| word.parse().ok())),
    }
}

fn block_on<T>(role: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(role)
}

fn measure(rounds: Option<usize>) {
    let binary = program("bench");
    let rounds = rounds.unwrap_or(ROUNDS);
    let loads = [(Some(500), 4.0), (Some(50), 8.0), (None, 2.0)];
    let mut report = Report::default();
    for (rate, seconds) in loads {
        let load = Load {
            rate,
            seconds,
            size: 200,
            streams: LISTENERS,
        };
        let mut cell = Cell::new(load);
        for round in 0..rounds {
            let mut turns = System::ALL;
            if round % 2 == 1 {
                turns.reverse();
            }
            for system in turns {
                cell.add(system, run::run(system, load, &binary));
            }
        }
        print!("{cell}");
        report.cells.push(cell);
    }
    report.idle_page = idle::measure(&binary);
    print!("{}", report.summary());
    let out = target().join("pages");
    std::fs::create_dir_all(&out).unwrap();
    let text = serde_json::to_string_pretty(&report).unwrap();
    std::fs::write(out.join("pages.json"), text).unwrap();
    let above = report.above_bounds();
    assert!(above.is_empty(), "above their bounds: {above:?}");
}
