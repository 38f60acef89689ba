//! An identity with the program's own credentials.

use std::fmt;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::Stream;
use tonic::Streaming;

use crate::error::ClientError;
use crate::status::LinkEvent;
use expd_domain::Secret;
use expd_proto as proto;

/// An identity to run as an additional instance of the daemon, for
/// [`Client::run_instance`](crate::Client::run_instance).
#[derive(Clone, Debug)]
pub struct RunInstance {
    /// Name of the instance in calls: up to 64 letters, digits, `-` and single `_`.
    pub name: String,
    /// Base URL of the API; empty for the default instance's.
    pub host: String,
    /// Credentials of the login.
    pub credentials: Credentials,
    /// False for an identity that never listens and needs no live socket.
    pub network: bool,
}

/// Credentials of a login.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// A screen or another device.
    Device {
        /// May be empty if pairing is allowed.
        uuid: String,
        /// May be empty if pairing is allowed.
        secret: Secret,
        /// Requests a pairing code if the credentials are missing or refused.
        allow_pairing: bool,
    },
    /// A person.
    User {
        /// The user's name.
        username: String,
        /// The user's password.
        password: Secret,
        /// The organization to log in to.
        organization: String,
    },
    /// A consumer app.
    ConsumerApp {
        /// The app's uuid.
        uuid: String,
        /// The app's API key.
        api_key: Secret,
    },
}

impl RunInstance {
    /// An identity with a live socket, on the host of the default instance.
    pub fn new(name: impl Into<String>, credentials: Credentials) -> Self {
        Self {
            name: name.into(),
            host: String::new(),
            credentials,
            network: true,
        }
    }

    pub(crate) fn to_wire(&self) -> proto::RunInstanceRequest {
        use proto::credentials::Kind;
        let kind = match &self.credentials {
            Credentials::Device {
                uuid,
                secret,
                allow_pairing,
            } => Kind::Device(proto::DeviceCredentials {
                uuid: uuid.clone(),
                secret: secret.expose().to_owned(),
                allow_pairing: *allow_pairing,
            }),
            Credentials::User {
                username,
                password,
                organization,
            } => Kind::User(proto::UserCredentials {
                username: username.clone(),
                password: password.expose().to_owned(),
                organization: organization.clone(),
            }),
            Credentials::ConsumerApp { uuid, api_key } => {
                Kind::ConsumerApp(proto::ConsumerAppCredentials {
                    uuid: uuid.clone(),
                    api_key: api_key.expose().to_owned(),
                })
            }
        };
        proto::RunInstanceRequest {
            name: self.name.clone(),
            host: self.host.clone(),
            credentials: Some(proto::Credentials { kind: Some(kind) }),
            network: Some(self.network),
        }
    }
}

/// A running instance: the states of its link, the current one first. Dropping it ends the
/// instance.
pub struct RunningInstance {
    pub(crate) events: Streaming<proto::LinkEvent>,
    pub(crate) path: PathBuf,
}

impl fmt::Debug for RunningInstance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningInstance").finish_non_exhaustive()
    }
}

impl Stream for RunningInstance {
    type Item = Result<LinkEvent, ClientError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let Some(next) = ready!(Pin::new(&mut self.events).poll_next(cx)) else {
                return Poll::Ready(None);
            };
            let event = match next {
                Ok(event) => LinkEvent::from_wire(event).map(Ok),
                Err(status) => Some(Err(ClientError::from_status(
                    &self.path,
                    "Daemon.RunInstance",
                    &status,
                ))),
            };
            // A state of a newer daemon is skipped.
            if let Some(event) = event {
                return Poll::Ready(Some(event));
            }
        }
    }
}
