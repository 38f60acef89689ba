//! The session's own task.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::clock::ServerClock;
use super::exchange::{Failure, Token};
use super::keyring::Keyring;
use super::refusals::Refusals;
use super::renewals::Renewals;
use super::{News, SessionError, SessionState, SessionTiming};
use crate::config::{Credentials, InstanceSettings};
use crate::metrics::Counters;
use crate::upstream::backoff::Backoff;
use crate::upstream::deadline::Deadline;
use crate::upstream::transport::Wire;

/// Further than any try is ahead; what is due then is not due.
const NEVER: Duration = Duration::from_secs(365 * 86_400);

/// Logs in, refreshes, and does as it is told.
pub struct SessionTask {
    pub(super) name: String,
    pub(super) host: String,
    pub(super) credentials: Credentials,
    pub(super) wire: Wire,
    pub(super) keyring: Keyring,
    pub(super) clock: ServerClock,
    pub(super) timing: SessionTiming,
    pub(super) counters: Arc<Counters>,
    ears: Ears,
    pub(super) states: watch::Sender<SessionState>,
    pub(super) generation: u64,
    /// What was last told of the address that EXP announces for the socket.
    pub(super) warned: Option<String>,
    /// Set while the device waits to be paired.
    pub(super) shown_code: Option<String>,
    pub(super) renewals: Renewals,
    pub(super) refusals: Refusals,
}

/// Where the task hears from the handles.
pub(super) struct Ears {
    pub(super) news: mpsc::Receiver<News>,
    pub(super) rejected: watch::Receiver<u64>,
}

/// Why a token is not held any longer.
enum Over {
    /// A login is due at once.
    LogIn,
    /// It ended while it could not be refreshed; the next try is due then.
    Unrefreshed { reason: String, next_try: Instant },
}

impl SessionTask {
    pub(super) fn new(
        name: &str,
        settings: &InstanceSettings,
        state_dir: Option<&Path>,
        timing: SessionTiming,
        counters: Arc<Counters>,
        ears: Ears,
        states: watch::Sender<SessionState>,
    ) -> Result<Self, SessionError> {
        Ok(Self {
            name: name.to_owned(),
            host: settings.host.trim_end_matches('/').to_owned(),
            credentials: settings.credentials.clone(),
            wire: Wire::new(settings).map_err(SessionError::Client)?,
            keyring: Keyring::open(name, &settings.credentials, state_dir, &timing)?,
            clock: ServerClock::default(),
            renewals: Renewals::new(timing.renewal),
            refusals: Refusals::new(&timing),
            timing,
            counters,
            ears,
            states,
            generation: 0,
            warned: None,
            shown_code: None,
        })
    }

    /// The same task with other waits, for tests and simulations.
    #[must_use]
    pub fn with_timing(mut self, timing: SessionTiming) -> Self {
        self.renewals = Renewals::new(timing.renewal);
        self.refusals = Refusals::new(&timing);
        self.keyring.set_timing(&timing);
        self.timing = timing;
        self
    }

