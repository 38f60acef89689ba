//! The session: logs in, keeps the token fresh, and is the one place that holds it.
//!
//! One task does all of it, so however many callers find a token stale, one request replaces it. Everybody else holds a
//! [`Session`], a handle that shows the present state and can ask for a newer one.

mod announced;
mod clock;
mod exchange;
mod keyring;
mod refusals;
mod renewals;
mod task;
mod timings;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout};

use super::credentials::{DeviceKey, StoreError};
use super::deadline::Deadline;
use super::transport::CallError;
use crate::config::InstanceSettings;
use crate::metrics::Counters;
use expd_domain::Secret;
use expd_domain::identity::{Authentication, MAX_IDENTITY_BYTES};

pub use task::SessionTask;
pub use timings::SessionTimings;

/// CredentialEvent of the device's credentials that wait for the session's task. An operator sends one in minutes.
const CREDENTIAL_EVENTS: usize = 16;

/// How long a caller waits for a login that is under way.
const LOGIN_WAIT: Duration = Duration::from_secs(20);

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
    renewable_at: Instant,
}

impl fmt::Debug for LoggedIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoggedIn")
            .field("serial", &self.serial)
            .field("identity", &self.authentication.identity)
            .finish_non_exhaustive()
    }
}

/// What the network says of this device's credentials.
#[derive(Debug)]
enum CredentialEvent {
    /// It has paired this device.
    Paired(DeviceKey),
    /// It has unpaired it.
    Unpaired,
}

/// The handle to a session.
#[derive(Clone, Debug)]
pub struct Session {
    credential_events: mpsc::Sender<CredentialEvent>,
    /// The newest token that EXP has refused to anybody. One number, so that any number of callers may say the same.
    rejected: watch::Sender<u64>,
    states: watch::Receiver<SessionState>,
}

/// Why a session cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The HTTP client.
    #[error("{0}")]
    Client(String),
    /// The paired device's credentials.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no folder to keep the paired device's credentials in.
    #[error("allow_pairing needs a place to keep the credentials; set daemon.state_dir")]
    NoStateDir,
}

impl Session {
    /// A session and its task.
    ///
    /// # Errors
    /// The proxy or `ca_file` cannot be used, or a paired device's credentials could not be kept.
    pub fn new(
        name: &str,
        settings: &InstanceSettings,
        state_dir: Option<&Path>,
        counters: Arc<Counters>,
    ) -> Result<(Self, SessionTask), SessionError> {
        let (credential_events, received) = mpsc::channel(CREDENTIAL_EVENTS);
        let rejected = watch::Sender::new(0);
        let states = watch::Sender::new(SessionState::LoggingIn {
            attempt: 1,
            last_error: None,
        });
        let session = Self {
            credential_events,
            rejected: rejected.clone(),
            states: states.subscribe(),
        };
        let inbox = task::Inbox {
            credential_events: received,
            rejected: rejected.subscribe(),
        };
        let timings = SessionTimings::default();
        let task = SessionTask::new(name, settings, state_dir, timings, counters, inbox, states)?;
        Ok((session, task))
    }

    /// The state, to be watched.
    pub fn watch(&self) -> watch::Receiver<SessionState> {
        self.states.clone()
    }

    /// The state now.
    pub fn state(&self) -> SessionState {
        self.states.borrow().clone()
    }

    /// The present token; waits where the first try of a login is under way.
    ///
    /// # Errors
    /// There is none, and why.
    pub async fn current(&self) -> Result<Arc<LoggedIn>, CallError> {
        self.newer_than(0).await
    }

    /// A token that is newer than a refused one. However many ask, one login serves them.
    ///
    /// # Errors
    /// The login failed, or takes too long; or the refused token is fresh from such a login.
    pub async fn renew(&self, refused: u64) -> Result<Arc<LoggedIn>, CallError> {
        if let Some(session) = self.state().session()
            && session.serial == refused
            && let Some(wait) = session.renewable_in()
        {
            return Err(CallError::Unauthenticated {
                reason: format!(
                    "it refused a token that is fresh from a login; the next login for this reason comes in {:.0} s at the earliest",
                    wait.as_secs_f64().ceil()
                ),
            });
        }
        self.reject(refused);
        self.newer_than(refused).await
    }

    /// Says that EXP refuses the token of that serial.
    pub fn reject(&self, refused: u64) {
        self.rejected.send_if_modified(|highest| {
            // Told again is told anew: the task may have found it too early the last time.
            let changed = refused >= *highest;
            *highest = refused.max(*highest);
            changed
        });
    }

    /// The network has given this device credentials.
    pub fn paired(&self, uuid: String, secret: Secret) {
        let key = DeviceKey { uuid, secret };
        if !key.is_whole() {
            log::warn!(
                "the network sent pairing credentials with an empty uuid or secret; still waiting to be paired"
            );
        } else if key.uuid.len().max(key.secret.expose().len()) > MAX_IDENTITY_BYTES {
            log::warn!(
                "the network sent pairing credentials longer than {MAX_IDENTITY_BYTES} bytes; still waiting to be paired"
            );
        } else if self
            .credential_events
            .try_send(CredentialEvent::Paired(key))
            .is_err()
        {
            log::error!("pairing credentials came while the session was too busy; pair once more");
        }
    }

    /// The network has taken this device's credentials back.
    pub fn unpaired(&self) {
        // Full: the credentials will be refused at the next login.
        self.credential_events
            .try_send(CredentialEvent::Unpaired)
            .ok();
    }

    async fn newer_than(&self, serial: u64) -> Result<Arc<LoggedIn>, CallError> {
        let mut states = self.states.clone();
        let settled = states.wait_for(|state| match state {
            SessionState::LoggedIn(session) | SessionState::RefreshFailing { session, .. } => {
                session.serial > serial
            }
            SessionState::LoggingIn { attempt, .. } => *attempt > 1,
            SessionState::Refused { .. } | SessionState::Failed { .. } => true,
        });
        let offline = |reason: String, retry_in| CallError::Offline { reason, retry_in };
        let state = timeout(LOGIN_WAIT, settled)
            .await
            .map_err(|_| offline("the login takes long".to_owned(), None))?
            .map_err(|_| offline("the daemon is stopping".to_owned(), None))?
            .clone();
        match state {
            SessionState::LoggedIn(session) | SessionState::RefreshFailing { session, .. } => {
                Ok(session)
            }
            SessionState::LoggingIn {
                attempt,
                last_error,
            } => {
                let before = last_error.map(|last_error| format!("; before: {last_error}"));
                let reason = format!("logging in, try {attempt}{}", before.unwrap_or_default());
                Err(offline(reason, Some(Duration::from_secs(1))))
            }
            SessionState::Refused { reason, .. } => Err(CallError::Unauthenticated { reason }),
            SessionState::Failed {
                reason, next_try, ..
            } => Err(offline(reason, Some(next_try.left()))),
        }
    }
}

impl LoggedIn {
    /// How long until a refusal of this token leads to a new login; `None` where it does so now.
    fn renewable_in(&self) -> Option<Duration> {
        let wait = self.renewable_at.saturating_duration_since(Instant::now());
        (!wait.is_zero()).then_some(wait)
    }
}
