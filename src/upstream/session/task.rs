//! The session's task: decides when to log in, refresh and store.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::authenticator::{Authenticator, Failure, Token};
use super::inbox::{CredentialEvent, Inbox};
use super::state::SessionState;
use super::timings::SessionTimings;
use crate::host_network::HostNetwork;
use crate::journal::JournalEvent;
use crate::upstream::backoff::Backoff;
use crate::upstream::deadline::Deadline;
use crate::upstream::pauses::Pauses;

/// Stands in for "never" in a timer.
const FAR_FUTURE: Duration = Duration::from_secs(365 * 86_400);

/// Limit of the time for which a stop waits until a pairing's credentials are stored.
pub const LAST_SAVE: Duration = Duration::from_secs(60);

/// The session's task.
pub struct SessionTask {
    auth: Authenticator,
    inbox: Inbox,
    pauses: Pauses,
}

/// Reason for the end of a wait for the next login.
#[derive(PartialEq, Eq)]
enum WaitEnd {
    /// A login is due.
    Due,
    /// A reload has replaced the setup.
    OtherSetup,
}

/// Reason for giving up a token.
enum TokenLost {
    /// A login is due at once.
    LogIn,
    /// The token ended while refreshes failed; the next try is due then.
    Unrefreshed { reason: String, next_try: Instant },
}

impl SessionTask {
    pub(super) fn new(auth: Authenticator, inbox: Inbox) -> Self {
        Self {
            auth,
            inbox,
            pauses: Pauses::new(HostNetwork::default()),
        }
    }

    /// Follows changes of the host's network.
    #[must_use]
    pub fn with_network(mut self, network: HostNetwork) -> Self {
        self.pauses = Pauses::new(network);
        self
    }

    /// Replaces the waits, for tests and simulations.
    #[must_use]
    pub fn with_timings(mut self, timings: SessionTimings) -> Self {
        self.auth.set_timings(timings);
        self
    }

