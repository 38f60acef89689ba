//! One identity of EXP, as in the vendor's guide: started, used, cloned for a context, stopped.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use expd_domain::Secret;

use crate::client::Client;
use crate::context::Context;
use crate::error::ClientError;
use crate::own::OwnIdentity;
use crate::run::{Credentials, RunInstance};
use crate::status::{Identity, LinkEvent};

/// Longest time for which a call waits for this program's own identity to be started again, for
/// example after a restart of the daemon.
const READY_TIMEOUT: Duration = Duration::from_secs(5);

/// An identity of EXP: the daemon's, or one of this program's own. Clones are the same identity;
/// [`with_context`](Self::with_context) makes one whose listeners end together.
///
/// An identity of this program's own ends with its last handle: `Exp`, channel, listener or
/// resource.
#[derive(Clone, Debug)]
pub struct Exp {
    shared: Arc<Shared>,
    context: Arc<Context>,
}

/// The part of an identity that all its handles share.
#[derive(Debug)]
pub(crate) struct Shared {
    client: Client,
    instance: String,
    stopped: watch::Sender<bool>,
    own: Option<OwnIdentity>,
}

/// Choice of the identity to start; by default the daemon's default one.
#[derive(Clone, Debug, Default)]
#[must_use = "nothing happens before `start`"]
pub struct StartOptions {
    socket: Option<PathBuf>,
    instance: String,
    credentials: Option<Credentials>,
    host: String,
    network: Option<bool>,
}

impl Exp {
    /// Starts with the daemon's default identity, at the daemon's default socket.
    ///
    /// # Errors
    /// No daemon listens there.
    pub async fn start() -> Result<Self, ClientError> {
        Self::options().start().await
    }

    /// Options, to start with another identity or at another socket.
    pub fn options() -> StartOptions {
        StartOptions::default()
    }

    /// Ends the identity for this handle and all its clones: further calls fail with
    /// [`ClientError::Stopped`], listeners and events end. A configured identity of the daemon
    /// keeps running; one of this program's own is logged out.
    pub fn stop(&self) {
        self.shared.stopped.send_replace(true);
    }

    /// The same identity, bound to a context: [`clear`](Self::clear) ends the listeners that were
    /// opened with it.
    #[must_use]
    pub fn with_context(&self, name: &str) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            context: Context::named(name),
        }
    }

    /// Ends every listener of this handle's context, including those of other identities in this
    /// process. Without [`with_context`](Self::with_context), the context is private to this handle
    /// and its clones.
    pub fn clear(&self) {
        self.context.clear();
    }

    /// Ends every listener of a context, for all identities in this process.
    pub fn clear_context(name: &str) {
        Context::named(name).clear();
    }

    /// The identity that this program is logged in as. The token stays in the daemon, which sends
    /// every request with it.
    ///
    /// # Errors
    /// The daemon has not logged in yet, or the identity is stopped.
    pub async fn identity(&self) -> Result<Identity, ClientError> {
        let client = self.ready().await?;
        client.identity(&self.shared.instance).await
    }

    /// Name of the instance in the daemon; empty for the default one.
    pub fn instance(&self) -> &str {
        &self.shared.instance
    }

    /// The underlying calls, which name their instance each time.
    pub fn client(&self) -> &Client {
        &self.shared.client
    }

    /// The client, once the identity accepts calls.
    pub(crate) async fn ready(&self) -> Result<&Client, ClientError> {
        self.shared.ready().await
    }

    /// Everything that a call needs, except the context.
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(crate) fn context(&self) -> &Context {
        &self.context
    }

    /// Changes to true when the identity is stopped.
    pub(crate) fn stopped(&self) -> watch::Receiver<bool> {
        self.shared.stopped.subscribe()
    }

    /// The program's own identity, if this is one.
    pub(crate) fn own(&self) -> Option<&OwnIdentity> {
        self.shared.own.as_ref()
    }
}

impl Shared {
    /// The client, once the identity accepts calls.
    pub(crate) async fn ready(&self) -> Result<&Client, ClientError> {
        self.check()?;
        if let Some(own) = &self.own {
            // After the timeout, the daemon's own error is more specific than a guess here.
            tokio::time::timeout(READY_TIMEOUT, own.running())
                .await
                .ok();
            self.check()?;
        }
        Ok(&self.client)
    }

    fn check(&self) -> Result<(), ClientError> {
        if *self.stopped.borrow() {
            return Err(ClientError::Stopped);
        }
        match self.own.as_ref().and_then(OwnIdentity::end) {
            Some(reason) => Err(ClientError::Ended(reason)),
            None => Ok(()),
        }
    }

    /// Name of the instance in the daemon; empty for the default one.
    pub(crate) fn instance(&self) -> &str {
        &self.instance
    }
}

