//! The HTTP calls: broadcasts, responses, resources.
//!
//! A call is sent once. It is repeated only when EXP refused its token (after one fresh login); where it may have
//! arrived and no answer came, the caller is told so and decides.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::RETRY_AFTER;
use reqwest::{Client, Method, Response, StatusCode, Url};
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::session::{LoggedIn, Session};
use super::trouble::{describe, never_left};
use crate::config::{BroadcastChannelForm, ChannelIdSpelling, InstanceSettings, Limits};
use crate::exp::message::{self, ErrorBody};
use crate::exp::{Alphabet, BroadcastId, Channel, ChannelId, Payload, payload};

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);

/// How long an answer may take beyond the time that the call itself asks for.
const ANSWER: Duration = Duration::from_secs(30);

/// The largest answer that is taken in: one payload at its largest, or several responses, with room for what surrounds them.
const LARGEST_ANSWER: usize = 64 << 20;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// Nothing was sent.
    #[error("not connected to EXP, nothing was sent: {reason}")]
    Offline {
        /// Why not.
        reason: String,
        /// When the daemon itself tries again.
        retry_in: Option<Duration>,
    },
    /// EXP refuses the token, also a fresh one.
    #[error("EXP refuses the credentials: {reason}")]
    Unauthenticated {
        /// EXP's words.
        reason: String,
    },
    /// EXP answered with an error.
    #[error("EXP answered {status}{}{}", said(.code), said(.message))]
    Exp {
        /// The HTTP status.
        status: u16,
        /// EXP's short name of the error.
        code: String,
        /// EXP's words.
        message: String,
        /// When to come back, where EXP said so.
        retry_after: Option<Duration>,
    },
    /// The request left, and no answer came.
    #[error(
        "the request left and no answer came ({reason}): it may have been carried out; expd does not repeat it"
    )]
    Unknown {
        /// What happened.
        reason: String,
    },
    /// The answer is larger than the daemon takes in.
    #[error(
        "EXP's answer is larger than {LARGEST_ANSWER} bytes and was not taken in; the request was carried out"
    )]
    TooLarge,
    /// Too many calls are under way.
    #[error(
        "{most} calls are under way already, the limit (daemon.limits.max_calls); wait for some to finish, or raise it"
    )]
    TooMany {
        /// The bound.
        most: usize,
    },
    /// The call cannot be made.
    #[error("{reason}")]
    Invalid {
        /// Why not, and what to do.
        reason: String,
    },
}

fn said(words: &str) -> String {
    if words.is_empty() {
        String::new()
    } else {
        format!(": {words}")
    }
}

/// The answer of an API request: any status below 500.
#[derive(Clone, Debug)]
pub struct ApiAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The body; a text that is no JSON comes as a JSON string.
    pub body: Option<Payload>,
}

/// One identity's HTTP calls.
#[derive(Clone, Debug)]
pub struct ApiClient {
    http: Client,
    session: Session,
    host: String,
    form: BroadcastChannelForm,
    spelling: ChannelIdSpelling,
    calls: Arc<Semaphore>,
    most: usize,
}

