//! The lock beside a socket: of all daemons that want one path, one holds it.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use rustix::fs::{FileType, FlockOperation, OFlags, Stat, flock, fstat};
use rustix::io::Errno;

use super::folder::{Folder, ownership};
use crate::exposure::{self, User};

/// Limit on replacements of the file while it is being locked.
const TRIES: usize = 10_000;

/// A held lock. The kernel releases it when the process ends, in whatever way: no lock is stale.
#[derive(Debug)]
pub(super) struct Lock {
    folder: Arc<Folder>,
    name: OsString,
    // Closing it releases the lock.
    _file: OwnedFd,
}

/// Outcome of trying to take a lock.
#[derive(Debug)]
pub(super) enum LockOutcome {
    /// This process holds it now.
    Taken(Lock),
    /// Another process holds it.
    Held(Holder),
}

/// The process that holds a lock, as far as it is known.
#[derive(Debug)]
pub(super) struct Holder {
    pub(super) file: PathBuf,
    /// Owner of the file. Only the owner and root may open a file that an expd created.
    pub(super) owner: u32,
    /// Process ID, if the system provides it.
    pub(super) pid: Option<i32>,
}

impl Holder {
    /// True for a file that an expd of this user, or of root, would have created.
    pub(super) fn is_trusted(&self) -> bool {
        exposure::is_trusted(self.owner)
    }

    /// Description of the process, with the name that it gives itself.
    pub(super) fn process(&self) -> Option<String> {
        let pid = self.pid?;
        let command = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        Some(match command.trim_end() {
            "" => format!("pid {pid}"),
            command => format!("pid {pid}, {command:?}"),
        })
    }

    /// Description of the file's owner.
    pub(super) fn owner(&self) -> String {
        User(self.owner).to_string()
    }
}

impl Lock {
    /// Takes the lock of a socket in a folder. Replaces an unlocked file of another user, if the
    /// folder permits.
    pub(super) fn take(folder: &Arc<Folder>, socket: &OsStr) -> io::Result<LockOutcome> {
        let mut name = socket.to_owned();
        name.push(".lock");
        for _ in 0..TRIES {
            let made = folder.open_file(&name, OFlags::RDWR | OFlags::CREATE | OFlags::EXCL, 0o600);
            let file = match made {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    match folder.open_file(&name, OFlags::RDWR, 0) {
                        Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                            let stat = folder.look_at(&name)?;
                            return Ok(LockOutcome::Held(holder(folder, &name, &stat)));
                        }
                        opened => opened?,
                    }
                }
                made => made?,
            };
            let held = fstat(&file)?;
            if !FileType::from_raw_mode(held.st_mode).is_file() {
                return Err(io::Error::other("its lock is not a regular file"));
            }
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(Errno::WOULDBLOCK) => {
                    return Ok(LockOutcome::Held(holder(folder, &name, &held)));
                }
                Err(error) => return Err(error.into()),
            }
            // The previous holder may have removed the file; a lock on a file without a name
            // protects nothing.
            match folder.look_at(&name) {
                Ok(named) if (named.st_dev, named.st_ino) == (held.st_dev, held.st_ino) => {}
                Ok(_) => continue,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            }
            if !exposure::is_trusted(held.st_uid) {
                // Its owner could lock it at any time. It stays locked while it is removed, so that
                // no daemon of that user loses its lock.
                if folder.remove(&name).is_err() {
                    return Ok(LockOutcome::Held(Holder {
                        pid: None,
                        ..holder(folder, &name, &held)
                    }));
                }
                continue;
            }
            return Ok(LockOutcome::Taken(Self {
                folder: folder.clone(),
                name,
                _file: file,
            }));
        }
        Err(io::Error::other("the lock file keeps being replaced"))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Removed while the lock is still held, so that the file is ours. A file left behind is
        // harmless.
        self.folder.remove(&self.name).ok();
    }
}

fn holder(folder: &Folder, name: &OsStr, file: &Stat) -> Holder {
    let locks = std::fs::read_to_string("/proc/locks").unwrap_or_default();
    Holder {
        file: folder.path_of(name),
        owner: ownership(file).uid,
        pid: locks.lines().find_map(|line| locker(line, file)),
    }
}

/// The process that a line of `/proc/locks` says holds this file:
/// `1: FLOCK ADVISORY WRITE 4711 08:01:131073 0 EOF`.
fn locker(line: &str, file: &Stat) -> Option<i32> {
    let mut fields = line.split_ascii_whitespace().skip(1);
    let kind = fields.next()?;
    let pid = fields.nth(2)?.parse().ok().filter(|pid| *pid > 0)?;
    let mut id = fields.next()?.split(':');
    let major = u32::from_str_radix(id.next()?, 16).ok()?;
    let minor = u32::from_str_radix(id.next()?, 16).ok()?;
    let inode: u64 = id.next()?.parse().ok()?;
    let same = rustix::fs::makedev(major, minor) == file.st_dev && inode == file.st_ino;
    (kind == "FLOCK" && same).then_some(pid)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, Arc<Folder>) {
        let home = tempfile::tempdir().unwrap();
        let folder = Arc::new(Folder::open(home.path(), true).unwrap());
        (home, folder)
    }

    fn take(folder: &Arc<Folder>) -> Option<Lock> {
        match Lock::take(folder, OsStr::new("s")).unwrap() {
            LockOutcome::Taken(lock) => Some(lock),
            LockOutcome::Held(_) => None,
        }
    }

    #[test]
    fn one_at_a_time_has_the_lock_and_nothing_is_left_behind() {
        let (home, folder) = folder();
        let first = take(&folder).unwrap();
        let LockOutcome::Held(holder) = Lock::take(&folder, OsStr::new("s")).unwrap() else {
            panic!("two have the lock");
        };
        assert!(holder.is_trusted());
        let own = std::process::id().cast_signed();
        assert!(holder.pid.is_none_or(|pid| pid == own), "{holder:?}");
        drop(first);
        let second = take(&folder);
        assert!(second.is_some());
        drop(second);
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
    }

    #[test]
    fn many_who_come_at_once_never_have_it_together() {
        use std::sync::atomic::{AtomicUsize, Ordering};
        let (_home, folder) = folder();
        let inside = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        if let Some(lock) = take(&folder) {
                            assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                            inside.fetch_sub(1, Ordering::SeqCst);
                            drop(lock);
                        }
                    }
                });
            }
        });
    }

    #[test]
    fn what_is_no_plain_file_is_no_lock_and_holds_nothing_up() {
        let (home, folder) = folder();
        let path = home.path().join("s.lock");
        std::os::unix::fs::symlink(home.path().join("elsewhere"), &path).unwrap();
        Lock::take(&folder, OsStr::new("s")).unwrap_err();
        assert!(!home.path().join("elsewhere").exists());
        std::fs::remove_file(&path).unwrap();
        // Opening a pipe for writing waits for a reader.
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RUSR).unwrap();
        Lock::take(&folder, OsStr::new("s")).unwrap_err();
    }
}
