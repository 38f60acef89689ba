//! The HTTP client, configured from an instance's settings, and the one exchange that every request
//! goes through.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::header::{ACCEPT_ENCODING, HeaderMap, HeaderValue, PROXY_AUTHENTICATE};
use reqwest::{Body, Client, IntoUrl, Method, Proxy, RequestBuilder, Response, StatusCode};
use tokio::time::{Instant, timeout};

use super::answer::Answer;
use super::answer_room::{AnswerRoom, ReservedRoom, Unbounded};
use super::decoder::{ACCEPTED, Coding};
use super::error::{CallError, RouteFailure};
use super::open_answer::OpenAnswer;
use super::read_size::ReadSize;
use super::send_latch::{LatchedBody, SendLatch};
use super::setup::SetupError;
use crate::config::InstanceSettings;
use expd_wire::diagnosis::{RouteDescription, RouteStep, never_sent};
use expd_wire::dns::Resolver;
use expd_wire::trust::Trust;

/// Bound on connecting: DNS, TCP, proxy and TLS together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Idle connections that are kept after a burst of calls: 2,000 would hold 30 MB and as many of the
/// network's sockets for minutes.
const IDLE_CONNECTIONS: usize = 32;

/// Bound on answers in bytes: one payload of the largest size, or several responses, with their
/// envelope.
pub(in crate::upstream) const LARGEST_ANSWER: usize = 64 << 20;

/// Sends requests of one instance.
#[derive(Clone, Debug)]
pub struct HttpTransport {
    /// Built for the first request: reading the system's certificate authorities takes 10 ms, which
    /// would delay the daemon's start.
    client: Arc<OnceLock<Result<Client, SetupError>>>,
    proxy: Option<Proxy>,
    proxy_setting: Option<String>,
    trust: Trust,
    route: RouteDescription,
    read_size: ReadSize,
}

impl HttpTransport {
    /// Configures the client; connects to nothing yet.
    ///
    /// # Errors
    /// The proxy or the file of certificate authorities is unusable.
    pub fn new(settings: &InstanceSettings) -> Result<Self, SetupError> {
        let route = RouteDescription::new(&settings.host, settings.proxy.as_deref());
        let proxy = settings.proxy.as_ref().map(Proxy::all).transpose();
        let proxy =
            proxy.map_err(|_| SetupError::Proxy(route.proxy().unwrap_or_default().to_owned()))?;
        Ok(Self {
            client: Arc::default(),
            proxy,
            proxy_setting: settings.proxy.clone(),
            trust: Trust::read(settings.ca_file.as_deref())?,
            route,
            read_size: ReadSize::default(),
        })
    }

