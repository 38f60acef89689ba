//! Logins and refreshes: the requests of the session, and the resulting tokens.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use reqwest::{Method, RequestBuilder, StatusCode};
use tokio::sync::watch;
use tokio::time::Instant;
use zeroize::Zeroize as _;

use super::clock::{ClockChange, ClockWarnings, LocalTime, ServerClock};
use super::error::SessionError;
use super::hosts::{Hosts, hosts};
use super::keyring::{KeyPlace, Keyring};
use super::refusals::Refusals;
use super::renewals::Renewals;
use super::state::{LoggedIn, SessionState};
use super::timings::SessionTimings;
use crate::config::Credentials;
use crate::journal::JournalEvent;
use crate::metrics::Counters;
use crate::upstream::backoff::jittered;
use crate::upstream::credentials::login_request;
use crate::upstream::deadline::Deadline;
use crate::upstream::setup::InstanceSetup;
use crate::upstream::transport::{CallError, Unbounded};
use expd_domain::LoginAnswer;
use expd_domain::excerpt::excerpt;
use expd_domain::identity::display_pairing_code;
use expd_domain::login_answer::Claimant;

/// Share of a token's life after which it is refreshed at the latest. The vendor's SDKs use a half
/// and three quarters.
const REFRESH_AT: f64 = 0.65;

/// Share by which that moment is moved forward at random, so that a fleet does not refresh in step.
const REFRESH_JITTER: f64 = 0.15;

/// Bounds on the time to a refresh, however long the token lives.
const LATEST_REFRESH: Duration = Duration::from_secs(7 * 86_400);
const EARLIEST_REFRESH: Duration = Duration::from_millis(300);

/// Assumed life of a token that comes without an expiry.
const DEFAULT_LIFE: Duration = Duration::from_secs(3600);

/// Bound on the size of an authentication payload in bytes.
const LARGEST_ANSWER: usize = 1 << 20;

/// Added to EXP's message if it refuses a login that an unset clock has dated.
const UNSET_CLOCK: &str = "; this machine's clock is before 2025, so the login had a wrong date: set the clock (timedatectl set-ntp true, or date -s)";

/// Failed login or refresh: refused by EXP, or transient with EXP's `Retry-After`.
pub(super) enum Failure {
    Refused(String),
    Transient(String, Option<Duration>),
}

/// A token, and the instant of its refresh on the monotonic clock.
pub(super) struct Token {
    pub(super) session: Arc<LoggedIn>,
    pub(super) refresh_at: Instant,
}

/// Logs in and refreshes with one instance's credentials, and publishes the resulting state.
pub(super) struct Authenticator {
    pub(super) name: String,
    setup: Arc<InstanceSetup>,
    pub(super) keyring: Keyring,
    clock: ServerClock,
    clock_warnings: ClockWarnings,
    pub(super) timings: SessionTimings,
    counters: Arc<Counters>,
    states: watch::Sender<SessionState>,
    /// Serial number of the newest token.
    serial: u64,
    /// The last warnings about announced hosts that were logged.
    warned_of_hosts: Vec<String>,
    /// The pairing code that was logged; set while the device waits to be paired.
    pub(super) shown_pairing_code: Option<String>,
    pub(super) renewals: Renewals,
    pub(super) refusals: Refusals,
}

impl Authenticator {
    pub(super) fn new(
        name: &str,
        setup: Arc<InstanceSetup>,
        place: KeyPlace,
        timings: SessionTimings,
        counters: Arc<Counters>,
        states: watch::Sender<SessionState>,
    ) -> Result<Self, SessionError> {
        Ok(Self {
            name: name.to_owned(),
            keyring: Keyring::open(name, &setup.settings.credentials, place, &timings)?,
            setup,
            clock: ServerClock::default(),
            clock_warnings: ClockWarnings::default(),
            renewals: Renewals::new(timings.renewal),
            refusals: Refusals::new(&timings),
            timings,
            counters,
            states,
            serial: 0,
            warned_of_hosts: Vec::new(),
            shown_pairing_code: None,
        })
    }

    /// Replaces the waits, for tests and simulations.
    pub(super) fn set_timings(&mut self, timings: SessionTimings) {
        self.renewals = Renewals::new(timings.renewal);
        self.refusals = Refusals::new(&timings);
        self.keyring.set_timings(&timings);
        self.timings = timings;
    }

