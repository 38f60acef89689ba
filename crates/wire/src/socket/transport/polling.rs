//! HTTP long polling: one pending request receives packets, and one at a time sends them.

use std::collections::VecDeque;
use std::error::Error as _;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use reqwest::header::{ACCEPT_ENCODING, CONTENT_TYPE, COOKIE, HeaderMap, HeaderValue};
use reqwest::{Client, Response, Url};
use tokio::sync::oneshot;
use tokio::time::sleep_until;

use super::cookies::Cookies;
use super::framing::{Packets, join};
use super::pace::Pace;
use super::{Address, ConnectionLost, OpenFailure, Received, Rejection, ToSend};
use crate::dns::Resolver;
use crate::encoding::{self, unrequested};
use crate::error::ConnectError;
use crate::socket::packet::{Handshake, MAX_PACKET, Packet};
use crate::tls::explain;
use crate::trust::Trust;
use expd_domain::Generation;

/// Maximum size of a body, in bytes: one packet of the largest size, and those that arrived while
/// the last response was sent.
const MAX_BODY: usize = 64 << 20;

/// Maximum size of the bodies of one endpoint: two messages, if its messages have a lower limit.
fn max_body(address: &Address<'_>) -> usize {
    match address.max_message() {
        MAX_PACKET.. => MAX_BODY,
        less => 2 * less,
    }
}

/// Number of bytes of an error's body that are read.
const MAX_REFUSAL: usize = 4 << 10;

/// Maximum size of the packets of one request, in bytes; a server of generation 4 accepts 1 MB by
/// default.
const MAX_POST: usize = 256 << 10;

/// Timeout of TCP and TLS, so that a dead address is noticed before the whole time is used up.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A session over long polling.
pub(in crate::socket) struct Polling {
    client: Client,
    /// Includes the session's ID.
    url: Url,
    cookies: Cookies,
    pace: Pace,
    generation: Generation,
    handshake: Handshake,
    packets: Packets,
    poll: Option<BoxFuture<'static, Result<PollAnswer, ConnectionLost>>>,
    post: Option<BoxFuture<'static, Result<PollAnswer, ConnectionLost>>>,
    outbox: VecDeque<ToSend>,
    /// Waiters for the request in progress; at most as many as its packets.
    posted: Vec<oneshot::Sender<()>>,
    /// Makes every URL unique, so that no cache responds.
    count: u64,
    /// Maximum size of a body, in bytes.
    max_body: usize,
}

impl Polling {
    /// Opens a session in `generation`. The server may respond in the other one, which becomes the
    /// session's.
    pub async fn open(
        address: &Address<'_>,
        generation: Generation,
        trust: &Trust,
    ) -> Result<Self, OpenFailure> {
        let broken = |reason: String| OpenFailure::Broken(address.failed(reason));
        let client = client(address, trust).map_err(|error| broken(error.to_string()))?;
        let mut url = address.polling(generation);
        let request = client.get(url.clone()).send();
        let answer = match request.await {
            Ok(answer) => answer,
            Err(error) => return Err(broken(address.route().diagnose(&error, trust).await)),
        };

        let mut cookies = Cookies::default();
        cookies.update(answer.headers());
        if !answer.status().is_success() {
            return Err(OpenFailure::Rejected(rejection(answer).await));
        }
        if let Some(reason) = unrequested(answer.headers()) {
            return Err(broken(reason));
        }
        let max_body = max_body(address);
        let body = body(answer, max_body)
            .await
            .map_err(|lost| broken(lost.0))?;
        let no_handshake = || {
            broken(
                "the answer is not an Engine.IO handshake; is this an EXP network's address?"
                    .into(),
            )
        };
        let generation = generation_of(&body).ok_or_else(no_handshake)?;
        let mut packets = Packets::new(generation, body).map_err(|_| no_handshake())?;
        let Some(Ok(Received::Text(first))) = packets.next() else {
            return Err(no_handshake());
        };
        let Ok(Packet::Open(handshake)) = Packet::parse(first.as_str()) else {
            return Err(no_handshake());
        };
        url.query_pairs_mut().append_pair("sid", &handshake.sid);
        Ok(Self {
            client,
            url,
            cookies,
            pace: Pace::new(handshake.ping_timeout),
            generation,
            handshake,
            packets,
            poll: None,
            post: None,
            outbox: VecDeque::new(),
            posted: Vec::new(),
            count: 0,
            max_body,
        })
    }

