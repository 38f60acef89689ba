//! Growth of cost with the number of listeners and channels, and with the size of payloads. A
//! shared cost must stay flat, and none may grow faster than linearly.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use expd_bench::account::Got;
use expd_bench::load::Load;
use expd_bench::process::Process;
use serde::Serialize;

use super::report::plot;
use super::run::{self, Sample, System};

#[derive(Clone, Debug, Serialize)]
pub struct Curve {
    /// The quantity that grows.
    pub axis: &'static str,
    /// The quantity that is measured.
    pub quantity: &'static str,
    /// The best-fit exponent: 1 is linear, 0 is flat.
    pub slope: f64,
    pub points: Vec<(f64, f64)>,
}

impl Curve {
    fn new(axis: &'static str, quantity: &'static str, points: Vec<(f64, f64)>) -> Self {
        let slope = slope(&points);
        Self {
            axis,
            quantity,
            slope,
            points,
        }
    }
}

/// Least-squares slope of a straight line through the logarithms.
fn slope(points: &[(f64, f64)]) -> f64 {
    let logs: Vec<(f64, f64)> = points
        .iter()
        .filter(|(x, y)| *x > 0.0 && *y > 0.0)
        .map(|(x, y)| (x.ln(), y.ln()))
        .collect();
    let count = logs.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| logs.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|p| p.0), mean(|p| p.1));
    let above: f64 = logs.iter().map(|p| (p.0 - x) * (p.1 - y)).sum();
    let below: f64 = logs.iter().map(|p| (p.0 - x).powi(2)).sum();
    above / below
}

/// Measures all curves.
pub fn measure(binary: &Path) -> Vec<Curve> {
    let mut curves = listeners(binary);
    curves.extend(sizes(binary));
    curves.extend(channels(binary));
    curves
}

/// Fifty messages per second to a growing number of listeners.
fn listeners(binary: &Path) -> Vec<Curve> {
    let counts = [1, 10, 100, 1_000, 2_000, 5_000];
    let samples = counts.map(|streams| {
        let load = Load {
            rate: Some(50),
            seconds: 2.0,
            size: 200,
            streams,
        };
        (streams as f64, run::run(System::Expd, load, binary))
    });
    let of =
        |value_in: fn(&Sample) -> f64| samples.iter().map(|(n, s)| (*n, value_in(s))).collect();
    vec![
        Curve::new(
            "listeners",
            "CPU s per million deliveries",
            of(|s| s.cpu.unwrap_or(0.0)),
        ),
        Curve::new("listeners", "RSS in MB", of(|s| s.rss as f64 / 1024.0)),
        Curve::new("listeners", "latency p50 in µs", of(|s| s.p50)),
        Curve::new(
            "listeners",
            "connections at the network",
            of(|s| s.connections as f64),
        ),
        Curve::new(
            "listeners",
            "bytes from the network per message",
            of(|s| s.upstream_bytes),
        ),
    ]
}

/// To ten streams with growing payloads: at full speed, and paced.
fn sizes(binary: &Path) -> Vec<Curve> {
    let samples = [200, 2_000, 20_000, 200_000, 1_000_000].map(|size| {
        let sample = |rate, seconds| {
            let load = Load {
                rate,
                seconds,
                size,
                streams: 10,
            };
            run::run(System::Expd, load, binary)
        };
        (size as f64, sample(None, 1.0), sample(Some(20), 2.0))
    });
    let full = |value_in: fn(f64, &Sample) -> f64| {
        let point = |(size, full, _): &(f64, Sample, Sample)| (*size, value_in(*size, full));
        samples.iter().map(point).collect()
    };
    let paced = |value_in: fn(&Sample) -> f64| {
        let point = |(size, _, paced): &(f64, Sample, Sample)| (*size, value_in(paced));
        samples.iter().map(point).collect()
    };
    let axis = "bytes in a payload";
    vec![
        Curve::new(
            axis,
            "CPU s per million deliveries",
            full(|_, s| s.cpu.unwrap_or(0.0)),
        ),
        Curve::new(
            axis,
            "MB delivered a second",
            full(|size, s| s.rate * size / 1e6),
        ),
        Curve::new(axis, "latency p50 in µs, 20 a second", paced(|s| s.p50)),
        Curve::new(
            axis,
            "RSS in MB, 20 a second",
            paced(|s| s.rss as f64 / 1024.0),
        ),
    ]
}

