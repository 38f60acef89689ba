//! The handle to a session, for the API client and the link.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::authenticator::Authenticator;
use super::error::SessionError;
use super::inbox::{CREDENTIAL_EVENTS, CredentialEvent, Inbox};
use super::keyring::{KeyPlace, check_place};
use super::state::{LoggedIn, SessionState};
use super::task::SessionTask;
use super::timings::SessionTimings;
use crate::config::InstanceSettings;
use crate::metrics::Counters;
use crate::upstream::credentials::DeviceKey;
use crate::upstream::setup::InstanceSetup;
use crate::upstream::transport::CallError;
use expd_domain::Secret;
use expd_domain::identity::MAX_IDENTITY_BYTES;

/// Bound on a caller's wait for a login in progress.
const LOGIN_WAIT: Duration = Duration::from_secs(20);

/// Handle to a session: shows its state, and asks for newer tokens.
#[derive(Clone, Debug)]
pub struct Session {
    credential_events: mpsc::Sender<CredentialEvent>,
    /// Serial number of the newest token that EXP refused to any caller. A single number, so that
    /// any number of callers may report the same token.
    rejected: watch::Sender<u64>,
    setups: watch::Sender<Arc<InstanceSetup>>,
    states: watch::Receiver<SessionState>,
    unsaved: watch::Receiver<Option<String>>,
}

impl Session {
    /// Creates a session and its task.
    ///
    /// # Errors
    /// The proxy or `ca_file` is unusable, or a paired device's credentials could not be stored.
    pub fn new(
        name: &str,
        settings: &InstanceSettings,
        state_dir: Option<&Path>,
        counters: Arc<Counters>,
    ) -> Result<(Self, SessionTask), SessionError> {
        let place = KeyPlace::Folder(state_dir.map(Path::to_owned));
        Self::with_keys(name, settings, place, counters)
    }

    /// As [`Self::new`], for an identity that is not stored: the credentials of a paired device
    /// stay in memory, and end with the session.
    ///
    /// # Errors
    /// The proxy or `ca_file` is unusable.
    pub fn unstored(
        name: &str,
        settings: &InstanceSettings,
        counters: Arc<Counters>,
    ) -> Result<(Self, SessionTask), SessionError> {
        Self::with_keys(name, settings, KeyPlace::Memory, counters)
    }

    fn with_keys(
        name: &str,
        settings: &InstanceSettings,
        place: KeyPlace,
        counters: Arc<Counters>,
    ) -> Result<(Self, SessionTask), SessionError> {
        let (credential_events, received) = mpsc::channel(CREDENTIAL_EVENTS);
        let rejected = watch::Sender::new(0);
        let setup = InstanceSetup::new(settings.clone())?;
        let setups = watch::Sender::new(setup.clone());
        let states = watch::Sender::new(SessionState::LoggingIn {
            attempt: 1,
            last_error: None,
        });
        let inbox = Inbox {
            credential_events: received,
            rejected: rejected.subscribe(),
            setups: setups.subscribe(),
        };
        let timings = SessionTimings::default();
        let watched = states.subscribe();
        let auth = Authenticator::new(name, setup, place, timings, counters, states)?;
        let session = Self {
            credential_events,
            rejected,
            setups,
            states: watched,
            unsaved: auth.keyring.unsaved(),
        };
        let task = SessionTask::new(auth, inbox);
        Ok((session, task))
    }

    /// Checks that an instance could follow other settings: that the credentials of a pairing could
    /// be stored.
    ///
    /// # Errors
    /// They could not.
    pub fn check(
        name: &str,
        settings: &InstanceSettings,
        state_dir: Option<&Path>,
    ) -> Result<(), SessionError> {
        check_place(name, &settings.credentials, state_dir)
    }

    /// Replaces the setup; the session logs in again with it. Until then, the present token stays
    /// in use.
    pub fn follow(&self, setup: Arc<InstanceSetup>) {
        self.setups.send_replace(setup);
    }

    pub fn setup(&self) -> Arc<InstanceSetup> {
        self.setups.borrow().clone()
    }

    pub fn watch(&self) -> watch::Receiver<SessionState> {
        self.states.clone()
    }

    pub fn state(&self) -> SessionState {
        self.states.borrow().clone()
    }

    /// Reason why the pairing's credentials are not stored yet, as it changes; `None` if they are.
    pub fn unsaved(&self) -> watch::Receiver<Option<String>> {
        self.unsaved.clone()
    }

    /// Returns the present token; waits during the first try of a login.
    ///
    /// # Errors
    /// There is no token; with the reason.
    pub async fn current(&self) -> Result<Arc<LoggedIn>, CallError> {
        self.newer_than(0).await
    }

    /// Returns a newer token than the refused one. One login serves all callers.
    ///
    /// # Errors
    /// The login failed or takes too long, or the refused token is fresh from such a login.
    pub async fn renew(&self, refused: u64) -> Result<Arc<LoggedIn>, CallError> {
        if let Some(session) = self.state().session()
            && session.serial == refused
            && let Some(wait) = session.renewable_in()
        {
            return Err(CallError::Unauthenticated {
                reason: format!(
                    "it refused a token from a recent login; the next login for this reason is in {:.0} s at the earliest",
                    wait.as_secs_f64().ceil()
                ),
            });
        }
        self.reject(refused);
        self.newer_than(refused).await
    }

    /// Reports that EXP refuses the token with this serial number.
    pub fn reject(&self, refused: u64) {
        self.rejected.send_if_modified(|highest| {
            // A repeated report counts as a change: the task may have found the first one too
            // early.
            let changed = refused >= *highest;
            *highest = refused.max(*highest);
            changed
        });
    }

    /// Reports that the network has given this device credentials.
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
            log::error!("pairing credentials dropped: the session was busy; pair the device again");
        }
    }

    /// Reports that the network has revoked this device's credentials.
    pub fn unpaired(&self) {
        // If the queue is full, the next login is refused instead.
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
            .map_err(|_| offline("the login is still in progress".to_owned(), None))?
            .map_err(|_| offline("the instance is stopping".to_owned(), None))?
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
