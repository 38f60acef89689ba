//! The client of the API: broadcasts, responses, resources.
//!
//! A call is sent once, and repeated only if EXP refuses its token, after one new login. If the
//! request may have arrived although no answer came, the caller gets an error that says so, and
//! decides.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, StatusCode, Url};
use serde::Serialize;
use tokio::time::{Instant, timeout};

use super::target;
use crate::config::{BroadcastChannelForm, ChannelIdSpelling};
use crate::upstream::session::{LoggedIn, Session};
use crate::upstream::transport::{
    Answer, AnswerBody, AnswerRoom, CallError, LARGEST_ANSWER, SendLatch, line_time,
};
use expd_domain::excerpt::sentence;
use expd_domain::message;
use expd_domain::{Alphabet, ApiPath, BroadcastId, Channel, ChannelId, Payload};

/// Time until an answer begins, over all tries and logins of a call; in addition to the time that
/// the call itself asks for and the time of its body on a slow line.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// Bytes around a payload in most bodies: names and IDs.
const ENVELOPE_BYTES: usize = 1 << 10;

/// Answer to an API request: any status below 500.
#[derive(Clone, Debug)]
pub struct ApiAnswer {
    pub status: u16,
    pub body: AnswerBody,
}

/// API calls of one identity.
#[derive(Clone, Debug)]
pub struct ApiClient {
    pub(super) session: Session,
}

/// One try of a call.
struct Attempt {
    method: Method,
    url: Url,
    body: Option<Vec<u8>>,
    /// Time until the answer has to begin.
    answer_within: Duration,
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

impl ApiClient {
    /// Calls with the tokens of `session`, each through the setup it was obtained with.
    #[must_use]
    pub fn new(session: Session) -> Self {
        Self { session }
    }

    /// Broadcasts, and returns the responses that came within `wait`. Fires `latch` when the
    /// request is sent.
    ///
    /// # Errors
    /// As [`CallError`] says.
    pub async fn broadcast(
        &self,
        channel: &Channel,
        name: &str,
        payload: &Payload,
        wait: Duration,
        latch: &SendLatch,
        room: &dyn AnswerRoom,
    ) -> Result<Vec<Payload>, CallError> {
        // Rounded up: a shorter time than the caller's would lose responses.
        let millis = wait.as_nanos().div_ceil(1_000_000);
        let path = format!("/api/networks/current/broadcasts?timeout={millis}");
        let url = |host: &str| target::url(host, &path);
        let body = |session: &LoggedIn| {
            let channel = match session.setup.settings.broadcast_channel {
                BroadcastChannelForm::Object => ChannelBody::Object {
                    name: &channel.name,
                    consumer: channel.consumer,
                },
                BroadcastChannelForm::Id => {
                    let organization = &session.authentication.identity.organization;
                    ChannelBody::Id(ChannelId::encode(organization, channel, alphabet(session)))
                }
            };
            let body = BroadcastBody {
                name,
                payload,
                channel,
            };
            to_json(&body, payload).map(Some)
        };
        let answer = self
            .call(
                Method::POST,
                url,
                body,
                wait.saturating_add(ANSWER_TIMEOUT),
                latch,
                room,
            )
            .await?;
        responses(&expect_success(answer)?)
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
        room: &dyn AnswerRoom,
    ) -> Result<(), CallError> {
        let url = |host: &str| target::url(host, "/api/networks/current/responses");
        let body = |_: &LoggedIn| {
            let body = message::Response {
                id: id.clone(),
                channel: channel.clone(),
                payload: payload.clone(),
            };
            to_json(&body, payload).map(Some)
        };
        let latch = SendLatch::default();
        let answer = self.call(Method::POST, url, body, ANSWER_TIMEOUT, &latch, room);
        let answer = expect_success(answer.await?)?;
        if answer.is_api_answer() {
            return Ok(());
        }
        let what = format!(
            "the body is not an EXP answer ({}); check whether a captive portal or a proxy answers in its place",
            answer.quoted_start(),
        );
        Err(CallError::unreadable(&answer.host, answer.status, &what))
    }

    /// Sends any other API request.
    ///
    /// # Errors
    /// As [`CallError`] says; an answer below 500 is no error, except 401.
    pub async fn request(
        &self,
        method: &str,
        path: ApiPath,
        query: BTreeMap<String, String>,
        body: Option<&Payload>,
        room: &dyn AnswerRoom,
    ) -> Result<ApiAnswer, CallError> {
        let method = target::method(method)?;
        let parameters = || query.iter().map(|(key, value)| (&**key, &**value));
        let url = |host: &str| target::app_url(host, &path, parameters());
        let text = |_: &LoggedIn| Ok(body.map(|body| body.as_str().as_bytes().to_vec()));
        let latch = SendLatch::default();
        let answer = self
            .call(method, url, text, ANSWER_TIMEOUT, &latch, room)
            .await?;
        if answer.status.is_server_error() || answer.location.is_some() {
            return Err(answer.into_error());
        }
        if let Some(stranger) = answer.stranger()
            && !serves_pages(&path)
        {
            return Err(CallError::unreadable(
                &answer.host,
                answer.status,
                &stranger,
            ));
        }
        Ok(ApiAnswer {
            status: answer.status.as_u16(),
            body: answer.into_body(),
        })
    }

