//! Files that others can read or change: because of their mode, their owner, or a folder on the way
//! to them.
//!
//! Trusted are root, this process's user, and for root also the user that the unit runs the daemon
//! as. A group is trusted where all its members are: members of the group `expd` are apps.

use std::fmt;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::access::accounts;

/// The user that the shipped unit runs the daemon as.
const SERVICE_USER: &str = "expd";

/// Mode bit of a folder whose files only their owners may remove.
const STICKY: u32 = 0o1000;

/// Untrusted users with access to a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Others {
    /// Any user of the system.
    Everybody,
    /// The members of a group.
    Group(u32),
    /// The file's owner.
    Owner(u32),
}

impl fmt::Display for Others {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everybody => f.write_str("everybody"),
            Self::Group(gid) => match accounts::group(*gid) {
                Some(group) => write!(f, "the group {}", group.name),
                None => write!(f, "the group {gid}"),
            },
            Self::Owner(uid) => write!(f, "its owner, {}", User(*uid)),
        }
    }
}

/// A user, formatted for a message.
#[derive(Clone, Copy, Debug)]
pub struct User(pub u32);

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match accounts::user_name(self.0) {
            Some(name) => write!(f, "the user {name} (uid {})", self.0),
            None => write!(f, "the user with the uid {}", self.0),
        }
    }
}

/// Owner and mode of a file or folder.
#[derive(Clone, Copy, Debug)]
pub struct Ownership {
    pub uid: u32,
    pub gid: u32,
    /// Permission bits and file type.
    pub mode: u32,
    /// True for a folder, whose sticky bit counts.
    pub folder: bool,
}

impl Ownership {
    /// The untrusted users who may write to it; for a folder, those who may replace its contents.
    pub fn writers(self) -> Option<Others> {
        let kept = self.folder && self.mode & STICKY != 0;
        if !is_trusted(self.uid) {
            Some(Others::Owner(self.uid))
        } else if self.mode & 0o002 != 0 && !kept {
            Some(Others::Everybody)
        } else if self.mode & 0o020 != 0 && !kept && !is_trusted_group(self.gid) {
            Some(Others::Group(self.gid))
        } else {
            None
        }
    }

    /// The untrusted users who may read it.
    pub fn readers(self) -> Option<Others> {
        if self.mode & 0o004 != 0 {
            Some(Others::Everybody)
        } else if !is_trusted(self.uid) {
            Some(Others::Owner(self.uid))
        } else if self.mode & 0o040 != 0 && !is_trusted_group(self.gid) {
            Some(Others::Group(self.gid))
        } else {
            None
        }
    }
}

impl From<&Metadata> for Ownership {
    fn from(metadata: &Metadata) -> Self {
        Self {
            uid: metadata.uid(),
            gid: metadata.gid(),
            mode: metadata.mode(),
            folder: metadata.is_dir(),
        }
    }
}

/// A file or folder with the untrusted users who have access to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exposure {
    /// The file, or a folder on the way to it.
    pub path: PathBuf,
    /// The users with access.
    pub others: Others,
    /// The access, as it follows "may".
    verb: &'static str,
    /// The access, as `chmod` spells it.
    bit: char,
}

impl Exposure {
    /// The command that removes the access.
    pub fn remedy(&self) -> String {
        let path = self.path.display();
        match self.others {
            Others::Everybody => format!("chmod o-{} {path}", self.bit),
            Others::Group(_) => format!("chmod g-{} {path}", self.bit),
            Others::Owner(_) => format!("chown root {path}, or choose another place"),
        }
    }
}

impl fmt::Display for Exposure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            path, others, verb, ..
        } = self;
        write!(f, "{others} may {verb} {}", path.display())
    }
}