    /// Uses another setup from now on.
    pub(super) fn follow(&mut self, setup: Arc<InstanceSetup>) {
        log::info!(instance = self.name; "the settings of this instance have changed: logging in again");
        self.keyring.follow(&setup.settings.credentials);
        self.refusals.replaced();
        if self.setup.settings.host != setup.settings.host {
            // The clock of the new server is unknown.
            self.clock = ServerClock::default();
        }
        self.shown_pairing_code = None;
        self.setup = setup;
    }

    fn host(&self) -> &str {
        self.setup.settings.host.trim_end_matches('/')
    }

    pub(super) fn publish(&self, state: SessionState) {
        self.states.send_replace(state);
    }

    /// Logs in, and publishes the token.
    pub(super) async fn log_in(&mut self) -> Result<Token, Failure> {
        let clock_before = self.clock;
        let mut answer = self.try_to_log_in().await;
        let doubtful = match &answer {
            Ok(token) => token.session.authentication.identity.is_pairing(),
            Err(Failure::Refused(_)) => true,
            Err(Failure::Transient(..)) => false,
        };
        let is_dated = self.signs_with_secret();
        if doubtful && is_dated && self.clock.disagrees_with(clock_before, LocalTime::now()) {
            // The refused login was dated by a wrong clock, and its answer had the right time.
            answer = self.try_to_log_in().await;
        }
        if let Err(Failure::Refused(reason)) = &mut answer
            && is_dated
            && !self.clock.is_known()
            && LocalTime::now().is_unset()
        {
            // EXP's message blames the credentials, which may be right.
            reason.push_str(UNSET_CLOCK);
        }
        let token = answer?;
        let identity = &token.session.authentication.identity;
        if !identity.is_pairing() {
            self.refusals.accepted();
            log::info!(event = JournalEvent::LoggedIn, instance = self.name, uuid = excerpt(&identity.uuid), organization = excerpt(&identity.organization); "logged in as {} {}", identity.kind, excerpt(&identity.uuid));
            if !identity.unknown.is_empty() {
                log::debug!(instance = self.name; "EXP's answer to the login leaves out {}", identity.unknown.join(", "));
            }
        }
        Ok(token)
    }

    /// True if logins are signed with a secret, and therefore dated.
    pub(super) fn signs_with_secret(&self) -> bool {
        match &self.setup.settings.credentials {
            Credentials::User { .. } => false,
            Credentials::ConsumerApp { .. } => true,
            Credentials::Device { secret, .. } => secret.is_some() || self.keyring.key().is_some(),
        }
    }

    async fn try_to_log_in(&mut self) -> Result<Token, Failure> {
        self.counters.logins.inc();
        // A second ago, so that no server takes it for a date in the future.
        let now = self.clock.now(LocalTime::now()) / 1000 - 1;
        let credentials = &self.setup.settings.credentials;
        let body = login_request(credentials, self.keyring.key(), now);
        let url = format!("{}/api/auth/login", self.host());
        let request = self.setup.login.request(Method::POST, url);
        let request = request.map_err(|error| self.transient(error))?.json(&body);
        self.authenticate(request).await
    }

    /// Exchanges a token for a fresh one, and publishes it.
    pub(super) async fn refresh(&mut self, session: &LoggedIn) -> Result<Token, Failure> {
        self.counters.refreshes.inc();
        let url = format!("{}/api/auth/token", self.host());
        let token = session.authentication.token.expose();
        let request = self.setup.login.request(Method::POST, url);
        let request = request.map_err(|error| self.transient(error))?;
        self.authenticate(request.bearer_auth(token)).await
    }

    /// Sends a login or a refresh, and publishes the token of the answer.
    async fn authenticate(&mut self, request: RequestBuilder) -> Result<Token, Failure> {
        let answered = self
            .setup
            .login
            .exchange(request, self.timings.answer, LARGEST_ANSWER, &Unbounded)
            .await;
        let mut answer = answered.map_err(|error| self.transient(error))?;
        self.update_clock(answer.date);
        if answer.status == StatusCode::UNAUTHORIZED {
            return Err(Failure::Refused(answer.message()));
        }
        if !answer.status.is_success() {
            let (host, status, message) = (self.host(), answer.status, answer.message());
            let remedy = if status.is_redirection() || status == StatusCode::NOT_FOUND {
                "; check the host setting: it must be the API's own address"
            } else {
                ""
            };
            let reason = format!("{host} answered {status}: {message}{remedy}");
            return Err(Failure::Transient(reason, answer.retry_after));
        }
        let stranger = answer.stranger();
        let authentication = LoginAnswer::read(&answer.body, self.claimant());
        // The parsed tokens are copies; the raw body is wiped.
        answer.body.zeroize();
        let authentication = authentication.map_err(|why| {
            let why = stranger.unwrap_or_else(|| why.to_string());
            let reason = format!(
                "{} answered with something other than an authentication payload ({why}); check the host setting",
                self.host()
            );
            Failure::Transient(reason, None)
        })?;
        Ok(self.adopt(authentication))
    }