    /// Returns the same transport for another host, which errors then name.
    pub fn at(&self, host: &str) -> Cow<'_, Self> {
        if host == self.route.host() {
            return Cow::Borrowed(self);
        }
        let route = RouteDescription::new(host, self.proxy_setting.as_deref());
        Cow::Owned(Self {
            route,
            ..self.clone()
        })
    }

    /// A request to be completed and passed to [`Self::exchange`].
    ///
    /// # Errors
    /// [`CallError::Offline`] if TLS cannot be set up.
    pub fn request(&self, method: Method, url: impl IntoUrl) -> Result<RequestBuilder, CallError> {
        match self.client.get_or_init(|| self.client()) {
            Ok(client) => Ok(client.request(method, url)),
            Err(error) => Err(CallError::Offline {
                reason: error.to_string(),
                retry_in: None,
            }),
        }
    }

    fn client(&self) -> Result<Client, SetupError> {
        let accepted = HeaderValue::from_static(ACCEPTED);
        let mut builder = Client::builder()
            .default_headers(HeaderMap::from_iter([(ACCEPT_ENCODING, accepted)]))
            .user_agent(concat!("expd/", env!("CARGO_PKG_VERSION")))
            .use_preconfigured_tls(self.trust.connector()?.as_ref().clone())
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .dns_resolver(Arc::new(Resolver))
            // HTTP/1.1 alone: the fates of failed requests (`send_latch.rs`) are derived for it.
            // ALPN is not compiled in, so no other version would be negotiated anyway.
            .http1_only()
            // Following a redirect would turn a POST into another request than the caller's.
            .redirect(reqwest::redirect::Policy::none());
        if let Some(proxy) = &self.proxy {
            builder = builder.proxy(proxy.clone());
        }
        builder.build().map_err(SetupError::Client)
    }

    /// Sends a request once, and reads at most `most` bytes of the answer, whose head has to arrive
    /// within `answer_within`.
    ///
    /// The HTTP library repeats a request by itself only if none of its bytes were written: a
    /// kept connection turned out to be closed.
    ///
    /// # Errors
    /// [`CallError::Offline`] if the request certainly was not carried out;
    /// [`CallError::Unknown`] if it may have been.
    pub async fn exchange(
        &self,
        request: RequestBuilder,
        answer_within: Duration,
        most: usize,
        room: &dyn AnswerRoom,
    ) -> Result<Answer, CallError> {
        let (_reserved, answer_within) = self.reserve_read(answer_within, room).await?;
        let answered = self.send(request.send(), answer_within, || false).await;
        self.read_response(answered?, most, room).await
    }

    /// As [`Self::exchange`], and tells the step of the route that failed.
    ///
    /// # Errors
    /// As [`Self::exchange`].
    pub async fn probe(
        &self,
        request: RequestBuilder,
        answer_within: Duration,
        most: usize,
    ) -> Result<Answer, RouteFailure> {
        let answered = self.send(request.send(), answer_within, || false).await?;
        self.check_proxy(&answered)
            .map_err(|error| error.at(RouteStep::Proxy))?;
        let answer = self.read_response(answered, most, &Unbounded).await;
        answer.map_err(|error| error.at(RouteStep::Host))
    }

    /// As [`Self::exchange`], with a body that fires `latch` when it is sent.
    ///
    /// # Errors
    /// As [`Self::exchange`].
    pub async fn exchange_body(
        &self,
        request: RequestBuilder,
        body: Vec<u8>,
        latch: &SendLatch,
        answer_within: Duration,
        room: &dyn AnswerRoom,
    ) -> Result<Answer, CallError> {
        let (_reserved, answer_within) = self.reserve_read(answer_within, room).await?;
        let body = LatchedBody::new(body.into(), latch.clone());
        let sending = request.body(Body::wrap(body)).send();
        let answered = self.send(sending, answer_within, || latch.try_cancel());
        self.read_response(answered.await?, LARGEST_ANSWER, room)
            .await
    }

    /// Accounts for what the HTTP library reads before the answer is looked at. Returns the time
    /// left after that wait.
    async fn reserve_read<'a>(
        &self,
        answer_within: Duration,
        room: &'a dyn AnswerRoom,
    ) -> Result<(ReservedRoom<'a>, Duration), CallError> {
        let asked = Instant::now();
        let is_tls = self.route.host().starts_with("https:");
        let bytes = self.read_size.of_request(is_tls);
        let reserved = ReservedRoom::take_ahead(room, bytes).await;
        let reserved = reserved.ok_or(CallError::NoRoomToSend)?;
        Ok((reserved, answer_within.saturating_sub(asked.elapsed())))
    }

    /// Awaits the answer's head. `cancelled` is true if a failed request certainly was not carried
    /// out, whatever its error.
    async fn send(
        &self,
        sending: impl Future<Output = reqwest::Result<Response>>,
        answer_within: Duration,
        cancelled: impl Fn() -> bool,
    ) -> Result<Response, RouteFailure> {
        let (step, reason, unsent) = match timeout(answer_within, sending).await {
            Ok(Ok(response)) => return Ok(response),
            Ok(Err(error)) => {
                let unsent = never_sent(&error);
                let step = self.route.failed_step(&error);
                let reason = self.route.diagnose(&error, &self.trust).await;
                (step, reason, unsent)
            }
            Err(_) => {
                let host = self.route.host();
                let reason = format!("{host} did not answer within {answer_within:.0?}");
                (RouteStep::Host, reason, false)
            }
        };
        let error = if cancelled() || unsent {
            CallError::Offline {
                reason,
                retry_in: None,
            }
        } else {
            CallError::Unknown { reason }
        };
        Err(error.at(step))
    }

    async fn read_response(
        &self,
        response: Response,
        most: usize,
        room: &dyn AnswerRoom,
    ) -> Result<Answer, CallError> {
        let coding = match self.coding(&response) {
            Ok(coding) => coding,
            // The status tells more than an error about the body's encoding.
            Err(_)
                if response.status() == StatusCode::UNAUTHORIZED
                    || response.status().is_server_error() =>
            {
                return Ok(Answer::without_body(&response));
            }
            Err(error) => return Err(error),
        };
        Answer::read(response, coding, most, room, &self.read_size, &self.route).await
    }

    /// Sends a request once whose answer is read piece by piece, and returns it once its head has
    /// arrived.
    ///
    /// # Errors
    /// As [`Self::exchange`].
    pub async fn open(
        &self,
        request: RequestBuilder,
        answer_within: Duration,
        room: &dyn AnswerRoom,
    ) -> Result<OpenAnswer, CallError> {
        let (reserved, answer_within) = self.reserve_read(answer_within, room).await?;
        let answered = self.send(request.send(), answer_within, || false).await?;
        self.check_proxy(&answered)?;
        Ok(OpenAnswer {
            response: answered,
            route: self.route.clone(),
            read_size: self.read_size.clone(),
            reserved: reserved.keep(),
        })
    }

    fn coding(&self, response: &Response) -> Result<Option<Coding>, CallError> {
        self.check_proxy(response)?;
        Coding::of(response.headers()).map_err(|error| {
            CallError::unreadable(self.route.host(), response.status(), &error.to_string())
        })
    }

    fn check_proxy(&self, response: &Response) -> Result<(), CallError> {
        if response.status() != StatusCode::PROXY_AUTHENTICATION_REQUIRED {
            return Ok(());
        }
        let fields = response.headers().get_all(PROXY_AUTHENTICATE).iter();
        let fields = fields.filter_map(|field| field.to_str().ok());
        Err(CallError::Offline {
            reason: self.route.describe_proxy_challenge(fields),
            retry_in: None,
        })
    }
}
