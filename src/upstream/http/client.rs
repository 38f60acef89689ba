//! The HTTP client as an instance's settings want it, and the one exchange that every request goes through.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, IntoUrl, Method, RequestBuilder, StatusCode};
use tokio::time::timeout;

use super::answer::Answer;
use super::error::CallError;
use crate::config::InstanceSettings;
use crate::upstream::names::Names;
use crate::upstream::trouble::{Way, never_left};

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
    client: Client,
    way: Way,
}

impl Wire {
    /// As the settings want it.
    ///
    /// # Errors
    /// When the proxy or the authorities' file cannot be used.
    pub fn new(settings: &InstanceSettings) -> Result<Self, String> {
        let way = Way::new(&settings.host, settings.proxy.as_deref());
        let mut builder = Client::builder()
            .user_agent(concat!("expd/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .dns_resolver(Arc::new(Names))
            .http2_keep_alive_interval(ALIVE_EVERY)
            .http2_keep_alive_timeout(ALIVE_WITHIN)
            // A redirected POST would be another request than the one that was asked for.
            .redirect(reqwest::redirect::Policy::none());
        if let Some(proxy) = &settings.proxy {
            let proxy = reqwest::Proxy::all(proxy).map_err(|_| {
                let shown = way.proxy().unwrap_or_default();
                format!(
                    "the proxy setting ({shown}) is no URL; write http://[user:password@]host:port"
                )
            })?;
            builder = builder.proxy(proxy);
        }
        if let Some(file) = &settings.ca_file {
            let shown = file.display();
            let pem =
                std::fs::read(file).map_err(|e| format!("cannot read ca_file {shown}: {e}"))?;
            let none = |why: &str| {
                format!("ca_file {shown} holds no PEM certificates{why}; name a file that does")
            };
            let certificates = reqwest::Certificate::from_pem_bundle(&pem)
                .map_err(|e| none(&format!(" ({e})")))?;
            if certificates.is_empty() {
                return Err(none(""));
            }
            for certificate in certificates {
                builder = builder.add_root_certificate(certificate);
            }
        }
        let client = builder
            .build()
            .map_err(|error| format!("no HTTP client can be made: {error:?}"))?;
        Ok(Self { client, way })
    }

    /// A request to be filled and handed to [`Self::exchange`].
    pub fn request(&self, method: Method, url: impl IntoUrl) -> RequestBuilder {
        self.client.request(method, url)
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
