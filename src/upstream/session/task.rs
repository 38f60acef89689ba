//! The session's own task.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::header::DATE;
use reqwest::{Client, Response, StatusCode};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::{LoggedIn, SessionError, SessionState, Wish};
use crate::config::{Credentials, InstanceSettings};
use crate::exp::identity::{Authentication, display_pairing_code};
use crate::exp::message::ErrorBody;
use crate::metrics::Counters;
use crate::upstream::backoff::{Backoff, jittered};
use crate::upstream::credentials::{DeviceKey, PairedStore, login_request};
use crate::upstream::http;
use crate::upstream::trouble::describe;

/// How long an answer to a login or a refresh may take.
const ANSWER: Duration = Duration::from_secs(15);

/// The waits between tries that fail because EXP cannot be reached or is in trouble.
const RETRY: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(60));

/// The waits between tries that EXP refuses: an operator may mend the credentials, but nothing else will.
const REFUSED_RETRY: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(600));

/// The part of a token's life after which it is refreshed, at the latest. The SDKs take a half and three quarters.
const REFRESH_AT: f64 = 0.65;

/// How far that moment is drawn forward at random, so that a fleet does not refresh in step.
const REFRESH_JITTER: f64 = 0.15;

/// The longest time between two refreshes, and the shortest that a nonsensical expiration can lead to.
const LONGEST_LIFE: Duration = Duration::from_secs(7 * 86_400);
const SHORTEST_LIFE: Duration = Duration::from_secs(2);

/// An answer larger than this is no authentication payload.
const LARGEST_ANSWER: usize = 1 << 20;

/// Logs in, refreshes, and does as it is wished.
pub struct SessionTask {
    name: String,
    host: String,
    credentials: Credentials,
    http: Client,
    store: Option<PairedStore>,
    paired: Option<DeviceKey>,
    counters: Arc<Counters>,
    wishes: mpsc::Receiver<Wish>,
    states: watch::Sender<SessionState>,
    generation: u64,
    shown_code: Option<String>,
}

/// Why a login or a refresh did not succeed.
enum Failure {
    Refused(String),
    Passing(String, Option<Duration>),
}

/// A token with its time by the clock that cannot jump.
struct Token {
    session: Arc<LoggedIn>,
    refresh_at: Instant,
    ends_at: Instant,
}

impl SessionTask {
    pub(super) fn new(
        name: &str,
        settings: &InstanceSettings,
        state_dir: Option<&Path>,
        counters: Arc<Counters>,
        wishes: mpsc::Receiver<Wish>,
        states: watch::Sender<SessionState>,
    ) -> Result<Self, SessionError> {
        let allow_pairing = matches!(
            settings.credentials,
            Credentials::Device {
                allow_pairing: true,
                ..
            }
        );
        let mut store = None;
        let mut paired = None;
        if allow_pairing {
            let found = PairedStore::new(state_dir.ok_or(SessionError::NoStateDir)?, name);
            found.check_writable()?;
            paired = match found.read() {
                Ok(key) => key,
                Err(error) => {
                    let aside = found.set_aside()?;
                    log::error!(instance = name; "{error}; it is kept as {}, and the device has to be paired again", aside.display());
                    None
                }
            };
            store = Some(found);
        }
        Ok(Self {
            name: name.to_owned(),
            host: settings.host.clone(),
            credentials: settings.credentials.clone(),
            http: http::client(settings).map_err(SessionError::Client)?,
            store,
            paired,
            counters,
            wishes,
            states,
            generation: 0,
            shown_code: None,
        })
    }

