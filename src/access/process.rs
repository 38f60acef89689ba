//! Facts about a process from `/proc`: its groups, its systemd unit, its user namespace.
//!
//! A process ID may belong to another process by the time it is inspected. Everything is therefore
//! read through one open `/proc/PID`, which stays with one process, and is trusted only if that
//! process has the user that the kernel recorded and was started before the connection was
//! accepted. The remaining risk is a process of the same user, which could act as the caller
//! anyway.

use std::fs::File;
use std::io::{self, Read as _};
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use rustix::fs::{Mode, OFlags};

/// Unit of process times in `/proc` (`USER_HZ`), the same on every architecture of Rust's Linux.
const TICK: Duration = Duration::from_millis(10);

/// Limit on the files read here; `Groups:` may have 65,536 entries.
const LONGEST: u64 = 1 << 20;

/// The process that connected, as the kernel recorded it then (`SO_PEERCRED`). It may have passed
/// the connection on since, and its ID may be reused once it has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The process ID; 0 where it is in another namespace.
    pub pid: i32,
    /// Effective user at the time of connecting.
    pub uid: u32,
    /// Effective group at the time of connecting.
    pub gid: u32,
}

/// Facts about a process from `/proc`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Process {
    pub groups: Vec<u32>,
    pub unit: Option<String>,
    /// Its user namespace maps users as the daemon's does.
    pub shares_users: bool,
}

