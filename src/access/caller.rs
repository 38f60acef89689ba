//! Callers: the process at the other end of a connection, as far as the kernel identifies it.
//!
//! The kernel records user and group when the process connects; they cost nothing. Supplementary
//! groups and the systemd unit are read from `/proc` on first use, once per connection.
//!
//! By then the process ID may belong to another process. All of it is therefore read through one
//! open `/proc/PID`, which stays with one process, and is trusted only if that process has the user
//! that the kernel recorded and was started before the connection was accepted. What remains is a
//! process of the same user, which could act as the caller anyway.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use rustix::fs::{Mode, OFlags};
use tokio::sync::Semaphore;

use super::accounts;

/// Unit of process times in `/proc` (`USER_HZ`), the same on every architecture of Rust's Linux.
const TICK: Duration = Duration::from_millis(10);

/// User and group as whom the kernel shows those that have none in this user namespace.
const OVERFLOW: u32 = 65534;

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

/// A web page that logged in at the door for pages.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Page {
    /// Name of its app in the settings.
    pub app: Arc<str>,
    /// Its origin, as the browser sends it.
    pub origin: Arc<str>,
}

/// The caller of a connection. Every request of the connection carries a clone; all share what was
/// read.
#[derive(Clone, Debug)]
pub struct Caller(Arc<Known>);

#[derive(Debug)]
struct Known {
    /// None over TCP.
    peer: Option<Peer>,
    /// The page; none for a program.
    page: Option<Page>,
    /// Time of accepting the connection, since boot.
    accepted: Duration,
    process: OnceLock<Option<Process>>,
    /// The user's name, for messages.
    name: OnceLock<Option<String>>,
}

/// Facts about a process from `/proc`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Process {
    groups: Vec<u32>,
    unit: Option<String>,
    /// Its user namespace maps users as the daemon's does.
    shares_users: bool,
}

impl Caller {
    /// The caller on a Unix socket.
    pub fn local(peer: Peer) -> Self {
        Self::new(Some(peer), None)
    }

    /// A caller of whom nothing is known.
    pub fn unknown() -> Self {
        Self::new(None, None)
    }

    /// A page that logged in at the door for pages.
    pub fn of_page(page: Page) -> Self {
        Self::new(None, Some(page))
    }

    /// The process with this ID, as it is now.
    ///
    /// # Errors
    /// There is none, or it cannot be looked at.
    pub fn of_process(pid: u32) -> io::Result<Self> {
        let pid = i32::try_from(pid).map_err(|_| io::ErrorKind::NotFound)?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let ids = effective_user(&status).zip(effective_group(&status));
        let (uid, gid) = ids.ok_or_else(|| io::Error::other("its user cannot be read"))?;
        let peer = Peer { pid, uid, gid };
        let caller = Self::local(peer);
        // Read now: a rule on a group or unit decides nothing about a process that is not seen.
        let process = Process::of(peer, caller.0.accepted)?;
        caller.0.process.get_or_init(|| Some(process));
        Ok(caller)
    }

    /// A program of this user that is in no unit, and in the groups of the user's account.
    ///
    /// # Errors
    /// When the system's name service fails.
    pub fn of_user(uid: u32) -> io::Result<Self> {
        let account = accounts::account(uid)?;
        let (gid, groups) = account.map_or((uid, Vec::new()), |it| (it.gid, it.groups));
        let caller = Self::local(Peer { pid: 0, uid, gid });
        caller.0.process.get_or_init(|| {
            Some(Process {
                groups,
                unit: None,
                shares_users: true,
            })
        });
        Ok(caller)
    }

    fn new(peer: Option<Peer>, page: Option<Page>) -> Self {
        Self(Arc::new(Known {
            peer,
            page,
            accepted: since_boot(),
            process: OnceLock::new(),
            name: OnceLock::new(),
        }))
    }

    /// The process that connected; none over TCP.
    pub fn peer(&self) -> Option<Peer> {
        self.0.peer
    }

    /// The page; none for a program.
    pub fn page(&self) -> Option<&Page> {
        self.0.page.as_ref()
    }

    /// True if the process is in a group, primary or supplementary.
    pub fn in_group(&self, group: u32) -> bool {
        let own = self.0.peer.is_some_and(|peer| peer.gid == group);
        if group == OVERFLOW && !self.process().is_some_and(|process| process.shares_users) {
            return false;
        }
        own || self
            .process()
            .is_some_and(|process| process.groups.contains(&group))
    }

    /// True for the user as whom the kernel shows everybody of another user namespace, unless the
    /// process is seen to be in the daemon's own: then it is the user of that name.
    pub fn is_overflow(&self) -> bool {
        self.0.peer.is_some_and(|peer| peer.uid == OVERFLOW)
            && !self.process().is_some_and(|process| process.shares_users)
    }

    /// The process's systemd unit, among those of the system.
    pub fn unit(&self) -> Option<&str> {
        self.process()?.unit.as_deref()
    }

    /// Looks up the user's name for messages, off the async threads: the system's name service may
    /// take its time. While many others look one up, the name is left out, so that a flood of
    /// refusals does not fill the threads that wait for the service.
    pub async fn resolve_name(&self) {
        static LOOKUPS: Semaphore = Semaphore::const_new(4);
        if self.0.peer.is_none() || self.0.name.get().is_some() {
            return;
        }
        let Ok(permit) = LOOKUPS.try_acquire() else {
            return;
        };
        let caller = self.clone();
        let lookup = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            caller.look_up_name();
        });
        // It fails when the runtime stops; the name is then left out.
        lookup.await.ok();
    }

    /// Looks up the user's name for messages, on this thread.
    pub fn look_up_name(&self) {
        self.0
            .name
            .get_or_init(|| accounts::user_name(self.0.peer?.uid));
    }

    fn process(&self) -> Option<&Process> {
        let known = &*self.0;
        let seen = known.process.get_or_init(|| {
            let peer = known.peer.filter(|peer| peer.pid > 0)?;
            match Process::of(peer, known.accepted) {
                Ok(process) => Some(process),
                Err(error) => {
                    log::debug!(pid = peer.pid, uid = peer.uid; "groups and unit of a caller are unknown: {error}");
                    None
                }
            }
        });
        seen.as_ref()
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(page) = &self.0.page {
            return write!(f, "the app {} ({})", page.app, page.origin);
        }
        let Some(peer) = self.0.peer else {
            return f.write_str("a caller over TCP, of whom nothing is known,");
        };
        write!(f, "uid {}", peer.uid)?;
        if let Some(Some(name)) = self.0.name.get() {
            write!(f, " ({name})")?;
        }
        match (self.unit(), self.process()) {
            (Some(unit), _) => write!(f, " in unit {unit}"),
            (None, Some(_)) => write!(f, " in no unit"),
            (None, None) => write!(f, " (its other groups and its unit cannot be read)"),
        }
    }
}

impl Process {
    fn of(peer: Peer, accepted: Duration) -> io::Result<Self> {
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
            return Err(other("its ID now is a later one's"));
        }
        let status = read("status")?;
        if effective_user(&status) != Some(peer.uid) {
            return Err(other("its ID now is another user's"));
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
fn since_boot() -> Duration {
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

fn effective_user(status: &str) -> Option<u32> {
    let ids = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    ids.split_ascii_whitespace().nth(1)?.parse().ok()
}

fn effective_group(status: &str) -> Option<u32> {
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

/// The system's unit, from `/proc/PID/cgroup`: the first part of the path that is not a slice. What
/// lies below was named by the unit's owner: a user's own `kiosk.service` is not the system's.
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
        assert!(error.to_string().contains("a later one's"), "{error}");
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