/// An HTTP client as an instance's settings want it.
///
/// # Errors
/// When the proxy or the authorities' file cannot be used.
pub fn client(settings: &InstanceSettings) -> Result<Client, String> {
    let mut builder = Client::builder()
        .user_agent(concat!("expd/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT)
        // A redirected POST would be another request than the one that was asked for.
        .redirect(reqwest::redirect::Policy::none());
    if let Some(proxy) = &settings.proxy {
        let proxy = reqwest::Proxy::all(proxy).map_err(|e| format!("proxy {proxy:?}: {e}"))?;
        builder = builder.proxy(proxy);
    }
    if let Some(file) = &settings.ca_file {
        let shown = file.display();
        let pem = std::fs::read(file).map_err(|e| format!("cannot read ca_file {shown}: {e}"))?;
        let certificates = reqwest::Certificate::from_pem_bundle(&pem)
            .map_err(|e| format!("ca_file {shown} holds no PEM certificates: {e}"))?;
        for certificate in certificates {
            builder = builder.add_root_certificate(certificate);
        }
    }
    builder.build().map_err(|e| format!("no HTTP client: {e}"))
}

#[derive(Serialize)]
struct BroadcastBody<'a> {
    name: &'a str,
    payload: &'a Payload,
    channel: ChannelBody<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum ChannelBody<'a> {
    Object { name: &'a str, consumer: bool },
    Id(ChannelId),
}

/// What came back.
struct Answer {
    status: StatusCode,
    retry_after: Option<Duration>,
    body: Vec<u8>,
}

impl ApiClient {
    /// Calls with the tokens of `session`.
    ///
    /// # Errors
    /// When the proxy or the authorities' file cannot be used.
    pub fn new(
        settings: &InstanceSettings,
        limits: &Limits,
        session: Session,
    ) -> Result<Self, String> {
        Ok(Self {
            http: client(settings)?,
            session,
            host: settings.host.clone(),
            form: settings.broadcast_channel,
            spelling: settings.channel_id,
            calls: Arc::new(Semaphore::new(limits.max_calls)),
            most: limits.max_calls,
        })
    }

    /// Broadcasts, and returns what was responded within `wait`.
    ///
    /// # Errors
    /// As [`CallError`] says.
    pub async fn broadcast(
        &self,
        channel: &Channel,
        name: &str,
        payload: &Payload,
        wait: Duration,
    ) -> Result<Vec<Payload>, CallError> {
        // A rest is rounded up: asking for less time than the caller wants would lose responses.
        let millis = wait.as_nanos().div_ceil(1_000_000);
        let path = format!("/api/networks/current/broadcasts?timeout={millis}");
        let url = self.url(&path)?;
        let body = |session: &LoggedIn| {
            let channel = match self.form {
                BroadcastChannelForm::Object => ChannelBody::Object {
                    name: &channel.name,
                    consumer: channel.consumer,
                },
                BroadcastChannelForm::Id => {
                    let organization = &session.authentication.identity.organization;
                    ChannelBody::Id(ChannelId::encode(organization, channel, self.alphabet()))
                }
            };
            to_json(&BroadcastBody {
                name,
                payload,
                channel,
            })
            .map(Some)
        };
        let answer = self.call(Method::POST, url, body, wait + ANSWER).await?;
        let answer = expect_success(answer)?;
        serde_json::from_slice::<Vec<Payload>>(&answer.body).map_err(|error| CallError::Unknown {
            reason: format!(
                "EXP accepted the broadcast, but its answer is no list of responses: {error}"
            ),
        })
    }

    /// Responds to a broadcast.
    ///
    /// # Errors
    /// As [`CallError`] says.
    pub async fn respond(
        &self,
        id: &BroadcastId,
        channel: &ChannelId,
        payload: &Payload,
    ) -> Result<(), CallError> {
        let url = self.url("/api/networks/current/responses")?;
        let body = |_: &LoggedIn| {
            to_json(&message::Response {
                id: id.clone(),
                channel: channel.clone(),
                payload: payload.clone(),
            })
            .map(Some)
        };
        expect_success(self.call(Method::POST, url, body, ANSWER).await?).map(drop)
    }

    /// One request of the API.
    ///
    /// # Errors
    /// As [`CallError`] says; an answer below 500 is no error, except 401.
    pub async fn request(
        &self,
        method: &str,
        path: &str,
        query: BTreeMap<String, String>,
        body: Option<&Payload>,
    ) -> Result<ApiAnswer, CallError> {
        let method = match method.to_ascii_uppercase().as_str() {
            "GET" => Method::GET,
            "POST" => Method::POST,
            "PATCH" => Method::PATCH,
            "PUT" => Method::PUT,
            "DELETE" => Method::DELETE,
            _ => {
                return Err(CallError::Invalid {
                    reason: format!(
                        "the method {method:?} is not known; use GET, POST, PATCH, PUT or DELETE"
                    ),
                });
            }
        };
        if !path.starts_with("/api/") {
            return Err(CallError::Invalid {
                reason: format!("the path {path:?} does not start with /api/"),
            });
        }
        let mut url = self.url(path)?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let text = |_: &LoggedIn| Ok(body.map(|body| body.as_str().as_bytes().to_vec()));
        let answer = self.call(method, url, text, ANSWER).await?;
        if answer.status.is_server_error() {
            return Err(exp_error(&answer));
        }
        Ok(ApiAnswer {
            status: answer.status.as_u16(),
            body: body_of(&answer.body),
        })
    }

    /// Sends a request with the session's token; a token that is refused leads to one fresh login and one more try.
    async fn call(
        &self,
        method: Method,
        url: Url,
        body: impl Fn(&LoggedIn) -> Result<Option<Vec<u8>>, CallError>,
        within: Duration,
    ) -> Result<Answer, CallError> {
        let _permit = self
            .calls
            .try_acquire()
            .map_err(|_| CallError::TooMany { most: self.most })?;
        let mut session = self.session.current().await?;
        for fresh in [false, true] {
            let content = body(&session)?;
            let sent = self.send(&session, method.clone(), url.clone(), content);
            let answer = timeout(within, sent).await.unwrap_or_else(|_| {
                Err(CallError::Unknown {
                    reason: format!("{} did not answer within {within:?}", self.host),
                })
            })?;
            if answer.status != StatusCode::UNAUTHORIZED {
                return Ok(answer);
            }
            if fresh {
                return Err(CallError::Unauthenticated {
                    reason: error_body(&answer).message,
                });
            }
            session = self.session.renew(session.generation).await?;
        }
        // The second round returned either way.
        Err(CallError::Unauthenticated {
            reason: String::new(),
        })
    }

    async fn send(
        &self,
        session: &LoggedIn,
        method: Method,
        url: Url,
        body: Option<Vec<u8>>,
    ) -> Result<Answer, CallError> {
        let mut request = self
            .http
            .request(method, url)
            .bearer_auth(session.authentication.token.expose());
        if let Some(body) = body {
            request = request
                .header(reqwest::header::CONTENT_TYPE, "application/json")
                .body(body);
        }
        let response = request.send().await.map_err(|error| {
            let reason = describe(&error, &self.host);
            if never_left(&error) {
                CallError::Offline {
                    reason,
                    retry_in: None,
                }
            } else {
                CallError::Unknown { reason }
            }
        })?;
        let status = response.status();
        let retry_after = retry_after(&response);
        let body = read(response, &self.host).await?;
        Ok(Answer {
            status,
            retry_after,
            body,
        })
    }

    fn url(&self, path: &str) -> Result<Url, CallError> {
        let refused = |reason: String| CallError::Invalid { reason };
        let base =
            Url::parse(&self.host).map_err(|e| refused(format!("host {:?}: {e}", self.host)))?;
        let url = Url::parse(&format!("{}{path}", self.host))
            .map_err(|e| refused(format!("the path {path:?} makes no URL: {e}")))?;
        // `..` and its escaped spellings are resolved by now.
        let prefix = format!("{}/api/", base.path().trim_end_matches('/'));
        if url.origin() != base.origin() || !url.path().starts_with(&prefix) {
            return Err(refused(format!("the path {path:?} leads out of /api/")));
        }
        Ok(url)
    }

    fn alphabet(&self) -> Alphabet {
        match self.spelling {
            ChannelIdSpelling::Standard => Alphabet::Standard,
            ChannelIdSpelling::Both | ChannelIdSpelling::UrlSafe => Alphabet::UrlSafe,
        }
    }
}

/// Reads a body, as far as it is not too large.
async fn read(mut response: Response, host: &str) -> Result<Vec<u8>, CallError> {
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(None) => return Ok(body),
            Ok(Some(chunk)) if body.len() + chunk.len() > LARGEST_ANSWER => {
                return Err(CallError::TooLarge);
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Err(error) => {
                return Err(CallError::Unknown {
                    reason: format!("the answer broke off: {}", describe(&error, host)),
                });
            }
        }
    }
}

/// When the server wants to be asked again, in seconds from now.
pub(super) fn retry_after(response: &Response) -> Option<Duration> {
    let text = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = httpdate::parse_http_date(text).ok()?;
    at.duration_since(std::time::SystemTime::now()).ok()
}

fn to_json(body: &impl Serialize) -> Result<Vec<u8>, CallError> {
    serde_json::to_vec(body).map_err(|error| CallError::Invalid {
        reason: format!("the request makes no JSON: {error}"),
    })
}

fn expect_success(answer: Answer) -> Result<Answer, CallError> {
    if answer.status.is_success() {
        Ok(answer)
    } else {
        Err(exp_error(&answer))
    }
}

fn exp_error(answer: &Answer) -> CallError {
    let ErrorBody { code, message } = error_body(answer);
    CallError::Exp {
        status: answer.status.as_u16(),
        code,
        message,
        retry_after: answer.retry_after,
    }
}

fn error_body(answer: &Answer) -> ErrorBody {
    serde_json::from_slice(&answer.body).unwrap_or_default()
}

/// A body as a payload. What breaks the limits on payloads, or is no JSON, is handed on as text.
fn body_of(body: &[u8]) -> Option<Payload> {
    if body.is_empty() {
        return None;
    }
    let text = String::from_utf8_lossy(body);
    let raw = serde_json::from_str::<Box<RawValue>>(&text);
    match raw {
        Ok(raw) if raw.get().len() <= payload::MAX_BYTES => Payload::parse(raw.get())
            .ok()
            .or_else(|| Some(Payload::from(serde_json::Value::from(text.as_ref())))),
        _ => Some(Payload::from(serde_json::Value::from(text.as_ref()))),
    }
}
