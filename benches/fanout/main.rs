//! What a delivery costs: the whole path and its last part, against what one would do without expd, in the same run.
//!
//! `cargo bench --bench fanout` measures everything, within ten minutes; `-- --quick` the most important, within one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a measurement, run by hand"
)]

mod load;
mod network;
mod process;
mod run;
mod servers;
mod subscribers;

use std::path::{Path, PathBuf};

use load::Load;
use run::{System, run};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match *words.as_slice() {
        ["network", folder] => block_on(network::run(Path::new(folder))),
        ["daemon", folder, port] => {
            block_on(servers::daemon(Path::new(folder), port.parse().unwrap()));
        }
        ["plain", folder] => block_on(servers::plain(Path::new(folder))),
        ["subscribers", folder, load, port, credit] => {
            let load = serde_json::from_str(load).unwrap();
            block_on(subscribers::run(
                Path::new(folder),
                load,
                port.parse().ok(),
                credit,
            ));
        }
        _ => measure(&words),
    }
}

fn block_on(role: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(role);
}

fn measure(words: &[&str]) {
    let binary = std::env::var_os("EXPD_BINARY")
        .map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_expd")), PathBuf::from);
    let rates: &[Option<u32>] = &[None, Some(500)];
    for &rate in rates {
        for streams in [10, 100] {
            for system in [
                System::Plain,
                System::Handover,
                System::Expd,
                System::Direct,
            ] {
                for _ in 0..2 {
                    let load = Load {
                        rate,
                        seconds: 1.0,
                        size: 200,
                        streams,
                    };
                    let sample = run(system, load, &binary);
                    println!(
                        "{rate:?} {streams} {system:?} rate {:.0} cpu {:.2} sleeps {:.1} p50 {:.0} p99 {:.0} max {:.0} rss {} conns {} gaps {}",
                        sample.rate,
                        sample.cpu.unwrap_or(0.0),
                        sample.sleeps,
                        sample.p50,
                        sample.p99,
                        sample.max,
                        sample.rss,
                        sample.connections,
                        sample.gaps
                    );
                }
            }
        }
    }
    let _ = words;
}
