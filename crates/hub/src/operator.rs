//! Client of the operator's calls, for `expd hub pair` and `expd hub unpair`.

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio_rustls::rustls::crypto::ring;

use super::counters::CountersSnapshot;
use expd_domain::Secret;
use expd_domain::message::ErrorBody;

/// Timeout of a call: the server responds at once.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Body of `POST /hub/pair`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct PairRequest {
    pub code: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
}

/// A device: response to pairing; request and response of unpairing.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct DeviceUuid {
    pub uuid: String,
}

/// Paired device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paired {
    /// The device's uuid. Its secret is sent to the device alone.
    pub uuid: String,
}

/// Pairs the device that shows `code` (`abc-def` or `abcdef`, in any case) with the server at
/// `base_url`.
///
/// # Errors
/// The server cannot be reached, refuses the operator, or does not know the code.
pub async fn pair(
    base_url: &str,
    key: Option<&Secret>,
    code: &str,
) -> Result<Paired, OperatorError> {
    pair_as(base_url, key, code, None).await
}

/// Pairs as [`pair`] does, with a uuid of the operator's choice.
///
/// # Errors
/// As for [`pair`], and if the server does not accept the uuid.
pub async fn pair_as(
    base_url: &str,
    key: Option<&Secret>,
    code: &str,
    uuid: Option<&str>,
) -> Result<Paired, OperatorError> {
    let body = PairRequest {
        code: code.to_owned(),
        uuid: uuid.map(str::to_owned),
    };
    let DeviceUuid { uuid } = post(base_url, key, "/hub/pair", &body).await?;
    Ok(Paired { uuid })
}

/// Removes a device from the server at `base_url`: the device is notified, its tokens end, its
/// sockets are closed.
///
/// # Errors
/// As for [`pair`], and if there is no such device.
pub async fn unpair(base_url: &str, key: Option<&Secret>, uuid: &str) -> Result<(), OperatorError> {
    let body = DeviceUuid {
        uuid: uuid.to_owned(),
    };
    let DeviceUuid { .. } = post(base_url, key, "/hub/unpair", &body).await?;
    Ok(())
}

/// Reads the counters of the server at `base_url`.
///
/// # Errors
/// The server cannot be reached or refuses the operator.
pub async fn counters(
    base_url: &str,
    key: Option<&Secret>,
) -> Result<CountersSnapshot, OperatorError> {
    let call = Call::new(base_url, "/hub/counters")?;
    let request = call.client.get(&call.url);
    call.send(request, key).await
}

async fn post<T: DeserializeOwned>(
    base_url: &str,
    key: Option<&Secret>,
    path: &str,
    body: &impl Serialize,
) -> Result<T, OperatorError> {
    let call = Call::new(base_url, path)?;
    let request = call.client.post(&call.url).json(body);
    call.send(request, key).await
}

struct Call {
    client: reqwest::Client,
    url: String,
}

impl Call {
    fn new(base_url: &str, path: &str) -> Result<Self, OperatorError> {
        let url = format!("{}{path}", base_url.trim_end_matches('/'));
        // reqwest needs a crypto provider even without TLS. An installed one is kept.
        ring::default_provider().install_default().ok();
        // An operator calls a local server, mostly on loopback, where a proxy is of no use.
        let client = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .no_proxy()
            .build()
            .map_err(|error| unreachable(&url, &error))?;
        Ok(Self { client, url })
    }

    async fn send<T: DeserializeOwned>(
        &self,
        mut request: reqwest::RequestBuilder,
        key: Option<&Secret>,
    ) -> Result<T, OperatorError> {
        if let Some(key) = key {
            request = request.bearer_auth(key.expose());
        }
        let failed = |error| unreachable(&self.url, &error);
        let response = request.send().await.map_err(failed)?;
        let status = response.status();
        let text = response.text().await.map_err(failed)?;
        if !status.is_success() {
            let ErrorBody { code, message } = serde_json::from_str(&text).unwrap_or_default();
            if code.is_empty() {
                return Err(OperatorError::Foreign {
                    url: self.url.clone(),
                });
            }
            return Err(OperatorError::Refused {
                status: status.as_u16(),
                code,
                message,
            });
        }
        serde_json::from_str(&text).map_err(|_| OperatorError::Foreign {
            url: self.url.clone(),
        })
    }
}

fn unreachable(url: &str, error: &reqwest::Error) -> OperatorError {
    // reqwest's own message only names the URL; the innermost cause is specific.
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    OperatorError::Unreachable {
        url: url.to_owned(),
        reason: cause.to_string(),
    }
}

/// An operator's call failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OperatorError {
    /// The server does not respond.
    #[error(
        "the network cannot be reached at {url}: {reason}; is `expd hub` running, and is this its address?"
    )]
    Unreachable { url: String, reason: String },
    /// The server refused the call.
    #[error("the network refused: {message} ({code})")]
    Refused {
        status: u16,
        code: String,
        message: String,
    },
    /// Another program responds.
    #[error("the server at {url} is not an expd hub; check the address")]
    Foreign { url: String },
}