/// The nearest place at which untrusted users can change or replace a file: the file itself, or a
/// folder on the way to it, both on the given path and on the canonical one.
pub fn changeable(path: &Path) -> Option<Exposure> {
    let real = std::fs::canonicalize(path).ok();
    let named = match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => std::fs::canonicalize("."),
        Some(parent) => std::fs::canonicalize(parent),
        None => return None,
    };
    let places = [real, named.ok()].into_iter().flatten();
    for place in places {
        for part in place.ancestors() {
            // A part that this process cannot inspect cannot be changed by its user either.
            let Ok(metadata) = std::fs::metadata(part) else {
                continue;
            };
            if let Some(others) = Ownership::from(&metadata).writers() {
                return Some(Exposure {
                    path: part.to_owned(),
                    others,
                    verb: "change",
                    bit: 'w',
                });
            }
        }
    }
    None
}

/// The untrusted users who may read a file.
pub fn readable(path: &Path) -> Option<Exposure> {
    let metadata = std::fs::metadata(path).ok()?;
    let others = Ownership::from(&metadata).readers()?;
    Some(Exposure {
        path: path.to_owned(),
        others,
        verb: "read",
        bit: 'r',
    })
}

/// True for a user who may do anything to this process's files.
pub fn is_trusted(uid: u32) -> bool {
    let own = rustix::process::geteuid();
    uid == 0
        || uid == own.as_raw()
        || (own.is_root() && matches!(accounts::user_id(SERVICE_USER), Ok(Some(id)) if id == uid))
}

/// True if all members of a group are trusted. Users whose primary group it is are not searched
/// for: most of those groups bear their user's name.
fn is_trusted_group(gid: u32) -> bool {
    gid == 0
        || accounts::group(gid).is_some_and(|group| {
            let mut ids = group.members.iter().map(|name| accounts::user_id(name));
            let own = gid == rustix::process::getegid().as_raw() || group.name == SERVICE_USER;
            own && ids.all(|id| matches!(id, Ok(Some(id)) if is_trusted(id)))
        })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn of(uid: u32, gid: u32, mode: u32, folder: bool) -> Ownership {
        Ownership {
            uid,
            gid,
            mode,
            folder,
        }
    }

    #[test]
    fn whoever_may_write_is_told_by_owner_and_mode() {
        const NOBODY: u32 = 65_534;
        let own = rustix::process::geteuid().as_raw();
        for (ownership, wanted) in [
            (of(own, 0, 0o644, false), None),
            (of(0, 0, 0o664, false), None),
            (of(0, NOBODY, 0o664, false), Some(Others::Group(NOBODY))),
            (of(own, 0, 0o602, false), Some(Others::Everybody)),
            (of(NOBODY, 0, 0o600, false), Some(Others::Owner(NOBODY))),
            (of(0, 0, 0o777, true), Some(Others::Everybody)),
            (of(0, 0, 0o1777, true), None),
            // The sticky bit has no effect on a file.
            (of(0, 0, 0o1777, false), Some(Others::Everybody)),
            (of(NOBODY, 0, 0o1777, true), Some(Others::Owner(NOBODY))),
        ] {
            assert_eq!(ownership.writers(), wanted, "{ownership:?}");
        }
        assert_eq!(of(own, 0, 0o640, false).readers(), None);
        assert_eq!(
            of(own, NOBODY, 0o640, false).readers(),
            Some(Others::Group(NOBODY))
        );
        assert_eq!(of(own, 0, 0o604, false).readers(), Some(Others::Everybody));
    }

    #[test]
    fn a_folder_on_the_way_counts_by_either_name() {
        let root = tempfile::tempdir().unwrap();
        let (open, safe) = (root.path().join("open"), root.path().join("safe"));
        std::fs::create_dir(&open).unwrap();
        std::fs::create_dir(&safe).unwrap();
        std::fs::write(safe.join("file"), "").unwrap();
        assert_eq!(changeable(&safe.join("file")), None);
        std::fs::set_permissions(&open, PermissionsExt::from_mode(0o777)).unwrap();
        std::os::unix::fs::symlink(safe.join("file"), open.join("link")).unwrap();
        let exposure = changeable(&open.join("link")).unwrap();
        let real = std::fs::canonicalize(&open).unwrap();
        assert_eq!(
            exposure.to_string(),
            format!("everybody may change {}", real.display())
        );
        assert_eq!(exposure.remedy(), format!("chmod o-w {}", real.display()));
    }
}