    /// Sends a request with the session's token. A refused token leads to one fresh login and one
    /// more try. The answer has to begin within `within` and the time that the body takes on a slow
    /// line, logins included. Each try goes to the host that its token came with.
    async fn call(
        &self,
        method: Method,
        url: impl Fn(&str) -> Result<Url, CallError>,
        body: impl Fn(&LoggedIn) -> Result<Option<Vec<u8>>, CallError>,
        within: Duration,
        latch: &SendLatch,
        room: &dyn AnswerRoom,
    ) -> Result<Answer, CallError> {
        let begun = Instant::now();
        // Invalid arguments are refused before any wait.
        url(&self.session.setup().settings.host)?;
        let session = self.session.current().await?;
        let first = body(&session)?;
        let within = within + line_time(first.as_ref().map_or(0, Vec::len));
        let left = || within.saturating_sub(begun.elapsed());
        let attempt = Attempt {
            method: method.clone(),
            url: url(&session.api_url)?,
            body: first,
            answer_within: left(),
        };
        let answer = self.send(&session, attempt, latch, room).await?;
        if answer.status != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        let renewed = timeout(left(), self.session.renew(session.serial)).await;
        let session = renewed.map_err(|_| CallError::Offline {
            reason: "EXP refused the token, and the new login is still in progress".to_owned(),
            retry_in: None,
        })??;
        let attempt = Attempt {
            method,
            url: url(&session.api_url)?,
            body: body(&session)?,
            answer_within: left(),
        };
        let answer = self.send(&session, attempt, latch, room).await?;
        if answer.status != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        Err(CallError::Unauthenticated {
            reason: answer.message(),
        })
    }

    /// Sends a request once, with the token of a session to a host that came with it.
    async fn send(
        &self,
        session: &LoggedIn,
        attempt: Attempt,
        latch: &SendLatch,
        room: &dyn AnswerRoom,
    ) -> Result<Answer, CallError> {
        let Attempt {
            method,
            url,
            body,
            answer_within,
        } = attempt;
        let transport = session.setup.calls.at(&session.api_url);
        let token = session.authentication.token.expose();
        let request = transport.request(method, url)?.bearer_auth(token);
        let Some(body) = body else {
            let exchange = transport.exchange(request, answer_within, LARGEST_ANSWER, room);
            return exchange.await;
        };
        let request = request.header(CONTENT_TYPE, "application/json");
        transport
            .exchange_body(request, body, latch, answer_within, room)
            .await
    }
}

/// Alphabet of the channel IDs that are sent.
fn alphabet(session: &LoggedIn) -> Alphabet {
    match session.setup.settings.channel_id {
        ChannelIdSpelling::Standard => Alphabet::Standard,
        ChannelIdSpelling::Both | ChannelIdSpelling::UrlSafe => Alphabet::UrlSafe,
    }
}

/// Serializes a body that carries a payload. Its buffer is allocated at once: growing by doubling
/// would hold up to three times a large payload.
fn to_json(body: &impl Serialize, payload: &Payload) -> Result<Vec<u8>, CallError> {
    let mut json = Vec::with_capacity(payload.as_str().len() + ENVELOPE_BYTES);
    let written = serde_json::to_writer(&mut json, body);
    written.map_err(|error| CallError::Invalid {
        reason: format!("the request cannot be written as JSON: {error}"),
    })?;
    Ok(json)
}

/// Parses the responses to a broadcast. It was sent whatever the body is, except for a page of
/// HTML, which EXP never answers with.
fn responses(answer: &Answer) -> Result<Vec<Payload>, CallError> {
    let unreadable = |what: &str| CallError::unreadable(&answer.host, answer.status, what);
    if let Some(stranger) = answer.stranger() {
        return Err(unreadable(&stranger));
    }
    if !answer.body.trim_ascii_start().starts_with(b"[") {
        return Ok(Vec::new());
    }
    serde_json::from_slice(&answer.body).map_err(|error| {
        unreadable(&format!(
            "the list of responses cannot be read: {}",
            sentence(&error)
        ))
    })
}

/// True for paths below which EXP serves content, including pages.
fn serves_pages(path: &ApiPath) -> bool {
    let path = path.as_str();
    path.starts_with("/api/delivery") || path.ends_with("/layout") || path.contains("/layout/")
}

fn expect_success(answer: Answer) -> Result<Answer, CallError> {
    if answer.status.is_success() {
        Ok(answer)
    } else {
        Err(answer.into_error())
    }
}
