//! Results: medians of the rounds, and the ratio of library to bare client.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::program::Task;

/// Measurements of one program, in microseconds for one event or call.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Measured {
    /// CPU of the whole process.
    pub cpu: f64,
    /// Median latency.
    pub p50: f64,
}

/// One row of the table.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    task: Task,
    name: &'static str,
    bare: f64,
    library: f64,
    ratio: f64,
    bound: f64,
}

impl Comparison {
    /// CPU and latency of a task. A backlog has no latency: its events waited on purpose.
    pub fn of(task: Task, bare: &[Measured], library: &[Measured]) -> Vec<Self> {
        let row = |name, bound, of: fn(&Measured) -> f64| {
            let (bare, library) = (median(bare, of), median(library, of));
            Self {
                task,
                name,
                bare,
                library,
                ratio: library / bare,
                bound,
            }
        };
        let mut rows = vec![row("CPU", 1.25, |measured| measured.cpu)];
        if task != Task::Backlog {
            rows.push(row("p50", 1.15, |measured| measured.p50));
        }
        rows
    }

    pub fn is_within(&self) -> bool {
        self.ratio <= self.bound
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            task,
            name,
            bare,
            library,
            ratio,
            bound,
        } = self;
        let task = task.to_string();
        write!(
            f,
            "{task:8} {name}  bare {bare:8.2} µs   library {library:8.2} µs   \
             ratio {ratio:.2} (at most {bound})"
        )
    }
}

fn median(measured: &[Measured], of: fn(&Measured) -> f64) -> f64 {
    let mut sorted: Vec<f64> = measured.iter().map(of).collect();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
