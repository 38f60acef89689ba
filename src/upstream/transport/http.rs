//! The HTTP client as an instance's settings want it, and the one exchange that every request goes through.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::header::{ACCEPT_ENCODING, HeaderMap, HeaderValue, PROXY_AUTHENTICATE};
use reqwest::{Body, Client, IntoUrl, Method, Proxy, RequestBuilder, Response, StatusCode};
use tokio::time::timeout;

use super::answer::{Answer, AnswerRoom};
use super::departure::{DepartingBody, Departure};
use super::error::CallError;
use crate::config::InstanceSettings;
use expd_wire::encoding;
use expd_wire::names::Names;
use expd_wire::trouble::{Way, never_left};
use expd_wire::trust::Trust;

/// How long a connection may take to come about: DNS, TCP, proxy and TLS together.
const CONNECT: Duration = Duration::from_secs(10);

/// Connections that are kept for later calls, of those that a rush has opened: 2,000 would hold 30 MB for minutes, and as many
/// sockets of the network's.
const KEPT: usize = 32;

/// The slowest line that is waited for, in bytes a second: a payload of 16 MB then has eight minutes.
pub(super) const SLOWEST_LINE: usize = 32 << 10;

/// The largest answer that is taken in: one payload at its largest, or several responses, with room for what surrounds them.
pub(in crate::upstream) const LARGEST_ANSWER: usize = 64 << 20;

/// Sends requests to one instance's host.
#[derive(Clone, Debug)]
pub struct Wire {
    /// Made for the first request: reading the system's authorities would hold up the start of the daemon by 10 ms.
    client: Arc<OnceLock<Result<Client, String>>>,
    proxy: Option<Proxy>,
    trust: Trust,
    way: Way,
}

impl Wire {
    /// As the settings want it.
    ///
    /// # Errors
    /// When the proxy or the authorities' file cannot be used.
    pub fn new(settings: &InstanceSettings) -> Result<Self, String> {
        let way = Way::new(&settings.host, settings.proxy.as_deref());
        let proxy = settings.proxy.as_ref().map(Proxy::all).transpose();
        let proxy = proxy.map_err(|_| {
            let shown = way.proxy().unwrap_or_default();
            format!("the proxy setting ({shown}) is no URL; write http://[user:password@]host:port")
        })?;
        Ok(Self {
            client: Arc::default(),
            proxy,
            trust: Trust::read(settings.ca_file.as_deref())?,
            way,
        })
    }

    /// A request to be filled and handed to [`Self::exchange`].
    ///
    /// # Errors
    /// [`CallError::Offline`] where TLS cannot be set up.
    pub fn request(&self, method: Method, url: impl IntoUrl) -> Result<RequestBuilder, CallError> {
        match self.client.get_or_init(|| self.client()) {
            Ok(client) => Ok(client.request(method, url)),
            Err(reason) => Err(CallError::Offline {
                reason: reason.clone(),
                retry_in: None,
            }),
        }
    }

    fn client(&self) -> Result<Client, String> {
        let plain = HeaderValue::from_static(encoding::NONE);
        let mut builder = Client::builder()
            .default_headers(HeaderMap::from_iter([(ACCEPT_ENCODING, plain)]))
            .user_agent(concat!("expd/", env!("CARGO_PKG_VERSION")))
            .use_preconfigured_tls(self.trust.connector()?.as_ref().clone())
            .connect_timeout(CONNECT)
            .pool_max_idle_per_host(KEPT)
            .dns_resolver(Arc::new(Names))
            // What a request's end says of its fate was thought through for this version (`departure.rs`). Without ALPN, which is
            // not compiled in, no other is spoken anyway.
            .http1_only()
            // A redirected POST would be another request than the one that was asked for.
            .redirect(reqwest::redirect::Policy::none());
        if let Some(proxy) = &self.proxy {
            builder = builder.proxy(proxy.clone());
        }
        builder
            .build()
            .map_err(|error| format!("no HTTP client can be made: {error:?}"))
    }

    /// Sends a request, once, and takes the answer in, up to `most` bytes of it. The answer has to begin within `patience`.
    ///
    /// The HTTP library underneath repeats a request by itself only where not one byte of it was written: where a kept
    /// connection turns out to be closed before the request was taken for writing.
    ///
    /// # Errors
    /// [`CallError::Offline`] where the request certainly was not carried out; [`CallError::Unknown`] where it may have been.
    pub async fn exchange(
        &self,
        request: RequestBuilder,
        patience: Duration,
        most: usize,
        room: &dyn AnswerRoom,
    ) -> Result<Answer, CallError> {
        let answered = self.send(request.send(), patience, || false).await;
        self.take_in(answered?, most, room).await
    }

    /// The same with a body, which notes in `departure` when it leaves.
    ///
    /// # Errors
    /// As [`Self::exchange`].
    pub async fn exchange_body(
        &self,
        request: RequestBuilder,
        body: Vec<u8>,
        departure: &Departure,
        patience: Duration,
        room: &dyn AnswerRoom,
    ) -> Result<Answer, CallError> {
        let body = DepartingBody::new(body.into(), departure.clone());
        let sending = request.body(Body::wrap(body)).send();
        let answered = self.send(sending, patience, || departure.call_off());
        self.take_in(answered.await?, LARGEST_ANSWER, room).await
    }

    /// `call_off` says that the request, which has failed, certainly was not carried out, whatever its error.
    async fn send(
        &self,
        sending: impl Future<Output = reqwest::Result<Response>>,
        patience: Duration,
        call_off: impl Fn() -> bool,
    ) -> Result<Response, CallError> {
        let (reason, here) = match timeout(patience, sending).await {
            Ok(Ok(response)) => return Ok(response),
            Ok(Err(error)) => {
                let here = never_left(&error);
                (self.way.diagnose(&error, &self.trust).await, here)
            }
            Err(_) => {
                let host = self.way.host();
                let reason = format!("{host} did not answer within {patience:.0?}");
                (reason, false)
            }
        };
        Err(if call_off() || here {
            CallError::Offline {
                reason,
                retry_in: None,
            }
        } else {
            CallError::Unknown { reason }
        })
    }

    async fn take_in(
        &self,
        response: Response,
        most: usize,
        room: &dyn AnswerRoom,
    ) -> Result<Answer, CallError> {
        if response.status() == StatusCode::PROXY_AUTHENTICATION_REQUIRED {
            let fields = response.headers().get_all(PROXY_AUTHENTICATE).iter();
            let fields = fields.filter_map(|field| field.to_str().ok());
            return Err(CallError::Offline {
                reason: self.way.proxy_wants(fields),
                retry_in: None,
            });
        }
        let status = response.status();
        let Some(reason) = encoding::unasked(response.headers()) else {
            return Answer::take(response, most, room, &self.way).await;
        };
        if status == StatusCode::UNAUTHORIZED || status.is_server_error() {
            // The status says enough, and more than an error about the body would.
            return Ok(Answer::without_body(&response));
        }
        Err(CallError::unreadable(self.way.host(), status, &reason))
    }
}

/// How long so many bytes take on the slowest line.
pub(in crate::upstream) fn line_time(bytes: usize) -> Duration {
    Duration::from_millis((bytes as u64).saturating_mul(1000) / SLOWEST_LINE as u64)
}
