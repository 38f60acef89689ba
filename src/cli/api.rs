//! `expd api`: a request to EXP's HTTP API, with the daemon's session.

use std::collections::BTreeMap;

use clap::Args;

use super::daemon_socket::DaemonSocket;
use super::failure::Failure;
use super::flags::InstanceFlag;
use super::output::{Output, Progress};
use super::payload;

/// Send a request to EXP's HTTP API: devices, things, experiences, locations, feeds, data, content
///
/// Prints the answer's JSON, or its bytes if it is not JSON. The exit status is 1 if EXP answers
/// with a status of 400 or above.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  expd api GET /api/devices
  expd api GET /api/things -q limit=5 -q sort=name
  expd api PUT /api/data/menu/today '{\"soup\": \"leek\"}'")]
pub(super) struct Api {
    /// GET, POST, PATCH, PUT or DELETE
    method: String,
    /// Path, beginning with /api/
    path: String,
    /// Request body: JSON, @FILE, or - for standard input
    #[arg(value_name = "JSON", allow_negative_numbers = true)]
    body: Option<String>,
    /// Query parameter; may be repeated
    #[arg(short, long = "query", value_name = "KEY=VALUE", value_parser = parameter)]
    query: Vec<(String, String)>,
    #[command(flatten)]
    instance: InstanceFlag,
}

/// Error of parsing a query parameter.
#[derive(Debug, thiserror::Error)]
#[error("a query parameter is KEY=VALUE")]
struct NotAParameter;

fn parameter(text: &str) -> Result<(String, String), NotAParameter> {
    text.split_once('=')
        .filter(|(key, _)| !key.is_empty())
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .ok_or(NotAParameter)
}

impl Api {
    pub(super) async fn run(self, socket: DaemonSocket) -> Result<(), Failure> {
        let body = match &self.body {
            Some(_) => Some(payload::read(self.body.as_deref())?),
            None => None,
        };
        let query = self.query_map()?;
        let client = socket.connect().await?;
        let request = client.request(
            &self.instance.name,
            &self.method,
            &self.path,
            query,
            body.as_ref(),
        );
        let answer = Progress::new()
            .during(Some("waiting for EXP's answer"), request)
            .await
            .map_err(Failure::Sending)?;
        if let Some(body) = &answer.body {
            Output::new().payload(body).await?;
        } else if !answer.raw.is_empty() {
            Output::new().bytes(&answer.raw).await?;
        }
        if answer.status >= 400 {
            return Err(Failure::Failed(format!(
                "EXP answered {} to {} {}",
                answer.status, self.method, self.path
            )));
        }
        Ok(())
    }

    fn query_map(&self) -> Result<BTreeMap<String, String>, Failure> {
        let mut query = BTreeMap::new();
        for (key, value) in &self.query {
            if query.insert(key.clone(), value.clone()).is_some() {
                return Err(Failure::Usage(format!(
                    "the query parameter {key:?} is given twice; if EXP takes several, put \
                     them into the path: {}?{key}=…&{key}=…",
                    self.path
                )));
            }
        }
        Ok(query)
    }
}
