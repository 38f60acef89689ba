//! Instruction counts of the hot paths, taken by callgrind and compared with those in
//! `reference.toml`.
//!
//! `cargo bench -p expd-bench --bench instructions` compares, and fails if a path has become
//! slower; with `UPDATE=1` it rewrites the reference. Instructions are counted, not timed, so that
//! a busy machine changes nothing. Each path runs in a separate process under valgrind, on fixed
//! input, in one thread, and only [`callgrind::counted`] is counted.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a measurement that fails by panicking"
)]

mod append;
mod callgrind;
mod decode;
mod deliver;
mod environment;
mod reference;
mod world;

use std::process::ExitCode;

use reference::Reference;

/// A hot path.
struct HotPath {
    /// Its key in the reference.
    name: &'static str,
    /// Unit of work that the counts refer to.
    unit: &'static str,
    /// Units of work in one run.
    units: u32,
    run: fn(),
}

const PATHS: [HotPath; 5] = [
    HotPath {
        name: "decode_v3",
        unit: "a broadcast, from the socket's bytes to the link",
        units: decode::BROADCASTS,
        run: decode::generation_3,
    },
    HotPath {
        name: "decode_v4",
        unit: "the same in generation 4",
        units: decode::BROADCASTS,
        run: decode::generation_4,
    },
    HotPath {
        name: "append",
        unit: "a broadcast, from the link's report into a log that is full",
        units: append::BROADCASTS,
        run: append::run,
    },
    HotPath {
        name: "deliver_burst",
        unit: "a delivery, where 100 streams read 250 broadcasts at once",
        units: deliver::STREAMS * deliver::BURST,
        run: deliver::burst,
    },
    HotPath {
        name: "deliver_paced",
        unit: "a delivery, where 100 streams read each broadcast as it comes; its append included",
        units: deliver::STREAMS * deliver::ROUNDS,
        run: deliver::paced,
    },
];

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    // The measured process.
    if let [callgrind::RUN, name] = *words.iter().map(String::as_str).collect::<Vec<_>>() {
        let path = PATHS.iter().find(|path| path.name == name);
        (path.expect("a path of that name").run)();
        return ExitCode::SUCCESS;
    }
    // `cargo test --all-targets` runs every benchmark, too, in a build whose counts would be
    // meaningless.
    if !words.iter().any(|word| word == "--bench") {
        return ExitCode::SUCCESS;
    }
    let counts = PATHS.iter().map(|path| {
        let count = callgrind::count(path.name) / f64::from(path.units);
        (path.name.to_owned(), (count * 10.0).round() / 10.0)
    });
    let now = Reference {
        environment: environment::here(),
        instructions: counts.collect(),
    };
    if std::env::var_os("UPDATE").is_some() {
        now.write(&PATHS);
        return ExitCode::SUCCESS;
    }
    if Reference::read().compare(&now) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
