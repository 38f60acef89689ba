//! The HTTP client as an instance's settings want it, and the one exchange that every request goes through.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::{Client, IntoUrl, Method, Proxy, RequestBuilder, StatusCode};
use tokio::time::timeout;

use super::answer::Answer;
use super::error::CallError;
use crate::config::InstanceSettings;
use crate::upstream::trouble::{Way, never_left};
use crate::upstream::trust::Trust;

/// How long a connection may take to come about: DNS, TCP, proxy and TLS together.
const CONNECT: Duration = Duration::from_secs(10);

/// The slowest line that is waited for, in bytes a second: a payload of 16 MB then has eight minutes.
pub(super) const SLOWEST_LINE: usize = 32 << 10;

/// An HTTP/2 connection with a request on it that shows no life for so long is dead; without this it would stay in the pool and
/// swallow one request after the other.
const ALIVE_EVERY: Duration = Duration::from_secs(10);
const ALIVE_WITHIN: Duration = Duration::from_secs(5);

/// Sends requests to one instance's host.
#[derive(Clone, Debug)]
pub struct Wire {
    /// Made for the first request: reading the system's authorities would hold up the start of the daemon by 30 ms.
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
        let mut builder = Client::builder()
            .user_agent(concat!("expd/", env!("CARGO_PKG_VERSION")))
            .use_preconfigured_tls(self.trust.connector()?)
            .connect_timeout(CONNECT)
            .http2_keep_alive_interval(ALIVE_EVERY)
            .http2_keep_alive_timeout(ALIVE_WITHIN)
            // A redirected POST would be another request than the one that was asked for.
            .redirect(reqwest::redirect::Policy::none());
        if let Some(proxy) = &self.proxy {
            builder = builder.proxy(proxy.clone());
        }
        builder
            .build()
            .map_err(|error| format!("no HTTP client can be made: {error:?}"))
    }

    /// Sends a request whose body has `upload` bytes, once, and takes the answer in, up to `most` bytes of it.
    ///
    /// The answer has to begin within `patience`, and both bodies may take as long as they do on the slowest line. The HTTP
    /// library underneath repeats a request by itself only where not one byte of it was written, or where an HTTP/2 server
    /// declared that it did not look at it.
    ///
    /// # Errors
    /// [`CallError::Offline`] where the request certainly did not leave; [`CallError::Unknown`] where it may have.
    pub async fn exchange(
        &self,
        request: RequestBuilder,
        upload: usize,
        patience: Duration,
        most: usize,
    ) -> Result<Answer, CallError> {
        let patience = patience + line_time(upload);
        let sent = timeout(patience, request.send()).await;
        let response = sent
            .map_err(|_| CallError::Unknown {
                reason: format!("{} did not answer within {patience:.0?}", self.way.host()),
            })?
            .map_err(|error| {
                let reason = self.way.describe(&error);
                if never_left(&error) {
                    CallError::Offline {
                        reason,
                        retry_in: None,
                    }
                } else {
                    CallError::Unknown { reason }
                }
            })?;
        if response.status() == StatusCode::PROXY_AUTHENTICATION_REQUIRED {
            return Err(CallError::Offline {
                reason: self.way.proxy_wants_a_name(),
                retry_in: None,
            });
        }
        Answer::take(response, most, &self.way).await
    }
}

/// How long so many bytes take on the slowest line.
pub(super) fn line_time(bytes: usize) -> Duration {
    Duration::from_millis((bytes as u64).saturating_mul(1000) / SLOWEST_LINE as u64)
}