    /// Keeps the session until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        // Ending in the middle of a request loses nothing: the next start logs in afresh. What is being stored is stored.
        stop.run_until_cancelled(self.keep()).await;
    }

    async fn keep(&mut self) {
        let mut backoff = Backoff::new(self.timing.retry.0, self.timing.retry.1);
        let mut attempt = 1;
        let mut trouble = None;
        loop {
            self.publish(SessionState::LoggingIn {
                attempt,
                trouble: trouble.take(),
            });
            let next_try = match self.log_in().await {
                Ok(token) => {
                    backoff.reset();
                    attempt = 1;
                    match self.hold(token).await {
                        Over::LogIn => continue,
                        Over::Unrefreshed { reason, next_try } => {
                            let wait = next_try.saturating_duration_since(Instant::now());
                            trouble = Some(self.failed(reason, attempt, wait));
                            next_try
                        }
                    }
                }
                Err(Failure::Refused(reason)) => {
                    let wait = self.refusals.wait();
                    log::error!(instance = self.name; "EXP refuses the credentials: {reason}; correct them and restart, or wait: they are tried again in {} s", wait.as_secs());
                    self.publish(SessionState::Refused {
                        reason: reason.clone(),
                        next_try: Deadline::after(wait),
                    });
                    trouble = Some(format!("EXP refused the credentials: {reason}"));
                    Instant::now() + wait
                }
                Err(Failure::Passing(reason, floor)) => {
                    let wait = backoff.wait_after(floor);
                    log::warn!(instance = self.name; "the login failed: {reason}; trying again in {:.1} s", wait.as_secs_f64());
                    trouble = Some(self.failed(reason, attempt, wait));
                    Instant::now() + wait
                }
            };
            attempt += 1;
            self.rest(next_try).await;
        }
    }

    /// Waits for the next try; news about the credentials ends the wait.
    async fn rest(&mut self, until: Instant) {
        loop {
            tokio::select! {
                () = sleep_until(until) => return,
                Some(news) = self.ears.news.recv() => {
                    if self.hear(news).await {
                        return;
                    }
                }
                () = sleep_until(due(self.keyring.due())) => self.keyring.save().await,
            }
        }
    }

    /// Holds a token: refreshes it in time, until a new login is needed.
    async fn hold(&mut self, mut token: Token) -> Over {
        let mut backoff = Backoff::new(self.timing.retry.0, self.timing.retry.1);
        let mut refresh_at = token.refresh_at;
        let mut trouble: Option<(String, u32)> = None;
        let mut log_in_at = None;
        // A network that has a device wait to be paired did not take the secret it showed, which may pass as any refusal: it
        // is shown again, soon where it was taken before, and else whenever the token needs replacing.
        let doubts = self.shown_code.is_some() && self.proves_a_secret();
        let prove_at = if doubts {
            let wait = self.refusals.short_wait();
            wait.map(|wait| Instant::now() + wait)
        } else {
            None
        };
        loop {
            tokio::select! {
                // Of two moments that have both passed, in a machine that was asleep, the end counts.
                biased;
                () = sleep_until(token.session.ends_at.instant()) => {
                    return match trouble {
                        Some((reason, _)) => Over::Unrefreshed { reason, next_try: refresh_at },
                        None => Over::LogIn,
                    };
                }
                Some(news) = self.ears.news.recv() => {
                    if self.hear(news).await {
                        return Over::LogIn;
                    }
                }
                Ok(()) = self.ears.rejected.changed() => {
                    let refused = *self.ears.rejected.borrow_and_update();
                    // An older one was refused to somebody who was late: there is a newer one already.
                    if refused >= token.session.generation {
                        log_in_at = Some(self.renewals.allowed_at);
                    }
                }
                () = sleep_until(due(log_in_at)) => {
                    self.renewals.begin();
                    return Over::LogIn;
                }
                () = sleep_until(due(prove_at)) => return Over::LogIn,
                () = sleep_until(refresh_at), if doubts => return Over::LogIn,
                () = sleep_until(refresh_at) => match self.refresh(&token.session).await {
                    Ok(fresh) => {
                        backoff.reset();
                        (trouble, log_in_at) = (None, None);
                        refresh_at = fresh.refresh_at;
                        token = fresh;
                    }
                    Err(Failure::Refused(reason)) => {
                        log::info!(instance = self.name; "EXP does not refresh the token ({reason}); logging in again");
                        return Over::LogIn;
                    }
                    Err(Failure::Passing(reason, floor)) => {
                        let wait = backoff.wait_after(floor);
                        refresh_at = Instant::now() + wait;
                        let attempt = trouble.map_or(1, |(_, attempt)| attempt + 1);
                        log::warn!(instance = self.name; "refreshing the token failed: {reason}; the present one still holds; trying again in {:.1} s", wait.as_secs_f64());
                        self.publish(SessionState::RefreshFailing {
                            session: token.session.clone(),
                            reason: reason.clone(),
                            attempt,
                            next_try: Deadline::after(wait),
                        });
                        trouble = Some((reason, attempt));
                    }
                },
                () = sleep_until(due(self.keyring.due())) => self.keyring.save().await,
            }
        }
    }

    /// Acts on what the network says of this device's credentials. Says whether they changed.
    async fn hear(&mut self, news: News) -> bool {
        match news {
            // Whoever listens on the pairing channel hears what is meant for others.
            News::Paired(_) if self.shown_code.is_none() => {
                log::warn!(instance = self.name; "passing over pairing credentials: this device does not wait to be paired");
                return false;
            }
            News::Paired(key) => self.keyring.keep(key).await,
            News::Unpaired => self.keyring.forget().await,
        }
        self.refusals.replaced();
        true
    }

    fn failed(&self, reason: String, attempt: u32, wait: Duration) -> String {
        self.publish(SessionState::Failed {
            reason: reason.clone(),
            attempt,
            next_try: Deadline::after(wait),
        });
        reason
    }

    pub(super) fn publish(&self, state: SessionState) {
        self.states.send_replace(state);
    }
}

fn due(at: Option<Instant>) -> Instant {
    at.unwrap_or_else(|| Instant::now() + NEVER)
}
