//! Footprint of the daemon: of the release binary, run as a service would run it, through its
//! public interfaces.
//!
//! `cargo bench -p expd-bench --bench footprint` takes four minutes and prints JSON; with `--
//! --short` it leaves out what has to be waited for longest, and takes one; with `-- --hour`
//! programs come and go for an hour. It builds the program with the profile `dist`, as packages do;
//! `EXPD_BINARY` names another one. docs/performance.md explains the values. Asserts
//! nothing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::cast_precision_loss,
    clippy::struct_field_names,
    reason = "a measurement, run by hand"
)]

mod apps;
mod daemon;
mod front;

use std::time::Duration;

use expd_test_support::certificates::Authority;
use serde_json::{Value, json};
use tokio::time::sleep;

use apps::Apps;
use daemon::{Daemon, Home, HubProcess, Memory};
use front::Front;

/// Longer than a login's connections are reused, and shorter than the ping interval.
const SETTLE: Duration = Duration::from_secs(3);

/// Time within which an allocator returns freed memory.
const DECAY: Duration = Duration::from_secs(15);

/// Tokens outlive the measurement.
const TOKEN_SECONDS: u32 = 3600;

const STARTS: usize = 10;
const STREAMS: usize = 1000;
const LARGE: usize = 100_000;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let told = |flag: &str| std::env::args().any(|argument| argument == flag);
    let short = told("--short");
    let network = HubProcess::start(TOKEN_SECONDS);
    let plain = Home::new(&network.url(), None);
    let authority = Authority::new();
    let acceptor = authority.sign("127.0.0.1", false);
    let front = Front::start(network.port(), acceptor).await;
    let url = format!("https://127.0.0.1:{}", front.port);
    let encrypted = Home::new(&url, Some(&authority.file()));
    let embedded = Home::embedded(TOKEN_SECONDS);
    let mut report = json!({
        "binary_bytes": std::fs::metadata(daemon::program()).unwrap().len(),
        "start_to_ready_ms": starts(&plain),
    });
    let mut note = |name: &str, value: Value| {
        eprintln!("{name}: {value}");
        report[name] = value;
    };

    let daemon = Daemon::start(&plain);
    let mut apps = Apps::of(&plain);
    apps.listen(1, 1, "menu").await;
    sleep(SETTLE).await;
    let idle = daemon.memory();
    note("idle", json!(idle));
    if told("--hour") {
        const PAUSE: Duration = Duration::from_secs(5);
        note(
            "after_an_hour_of_churn",
            churn(&plain, &daemon, &idle, 720, PAUSE).await,
        );
        return;
    }
    if !short {
        note("quiet_network", wakeups(&daemon).await);
        note(
            "after_churn",
            churn(&plain, &daemon, &idle, 20, Duration::ZERO).await,
        );
    }

    note(
        "streams_1000_on_10_connections",
        streams(&plain, &daemon, 10).await,
    );
    note(
        "streams_1000_on_1000_connections",
        streams(&plain, &daemon, STREAMS).await,
    );
    note(
        "large_payloads_to_1000_streams",
        large(&plain, &daemon).await,
    );
    drop(daemon);

    note("idle_over_tls", json!(with_one_app(&encrypted).await));
    note("idle_embedded", json!(with_one_app(&embedded).await));
    println!("{}", serde_json::to_string_pretty(&report).unwrap());
}

/// From the start of the process to `READY=1`.
fn starts(home: &Home) -> Value {
    let mut millis: Vec<f64> = (0..STARTS)
        .map(|_| Daemon::time_to_ready(home).as_secs_f64() * 1e3)
        .collect();
    millis.sort_by(f64::total_cmp);
    json!({ "median": millis[STARTS / 2], "least": millis[0], "most": millis[STARTS - 1] })
}

/// Measures the wakeups and the CPU time of a daemon that only keeps its connection.
async fn wakeups(daemon: &Daemon) -> Value {
    const SPAN: Duration = Duration::from_secs(60);
    let before = daemon.spent();
    sleep(SPAN).await;
    let after = daemon.spent();
    json!({
        "wakeups_per_second": (after.wakeups - before.wakeups) as f64 / SPAN.as_secs_f64(),
        "cpu_ms_per_minute": after.cpu.saturating_sub(before.cpu).as_secs_f64() * 1e3,
    })
}

/// A thousand streams on a few channels, while nothing is sent.
async fn streams(home: &Home, daemon: &Daemon, connections: usize) -> Value {
    let mut apps = Apps::of(home);
    apps.listen(STREAMS, connections, "menu").await;
    sleep(SETTLE).await;
    let held = daemon.memory();
    drop(apps);
    sleep(DECAY).await;
    json!({ "held": held, "after": daemon.memory() })
}

/// Payloads of 100 KB to a thousand streams, each received by all before the next one is sent.
async fn large(home: &Home, daemon: &Daemon) -> Value {
    let mut apps = Apps::of(home);
    apps.listen(STREAMS, 10, "large").await;
    sleep(SETTLE).await;
    let before = daemon.memory();
    daemon.forget_peak();
    for _ in 0..10 {
        apps.broadcast("large", LARGE).await;
        apps.all_have_one_more().await;
    }
    json!({ "before": before, "peak_rss_kib": daemon.peak_kib(), "after": daemon.memory() })
}

/// Programs that connect, listen, receive a broadcast and disconnect; then the memory left once the
/// logs of their channels have expired.
async fn churn(
    home: &Home,
    daemon: &Daemon,
    idle: &Memory,
    rounds: usize,
    pause: Duration,
) -> Value {
    for round in 0..rounds {
        let mut apps = Apps::of(home);
        let channel = format!("round-{}", round % 5);
        apps.listen(500, 100, &channel).await;
        apps.broadcast(&channel, 2000).await;
        apps.all_have_one_more().await;
        drop(apps);
        sleep(pause).await;
    }
    Apps::of(home).left_with_one_channel().await;
    sleep(DECAY).await;
    let after = daemon.memory();
    json!({ "memory": after, "ratio_to_idle": after.rss_kib as f64 / idle.rss_kib as f64 })
}

/// With one app; in the encrypted home as in the field, with the system's authorities in use.
async fn with_one_app(home: &Home) -> Memory {
    let daemon = Daemon::start(home);
    let mut apps = Apps::of(home);
    apps.listen(1, 1, "menu").await;
    sleep(SETTLE).await;
    daemon.memory()
}
