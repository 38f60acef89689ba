//! Cost of a delivery, over the whole path and over its last part, against the alternatives without
//! expd, in the same run; cost of a broadcast call against a direct one; and growth of cost.
//!
//! - `cargo bench -p expd-bench --bench fanout` measures deliveries and calls, within ten minutes;
//! - `cargo bench -p expd-bench --bench fanout -- quick` the most important of them, within one;
//! - `cargo bench -p expd-bench --bench fanout -- calls` broadcast calls alone;
//! - `cargo bench -p expd-bench --bench fanout -- scale` how cost grows with listeners, channels
//!   and sizes.
//!
//! Each prints its tables, writes them as JSON beside its plots to `target/fanout/`, and ends by
//! itself. With `UPDATE=1` the plots go to `docs/performance/`. `EXPD_BINARY` names the daemon to
//! measure; otherwise it is built with the profile of the benchmark itself. `CONNECTIONS` bounds
//! the connections that streams are spread over (100).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::let_underscore_must_use,
    clippy::similar_names,
    clippy::print_stderr,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a measurement, run by hand"
)]

mod calls;
mod cells;
mod direct;
mod relay;
mod report;
mod run;
mod scale;
mod servers;
mod subscribers;

use std::path::Path;

use expd_bench::{network, program, repository, target};
use serde::Serialize;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match *words.as_slice() {
        ["network", folder, port] => {
            block_on(network::run(Path::new(folder), port.parse().unwrap()));
        }
        ["relay", port] => relay::run(port.parse().unwrap()),
        ["hub"] => block_on(calls::hub()),
        ["daemon", folder, port] => {
            // On the program's own runtime.
            let runtime = expd::daemon::runtime().unwrap();
            runtime.block_on(servers::daemon(Path::new(folder), port.parse().unwrap()));
        }
        ["plain", folder] => block_on(servers::plain(Path::new(folder))),
        ["subscribers", folder, load, source, credit] => {
            let load = serde_json::from_str(load).unwrap();
            let source = serde_json::from_str(source).unwrap();
            block_on(subscribers::run(Path::new(folder), load, source, credit));
        }
        ["listeners", folder, count] => {
            block_on(subscribers::listeners(
                Path::new(folder),
                count.parse().unwrap(),
            ));
        }
        // `cargo test --all-targets` runs every benchmark, too.
        _ if !words.contains(&"--bench") => {}
        _ => measure(&words),
    }
}

fn block_on<T>(role: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(role)
}

fn measure(words: &[&str]) {
    let binary = program("bench");
    let out = target().join("fanout");
    let plots = match std::env::var_os("UPDATE") {
        Some(_) => repository().join("docs/performance"),
        None => out.clone(),
    };
    if words.contains(&"scale") {
        let curves = scale::measure(&binary);
        print!("{}", scale::describe(&curves));
        write(&out, "scale.json", &curves);
        scale::draw(&curves, &plots);
        return;
    }
    if words.contains(&"calls") {
        let calls = block_on(calls::measure(&binary));
        print!("{}", calls::describe(&calls));
        write(&out, "calls.json", &calls);
        return;
    }
    let quick = words.contains(&"quick");
    let cells = cells::measure(cells::loads(quick), &binary, |cell| {
        print!("{}", report::table(cell));
    });
    let calls = block_on(calls::measure(&binary));
    print!("{}{}", calls::describe(&calls), report::summary(&cells));
    write(&out, "fanout.json", &cells);
    write(&out, "calls.json", &calls);
    if !quick {
        report::draw(&cells, &plots);
    }
}

fn write(folder: &Path, file: &str, what: &impl Serialize) {
    std::fs::create_dir_all(folder).unwrap();
    let text = serde_json::to_string_pretty(what).unwrap();
    std::fs::write(folder.join(file), text).unwrap();
    println!("written to {}", folder.join(file).display());
}