    /// The generation in which the server responded.
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// The server's handshake.
    pub fn handshake(&self) -> &Handshake {
        &self.handshake
    }

    pub(super) fn outbox(&mut self) -> &mut VecDeque<ToSend> {
        &mut self.outbox
    }

    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        read: bool,
    ) -> Poll<Result<Received, ConnectionLost>> {
        if let Poll::Ready(Err(lost)) = self.poll_write(cx) {
            return Poll::Ready(Err(lost));
        }
        if !read {
            return Poll::Pending;
        }
        loop {
            match self.packets.next() {
                Some(Ok(packet)) => {
                    if packet.is_message() {
                        self.pace.message();
                    }
                    return Poll::Ready(Ok(packet));
                }
                Some(Err(malformed)) => {
                    return Poll::Ready(Err(ConnectionLost(format!(
                        "the server sent {malformed}"
                    ))));
                }
                None => {}
            }
            if self.poll.is_none() {
                self.poll = Some(self.get());
            }
            let Some(Poll::Ready(answer)) = self.poll.as_mut().map(|poll| poll.poll_unpin(cx))
            else {
                return Poll::Pending;
            };
            self.poll = None;
            let PollAnswer { headers, body } = match answer {
                Ok(answer) => answer,
                Err(lost) => return Poll::Ready(Err(lost)),
            };
            self.cookies.update(&headers);
            match Packets::new(self.generation, body) {
                Ok(packets) => self.packets = packets,
                Err(malformed) => {
                    return Poll::Ready(Err(ConnectionLost(format!(
                        "the server sent {malformed}"
                    ))));
                }
            }
        }
    }

    /// Sends the outbox, one request at a time.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ConnectionLost>> {
        loop {
            if let Some(post) = &mut self.post {
                match post.poll_unpin(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(answer) => {
                        self.post = None;
                        self.cookies.update(&answer?.headers);
                    }
                }
                for sent in self.posted.drain(..) {
                    // The requester may have stopped waiting.
                    sent.send(()).ok();
                }
            }
            let mut packets = Vec::new();
            let mut size = 0;
            while let Some(next) = self.outbox.front() {
                size += next.text.len();
                if !packets.is_empty() && size > MAX_POST {
                    break;
                }
                if let Some(packet) = self.outbox.pop_front() {
                    packets.push(packet.text);
                    self.posted.extend(packet.sent);
                }
            }
            if packets.is_empty() {
                return Poll::Ready(Ok(()));
            }
            let texts: Vec<&str> = packets.iter().map(String::as_str).collect();
            self.post = Some(self.post(join(self.generation, &texts)));
        }
    }

    fn request_url(&mut self) -> Url {
        self.count += 1;
        let mut url = self.url.clone();
        url.query_pairs_mut()
            .append_pair("t", &self.count.to_string());
        url
    }

    fn get(&mut self) -> BoxFuture<'static, Result<PollAnswer, ConnectionLost>> {
        let url = self.request_url();
        let request = self.client.get(url).headers(self.cookie_header());
        let at = self.pace.next();
        let max_body = self.max_body;
        async move {
            sleep_until(at).await;
            read_answer(request.send().await, max_body).await
        }
        .boxed()
    }

    fn post(&mut self, text: String) -> BoxFuture<'static, Result<PollAnswer, ConnectionLost>> {
        let url = self.request_url();
        let request = (self.client.post(url).headers(self.cookie_header()))
            .header(CONTENT_TYPE, "text/plain;charset=UTF-8")
            .body(text);
        // Read to its end, so that the connection can be reused.
        async move { read_answer(request.send().await, MAX_REFUSAL).await }.boxed()
    }

    fn cookie_header(&self) -> HeaderMap {
        let cookies = self.cookies.header();
        cookies.into_iter().map(|value| (COOKIE, value)).collect()
    }

    pub(super) async fn close(mut self) {
        self.outbox.push_back(ToSend {
            text: "1".to_owned(),
            sent: None,
        });
        // A failure changes nothing: the session ends either way. The server responds to a pending
        // poll before the close.
        std::future::poll_fn(|cx| {
            if let Some(poll) = &mut self.poll
                && poll.poll_unpin(cx).is_ready()
            {
                self.poll = None;
            }
            self.poll_write(cx)
        })
        .await
        .ok();
    }
}