    /// Keeps the session until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        // Ending in the middle of a request loses nothing: the next start logs in afresh.
        stop.run_until_cancelled(self.keep()).await;
    }

    async fn keep(&mut self) {
        let mut backoff = Backoff::new(RETRY.0, RETRY.1);
        let mut refused_backoff = Backoff::new(REFUSED_RETRY.0, REFUSED_RETRY.1);
        let mut attempt = 1;
        loop {
            self.states
                .send_replace(SessionState::LoggingIn { attempt });
            let wait = match self.log_in().await {
                Ok(token) => {
                    backoff.reset();
                    refused_backoff.reset();
                    attempt = 1;
                    self.hold(token).await;
                    continue;
                }
                Err(Failure::Refused(reason)) => {
                    // Jittered upwards: the shortest wait is a promise to the network.
                    let wait = REFUSED_RETRY.0 + refused_backoff.wait();
                    log::error!(instance = self.name; "EXP refuses the credentials: {reason}; correct them and restart, or wait: they are tried again in {} s", wait.as_secs());
                    self.states.send_replace(SessionState::Refused {
                        reason,
                        next_try: SystemTime::now() + wait,
                    });
                    wait
                }
                Err(Failure::Passing(reason, floor)) => {
                    let wait = backoff.wait_after(floor);
                    log::warn!(instance = self.name; "the login failed: {reason}; trying again in {:.1} s", wait.as_secs_f64());
                    self.states.send_replace(SessionState::Failed {
                        reason,
                        attempt,
                        next_try: SystemTime::now() + wait,
                    });
                    wait
                }
            };
            attempt += 1;
            self.rest(Instant::now() + wait).await;
        }
    }

    /// Waits for the next try; news about the credentials ends the wait.
    async fn rest(&mut self, until: Instant) {
        loop {
            tokio::select! {
                () = sleep_until(until) => return,
                wish = self.wishes.recv() => match wish {
                    Some(Wish::Newer(_)) => {}
                    Some(Wish::Paired(key)) => return self.pair(key),
                    Some(Wish::Unpaired) => return self.unpair(),
                    None => std::future::pending().await,
                },
            }
        }
    }

    /// Holds a token: refreshes it in time, until a new login is needed.
    async fn hold(&mut self, mut token: Token) {
        let mut backoff = Backoff::new(RETRY.0, RETRY.1);
        let mut refresh_at = token.refresh_at;
        loop {
            tokio::select! {
                () = sleep_until(refresh_at) => match self.refresh(&token.session).await {
                    Ok(fresh) => {
                        backoff.reset();
                        refresh_at = fresh.refresh_at;
                        token = fresh;
                    }
                    Err(Failure::Refused(reason)) => {
                        log::info!(instance = self.name; "EXP does not refresh the token ({reason}); logging in again");
                        return;
                    }
                    Err(Failure::Passing(reason, floor)) => {
                        let next = Instant::now() + backoff.wait_after(floor);
                        if next >= token.ends_at {
                            return;
                        }
                        log::warn!(instance = self.name; "refreshing the token failed: {reason}; the present one still holds");
                        refresh_at = next;
                    }
                },
                wish = self.wishes.recv() => match wish {
                    Some(Wish::Newer(refused)) if refused >= token.session.generation => return,
                    // Somebody was late: the token is newer already.
                    Some(Wish::Newer(_)) => {}
                    Some(Wish::Paired(key)) => return self.pair(key),
                    Some(Wish::Unpaired) => return self.unpair(),
                    None => std::future::pending().await,
                },
            }
        }
    }

    async fn log_in(&mut self) -> Result<Token, Failure> {
        self.counters.logins.inc();
        let body = login_request(&self.credentials, self.paired.as_ref());
        let request = self
            .http
            .post(format!("{}/api/auth/login", self.host))
            .json(&body);
        let token = self.authenticate(request).await?;
        let identity = &token.session.authentication.identity;
        if identity.pairing_code.is_none() {
            log::info!(instance = self.name, uuid = identity.uuid, organization = identity.organization; "logged in as {} {}", identity.kind, identity.uuid);
        }
        Ok(token)
    }

    async fn refresh(&mut self, session: &LoggedIn) -> Result<Token, Failure> {
        self.counters.refreshes.inc();
        let request = self
            .http
            .post(format!("{}/api/auth/token", self.host))
            .bearer_auth(session.authentication.token.expose());
        self.authenticate(request).await
    }

    /// Sends a login or a refresh, and publishes the token that comes back.
    async fn authenticate(&mut self, request: reqwest::RequestBuilder) -> Result<Token, Failure> {
        let answered = timeout(ANSWER, async {
            let response = request.send().await?;
            let status = response.status();
            let skew = server_time(&response);
            let retry_after = http::retry_after(&response);
            let too_large = response
                .content_length()
                .is_some_and(|length| length > LARGEST_ANSWER as u64);
            let body = if too_large {
                Vec::new()
            } else {
                response.bytes().await?.to_vec()
            };
            Ok::<_, reqwest::Error>((status, skew, retry_after, body))
        });
        let (status, server_now, retry_after, body) = match answered.await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(Failure::Passing(describe(&error, &self.host), None)),
            Err(_) => {
                let reason = format!("{} did not answer within {ANSWER:?}", self.host);
                return Err(Failure::Passing(reason, None));
            }
        };
        if !status.is_success() {
            let said: ErrorBody = serde_json::from_slice(&body).unwrap_or_default();
            let words = if said.message.is_empty() {
                status.to_string()
            } else {
                said.message
            };
            return Err(if status == StatusCode::UNAUTHORIZED {
                Failure::Refused(words)
            } else {
                Failure::Passing(
                    format!("{} answered {status}: {words}", self.host),
                    retry_after,
                )
            });
        }
        let authentication: Authentication = serde_json::from_slice(&body).map_err(|error| {
            let reason = format!(
                "{} answered with something that is no authentication payload ({error}); check the host setting",
                self.host
            );
            Failure::Passing(reason, None)
        })?;
        Ok(self.publish(authentication, server_now))
    }

    fn publish(&mut self, authentication: Authentication, server_now: Option<SystemTime>) -> Token {
        let life = life(
            authentication.expiration,
            server_now.unwrap_or_else(SystemTime::now),
        );
        self.generation += 1;
        let network = &authentication.network;
        let session = Arc::new(LoggedIn {
            generation: self.generation,
            socket_url: network
                .host
                .as_deref()
                .map_or_else(|| self.host.clone(), |host| with_scheme(host, &self.host)),
            socket_token: network
                .token
                .clone()
                .unwrap_or_else(|| authentication.token.clone()),
            expires_at: SystemTime::now() + life,
            authentication,
        });
        self.show_pairing_code(&session);
        self.states
            .send_replace(SessionState::LoggedIn(session.clone()));
        let now = Instant::now();
        Token {
            session,
            refresh_at: now + jittered(life.mul_f64(REFRESH_AT), REFRESH_JITTER),
            ends_at: now + life,
        }
    }

    fn show_pairing_code(&mut self, session: &LoggedIn) {
        let code = session.authentication.identity.pairing_code.clone();
        if let Some(code) = &code
            && self.shown_code.as_ref() != Some(code)
        {
            let shown = display_pairing_code(code);
            log::info!(instance = self.name, pairing_code = shown; "waiting to be paired: the pairing code is {shown}; have an operator enter it in EXP (with an expd hub: expd hub pair {shown})");
        }
        self.shown_code = code;
    }

    fn pair(&mut self, key: DeviceKey) {
        log::info!(instance = self.name, uuid = key.uuid; "paired as device {}", key.uuid);
        if let Some(store) = &self.store
            && let Err(error) = store.write(&key)
        {
            log::error!(instance = self.name; "{error}; the device works until the daemon restarts and has to be paired again then");
        }
        self.paired = Some(key);
    }

    fn unpair(&mut self) {
        log::warn!(instance = self.name; "EXP has unpaired this device");
        if let Some(store) = &self.store
            && let Err(error) = store.remove()
        {
            log::error!(instance = self.name; "{error}");
        }
        self.paired = None;
    }
}

