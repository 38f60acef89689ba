//! EXP API calls of the resource commands.

use std::collections::BTreeMap;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::daemon_socket::DaemonSocket;
use super::failure::Failure;
use super::flags::InstanceFlag;
use super::output::Progress;
use expd_client::Client;
use expd_domain::Payload;
use expd_domain::message::ErrorBody;

/// Characters of a path segment that need no encoding (RFC 3986, section 2.3).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Encodes a text as one path segment.
pub(super) fn segment(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

/// EXP's API, through the daemon.
pub(super) struct Calls {
    client: Client,
    instance: String,
}

/// Result of a search. Each document keeps its exact text.
#[derive(Deserialize)]
pub(super) struct Found {
    pub(super) total: Option<u64>,
    pub(super) results: Vec<Payload>,
}

impl Calls {
    pub(super) async fn connect(
        socket: DaemonSocket,
        instance: &InstanceFlag,
    ) -> Result<Self, Failure> {
        Ok(Self {
            client: socket.connect().await?,
            instance: instance.name.clone(),
        })
    }

    /// Sends a request. An answer with a status of 300 or above, or one that is not JSON, is a
    /// failure with EXP's message. An answer without a document is `null`.
    pub(super) async fn send(
        &self,
        method: &str,
        path: &str,
        query: BTreeMap<String, String>,
        body: Option<&Payload>,
    ) -> Result<Payload, Failure> {
        let request = self
            .client
            .request(&self.instance, method, path, query, body);
        let answer = Progress::new()
            .during(Some("waiting for EXP's answer"), request)
            .await
            .map_err(Failure::Sending)?;
        let body = answer.body.unwrap_or_default();
        if answer.status < 300 && answer.raw.is_empty() {
            return Ok(body);
        }
        let said: ErrorBody = serde_json::from_str(body.as_str()).unwrap_or_default();
        let said = match (&*said.message, &*answer.content_type) {
            ("", "") => String::new(),
            ("", kind) => format!(" with {kind}, which is not an EXP answer"),
            (message, _) => format!(": {message}"),
        };
        Err(Failure::Failed(format!(
            "EXP answered {} to {method} {path}{said}",
            answer.status
        )))
    }

    pub(super) async fn get(&self, path: &str) -> Result<Payload, Failure> {
        self.send("GET", path, BTreeMap::new(), None).await
    }

    /// Searches a collection.
    pub(super) async fn find(
        &self,
        path: &str,
        query: BTreeMap<String, String>,
    ) -> Result<Found, Failure> {
        let answer = self.send("GET", path, query, None).await?;
        serde_json::from_str(answer.as_str()).map_err(|error| {
            Failure::Failed(format!(
                "EXP's answer to GET {path} is not a collection: {error}"
            ))
        })
    }
}
