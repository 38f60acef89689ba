//! The handle to a session.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::authenticator::Authenticator;
use super::error::SessionError;
use super::inbox::{CREDENTIAL_EVENTS, CredentialEvent, Inbox};
use super::state::{LoggedIn, SessionState};
use super::task::SessionTask;
use super::timings::SessionTimings;
use crate::config::InstanceSettings;
use crate::metrics::Counters;
use crate::upstream::credentials::DeviceKey;
use crate::upstream::transport::CallError;
use expd_domain::Secret;
use expd_domain::identity::MAX_IDENTITY_BYTES;

/// How long a caller waits for a login that is under way.
const LOGIN_WAIT: Duration = Duration::from_secs(20);

/// The handle to a session.
#[derive(Clone, Debug)]
pub struct Session {
    credential_events: mpsc::Sender<CredentialEvent>,
    /// The newest token that EXP has refused to anybody. One number, so that any number of callers may say the same.
    rejected: watch::Sender<u64>,
    states: watch::Receiver<SessionState>,
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
        let inbox = Inbox {
            credential_events: received,
            rejected: rejected.subscribe(),
        };
        let timings = SessionTimings::default();
        let auth = Authenticator::new(name, settings, state_dir, timings, counters, states)?;
        let task = SessionTask::new(auth, inbox);
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
