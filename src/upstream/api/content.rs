//! Content: streamed with the session's token, or named by a URL that carries the network's
//! restricted token.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{ACCEPT_ENCODING, HeaderValue, RANGE};
use reqwest::{Method, StatusCode, Url};
use tokio::time::{Instant, timeout};

use super::client::{ANSWER_TIMEOUT, ApiClient};
use super::target;
use crate::upstream::session::LoggedIn;
use crate::upstream::transport::{AnswerRoom, ByteStream, CallError, OpenAnswer, beyond_the_end};
use expd_domain::ApiPath;

/// Facts about content, from the head of its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentHead {
    /// `Content-Type`, shortened; empty if the network sends none.
    pub content_type: String,
    /// Size of the whole content, if known.
    pub size: Option<u64>,
    /// `ETag`, shortened; empty if the network sends none.
    pub etag: String,
}

/// Content whose head has arrived.
pub struct Content {
    pub head: ContentHead,
    /// `None` for content that has no bytes from the offset on.
    stream: Option<ByteStream>,
}

impl Content {
    /// The next bytes; `None` at the end.
    ///
    /// # Errors
    /// As [`ByteStream::next`] says.
    pub async fn next(&mut self, room: &dyn AnswerRoom) -> Result<Option<Bytes>, CallError> {
        match &mut self.stream {
            Some(stream) => stream.next(room).await,
            None => Ok(None),
        }
    }
}

impl ApiClient {
    /// Gets the content at a path, from a byte on.
    ///
    /// # Errors
    /// As [`CallError`] says; any status but a success is one.
    pub async fn fetch(
        &self,
        path: &ApiPath,
        query: &BTreeMap<String, String>,
        offset: u64,
        room: &dyn AnswerRoom,
    ) -> Result<Content, CallError> {
        let parameters = || query.iter().map(|(key, value)| (&**key, &**value));
        let url = |host: &str| target::app_url(host, path, parameters());
        let begun = Instant::now();
        let mut answer = self.open(url, offset, begun, room).await?;
        if answer.status() == StatusCode::PARTIAL_CONTENT && answer.is_encoded() {
            // Ranges count encoded bytes, so the whole is fetched and its beginning dropped.
            answer = self.open(url, 0, begun, room).await?;
        }
        let mut head = ContentHead {
            content_type: answer.content_type(),
            size: None,
            etag: answer.etag(),
        };
        let range = answer.range();
        match answer.status() {
            StatusCode::PARTIAL_CONTENT
                if offset > 0 && range.is_some_and(|range| range.start == Some(offset)) =>
            {
                head.size = range.and_then(|range| range.size);
                let stream = Some(answer.into_stream(0)?);
                Ok(Content { head, stream })
            }
            // Also from a server without support for ranges.
            status if status.is_success() && status != StatusCode::PARTIAL_CONTENT => {
                head.size = answer.length();
                if let Some(size) = head.size.filter(|size| *size < offset) {
                    return Err(beyond_the_end(offset, size));
                }
                let stream = Some(answer.into_stream(offset)?);
                Ok(Content { head, stream })
            }
            StatusCode::RANGE_NOT_SATISFIABLE if offset > 0 => {
                match range.and_then(|range| range.size) {
                    Some(size) if size == offset => {
                        head.size = Some(size);
                        let stream = None;
                        Ok(Content { head, stream })
                    }
                    Some(size) if size < offset => Err(beyond_the_end(offset, size)),
                    _ => Err(answer.into_error(room).await),
                }
            }
            _ => Err(answer.into_error(room).await),
        }
    }

    /// URL by which a page or a player loads content itself.
    ///
    /// # Errors
    /// [`CallError::NoContentToken`] if the network gave no token for it;
    /// [`CallError::Offline`] while it is not logged in.
    pub async fn content_url(&self, path: &ApiPath, variant: &str) -> Result<String, CallError> {
        let session = self.session.current().await?;
        let token = session.authentication.restricted_token.as_ref();
        let token = token.ok_or(CallError::NoContentToken)?;
        let parameters = [("_rt", token.expose()), ("variant", variant)];
        let named = parameters.into_iter().filter(|(_, text)| !text.is_empty());
        Ok(target::app_url(&session.api_url, path, named)?.into())
    }

    /// Requests content from a byte on. A refused token leads to one new login and one more try.
    async fn open(
        &self,
        url: impl Fn(&str) -> Result<Url, CallError>,
        offset: u64,
        begun: Instant,
        room: &dyn AnswerRoom,
    ) -> Result<OpenAnswer, CallError> {
        let left = || ANSWER_TIMEOUT.saturating_sub(begun.elapsed());
        // Invalid arguments are refused before any wait.
        url(&self.session.setup().settings.host)?;
        let session = self.session.current().await?;
        let answer = self.ask(&session, &url, offset, left(), room).await?;
        if answer.status() != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        drop(answer);
        let renewed = timeout(left(), self.session.renew(session.serial)).await;
        let session = renewed.map_err(|_| CallError::Offline {
            reason: "EXP refused the token, and the new login is still in progress".to_owned(),
            retry_in: None,
        })??;
        self.ask(&session, &url, offset, left(), room).await
    }

    async fn ask(
        &self,
        session: &LoggedIn,
        url: impl Fn(&str) -> Result<Url, CallError>,
        offset: u64,
        answer_within: Duration,
        room: &dyn AnswerRoom,
    ) -> Result<OpenAnswer, CallError> {
        let transport = session.setup.calls.at(&session.api_url);
        let token = session.authentication.token.expose();
        let mut request = transport
            .request(Method::GET, url(&session.api_url)?)?
            .bearer_auth(token)
            // Not encoded: ranges count the bytes that are sent, and most content is compressed
            // already.
            .header(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if offset > 0 {
            request = request.header(RANGE, format!("bytes={offset}-"));
        }
        transport.open(request, answer_within, room).await
    }
}
