//! How cost grows: with listeners, with channels, with the size of payloads. What is shared must stay flat, and nothing may
//! grow faster than what it is counted by.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::load::Load;
use super::process::Process;
use super::report::plot;
use super::run::{self, System};

/// One curve.
#[derive(Clone, Debug, Serialize)]
pub struct Curve {
    /// What grows.
    pub axis: &'static str,
    /// What is measured.
    pub figure: &'static str,
    /// The exponent that fits best: 1 is linear, 0 is flat.
    pub slope: f64,
    /// The points.
    pub points: Vec<(f64, f64)>,
}

impl Curve {
    fn new(axis: &'static str, figure: &'static str, points: Vec<(f64, f64)>) -> Self {
        let slope = slope(&points);
        Self {
            axis,
            figure,
            slope,
            points,
        }
    }
}

/// The slope of a straight line through the logarithms, by least squares.
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

/// Fifty messages a second to ever more listeners.
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
        |figure: fn(&run::Sample) -> f64| samples.iter().map(|(n, s)| (*n, figure(s))).collect();
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

/// Full speed to ten streams with ever larger payloads.
fn sizes(binary: &Path) -> Vec<Curve> {
    let sizes = [200, 2_000, 20_000, 200_000, 1_000_000];
    let samples = sizes.map(|size| {
        let load = Load {
            rate: None,
            seconds: 1.0,
            size,
            streams: 10,
        };
        (size as f64, run::run(System::Expd, load, binary))
    });
    let of =
        |figure: fn(&(f64, run::Sample)) -> f64| samples.iter().map(|s| (s.0, figure(s))).collect();
    vec![
        Curve::new(
            "bytes in a payload",
            "CPU s per million deliveries",
            of(|(_, s)| s.cpu.unwrap_or(0.0)),
        ),
        Curve::new(
            "bytes in a payload",
            "MB delivered a second",
            of(|(size, s)| s.rate * size / 1e6),
        ),
    ]
}

/// Ever more channels, each with a listener; then the network goes and comes again.
fn channels(binary: &Path) -> Vec<Curve> {
    let (mut memory, mut first, mut again) = (Vec::new(), Vec::new(), Vec::new());
    for count in [1, 10, 100, 1_000, 10_000] {
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path().to_str().unwrap();
        let mut network = Process::role(&["network", here, "0"]);
        let port = network.line();
        let daemon = run::daemon(folder.path(), &port, binary);
        run::await_socket(&folder.path().join("socket"), System::Expd);
        let begun = Instant::now();
        let mut listeners = Process::role(&["listeners", here, &count.to_string()]);
        assert_eq!(listeners.line(), "confirmed");
        first.push((f64::from(count), seconds(begun)));
        memory.push((f64::from(count), daemon.spent().rss as f64 / 1024.0));
        drop(network);
        assert_eq!(listeners.line(), "pending");
        std::fs::remove_file(folder.path().join("network-credit")).unwrap();
        let mut network = Process::role(&["network", here, &port]);
        network.line();
        let begun = Instant::now();
        assert_eq!(listeners.line(), "confirmed");
        again.push((f64::from(count), seconds(begun)));
    }
    vec![
        Curve::new("channels", "RSS in MB", memory),
        Curve::new("channels", "seconds until all are confirmed", first),
        Curve::new(
            "channels",
            "seconds until all are confirmed again after a restart, first wait included",
            again,
        ),
    ]
}

fn seconds(since: Instant) -> f64 {
    since.elapsed().max(Duration::from_micros(1)).as_secs_f64()
}

/// In words.
pub fn words(curves: &[Curve]) -> String {
    let mut text = "\nHow cost grows (cost ~ count^slope)\n".to_owned();
    for Curve {
        axis,
        figure,
        slope,
        points,
    } in curves
    {
        let points: Vec<String> = points
            .iter()
            .map(|(x, y)| format!("{x:.0}: {y:.3}"))
            .collect();
        let _ = writeln!(
            text,
            "  {figure} over {axis}: slope {slope:.2}\n    {}",
            points.join("  ")
        );
    }
    text
}

/// One plot for each thing that grows.
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
                    format!("{} (slope {:.2})", curve.figure, curve.slope),
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
