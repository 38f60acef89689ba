//! The measurements: every system under every load, repeated to show the spread, alternating so
//! that a busy moment of the machine affects all of them.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use expd_bench::load::Load;
use serde::Serialize;

use super::run::{Sample, System, run};

/// Number of runs of each load.
const RUNS: usize = 3;

/// No further load is started after this, so that the whole ends within ten minutes.
const ENOUGH: Duration = Duration::from_secs(480);

/// Loads above this many bytes per second are skipped: streams × rate × size.
const MOST_BYTES: f64 = 400e6;

/// One load, and the samples of each system.
#[derive(Clone, Debug, Serialize)]
pub struct Cell {
    /// The load.
    pub load: Load,
    /// The runs of each system.
    pub samples: BTreeMap<System, Vec<Sample>>,
}

impl Cell {
    /// Median, minimum and maximum of a value over a system's runs.
    pub fn spread(
        &self,
        system: System,
        value_in: impl Fn(&Sample) -> f64,
    ) -> Option<(f64, f64, f64)> {
        let mut all: Vec<f64> = self.samples.get(&system)?.iter().map(value_in).collect();
        all.sort_by(f64::total_cmp);
        Some((all[all.len() / 2], all[0], *all.last()?))
    }

    /// Median of a value over a system's runs.
    pub fn median(&self, system: System, value_in: impl Fn(&Sample) -> f64) -> Option<f64> {
        self.spread(system, value_in).map(|(median, ..)| median)
    }

    /// Ratio of a value's medians, of one system to another.
    pub fn ratio(
        &self,
        of: System,
        to: System,
        value_in: impl Fn(&Sample) -> f64 + Copy,
    ) -> Option<f64> {
        Some(self.median(of, value_in)? / self.median(to, value_in)?)
    }
}

/// All loads, or the most important ones.
pub fn loads(quick: bool) -> Vec<Load> {
    let load = |rate: Option<u32>, streams: usize, size: usize| Load {
        rate,
        seconds: match rate {
            None => 0.7,
            Some(rate) if rate < 50 => 2.0,
            // Enough of them for a meaningful 99th percentile.
            Some(500) if streams == 10 => {
                if quick {
                    1.8
                } else {
                    5.0
                }
            }
            Some(_) => 1.0,
        },
        size,
        streams,
    };
    if quick {
        return vec![
            load(None, 100, 200),
            load(Some(500), 1, 200),
            load(Some(500), 10, 200),
            load(Some(500), 100, 200),
        ];
    }
    let mut loads = Vec::new();
    for size in [200, 2_000, 100_000] {
        for streams in [1, 10, 100, 1_000] {
            loads.push(load(None, streams, size));
        }
    }
    for rate in [500, 50, 5] {
        for streams in [1, 10, 100, 1_000] {
            for size in [200, 2_000, 100_000] {
                // The larger sizes at one rate only: what they add is the same at the others.
                if size == 200 || rate == 50 {
                    loads.push(load(Some(rate), streams, size));
                }
            }
        }
    }
    loads.retain(|load| {
        let bytes = f64::from(load.rate.unwrap_or(0)) * (load.streams * load.size) as f64;
        bytes <= MOST_BYTES
    });
    loads
}

/// True for a system that is measured only with a single receiver.
fn is_for_one(system: System) -> bool {
    match system {
        #[cfg(feature = "rust-socketio")]
        System::Library => true,
        System::Relay => true,
        System::Expd | System::Handover | System::Plain | System::Direct => false,
    }
}

/// Runs the loads.
pub fn measure(loads: Vec<Load>, binary: &Path, mut done: impl FnMut(&Cell)) -> Vec<Cell> {
    let systems = [
        System::Plain,
        System::Handover,
        System::Expd,
        System::Direct,
        #[cfg(feature = "rust-socketio")]
        System::Library,
        System::Relay,
    ];
    let started = Instant::now();
    let mut cells = Vec::new();
    for load in loads {
        if started.elapsed() > ENOUGH {
            println!("left out, the time is over: {load:?}");
            continue;
        }
        let mut cell = Cell {
            load,
            samples: BTreeMap::new(),
        };
        for _ in 0..RUNS {
            for system in systems {
                if is_for_one(system) && (load.rate, load.streams) != (Some(500), 1) {
                    continue;
                }
                let sample = run(system, load, binary);
                cell.samples.entry(system).or_default().push(sample);
            }
        }
        done(&cell);
        cells.push(cell);
    }
    cells
}
