//! Metrics of the daemon's own process, from `/proc` and the kernel.

use std::time::Duration;

pub(super) fn resident_bytes() -> Option<u64> {
    field("VmRSS:")
}

/// A size in the process's status, in bytes.
fn field(name: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

pub(super) fn virtual_bytes() -> Option<u64> {
    field("VmSize:")
}

pub(super) fn threads() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|it| it.strip_prefix("Threads:"))?;
    line.trim().parse().ok()
}

/// Soft limit of open file descriptors.
pub(super) fn max_files() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current
}

/// CPU time used by the process.
pub(super) fn cpu_seconds() -> f64 {
    let clock = nix::time::ClockId::CLOCK_PROCESS_CPUTIME_ID;
    let used = nix::time::clock_gettime(clock).map(Duration::from);
    used.unwrap_or_default().as_secs_f64()
}

pub(super) fn open_files() -> Option<u64> {
    let count = std::fs::read_dir("/proc/self/fd").ok()?.count() as u64;
    // Reading the folder opens a descriptor, which is counted too.
    Some(count.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory_and_files() {
        assert!(resident_bytes().unwrap() > 1 << 20);
        assert!(virtual_bytes() > resident_bytes());
        assert!(threads().unwrap() >= 1);
        assert!(max_files() >= open_files());
        assert!(cpu_seconds() > 0.0);
        assert!(open_files().unwrap() >= 3);
    }
}
