//! Callers: the process at the other end of a connection, as the kernel identifies it; a page; or,
//! over TCP, the bearer of a token.
//!
//! The kernel records user and group when the process connects, so they cost nothing. Supplementary
//! groups and the systemd unit are read from `/proc` on first use, once per connection.

use std::fmt;
use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::Semaphore;

use super::accounts;
use super::process::{Peer, Process, effective_group, effective_user, since_boot};
use super::token::KnownToken;

/// User and group ID that the kernel reports for those without a mapping in this user namespace.
const OVERFLOW: u32 = 65534;

/// A web page that logged in at the door for pages.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PageIdentity {
    /// Name of its app in the settings.
    pub app: Arc<str>,
    /// Its origin, as the browser sends it.
    pub origin: Arc<str>,
}

/// The kind of a caller, as logs and metrics name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallerKind {
    /// A program on the Unix socket.
    Program,
    /// A page at the door for pages.
    Page,
    /// A program over TCP with a token.
    Token,
    /// An unidentified program over TCP.
    Stranger,
}

impl CallerKind {
    pub const ALL: [Self; 4] = [Self::Program, Self::Page, Self::Token, Self::Stranger];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Program => "program",
            Self::Page => "page",
            Self::Token => "token",
            Self::Stranger => "stranger",
        }
    }
}

/// The caller of a connection. Every request of the connection carries a clone; clones share the
/// facts that were read.
#[derive(Clone, Debug)]
pub struct Caller(Arc<Known>);

#[derive(Debug)]
struct Known {
    /// None over TCP.
    peer: Option<Peer>,
    /// The page; none for a program.
    page: Option<PageIdentity>,
    /// The token that a caller over TCP has.
    token: Option<KnownToken>,
    /// Time of accepting the connection, since boot.
    accepted: Duration,
    process: OnceLock<Option<Process>>,
    /// The user's name, for messages.
    name: OnceLock<Option<String>>,
}

impl Caller {
    /// The caller on a Unix socket.
    pub fn local(peer: Peer) -> Self {
        Self::new(Some(peer), None, None)
    }

    /// An unidentified caller over TCP.
    pub fn unknown() -> Self {
        Self::new(None, None, None)
    }

    /// A page that logged in at the door for pages.
    pub fn of_page(page: PageIdentity) -> Self {
        Self::new(None, Some(page), None)
    }

    /// A caller over TCP with a token.
    pub(super) fn of_token(token: KnownToken) -> Self {
        Self::new(None, None, Some(token))
    }

    /// The process with this ID, as it is now.
    ///
    /// # Errors
    /// The process does not exist, or cannot be inspected.
    pub fn of_process(pid: u32) -> io::Result<Self> {
        let pid = i32::try_from(pid).map_err(|_| io::ErrorKind::NotFound)?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let ids = effective_user(&status).zip(effective_group(&status));
        let (uid, gid) = ids.ok_or_else(|| io::Error::other("its user cannot be read"))?;
        let peer = Peer { pid, uid, gid };
        let caller = Self::local(peer);
        // Read now, so that failure is reported: rules on groups and units cannot match without it.
        let process = Process::of(peer, caller.0.accepted)?;
        caller.0.process.get_or_init(|| Some(process));
        Ok(caller)
    }

    /// A program of this user that is in no unit, and in the groups of the user's account.
    ///
    /// # Errors
    /// The system's name service fails.
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

    fn new(peer: Option<Peer>, page: Option<PageIdentity>, token: Option<KnownToken>) -> Self {
        Self(Arc::new(Known {
            peer,
            page,
            token,
            accepted: since_boot(),
            process: OnceLock::new(),
            name: OnceLock::new(),
        }))
    }

    /// The process that connected; none over TCP.
    pub fn peer(&self) -> Option<Peer> {
        self.0.peer
    }

    /// The user of that process; none over TCP.
    pub fn user(&self) -> Option<u32> {
        self.peer().map(|peer| peer.uid)
    }

    /// The page; none for a program.
    pub fn page(&self) -> Option<&PageIdentity> {
        self.0.page.as_ref()
    }

    /// The name of the token; only callers over TCP have one.
    pub fn token(&self) -> Option<&Arc<str>> {
        self.0.token.as_ref().map(|token| &token.name)
    }

    pub(super) fn known_token(&self) -> Option<&KnownToken> {
        self.0.token.as_ref()
    }

    pub fn kind(&self) -> CallerKind {
        match (&self.0.peer, &self.0.page, &self.0.token) {
            (Some(_), ..) => CallerKind::Program,
            (None, Some(_), _) => CallerKind::Page,
            (None, None, Some(_)) => CallerKind::Token,
            (None, None, None) => CallerKind::Stranger,
        }
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

    /// True for the overflow user (65534), unless the process runs in the daemon's own namespace.
    pub fn is_overflow(&self) -> bool {
        self.0.peer.is_some_and(|peer| peer.uid == OVERFLOW)
            && !self.process().is_some_and(|process| process.shares_users)
    }

    /// The process's systemd unit, among those of the system.
    pub fn unit(&self) -> Option<&str> {
        self.process()?.unit.as_deref()
    }

    /// Looks up the user's name for messages, off the async threads, because the system's name
    /// service may be slow. While many lookups are running, the name is left out, so that a flood
    /// of refusals does not occupy all blocking threads.
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
        // Fails only when the runtime stops; the name is then left out.
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
                    log::debug!(pid = peer.pid, uid = peer.uid; "cannot read the groups and the unit of a caller: {error}");
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
        if let Some(token) = &self.0.token {
            return write!(f, "a caller over TCP with the token {}", token.name);
        }
        let Some(peer) = self.0.peer else {
            return f.write_str("an unidentified caller over TCP");
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