    /// Runs the session until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        // Stopping in the middle of a request loses nothing: the next start logs in again. A write
        // to disk that has begun is completed.
        stop.run_until_cancelled(self.keep_logged_in()).await;
        // Credentials received just before are not lost with the mailbox.
        while let Ok(event) = self.inbox.credential_events.try_recv() {
            self.on_credential_event(event).await;
        }
        self.auth.keyring.save_before_end(LAST_SAVE).await;
    }

    async fn keep_logged_in(&mut self) {
        let mut backoff = Backoff::new(self.auth.timings.retry.0, self.auth.timings.retry.1);
        let mut attempt = 1;
        let mut last_error = None;
        loop {
            self.auth.publish(SessionState::LoggingIn {
                attempt,
                last_error: last_error.take(),
            });
            self.pauses.begin_try();
            // A change of the network cures neither refused credentials nor a wait that EXP asks
            // for.
            let mut may_end_early = false;
            let logged_in = tokio::select! {
                biased;
                Ok(()) = self.inbox.setups.changed() => None,
                logged_in = self.auth.log_in() => Some(logged_in),
            };
            let Some(logged_in) = logged_in else {
                self.follow_setup();
                backoff.reset();
                attempt = 1;
                continue;
            };
            let next_try = match logged_in {
                Ok(token) => {
                    backoff.reset();
                    attempt = 1;
                    match self.keep_token_fresh(token).await {
                        TokenLost::LogIn => continue,
                        TokenLost::Unrefreshed { reason, next_try } => {
                            let wait = next_try.saturating_duration_since(Instant::now());
                            last_error = Some(self.failed(reason, attempt, wait));
                            may_end_early = true;
                            next_try
                        }
                    }
                }
                Err(Failure::Refused(reason)) => {
                    let wait = self.auth.refusals.wait();
                    log::error!(event = JournalEvent::Refused, instance = self.auth.name; "EXP refuses the credentials: {reason}; correct them and restart, or wait: they are tried again in {} s", wait.as_secs());
                    self.auth.publish(SessionState::Refused {
                        reason: reason.clone(),
                        next_try: Deadline::after(wait),
                    });
                    last_error = Some(format!("EXP refused the credentials: {reason}"));
                    Instant::now() + wait
                }
                Err(Failure::Transient(reason, floor)) => {
                    let wait = backoff.wait_after(floor);
                    may_end_early = floor.is_none();
                    log::warn!(event = JournalEvent::LoginFailed, instance = self.auth.name; "the login failed: {reason}; trying again in {:.1} s", wait.as_secs_f64());
                    last_error = Some(self.failed(reason, attempt, wait));
                    Instant::now() + wait
                }
            };
            attempt += 1;
            if self.sleep_until_next_try(next_try, may_end_early).await == WaitEnd::OtherSetup {
                backoff.reset();
                attempt = 1;
                last_error = None;
            }
        }
    }

    /// Waits for the next try. A change of the credentials or the setup ends the wait; with
    /// `may_end_early`, so does a network that comes up.
    async fn sleep_until_next_try(&mut self, until: Instant, may_end_early: bool) -> WaitEnd {
        loop {
            tokio::select! {
                () = sleep_until(until) => return WaitEnd::Due,
                () = self.pauses.wait_until(until), if may_end_early => return WaitEnd::Due,
                Ok(()) = self.inbox.setups.changed() => {
                    self.follow_setup();
                    return WaitEnd::OtherSetup;
                }
                Some(event) = self.inbox.credential_events.recv() => {
                    if self.on_credential_event(event).await {
                        return WaitEnd::Due;
                    }
                }
                () = sleep_until(due(self.auth.keyring.due())) => self.auth.keyring.save().await,
            }
        }
    }

    /// Refreshes a token in time, until a new login is needed.
    async fn keep_token_fresh(&mut self, mut token: Token) -> TokenLost {
        let mut backoff = Backoff::new(self.auth.timings.retry.0, self.auth.timings.retry.1);
        let mut refresh_at = token.refresh_at;
        let mut last_error: Option<(String, u32)> = None;
        let mut log_in_at = None;
        // A network that lets a device with a secret wait to be paired has not accepted that
        // secret. As with any refusal, this may be temporary: the secret is presented again, soon
        // if it was accepted before, else when the token needs replacing.
        let recheck = self.auth.shown_pairing_code.is_some() && self.auth.signs_with_secret();
        let prove_at = if recheck {
            let wait = self.auth.refusals.short_wait();
            wait.map(|wait| Instant::now() + wait)
        } else {
            None
        };
        loop {
            tokio::select! {
                // Both instants may have passed on a machine that was asleep; then the end of the
                // token counts.
                biased;
                () = sleep_until(token.session.ends_at.instant()) => {
                    return match last_error {
                        Some((reason, _)) => TokenLost::Unrefreshed { reason, next_try: refresh_at },
                        None => TokenLost::LogIn,
                    };
                }
                Ok(()) = self.inbox.setups.changed() => {
                    self.follow_setup();
                    return TokenLost::LogIn;
                }
                Some(event) = self.inbox.credential_events.recv() => {
                    if self.on_credential_event(event).await {
                        return TokenLost::LogIn;
                    }
                }
                Ok(()) = self.inbox.rejected.changed() => {
                    let refused = *self.inbox.rejected.borrow_and_update();
                    // A late report about an older token; there is a newer one already.
                    if refused >= token.session.serial {
                        log_in_at = Some(self.auth.renewals.allowed_at);
                    }
                }
                () = sleep_until(due(log_in_at)) => {
                    self.auth.renewals.begin();
                    return TokenLost::LogIn;
                }
                () = sleep_until(due(prove_at)) => return TokenLost::LogIn,
                () = sleep_until(refresh_at), if recheck => return TokenLost::LogIn,
                () = sleep_until(refresh_at) => match self.auth.refresh(&token.session).await {
                    Ok(fresh) => {
                        backoff.reset();
                        (last_error, log_in_at) = (None, None);
                        refresh_at = fresh.refresh_at;
                        token = fresh;
                    }
                    Err(Failure::Refused(reason)) => {
                        if token.session.authentication.identity.is_pairing() {
                            // Its code ends with the token, and a login brings a new code.
                            log::debug!(instance = self.auth.name; "the pairing code expires; logging in again for a new one");
                        } else {
                            log::info!(instance = self.auth.name; "EXP does not refresh the token ({reason}); logging in again");
                        }
                        return TokenLost::LogIn;
                    }
                    Err(Failure::Transient(reason, floor)) => {
                        let wait = backoff.wait_after(floor);
                        refresh_at = Instant::now() + wait;
                        let attempt = last_error.map_or(1, |(_, attempt)| attempt + 1);
                        log::warn!(instance = self.auth.name; "refreshing the token failed: {reason}; the present token is still valid; trying again in {:.1} s", wait.as_secs_f64());
                        self.auth.publish(SessionState::RefreshFailing {
                            session: token.session.clone(),
                            reason: reason.clone(),
                            attempt,
                            next_try: Deadline::after(wait),
                        });
                        last_error = Some((reason, attempt));
                    }
                },
                () = sleep_until(due(self.auth.keyring.due())) => self.auth.keyring.save().await,
            }
        }
    }

    /// Applies the setup of a reload.
    fn follow_setup(&mut self) {
        let setup = self.inbox.setups.borrow_and_update().clone();
        self.auth.follow(setup);
    }

    /// Handles an event about this device's credentials. True if they have changed.
    async fn on_credential_event(&mut self, event: CredentialEvent) -> bool {
        match event {
            // All devices that wait to be paired share the pairing channel and hear each other's
            // credentials.
            CredentialEvent::Paired(_) if self.auth.shown_pairing_code.is_none() => {
                log::warn!(instance = self.auth.name; "ignored pairing credentials: this device is not waiting to be paired");
                return false;
            }
            CredentialEvent::Paired(key) => self.auth.keyring.pair(key).await,
            CredentialEvent::Unpaired => self.auth.keyring.unpair().await,
        }
        self.auth.refusals.replaced();
        true
    }

    fn failed(&self, reason: String, attempt: u32, wait: Duration) -> String {
        self.auth.publish(SessionState::Failed {
            reason: reason.clone(),
            attempt,
            next_try: Deadline::after(wait),
        });
        reason
    }
}

fn due(at: Option<Instant>) -> Instant {
    at.unwrap_or_else(|| Instant::now() + FAR_FUTURE)
}
