//! Results: medians of the rounds, and their bounds.

use std::collections::BTreeMap;
use std::fmt;

use expd_bench::load::Load;
use serde::Serialize;

use crate::run::{Sample, System};

/// Bound of the CPU of a delivery to a page, relative to one to a gRPC stream.
const MAX_PAGE_RATIO: f64 = 1.5;

/// Bound of the memory of an idle page, in KiB.
const MAX_IDLE_PAGE: f64 = 64.0;

/// Bound of the CPU of a delivery to a gRPC stream while the web server is idle, relative to one
/// without it: the same work, within the spread of a run.
const MAX_IDLE_WEB_RATIO: f64 = 1.15;

/// One load, and the samples of each system.
#[derive(Serialize)]
pub struct Cell {
    load: Load,
    samples: BTreeMap<System, Vec<Sample>>,
}

/// All results.
#[derive(Default, Serialize)]
pub struct Report {
    pub cells: Vec<Cell>,
    /// Memory of an idle page, in KiB.
    pub idle_page: f64,
}

impl Cell {
    pub fn new(load: Load) -> Self {
        Self {
            load,
            samples: BTreeMap::new(),
        }
    }

    pub fn add(&mut self, system: System, sample: Sample) {
        self.samples.entry(system).or_default().push(sample);
    }

    fn cpu(&self, system: System) -> f64 {
        median(self.samples[&system].iter().map(|sample| sample.cpu))
    }

    /// Median of the ratios of each round's runs, which ran close together.
    fn ratio(&self, system: System) -> f64 {
        let rounds = self.samples[&system]
            .iter()
            .zip(&self.samples[&System::Grpc]);
        median(rounds.map(|(of, to)| of.cpu / to.cpu))
    }

    fn name(&self) -> String {
        match self.load.rate {
            Some(rate) => format!("{rate} a second"),
            None => "full speed".to_owned(),
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} to {} listeners", self.name(), self.load.streams)?;
        for (system, name, bound) in [
            (System::Grpc, "gRPC streams", 1.0),
            (
                System::GrpcBesideIdleWeb,
                "gRPC streams, web on",
                MAX_IDLE_WEB_RATIO,
            ),
            (System::Pages4, "pages, generation 4", MAX_PAGE_RATIO),
            (System::Pages3, "pages, generation 3", MAX_PAGE_RATIO),
        ] {
            let (cpu, ratio) = (self.cpu(system), self.ratio(system));
            writeln!(
                f,
                "  {name:22}  {cpu:8.3} µs of CPU for a delivery   ratio {ratio:.2} (at most {bound:.2})"
            )?;
        }
        Ok(())
    }
}

impl Report {
    /// Memory of all runs of a system, in KiB.
    fn memory(&self, system: System) -> f64 {
        let samples = self.cells.iter().flat_map(|cell| &cell.samples[&system]);
        // The numbers are far below what a double holds exactly.
        median(samples.map(|sample| sample.memory as f64))
    }

    pub fn summary(&self) -> String {
        format!(
            "private memory at the end of a run of gRPC streams: {:.0} KiB, web on {:.0} KiB\n\
             an idle page: {:.1} KiB (at most {MAX_IDLE_PAGE})\n",
            self.memory(System::Grpc),
            self.memory(System::GrpcBesideIdleWeb),
            self.idle_page,
        )
    }

    /// Names of the results that exceed their bounds.
    pub fn above_bounds(&self) -> Vec<String> {
        let mut above = Vec::new();
        for cell in &self.cells {
            for (system, bound) in [
                (System::Pages4, MAX_PAGE_RATIO),
                (System::Pages3, MAX_PAGE_RATIO),
                (System::GrpcBesideIdleWeb, MAX_IDLE_WEB_RATIO),
            ] {
                let ratio = cell.ratio(system);
                if ratio > bound {
                    above.push(format!("{system:?} at {}: {ratio:.2}", cell.name()));
                }
            }
        }
        if self.idle_page > MAX_IDLE_PAGE {
            above.push(format!("an idle page: {:.1} KiB", self.idle_page));
        }
        above
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