impl StartOptions {
    /// Socket of the daemon. Default: `$EXPD_SOCKET`, else the system's daemon, else the user's.
    pub fn socket(mut self, path: impl Into<PathBuf>) -> Self {
        self.socket = Some(path.into());
        self
    }

    /// Another identity of the daemon, by its name in the settings. With credentials: the name of
    /// the new identity in the daemon, in place of a generated one.
    pub fn instance(mut self, name: impl Into<String>) -> Self {
        self.instance = name.into();
        self
    }

    /// An identity of this program's own: a device.
    pub fn device(self, uuid: impl Into<String>, secret: impl Into<String>) -> Self {
        self.credentials(Credentials::Device {
            uuid: uuid.into(),
            secret: Secret::new(secret),
            allow_pairing: false,
        })
    }

    /// An identity of this program's own: a device that waits to be paired.
    pub fn pairing(self) -> Self {
        self.credentials(Credentials::Device {
            uuid: String::new(),
            secret: Secret::new(""),
            allow_pairing: true,
        })
    }

    /// An identity of this program's own: a user.
    pub fn user(
        self,
        username: impl Into<String>,
        password: impl Into<String>,
        organization: impl Into<String>,
    ) -> Self {
        self.credentials(Credentials::User {
            username: username.into(),
            password: Secret::new(password),
            organization: organization.into(),
        })
    }

    /// An identity of this program's own: a consumer app.
    pub fn consumer_app(self, uuid: impl Into<String>, api_key: impl Into<String>) -> Self {
        self.credentials(Credentials::ConsumerApp {
            uuid: uuid.into(),
            api_key: Secret::new(api_key),
        })
    }

    /// An identity of this program's own.
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.credentials = Some(credentials);
        self
    }

    /// Base URL of the API of an own identity. Default: that of the daemon's default instance.
    pub fn host(mut self, url: impl Into<String>) -> Self {
        self.host = url.into();
        self
    }

    /// False for an own identity that only broadcasts and calls the API, and cannot listen.
    pub fn network(mut self, network: bool) -> Self {
        self.network = Some(network);
        self
    }

    /// Starts the identity. This does not wait for the connection to EXP: listeners and calls do.
    ///
    /// # Errors
    /// Contradictory options ([`ClientError::Request`], before anything is sent), no daemon, or a
    /// daemon that does not run identities for this program.
    pub async fn start(self) -> Result<Exp, ClientError> {
        let run = self.own_identity()?;
        let client = Client::connect_for_many_listeners(self.socket).await?;
        let stopped = watch::Sender::new(false);
        let (instance, own) = match run {
            None => (self.instance, None),
            Some(run) => {
                let own = OwnIdentity::start(&client, &run, stopped.subscribe()).await?;
                (run.name, Some(own))
            }
        };
        Ok(Exp {
            shared: Arc::new(Shared {
                client,
                instance,
                stopped,
                own,
            }),
            context: Context::unnamed(),
        })
    }

    /// The validated request for an identity of this program's own.
    fn own_identity(&self) -> Result<Option<RunInstance>, ClientError> {
        let Some(credentials) = &self.credentials else {
            if !self.host.is_empty() || self.network.is_some() {
                return Err(ClientError::Request(
                    "host and network are options of an identity of the program's own: give its \
                     credentials too, or set them in the daemon's settings"
                        .to_owned(),
                ));
            }
            return Ok(None);
        };
        let given = match credentials {
            Credentials::Device {
                uuid,
                secret,
                allow_pairing,
            } => {
                let secret = secret.expose();
                *allow_pairing && uuid.is_empty() == secret.is_empty()
                    || !uuid.is_empty() && !secret.is_empty()
            }
            Credentials::User {
                username,
                password,
                organization,
            } => ![username, password.expose(), organization]
                .iter()
                .any(|text| text.is_empty()),
            Credentials::ConsumerApp { uuid, api_key } => {
                !uuid.is_empty() && !api_key.expose().is_empty()
            }
        };
        if !given {
            return Err(ClientError::Request(
                "the credentials are not complete: a device has uuid and secret (or is to be \
                 paired), a user username, password and organization, a consumer app uuid and API \
                 key"
                .to_owned(),
            ));
        }
        let name = if self.instance.is_empty() {
            OwnIdentity::make_name()
        } else {
            self.instance.clone()
        };
        Ok(Some(RunInstance {
            host: self.host.clone(),
            network: self.network.unwrap_or(true),
            ..RunInstance::new(name, credentials.clone())
        }))
    }
}

/// True if the link's state counts as connected.
pub(crate) fn is_connected(event: &LinkEvent) -> bool {
    use expd_domain::LinkState;
    matches!(event.state, LinkState::Online | LinkState::Pairing)
}