    /// Kind and uuid of the identity that logs in.
    fn claimant(&self) -> Claimant<'_> {
        let credentials = &self.setup.settings.credentials;
        let uuid = match credentials {
            Credentials::Device { uuid, .. } => {
                let paired = self.keyring.key().map(|key| key.uuid.as_str());
                paired.or(uuid.as_deref())
            }
            Credentials::ConsumerApp { uuid, .. } => Some(uuid.as_str()),
            Credentials::User { .. } => None,
        };
        Claimant {
            kind: credentials.kind(),
            uuid,
        }
    }

    fn transient(&self, error: CallError) -> Failure {
        let reason = match error {
            // It does not matter that the request may have arrived: another login does no harm.
            CallError::Offline { reason, .. } | CallError::Unknown { reason } => reason,
            other => format!("{}: {other}; check the host setting", self.host()),
        };
        Failure::Transient(reason, None)
    }

    fn update_clock(&mut self, date: Option<SystemTime>) {
        let local = LocalTime::now();
        self.clock.update(date, local);
        let offset = self.clock.offset_to_warn_of(local);
        match self.clock_warnings.update(offset) {
            Some(ClockChange::Wrong(seconds)) => {
                let direction = if seconds > 0 { "behind" } else { "ahead of" };
                log::warn!(event = JournalEvent::ClockWrong, instance = self.name; "this machine's clock is {} s {direction} EXP's; logins allow for it, certificates do not: correct it", seconds.unsigned_abs());
            }
            Some(ClockChange::Right) => {
                log::info!(instance = self.name; "this machine's clock agrees with EXP's again");
            }
            None => {}
        }
    }

    fn adopt(&mut self, authentication: LoginAnswer) -> Token {
        let now = Instant::now();
        let life = match authentication.expiration {
            Some(expiration) => self.clock.life_or_guess(expiration, LocalTime::now()),
            None => DEFAULT_LIFE,
        };
        self.serial += 1;
        let Hosts {
            api,
            socket,
            warnings,
        } = hosts(&authentication, self.setup.settings.hosts, self.host());
        for warning in &warnings {
            if !self.warned_of_hosts.contains(warning) {
                log::warn!(instance = self.name; "{warning}");
            }
        }
        self.warned_of_hosts = warnings;
        let session = Arc::new(LoggedIn {
            serial: self.serial,
            setup: self.setup.clone(),
            api_url: api,
            socket_url: socket,
            socket_token: authentication
                .network_token
                .clone()
                .unwrap_or_else(|| authentication.token.clone()),
            ends_at: Deadline::after(life),
            renewable_at: self.renewals.allowed_at,
            authentication,
        });
        self.show_pairing_code(&session);
        self.publish(SessionState::LoggedIn(session.clone()));
        let refresh_in = jittered(life.mul_f64(REFRESH_AT).min(LATEST_REFRESH), REFRESH_JITTER);
        Token {
            session,
            refresh_at: now + refresh_in.max(EARLIEST_REFRESH),
        }
    }

    fn show_pairing_code(&mut self, session: &LoggedIn) {
        let code = session.authentication.identity.pairing_code.clone();
        if let Some(code) = &code
            && self.shown_pairing_code.as_ref() != Some(code)
        {
            if code.is_empty() {
                log::info!(event = JournalEvent::Pairing, instance = self.name; "waiting to be paired; EXP sent no pairing code");
                self.shown_pairing_code = Some(String::new());
                return;
            }
            let shown = excerpt(&display_pairing_code(code));
            log::info!(event = JournalEvent::Pairing, instance = self.name, pairing_code = shown; "waiting to be paired: the pairing code is {shown}; have an operator enter it in EXP (with an expd hub: expd hub pair {shown})");
        }
        self.shown_pairing_code = code;
    }
}
