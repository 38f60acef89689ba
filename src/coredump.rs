//! The memory of a process that holds secrets: never in a core dump, and not for other programs of
//! the same user to look at.
//!
//! Such a process's files below `/proc` belong to root. The daemon reads its own all the same: the
//! kernel lets a process look at itself.

use std::io;

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// The outcome of [`disable`], to be told once the log is open.
#[derive(Debug)]
#[must_use]
pub struct Outcome(io::Result<()>);

/// Keeps this process's memory out of core dumps, and other unprivileged processes away from it
/// (`ptrace`, `/proc/PID/mem`). Called before any secret is read.
pub fn disable() -> Outcome {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    // For those who look at the limits. The unit has set it, and its filter of system calls may
    // refuse this; the flag below is what counts.
    setrlimit(Resource::Core, none).ok();
    let hidden = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    Outcome(hidden.map_err(io::Error::from))
}

impl Outcome {
    /// Warns where it did not succeed.
    pub fn tell(self) {
        if let Err(error) = self.0 {
            log::warn!(
                "a core dump of this process may hold its secrets: {error}; forbid dumps (LimitCORE=0, sysctl kernel.core_pattern)"
            );
        }
    }
}
