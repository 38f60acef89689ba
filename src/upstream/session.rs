//! The session: logs in, keeps the token fresh, and is the one place that holds it.
//!
//! One task does all of it, so however many callers find a token stale, one request replaces it. Everybody else holds a
//! [`Session`], a handle that shows the present state and can ask for a newer one.

mod task;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::credentials::{DeviceKey, StoreError};
use super::http::CallError;
use crate::config::InstanceSettings;
use crate::exp::Secret;
use crate::exp::identity::Authentication;
use crate::metrics::Counters;

pub use task::SessionTask;

/// Wishes that wait for the session's task. When it is full, the same wish is in it already.
const WISHES: usize = 16;

/// How long a caller waits for a login that is under way.
const PATIENCE: Duration = Duration::from_secs(20);

/// How a session stands.
#[derive(Clone, Debug)]
pub enum SessionState {
    /// A login is under way; the first try is number 1.
    LoggingIn {
        /// The number of the try since the last success.
        attempt: u32,
    },
    /// There is a token. It stays valid while it is being refreshed.
    LoggedIn(Arc<LoggedIn>),
    /// EXP refuses the credentials.
    Refused {
        /// EXP's words.
        reason: String,
        /// When they are tried again.
        next_try: SystemTime,
    },
    /// The login failed for another reason.
    Failed {
        /// What happened.
        reason: String,
        /// How many tries have failed.
        attempt: u32,
        /// When the next one comes.
        next_try: SystemTime,
    },
}

/// A token and what came with it.
pub struct LoggedIn {
    /// Counts tokens; a newer one has a higher number.
    pub generation: u64,
    /// What EXP answered.
    pub authentication: Authentication,
    /// Where the socket is opened.
    pub socket_url: String,
    /// What opens it.
    pub socket_token: Secret,
    /// When the token ends, by this machine's clock.
    pub expires_at: SystemTime,
}

impl fmt::Debug for LoggedIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoggedIn")
            .field("generation", &self.generation)
            .field("identity", &self.authentication.identity)
            .finish_non_exhaustive()
    }
}

/// What the task is asked for.
#[derive(Debug)]
enum Wish {
    /// A token newer than that one.
    Newer(u64),
    /// The network has paired this device.
    Paired(DeviceKey),
    /// The network has unpaired it.
    Unpaired,
}

/// The handle to a session.
#[derive(Clone, Debug)]
pub struct Session {
    wishes: mpsc::Sender<Wish>,
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
        let (wishes, mailbox) = mpsc::channel(WISHES);
        let states = watch::Sender::new(SessionState::LoggingIn { attempt: 1 });
        let session = Self {
            wishes,
            states: states.subscribe(),
        };
        let task = SessionTask::new(name, settings, state_dir, counters, mailbox, states)?;
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
    /// The login failed, or takes too long.
    pub async fn renew(&self, refused: u64) -> Result<Arc<LoggedIn>, CallError> {
        self.reject(refused);
        self.newer_than(refused).await
    }

    /// Says that EXP refuses the token of that generation.
    pub fn reject(&self, refused: u64) {
        // Full: enough others have said the same.
        self.wishes.try_send(Wish::Newer(refused)).ok();
    }

    /// The network has given this device credentials.
    pub fn paired(&self, uuid: String, secret: Secret) {
        let wish = Wish::Paired(DeviceKey { uuid, secret });
        if self.wishes.try_send(wish).is_err() {
            log::error!("pairing credentials came while the session was too busy; pair once more");
        }
    }

    /// The network has taken this device's credentials back.
    pub fn unpaired(&self) {
        // Full: the credentials will be refused at the next login.
        self.wishes.try_send(Wish::Unpaired).ok();
    }

    async fn newer_than(&self, generation: u64) -> Result<Arc<LoggedIn>, CallError> {
        let mut states = self.states.clone();
        let settled = states.wait_for(|state| match state {
            SessionState::LoggedIn(session) => session.generation > generation,
            SessionState::LoggingIn { attempt } => *attempt > 1,
            SessionState::Refused { .. } | SessionState::Failed { .. } => true,
        });
        let offline = |reason: &str, retry_in| CallError::Offline {
            reason: reason.to_owned(),
            retry_in,
        };
        let state = timeout(PATIENCE, settled)
            .await
            .map_err(|_| offline("the login takes long", None))?
            .map_err(|_| offline("the daemon is stopping", None))?
            .clone();
        let until = |at: SystemTime| at.duration_since(SystemTime::now()).ok();
        match state {
            SessionState::LoggedIn(session) => Ok(session),
            SessionState::LoggingIn { attempt } => Err(offline(
                &format!("logging in, try {attempt}"),
                Some(Duration::from_secs(1)),
            )),
            SessionState::Refused { reason, .. } => Err(CallError::Unauthenticated { reason }),
            SessionState::Failed {
                reason, next_try, ..
            } => Err(offline(&reason, until(next_try))),
        }
    }
}