impl fmt::Debug for Polling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Polling")
    }
}

fn client(address: &Address<'_>, trust: &Trust) -> Result<Client, ConnectError> {
    let none = HeaderValue::from_static(encoding::IDENTITY);
    let plain = HeaderMap::from_iter([(ACCEPT_ENCODING, none)]);
    let mut builder = Client::builder()
        .use_preconfigured_tls(trust.connector()?.as_ref().clone())
        .http1_only()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .dns_resolver(Arc::new(Resolver))
        .tcp_nodelay(true)
        .default_headers(plain)
        .user_agent(concat!("expd/", env!("CARGO_PKG_VERSION")));
    // Without the setting, reqwest uses the environment's proxies by the same rules as
    // `Address::proxy`.
    if let Some(proxy) = &address.endpoint.proxy {
        let proxy = reqwest::Proxy::all(proxy)
            .map_err(|error| ConnectError::ProxySetting(error.without_url()))?;
        builder = builder.proxy(proxy);
    }
    builder.build().map_err(|error| {
        ConnectError::HttpClient(match error.source() {
            Some(cause) => cause.to_string(),
            None => error.to_string(),
        })
    })
}

/// The generation of a handshake's body.
fn generation_of(body: &[u8]) -> Option<Generation> {
    match body {
        [b'0', b'{', ..] => Some(Generation::V4),
        [0, ..] => Some(Generation::V3),
        [b'1'..=b'9', rest @ ..] => {
            let colon = rest.iter().position(|byte| !byte.is_ascii_digit())?;
            rest.get(colon..)?
                .starts_with(b":0{")
                .then_some(Generation::V3)
        }
        _ => None,
    }
}

/// A successful response to a poll.
struct PollAnswer {
    headers: HeaderMap,
    body: Bytes,
}

/// Reads the response to a request of an open session.
async fn read_answer(
    answer: Result<Response, reqwest::Error>,
    bound: usize,
) -> Result<PollAnswer, ConnectionLost> {
    let answer = answer.map_err(|error| {
        ConnectionLost(format!(
            "the connection broke: {}",
            explain(&error.without_url(), "the server")
        ))
    })?;
    if answer.status().is_success() {
        if let Some(reason) = unrequested(answer.headers()) {
            return Err(ConnectionLost(reason));
        }
        return Ok(PollAnswer {
            headers: answer.headers().clone(),
            body: body(answer, bound).await?,
        });
    }
    Err(ConnectionLost(format!(
        "the server ended the session ({})",
        rejection(answer).await.message()
    )))
}

/// Classifies an error response.
async fn rejection(answer: Response) -> Rejection {
    let (status, headers) = (answer.status(), answer.headers().clone());
    // A body that cannot be read is merely missing from the error's message.
    let body = body(answer, MAX_REFUSAL).await.unwrap_or_default();
    Rejection::read(status, &headers, &body)
}

/// Reads a body up to a limit.
async fn body(mut answer: Response, bound: usize) -> Result<Bytes, ConnectionLost> {
    let broke = |error: reqwest::Error| {
        ConnectionLost(format!(
            "the connection broke: {}",
            explain(&error.without_url(), "the server")
        ))
    };
    let mut first = answer.chunk().await.map_err(broke)?.unwrap_or_default();
    let mut more = BytesMut::new();
    while let Some(chunk) = answer.chunk().await.map_err(broke)? {
        if more.is_empty() {
            more.extend_from_slice(&first);
            first = Bytes::new();
        }
        if more.len() + chunk.len() > bound {
            return Err(ConnectionLost(format!(
                "the server answered with more than {bound} bytes"
            )));
        }
        more.extend_from_slice(&chunk);
    }
    Ok(if more.is_empty() {
        first
    } else {
        more.freeze()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_tell_the_generation() {
        for (body, generation) in [
            (b"0{\"sid\":\"a\"}".as_slice(), Some(Generation::V4)),
            (b"96:0{\"sid\"", Some(Generation::V3)),
            (b"\x00\x09\x06\xff0{", Some(Generation::V3)),
            (b"", None),
            (b"<html>", None),
            (b"96", None),
            (b"96:40", None),
            (b"ok", None),
        ] {
            assert_eq!(generation_of(body), generation, "{body:?}");
        }
    }
}
