//! How a session stands, for everybody who holds its handle.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::upstream::deadline::Deadline;
use expd_domain::Secret;
use expd_domain::identity::Authentication;

/// How a session stands.
#[derive(Clone, Debug)]
pub enum SessionState {
    /// A login is under way; the first try is number 1.
    LoggingIn {
        /// The number of the try since the last success.
        attempt: u32,
        /// What the try before failed with.
        last_error: Option<String>,
    },
    /// There is a token. It stays valid while it is being refreshed.
    LoggedIn(Arc<LoggedIn>),
    /// There is a token that still holds, but refreshing it fails.
    RefreshFailing {
        /// The token.
        session: Arc<LoggedIn>,
        /// What happened.
        reason: String,
        /// How many tries have failed.
        attempt: u32,
        /// When the next one comes.
        next_try: Deadline,
    },
    /// EXP refuses the credentials.
    Refused {
        /// EXP's words.
        reason: String,
        /// When they are tried again.
        next_try: Deadline,
    },
    /// The login failed for another reason.
    Failed {
        /// What happened.
        reason: String,
        /// How many tries have failed.
        attempt: u32,
        /// When the next one comes.
        next_try: Deadline,
    },
}

impl SessionState {
    /// The token, in the states in which there is one that holds.
    pub fn session(&self) -> Option<&Arc<LoggedIn>> {
        match self {
            Self::LoggedIn(session) | Self::RefreshFailing { session, .. } => Some(session),
            Self::LoggingIn { .. } | Self::Refused { .. } | Self::Failed { .. } => None,
        }
    }
}

/// A token and what came with it.
pub struct LoggedIn {
    /// Counts tokens; a newer one has a higher number.
    pub serial: u64,
    /// What EXP answered.
    pub authentication: Authentication,
    /// Where the socket is opened.
    pub socket_url: String,
    /// What opens it.
    pub socket_token: Secret,
    /// When the token ends.
    pub ends_at: Deadline,
    /// That EXP refuses this token leads to a new login from here on; before, the login that made it was too short a time ago.
    pub(super) renewable_at: Instant,
}

impl fmt::Debug for LoggedIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoggedIn")
            .field("serial", &self.serial)
            .field("identity", &self.authentication.identity)
            .finish_non_exhaustive()
    }
}

impl LoggedIn {
    /// How long until a refusal of this token leads to a new login; `None` where it does so now.
    pub(super) fn renewable_in(&self) -> Option<Duration> {
        let wait = self.renewable_at.saturating_duration_since(Instant::now());
        (!wait.is_zero()).then_some(wait)
    }
}
