//! Tables and plots of the results.

use std::fmt::Write as _;
use std::path::Path;

use expd_bench::load::Load;
use plotters::prelude::*;

use super::cells::Cell;
use super::run::{Sample, System};

const SYSTEMS: &[(System, &str)] = &[
    (System::Expd, "expd, whole path"),
    (System::Handover, "expd, from the handover"),
    (System::Plain, "plain tonic fan-out"),
    (System::Direct, "direct sockets"),
    #[cfg(feature = "rust-socketio")]
    (System::Library, "direct by library"),
    (System::Relay, "direct by a relay"),
];

/// A load as text.
pub fn describe(load: &Load) -> String {
    let pace = match load.rate {
        Some(rate) => format!("{rate} a second"),
        None => "full speed".to_owned(),
    };
    format!("{} B to {} streams, {pace}", load.size, load.streams)
}

/// A printed value: its name, the system that it is compared with, and its value in a sample.
type Value = (&'static str, System, fn(&Sample) -> f64);

const VALUES: [Value; 10] = [
    ("deliveries a second", System::Plain, |s| s.rate),
    ("CPU s per million", System::Plain, cpu),
    ("sleeps per message", System::Plain, |s| s.sleeps),
    ("latency p50 µs", System::Plain, |s| s.p50),
    ("latency p99 µs", System::Plain, |s| s.p99),
    ("latency max µs", System::Plain, |s| s.max),
    ("RSS MB", System::Plain, |s| s.rss as f64 / 1024.0),
    ("PSS MB", System::Plain, |s| s.pss as f64 / 1024.0),
    ("upstream connections", System::Direct, |s| {
        s.connections as f64
    }),
    ("upstream B per message", System::Direct, |s| {
        s.upstream_bytes
    }),
];

fn cpu(sample: &Sample) -> f64 {
    sample.cpu.unwrap_or(f64::NAN)
}

/// Width of the longest text of [`formatted`].
const COLUMN: usize = 29;

/// A cell as a table: a row for each value, with its median, its spread, and its ratio to the
/// system it is compared with.
pub fn table(cell: &Cell) -> String {
    let there: Vec<_> = SYSTEMS
        .iter()
        .filter(|(system, _)| cell.samples.contains_key(system))
        .collect();
    let mut text = format!("\n{}\n  {:<22}", describe(&cell.load), "");
    for (_, name) in &there {
        write!(text, " {name:>COLUMN$}").ok();
    }
    text.push('\n');
    for (name, against, value_in) in VALUES {
        write!(text, "  {name:<22}").ok();
        for (system, _) in &there {
            let value = formatted(cell, *system, against, value_in);
            write!(text, " {:>COLUMN$}", value.as_deref().unwrap_or("-")).ok();
        }
        text.push('\n');
    }
    let gaps = of_all(cell, |s| s.gaps);
    if gaps > 0 {
        writeln!(text, "  {gaps} gaps were reported").ok();
    }
    text
}

/// A value as `131 (129–140) ×1.05`; empty if it is not measured.
fn formatted(
    cell: &Cell,
    system: System,
    against: System,
    value_in: fn(&Sample) -> f64,
) -> Option<String> {
    let (median, least, most) = cell.spread(system, value_in)?;
    let mut text = format!("{} ({}–{})", few(median), few(least), few(most));
    if let Some(ratio) = cell.ratio(system, against, value_in)
        && ratio.is_finite()
    {
        write!(text, " ×{ratio:.2}").ok();
    }
    median.is_finite().then_some(text)
}

/// A number, rounded to few digits.
fn few(number: f64) -> String {
    match number.abs() {
        1e6.. => format!("{:.2}M", number / 1e6),
        1e4.. => format!("{:.1}k", number / 1e3),
        100.0.. => format!("{number:.0}"),
        10.0.. => format!("{number:.1}"),
        _ => format!("{number:.2}"),
    }
}

fn of_all(cell: &Cell, value_in: impl Fn(&Sample) -> u64) -> u64 {
    cell.samples.values().flatten().map(value_in).sum()
}

/// Delivery of one message to one program without expd, and the bound of the whole path relative to
/// it.
const ONE: &[(System, &str, &str)] = &[
    #[cfg(feature = "rust-socketio")]
    (System::Library, "with the library", "at most 1.3"),
    (System::Direct, "on expd's own wire", "at most 1.3"),
    (System::Relay, "behind a bare relay", "-"),
];

/// The ratios that matter most.
pub fn summary(cells: &[Cell]) -> String {
    let find = |rate: Option<u32>, streams: usize| {
        cells.iter().find(|cell| {
            cell.load.rate == rate && cell.load.streams == streams && cell.load.size == 200
        })
    };
    let mut text = "\nIn short (ratios of medians)\n".to_owned();
    let mut line = |what: &str, value: Option<f64>, goal: &str| {
        if let Some(value) = value {
            writeln!(text, "  {what:<76} {value:>6.2}   (goal: {goal})").ok();
        }
    };
    if let Some(cell) = find(None, 100) {
        line(
            "full speed, 100 streams: deliveries a second to the plain fan-out's",
            cell.ratio(System::Handover, System::Plain, |s| s.rate),
            "at least 3",
        );
        line(
            "full speed, 100 streams: CPU per delivery to the plain fan-out's",
            cell.ratio(System::Handover, System::Plain, cpu),
            "at most 0.25",
        );
        line(
            "the same, whole path: deliveries a second",
            cell.ratio(System::Expd, System::Plain, |s| s.rate),
            "-",
        );
        line(
            "the same, whole path: CPU per delivery",
            cell.ratio(System::Expd, System::Plain, cpu),
            "-",
        );
    }
    if let Some(cell) = find(Some(500), 100) {
        line(
            "500 a second, 100 streams: CPU per delivery to the plain fan-out's",
            cell.ratio(System::Handover, System::Plain, cpu),
            "at most 0.75",
        );
        line(
            "the same, whole path",
            cell.ratio(System::Expd, System::Plain, cpu),
            "-",
        );
    }
    if let Some(cell) = find(Some(500), 10) {
        line(
            "500 a second, 10 streams: p50 to the plain fan-out's",
            cell.ratio(System::Handover, System::Plain, |s| s.p50),
            "at most 1",
        );
        line(
            "500 a second, 10 streams: p99 to the plain fan-out's",
            cell.ratio(System::Handover, System::Plain, |s| s.p99),
            "at most 1",
        );
        line(
            "whole path, 10 streams: p50 to that of ten direct clients",
            cell.ratio(System::Expd, System::Direct, |s| s.p50),
            "-",
        );
        for &(system, name, goal) in ONE {
            let one = find(Some(500), 1).and_then(|one| one.median(system, |s| s.p50));
            line(
                &format!("whole path, 10 streams: p50 to that of one direct client {name}"),
                cell.median(System::Expd, |s| s.p50)
                    .zip(one)
                    .map(|(ten, one)| ten / one),
                goal,
            );
        }
    }
    if let Some(cell) = find(Some(500), 1) {
        for &(system, name, goal) in ONE {
            line(
                &format!("whole path, 1 stream: p50 to that of one direct client {name}"),
                cell.ratio(System::Expd, system, |s| s.p50),
                goal,
            );
        }
    }
    text
}

/// A plot's file, title, cells, and the value drawn.
type Plot<'a> = (&'a str, &'a str, Vec<&'a Cell>, fn(&Sample) -> f64);