/// The server's clock, where it tells. It tells whole seconds, so that up to one more has passed; a token must not be thought
/// to live longer than it does.
fn server_time(response: &Response) -> Option<SystemTime> {
    let date = response.headers().get(DATE)?.to_str().ok()?;
    let told = httpdate::parse_http_date(date).ok()?;
    Some(told + Duration::from_secs(1))
}

/// How long a token lives from now on. It is counted by the server's clock: a kiosk's own may be years off.
fn life(expiration: i64, now: SystemTime) -> Duration {
    let ends = UNIX_EPOCH + Duration::from_millis(u64::try_from(expiration).unwrap_or(0));
    ends.duration_since(now)
        .unwrap_or_default()
        .clamp(SHORTEST_LIFE, LONGEST_LIFE)
}

/// The network's host as a URL; where it names no scheme, the API's serves.
fn with_scheme(host: &str, api: &str) -> String {
    let host = host.trim_end_matches('/');
    if host.contains("://") {
        return host.to_owned();
    }
    let scheme = api.split_once("://").map_or("https", |(scheme, _)| scheme);
    format!("{scheme}://{host}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_lives_by_the_servers_clock_and_within_reason() {
        let now = UNIX_EPOCH + Duration::from_secs(1_000_000);
        assert_eq!(life(1_000_005_000, now), Duration::from_secs(5));
        assert_eq!(life(0, now), SHORTEST_LIFE);
        assert_eq!(life(i64::MIN, now), SHORTEST_LIFE);
        assert_eq!(life(i64::MAX, now), LONGEST_LIFE);
    }

    #[test]
    fn a_network_host_without_scheme_takes_the_apis() {
        assert_eq!(with_scheme("n.example", "https://a"), "https://n.example");
        assert_eq!(with_scheme("http://n/", "https://a"), "http://n");
    }
}
