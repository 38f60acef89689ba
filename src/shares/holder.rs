//! The users for whom shares are held, and the programs that ask for them.

use std::fmt;

/// The user for whom a share is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Holder {
    /// Root, or the daemon's own user.
    Owner,
    /// Any other local user.
    User(u32),
    /// All callers over TCP, whose users the kernel does not report.
    Tcp,
    /// The pages of one app, by the number that the door assigned to it.
    App(u32),
}

/// A local program: the process and the user that the kernel reported for its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Program {
    pub pid: u32,
    pub uid: u32,
}

/// One who asks for a share: the user who holds it, and the program, if the kernel reports one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asker {
    pub holder: Holder,
    pub program: Option<Program>,
}

impl Asker {
    /// A local program; none over TCP.
    pub fn of(program: Option<Program>) -> Self {
        Self {
            holder: Holder::of(program.map(|program| program.uid)),
            program,
        }
    }
}

impl From<Holder> for Asker {
    /// A user whose program is unknown.
    fn from(holder: Holder) -> Self {
        let program = None;
        Self { holder, program }
    }
}

impl Holder {
    /// The holder for a process of this user; none means TCP.
    pub fn of(uid: Option<u32>) -> Self {
        match uid {
            None => Self::Tcp,
            Some(0) => Self::Owner,
            Some(uid) if uid == rustix::process::geteuid().as_raw() => Self::Owner,
            Some(uid) => Self::User(uid),
        }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Owner => f.write_str("root or the daemon's own user"),
            Self::User(uid) => write!(f, "uid {uid}"),
            Self::Tcp => f.write_str("the callers over TCP"),
            Self::App(_) => f.write_str("the pages of one app"),
        }
    }
}
