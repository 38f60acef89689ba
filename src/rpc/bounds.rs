//! Length limits of the texts in a request. They are checked before a text is stored, hashed,
//! quoted or passed to another task.

use std::collections::HashMap;

use tonic::Status;

use super::error;
use expd_domain::api_path::MAX_PATH_BYTES;
use expd_domain::channel::MAX_NAME_BYTES;
use expd_domain::channel_id::MAX_ID_BYTES;
use expd_proto as proto;
use expd_proto::explain_request::Caller;

/// Limit for an instance's name, the ID of a listener or log, a variant, and a page token. In
/// bytes, like all limits here.
const MAX_NAME: usize = 256;

/// Limit for the host of an instance that a program runs.
const MAX_HOST: usize = 2048;

/// Limit for a context, the ID of a broadcast, and each text of credentials.
const MAX_TAG: usize = 1024;

/// Limit for all keys and values of a query together.
const MAX_QUERY: usize = 64 * 1024;

/// Limit for the number of a query's parameters.
const MAX_PARAMETERS: usize = 1024;

/// A request whose texts have length limits.
pub(super) trait Bounded {
    /// Refuses the first field that exceeds its limit.
    fn check(&self) -> Result<(), Status>;
}

impl Bounded for proto::BroadcastRequest {
    fn check(&self) -> Result<(), Status> {
        field("instance", &self.instance, MAX_NAME)?;
        channel(self.channel.as_ref())?;
        field("name", &self.name, MAX_NAME_BYTES)
    }
}

impl Bounded for proto::ListenRequest {
    fn check(&self) -> Result<(), Status> {
        field("instance", &self.instance, MAX_NAME)?;
        channel(self.channel.as_ref())?;
        field("name", &self.name, MAX_NAME_BYTES)?;
        field("context", &self.context, MAX_TAG)?;
        let log_id = self.resume.as_ref().map_or("", |resume| &resume.log_id);
        field("resume.log_id", log_id, MAX_NAME)
    }
}

impl Bounded for proto::RespondRequest {
    fn check(&self) -> Result<(), Status> {
        field("instance", &self.instance, MAX_NAME)?;
        field("broadcast_id", &self.broadcast_id, MAX_TAG)?;
        field("channel_id", &self.channel_id, MAX_ID_BYTES)
    }
}

impl Bounded for proto::NextEventRequest {
    fn check(&self) -> Result<(), Status> {
        field("listener_id", &self.listener_id, MAX_NAME)
    }
}

impl Bounded for proto::CancelListenerRequest {
    fn check(&self) -> Result<(), Status> {
        field("listener_id", &self.listener_id, MAX_NAME)
    }
}

impl Bounded for proto::ClearContextRequest {
    fn check(&self) -> Result<(), Status> {
        field("context", &self.context, MAX_TAG)
    }
}

impl Bounded for proto::ApiRequest {
    /// The parsers of path and method bound their lengths.
    fn check(&self) -> Result<(), Status> {
        field("instance", &self.instance, MAX_NAME)?;
        query(&self.query)
    }
}

impl Bounded for proto::FetchRequest {
    fn check(&self) -> Result<(), Status> {
        field("instance", &self.instance, MAX_NAME)?;
        query(&self.query)
    }
}

impl Bounded for proto::GetContentUrlRequest {
    fn check(&self) -> Result<(), Status> {
        field("instance", &self.instance, MAX_NAME)?;
        field("path", &self.path, MAX_PATH_BYTES)?;
        field("variant", &self.variant, MAX_NAME)
    }
}

impl Bounded for proto::GetIdentityRequest {
    fn check(&self) -> Result<(), Status> {
        field("instance", &self.instance, MAX_NAME)
    }
}

impl Bounded for proto::GetStatusRequest {
    fn check(&self) -> Result<(), Status> {
        field("page_token", &self.page_token, MAX_NAME)
    }
}

impl Bounded for proto::ExplainRequest {
    fn check(&self) -> Result<(), Status> {
        field("verb", &self.verb, MAX_NAME)?;
        field("instance", &self.instance, MAX_NAME)?;
        channel(self.channel.as_ref())?;
        field("name", &self.name, MAX_NAME_BYTES)?;
        field("method", &self.method, MAX_NAME)?;
        match &self.caller {
            Some(Caller::Token(name) | Caller::App(name)) => field("caller", name, MAX_NAME)?,
            Some(Caller::Pid(_) | Caller::Uid(_)) | None => {}
        }
        field("path", &self.path, MAX_PATH_BYTES)
    }
}

impl Bounded for proto::RunInstanceRequest {
    fn check(&self) -> Result<(), Status> {
        use proto::credentials::Kind;
        field("name", &self.name, MAX_NAME)?;
        field("host", &self.host, MAX_HOST)?;
        let credentials = self.credentials.as_ref();
        match credentials.and_then(|credentials| credentials.kind.as_ref()) {
            None => Ok(()),
            Some(Kind::Device(device)) => {
                field("credentials.device.uuid", &device.uuid, MAX_TAG)?;
                field("credentials.device.secret", &device.secret, MAX_TAG)
            }
            Some(Kind::User(user)) => {
                field("credentials.user.username", &user.username, MAX_TAG)?;
                field("credentials.user.password", &user.password, MAX_TAG)?;
                field("credentials.user.organization", &user.organization, MAX_TAG)
            }
            Some(Kind::ConsumerApp(app)) => {
                field("credentials.consumer_app.uuid", &app.uuid, MAX_TAG)?;
                field("credentials.consumer_app.api_key", &app.api_key, MAX_TAG)
            }
        }
    }
}

/// The request, once all of its texts are within their limits.
pub(super) fn checked<T: Bounded>(request: T) -> Result<T, Status> {
    request.check()?;
    Ok(request)
}

fn channel(channel: Option<&proto::Channel>) -> Result<(), Status> {
    let name = channel.map_or("", |channel| &channel.name);
    field("channel.name", name, MAX_NAME_BYTES)
}

fn query(query: &HashMap<String, String>) -> Result<(), Status> {
    if query.len() > MAX_PARAMETERS {
        return Err(error::invalid(format_args!(
            "query has {} parameters; at most {MAX_PARAMETERS} are allowed",
            query.len()
        )));
    }
    let bytes: usize = query
        .iter()
        .map(|(key, value)| key.len() + value.len())
        .sum();
    most("query", bytes, MAX_QUERY)
}

fn field(name: &str, text: &str, bytes: usize) -> Result<(), Status> {
    most(name, text.len(), bytes)
}

fn most(name: &str, bytes: usize, most: usize) -> Result<(), Status> {
    if bytes <= most {
        return Ok(());
    }
    Err(error::invalid(format_args!(
        "{name} has {bytes} bytes; at most {most} are allowed"
    )))
}
