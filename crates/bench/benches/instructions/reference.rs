//! The counts in the repository, and the comparison of new counts with them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use serde::Deserialize;

use super::HotPath;
use super::environment::Environment;

/// Tolerated deviation of a count from the reference: a new version of a library can move it this
/// much. Unrelated code of this repository moves nothing, as the profile compiles with one codegen
/// unit.
const TOLERANCE: f64 = 0.05;

/// Tolerance in another environment: high enough for another compiler, low enough to detect a copy
/// of every payload.
const TOLERANCE_ELSEWHERE: f64 = 0.25;

const RENEW: &str = "UPDATE=1 cargo bench -p expd-bench --bench instructions";

/// Counts, and their environment.
#[derive(Debug, Deserialize)]
pub struct Reference {
    /// Environment in which they were counted.
    pub environment: Environment,
    /// Instructions per unit of a path's work.
    pub instructions: BTreeMap<String, f64>,
}

impl Reference {
    /// Reads the counts in the repository.
    pub fn read() -> Self {
        let text = std::fs::read_to_string(file())
            .unwrap_or_else(|error| panic!("{}: {error}; {RENEW} writes it", file().display()));
        toml::from_str(&text)
            .unwrap_or_else(|error| panic!("{}: {error}; {RENEW} writes it", file().display()))
    }

    /// Writes these counts into the repository.
    pub fn write(&self, paths: &[HotPath]) {
        let mut text = String::from(
            "# Instructions of the hot paths, for one unit of their work each; 200-byte broadcasts.\n\
             # docs/performance/instructions.md says what they are for.\n",
        );
        writeln!(text, "# Renewed by: {RENEW}\n\n[environment]").unwrap();
        text += &toml::to_string(&self.environment).unwrap();
        text += "\n[instructions]\n";
        for path in paths {
            let count = self.instructions.get(path.name).unwrap();
            writeln!(text, "# {}", path.unit).unwrap();
            writeln!(text, "{} = {count:.1}", path.name).unwrap();
        }
        std::fs::write(file(), &text).unwrap();
        print!("{text}");
    }

    /// Prints how `now` compares with these counts, and returns whether no path has become slower.
    ///
    /// Lines that begin with `note:` are shown by `tests/run` even if all is well.
    pub fn compare(&self, now: &Self) -> bool {
        let mut tolerance = TOLERANCE;
        if self.environment != now.environment {
            tolerance = TOLERANCE_ELSEWHERE;
            println!(
                "note: the reference was made by {:?}, this is {:?}: up to {:.0} % of difference is taken",
                self.environment,
                now.environment,
                tolerance * 100.0
            );
        }
        let mut well = true;
        for (name, count) in &now.instructions {
            let Some(before) = self.instructions.get(name) else {
                well = false;
                println!("{name}: {count:.1}, and not in the reference: {RENEW}");
                continue;
            };
            let change = count / before - 1.0;
            println!(
                "{name}: {count:.1} (reference {before:.1}, {:+.1} %)",
                change * 100.0
            );
            if change > tolerance {
                well = false;
                println!(
                    "{name} takes more instructions than the reference. Find out why (docs/performance/instructions.md); where it is worth it, {RENEW}"
                );
            } else if change < -tolerance {
                println!(
                    "note: {name} takes {:.1} % fewer instructions than the reference; keep that: {RENEW}",
                    change * -100.0
                );
            }
        }
        for name in self.instructions.keys() {
            if !now.instructions.contains_key(name) {
                well = false;
                println!("{name} is in the reference, and there is no such path: {RENEW}");
            }
        }
        well
    }
}

fn file() -> PathBuf {
    [
        env!("CARGO_MANIFEST_DIR"),
        "benches/instructions/reference.toml",
    ]
    .iter()
    .collect()
}
