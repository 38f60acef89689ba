//! The users for whom shares are held.

use std::fmt;

/// The user for whom a share is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Holder {
    /// Root, or the daemon's own user.
    Owner,
    /// Any other local user.
    User(u32),
    /// All callers over TCP, whose users the kernel does not tell.
    Tcp,
    /// The pages of one app, by the number that the door gave it.
    App(u32),
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

    /// The holder in a word, as a label of metrics: a number for a user.
    pub fn label(self) -> String {
        match self {
            Self::Owner => "owner".to_owned(),
            Self::User(uid) => uid.to_string(),
            Self::Tcp => "tcp".to_owned(),
            Self::App(number) => format!("app-{number}"),
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