impl Process {
    /// Reads the facts of the process that connected; `accepted` is the time since boot when its
    /// connection was accepted.
    pub fn of(peer: Peer, accepted: Duration) -> io::Result<Self> {
        let folder = rustix::fs::open(
            format!("/proc/{}", peer.pid),
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        let read = |name: &str| -> io::Result<String> {
            let flags = OFlags::RDONLY | OFlags::CLOEXEC;
            let file = File::from(rustix::fs::openat(&folder, name, flags, Mode::empty())?);
            let mut bytes = Vec::new();
            file.take(LONGEST).read_to_end(&mut bytes)?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        let other = |what: &str| io::Error::other(format!("the process has ended: {what}"));
        let started = started(&read("stat")?).ok_or_else(|| other("its start cannot be read"))?;
        if started > accepted {
            return Err(other("its ID now belongs to a later process"));
        }
        let status = read("status")?;
        if effective_user(&status) != Some(peer.uid) {
            return Err(other("its ID now belongs to another user"));
        }
        Ok(Self {
            groups: groups(&status),
            unit: unit(&read("cgroup")?),
            shares_users: std::fs::read_to_string("/proc/self/uid_map")
                .is_ok_and(|own| read("uid_map").is_ok_and(|map| map == own)),
        })
    }
}

/// Time since boot, on the clock and in the coarse steps of process start times.
pub(super) fn since_boot() -> Duration {
    let now = clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Duration::ZERO, Duration::from);
    let ticks = now.as_millis() / TICK.as_millis();
    TICK.saturating_mul(u32::try_from(ticks).unwrap_or(u32::MAX))
}

/// Start time of a process, from `/proc/PID/stat`. The name in it may hold anything, so parsing
/// begins after it.
fn started(stat: &str) -> Option<Duration> {
    const STARTTIME: usize = 22 - 3;
    let (_, after_name) = stat.rsplit_once(')')?;
    let ticks: u32 = after_name
        .split_ascii_whitespace()
        .nth(STARTTIME)?
        .parse()
        .ok()?;
    Some(TICK.saturating_mul(ticks))
}

pub(super) fn effective_user(status: &str) -> Option<u32> {
    let ids = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    ids.split_ascii_whitespace().nth(1)?.parse().ok()
}

pub(super) fn effective_group(status: &str) -> Option<u32> {
    let ids = status.lines().find_map(|line| line.strip_prefix("Gid:"))?;
    ids.split_ascii_whitespace().nth(1)?.parse().ok()
}

fn groups(status: &str) -> Vec<u32> {
    status
        .lines()
        .find_map(|line| line.strip_prefix("Groups:"))
        .map(|ids| {
            ids.split_ascii_whitespace()
                .filter_map(|id| id.parse().ok())
                .collect()
        })
        .unwrap_or_default()
}

/// The system's unit, from `/proc/PID/cgroup`: the first part of the path that is not a slice. The
/// parts below it are named by the unit's owner: a user's own `kiosk.service` is not the system's.
fn unit(cgroup: &str) -> Option<String> {
    let path = cgroup
        .lines()
        .find_map(|line| line.split_once(":name=systemd:").map(|(_, path)| path))
        .or_else(|| cgroup.lines().find_map(|line| line.strip_prefix("0::")))?;
    let part = path
        .split('/')
        .find(|part| !part.is_empty() && part.strip_suffix(".slice").is_none())?;
    // systemd escapes names that the kernel would take for its own with one underscore.
    let name = part.strip_prefix('_').unwrap_or(part);
    [".service", ".scope", ".socket", ".mount", ".swap"]
        .iter()
        .any(|kind| name.ends_with(kind))
        .then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::access::Caller;

    fn ourselves() -> Peer {
        Peer {
            pid: std::process::id().cast_signed(),
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
        }
    }

    #[test]
    fn a_process_is_known_by_its_groups() {
        let mut child = Command::new("setpriv")
            .args(["--reuid=65534", "--regid=65533", "--groups=7,8", "cat"])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        // Once it answers, it has its user and groups.
        std::io::Write::write_all(child.stdin.as_mut().unwrap(), b"x").unwrap();
        let mut byte = [0];
        child
            .stdout
            .as_mut()
            .unwrap()
            .read_exact(&mut byte)
            .unwrap();
        let peer = Peer {
            pid: child.id().cast_signed(),
            uid: 65534,
            gid: 65533,
        };
        let caller = Caller::local(peer);
        assert!(caller.in_group(65533) && caller.in_group(7) && caller.in_group(8));
        assert!(!caller.in_group(9));
        let impostor = Caller::local(Peer { uid: 65000, ..peer });
        assert!(impostor.in_group(65533) && !impostor.in_group(7));
        assert!(
            impostor.to_string().contains("cannot be read"),
            "{impostor}"
        );
        child.kill().unwrap();
        child.wait().unwrap();
        let late = Caller::local(peer);
        assert!(!late.in_group(7));
    }

    #[test]
    fn a_process_started_after_the_connection_is_another_one() {
        let now = since_boot();
        Process::of(ourselves(), now).unwrap();
        let error = Process::of(ourselves(), Duration::from_secs(1)).unwrap_err();
        assert!(error.to_string().contains("a later process"), "{error}");
    }

    #[test]
    fn the_start_is_found_behind_any_name() {
        let stat = "7 (a) b) (c) S 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 123456 1 1";
        assert_eq!(started(stat), Some(Duration::from_millis(1_234_560)));
        assert_eq!(started("7 (a) S"), None);
        assert_eq!(started(""), None);
    }

    #[test]
    fn the_unit_is_the_systems_and_not_the_users() {
        let of = |text: &str| unit(text).unwrap_or_default();
        assert_eq!(of("0::/system.slice/kiosk.service\n"), "kiosk.service");
        assert_eq!(
            of("0::/system.slice/kiosk.service/inner.service"),
            "kiosk.service"
        );
        assert_eq!(
            of("0::/system.slice/system-screen.slice/screen@1.service"),
            "screen@1.service"
        );
        assert_eq!(
            of("0::/user.slice/user-1000.slice/user@1000.service/app.slice/kiosk.service"),
            "user@1000.service"
        );
        assert_eq!(
            of("0::/user.slice/user-1000.slice/session-3.scope"),
            "session-3.scope"
        );
        assert_eq!(
            of(
                "12:pids:/x\n1:name=systemd:/system.slice/old.service\n0::/system.slice/new.service"
            ),
            "old.service"
        );
        assert_eq!(of("0::/system.slice/_cgroup.service"), "cgroup.service");
        for none in [
            "0::/",
            "",
            "0::/../../kiosk.service",
            "0::/docker/abc/kiosk.service",
        ] {
            assert_eq!(of(none), "", "{none}");
        }
    }
}
