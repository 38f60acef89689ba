//! The states of a session.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::upstream::deadline::Deadline;
use crate::upstream::setup::InstanceSetup;
use expd_domain::{LoginAnswer, Secret};

/// State of a session.
#[derive(Clone, Debug)]
pub enum SessionState {
    LoggingIn {
        /// Number of the try since the last success, from 1.
        attempt: u32,
        /// Error of the previous try.
        last_error: Option<String>,
    },
    /// There is a token. It stays valid while it is being refreshed.
    LoggedIn(Arc<LoggedIn>),
    /// There is a valid token, but refreshing it fails.
    RefreshFailing {
        session: Arc<LoggedIn>,
        reason: String,
        /// Number of failed tries.
        attempt: u32,
        next_try: Deadline,
    },
    /// EXP refuses the credentials.
    Refused {
        /// EXP's message.
        reason: String,
        next_try: Deadline,
    },
    /// The login failed for another reason.
    Failed {
        reason: String,
        /// Number of failed tries.
        attempt: u32,
        next_try: Deadline,
    },
}

impl SessionState {
    /// The token, in the states that have a valid one.
    pub fn session(&self) -> Option<&Arc<LoggedIn>> {
        match self {
            Self::LoggedIn(session) | Self::RefreshFailing { session, .. } => Some(session),
            Self::LoggingIn { .. } | Self::Refused { .. } | Self::Failed { .. } => None,
        }
    }
}

/// A token, and what came with it.
pub struct LoggedIn {
    /// Serial number of the token; a newer token has a higher one.
    pub serial: u64,
    /// The setup that it was obtained with, and is used with.
    pub setup: Arc<InstanceSetup>,
    /// EXP's answer to the login or refresh.
    pub authentication: LoginAnswer,
    /// Base URL of API calls, without a trailing slash.
    pub api_url: String,
    /// URL of the live socket.
    pub socket_url: String,
    /// Token of the live socket.
    pub socket_token: Secret,
    /// End of the token's life.
    pub ends_at: Deadline,
    /// Before this instant a 401 does not trigger a login: the token is too fresh for another one
    /// to help.
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
    /// Time until a refusal of this token triggers a login; `None` if it does now.
    pub(super) fn renewable_in(&self) -> Option<Duration> {
        let wait = self.renewable_at.saturating_duration_since(Instant::now());
        (!wait.is_zero()).then_some(wait)
    }
}