/// Draws deliveries a second and CPU per delivery over the number of streams, at full speed and
/// paced.
pub fn draw(cells: &[Cell], folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    let full = |cell: &&Cell| cell.load.rate.is_none() && cell.load.size == 200;
    let paced = |cell: &&Cell| cell.load.rate == Some(500) && cell.load.size == 200;
    let plots: [Plot<'_>; 4] = [
        (
            "rate.svg",
            "Deliveries a second, 200 B at full speed",
            cells.iter().filter(full).collect(),
            |s| s.rate,
        ),
        (
            "cpu-full.svg",
            "CPU seconds per million deliveries, 200 B at full speed",
            cells.iter().filter(full).collect(),
            |s| s.cpu.unwrap_or(0.0),
        ),
        (
            "cpu-paced.svg",
            "CPU seconds per million deliveries, 200 B, 500 a second",
            cells.iter().filter(paced).collect(),
            |s| s.cpu.unwrap_or(0.0),
        ),
        (
            "latency.svg",
            "Latency p50 in µs, 200 B, 500 a second",
            cells.iter().filter(paced).collect(),
            |s| s.p50,
        ),
    ];
    for (file, title, cells, value_in) in plots {
        let lines = SYSTEMS.iter().map(|&(system, name)| {
            let points = cells.iter().filter_map(|cell| {
                let median = cell.median(system, value_in)?;
                (median > 0.0).then_some((cell.load.streams as f64, median))
            });
            (name.to_owned(), points.collect())
        });
        let lines: Vec<_> = lines.collect();
        plot(&folder.join(file), title, "streams", &lines);
    }
}

/// Lines on logarithmic axes.
pub fn plot(file: &Path, title: &str, axis: &str, lines: &[(String, Vec<(f64, f64)>)]) {
    let points: Vec<(f64, f64)> = lines
        .iter()
        .flat_map(|(_, points)| points.clone())
        .collect();
    let span = |of: fn(&(f64, f64)) -> f64| {
        let values = points.iter().map(of);
        (
            values.clone().fold(f64::MAX, f64::min),
            values.fold(f64::MIN, f64::max),
        )
    };
    let ((left, right), (low, high)) = (span(|p| p.0), span(|p| p.1));
    if points.len() < 2 {
        return;
    }
    let area = SVGBackend::new(file, (720, 420)).into_drawing_area();
    area.fill(&WHITE).unwrap();
    let mut chart = ChartBuilder::on(&area)
        .caption(title, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(80)
        .build_cartesian_2d(
            (left..right * 1.05).log_scale(),
            // Leaves room above the lines for their names.
            (low / 1.5..high * (high / low).powf(0.12 * lines.len() as f64) * 1.5).log_scale(),
        )
        .unwrap();
    chart
        .configure_mesh()
        .x_desc(axis)
        .x_label_formatter(&short)
        .y_label_formatter(&short)
        .y_labels(6)
        .light_line_style(WHITE)
        .draw()
        .unwrap();
    for (index, (name, points)) in lines.iter().enumerate() {
        if points.is_empty() {
            continue;
        }
        let color = Palette99::pick(index).to_rgba();
        chart
            .draw_series(
                LineSeries::new(points.iter().copied(), color.stroke_width(2)).point_size(3),
            )
            .unwrap()
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], color.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.8))
        .draw()
        .unwrap();
    area.present().unwrap();
}

/// A number at an axis, without the rounding errors of the logarithm.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "plotters hands out references"
)]
fn short(value: &f64) -> String {
    format!("{}", (value * 1e6).round() / 1e6)
}