/// Cost of `count` channels, each with a listener.
struct Channels {
    count: f64,
    /// Seconds until all are confirmed.
    first: f64,
    /// The same after an outage of the network, from its return.
    again: f64,
    /// The daemon's memory in MB.
    memory: f64,
    /// CPU seconds per million deliveries to ten more streams of one of them, 50 broadcasts per
    /// second.
    cpu: f64,
    /// Median latency of those deliveries in microseconds.
    latency: f64,
}

/// A growing number of channels, each with a listener; then the network restarts.
fn channels(binary: &Path) -> Vec<Curve> {
    let costs = [1, 10, 100, 1_000, 10_000].map(|count| channels_of(count, binary));
    let of =
        |value_in: fn(&Channels) -> f64| costs.iter().map(|c| (c.count, value_in(c))).collect();
    let axis = "channels";
    vec![
        Curve::new(axis, "RSS in MB", of(|c| c.memory)),
        Curve::new(axis, "seconds until all are confirmed", of(|c| c.first)),
        Curve::new(
            axis,
            "seconds until all are confirmed again after a restart, first wait included",
            of(|c| c.again),
        ),
        Curve::new(axis, "CPU s per million deliveries", of(|c| c.cpu)),
        Curve::new(axis, "latency p50 in µs", of(|c| c.latency)),
    ]
}

fn channels_of(count: u32, binary: &Path) -> Channels {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path().to_str().unwrap();
    let mut network = Process::role(&["network", here, "0"]);
    let port = network.line();
    let daemon = run::daemon(folder.path(), &port, binary);
    run::await_socket(&folder.path().join("socket"), System::Expd);
    let begun = Instant::now();
    let mut listeners = Process::role(&["listeners", here, &count.to_string()]);
    assert_eq!(listeners.line(), "confirmed");
    let first = seconds(begun);
    let memory = daemon.spent().rss as f64 / 1024.0;

    let load = Load {
        rate: Some(50),
        seconds: 2.0,
        size: 200,
        streams: 10,
    };
    let mut subscribers = run::subscribers(
        folder.path(),
        load,
        run::StreamSource::Daemon,
        "network-credit",
    );
    let before = daemon.spent().cpu;
    network.tell(&serde_json::to_string(&load).unwrap());
    let got: Got = serde_json::from_str(&subscribers.line()).unwrap();
    // The channel's own listener receives each of them, too.
    let deliveries = got.deliveries as f64 * (1.0 + 1.0 / load.streams as f64);
    let cpu = (daemon.spent().cpu - before) / deliveries * 1e6;
    drop(subscribers);

    drop(network);
    assert_eq!(listeners.line(), "pending");
    std::fs::remove_file(folder.path().join("network-credit")).unwrap();
    let mut network = Process::role(&["network", here, &port]);
    network.line();
    let begun = Instant::now();
    assert_eq!(listeners.line(), "confirmed");
    Channels {
        count: f64::from(count),
        first,
        again: seconds(begun),
        memory,
        cpu,
        latency: got.p50 as f64 / 1e3,
    }
}

fn seconds(since: Instant) -> f64 {
    since.elapsed().max(Duration::from_micros(1)).as_secs_f64()
}

/// The curves as text.
pub fn describe(curves: &[Curve]) -> String {
    let mut text = "\nHow cost grows (cost ~ count^slope)\n".to_owned();
    for Curve {
        axis,
        quantity,
        slope,
        points,
    } in curves
    {
        let points: Vec<String> = points
            .iter()
            .map(|(x, y)| format!("{x:.0}: {y:.3}"))
            .collect();
        writeln!(
            text,
            "  {quantity} over {axis}: slope {slope:.2}\n    {}",
            points.join("  ")
        )
        .ok();
    }
    text
}

/// One plot for each quantity that grows.
pub fn draw(curves: &[Curve], folder: &Path) {
    for (axis, file) in [
        ("listeners", "listeners.svg"),
        ("bytes in a payload", "sizes.svg"),
        ("channels", "channels.svg"),
    ] {
        let lines: Vec<(String, Vec<(f64, f64)>)> = curves
            .iter()
            .filter(|curve| curve.axis == axis)
            .map(|curve| {
                (
                    format!("{} (slope {:.2})", curve.quantity, curve.slope),
                    curve.points.clone(),
                )
            })
            .collect();
        plot(
            &folder.join(file),
            &format!("Cost over {axis}"),
            axis,
            &lines,
        );
    }
}
