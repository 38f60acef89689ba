//! Protects this process's memory, which holds secrets: it is never in a core dump, and unreadable
//! for other programs of the same user.
//!
//! The files of such a process below `/proc` belong to root. The daemon can still read its own: the
//! kernel lets a process inspect itself.

use std::io;

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// Result of [`disable`], to be logged once the log is open.
#[derive(Debug)]
#[must_use]
pub struct Outcome(io::Result<()>);

/// Excludes this process's memory from core dumps, and denies unprivileged processes access to it
/// (`ptrace`, `/proc/PID/mem`). Call it before any secret is read.
pub fn disable() -> Outcome {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    // This makes the protection visible in the limits. It may fail under the unit, which sets the
    // limit itself and filters system calls; the flag below is what counts.
    setrlimit(Resource::Core, none).ok();
    let hidden = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    Outcome(hidden.map_err(io::Error::from))
}

impl Outcome {
    /// Logs a warning if the protection failed.
    pub fn log_failure(self) {
        if let Err(error) = self.0 {
            log::warn!(
                "cannot disable core dumps of this process, which would contain its secrets: {error}; disable them for the service (LimitCORE=0) or the host (sysctl kernel.core_pattern)"
            );
        }
    }
}
