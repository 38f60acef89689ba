//! One identity behind one handle: what every front door calls.
//!
//! A bridge checks a call against the network's rules and hands it on: up to EXP over HTTP, or down to the router for a
//! listener. It holds no state of its own but the broadcasts that wait for the connection.

mod broadcast;
mod waiting;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::watch;

pub use broadcast::{Outgoing, Patience};
pub use waiting::{Full, WaitingRoom};

use crate::config::settings::DEFAULT_INSTANCE;
use crate::config::{ChannelIdSpelling, Credentials, InstanceSettings};
use crate::metrics::Counters;
use crate::router::{InstanceId, ListenSpec, Listener, RouterError, RouterHandle};
use crate::shares::{self, Holder, Share, Shares};
use crate::upstream::api::{ApiAnswer, ApiClient};
use crate::upstream::link::LinkStatus;
use crate::upstream::session::{Session, SessionState};
use crate::upstream::transport::{AnswerRoom, CallError};
use expd_domain::channel::check_event_name;
use expd_domain::{
    Alphabet, BroadcastId, Channel, ChannelId, ChannelRule, Identity, IdentityKind, Payload, Quoted,
};

/// Why a call was refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum BridgeError {
    /// A rule of the network.
    #[error(transparent)]
    Rule(#[from] ChannelRule),
    /// The call to EXP.
    #[error(transparent)]
    Call(#[from] CallError),
    /// A listener.
    #[error(transparent)]
    Router(#[from] RouterError),
    /// Too many calls are under way.
    #[error(
        "nothing was sent: too many calls to EXP of this instance: {full}, of {most} (daemon.limits.max_calls); wait for some to finish, or raise it"
    )]
    TooManyCalls {
        /// The limit.
        most: usize,
        /// Who has them.
        full: shares::Full,
    },
    /// Too many broadcasts wait for the connection.
    #[error(transparent)]
    Full(#[from] Full),
    /// A reload of the access rules came while a broadcast waited for the connection.
    #[error(
        "a reload of the access rules took the right to broadcast while this waited for the connection, and nothing was sent; have [[access]] allow it"
    )]
    RightTaken,
    /// The daemon stops while a broadcast waits for the connection.
    #[error("the daemon is stopping, and nothing was sent; send it again when the daemon is back")]
    Stopping,
    /// An ID that a response needs is missing.
    #[error("{0} is empty; take it from the broadcast that is answered")]
    MissingId(&'static str),
    /// Not logged in.
    #[error("instance {name} has not logged in yet: {reason}", name = Quoted(.instance))]
    NoIdentity {
        /// The instance.
        instance: String,
        /// Why not.
        reason: String,
    },
}

/// The user for whom a call to EXP is made.
#[derive(Clone, Copy)]
pub struct OnBehalf<'a> {
    /// Of whose shares it takes.
    pub holder: Holder,
    /// The room for its answer.
    pub room: &'a dyn AnswerRoom,
}

/// One identity.
pub struct Bridge {
    /// The instance's name.
    pub name: String,
    /// The instance in the router.
    pub instance: InstanceId,
    /// How the instance is set.
    pub settings: InstanceSettings,
    /// Its session.
    pub session: Session,
    /// Its HTTP calls.
    pub api: ApiClient,
    /// The router.
    pub router: RouterHandle,
    /// How its link stands.
    pub link: watch::Receiver<LinkStatus>,
    /// Its figures.
    pub counters: Arc<Counters>,
    /// Its calls to EXP that are under way.
    pub calls: Shares,
    /// The broadcasts of all instances that wait for a connection.
    pub waiting: WaitingRoom,
}

impl Bridge {
    /// Opens a listener.
    ///
    /// # Errors
    /// A rule is broken, or a bound is reached.
    pub async fn listen(&self, spec: ListenSpec) -> Result<Listener, BridgeError> {
        spec.channel.may_listen(self.kind())?;
        if let Some(name) = &spec.name {
            check_event_name(name)?;
        }
        Ok(self.router.open(self.instance, spec).await?)
    }

    /// Answers a broadcast for a user.
    ///
    /// # Errors
    /// An ID is missing, or the call failed.
    pub async fn respond(
        &self,
        user: OnBehalf<'_>,
        id: &BroadcastId,
        channel: &ChannelId,
        payload: &Payload,
    ) -> Result<(), BridgeError> {
        if id.as_str().is_empty() {
            return Err(BridgeError::MissingId("broadcast_id"));
        }
        if channel.as_str().is_empty() {
            return Err(BridgeError::MissingId("channel_id"));
        }
        let _call = self.call(user.holder)?;
        let answer = self.api.respond(id, channel, payload, user.room).await;
        match &answer {
            Ok(()) => self.counters.responses_sent.inc(),
            Err(_) => self.counters.responses_failed.inc(),
        }
        Ok(answer?)
    }

    /// One HTTP request of the API, for a user.
    ///
    /// # Errors
    /// The request is malformed, or the call failed.
    pub async fn request(
        &self,
        user: OnBehalf<'_>,
        method: &str,
        path: &str,
        query: BTreeMap<String, String>,
        body: Option<&Payload>,
    ) -> Result<ApiAnswer, BridgeError> {
        let _call = self.call(user.holder)?;
        Ok(self
            .api
            .request(method, path, query, body, user.room)
            .await?)
    }

    /// Counts a call to EXP for a user, until the share is dropped.
    fn call(&self, holder: Holder) -> Result<Share, BridgeError> {
        let most = self.calls.most();
        let call = self.calls.take(holder, 1);
        call.map_err(|full| BridgeError::TooManyCalls { most, full })
    }

    /// Who the instance is logged in as.
    ///
    /// # Errors
    /// It is not logged in.
    pub fn identity(&self) -> Result<Identity, BridgeError> {
        match self.session.state() {
            SessionState::LoggedIn(session) | SessionState::RefreshFailing { session, .. } => {
                Ok(session.authentication.identity.clone())
            }
            SessionState::LoggingIn { trouble, .. } => Err(self.no_identity(match trouble {
                Some(trouble) => format!("the login is under way; before: {trouble}"),
                None => "the login is under way".to_owned(),
            })),
            SessionState::Refused { reason, .. } | SessionState::Failed { reason, .. } => {
                Err(self.no_identity(reason))
            }
        }
    }

    /// When the session's token ends.
    pub fn token_expires_at(&self) -> Option<SystemTime> {
        let state = self.session.state();
        state.session().map(|session| session.ends_at.wall())
    }

    /// A channel's ID as this instance spells it first; empty while the organization is not known.
    pub fn channel_id(&self, channel: &Channel) -> String {
        let alphabet = match self.settings.channel_id {
            ChannelIdSpelling::Both | ChannelIdSpelling::UrlSafe => Alphabet::UrlSafe,
            ChannelIdSpelling::Standard => Alphabet::Standard,
        };
        self.identity()
            .map(|identity| identity.organization)
            .ok()
            .filter(|organization| !organization.is_empty())
            .map(|organization| {
                ChannelId::encode(&organization, channel, alphabet)
                    .as_str()
                    .to_owned()
            })
            .unwrap_or_default()
    }

    fn kind(&self) -> IdentityKind {
        match self.settings.credentials {
            Credentials::Device { .. } => IdentityKind::Device,
            Credentials::User { .. } => IdentityKind::User,
            Credentials::ConsumerApp { .. } => IdentityKind::ConsumerApp,
        }
    }

    fn no_identity(&self, reason: String) -> BridgeError {
        BridgeError::NoIdentity {
            instance: self.name.clone(),
            reason,
        }
    }
}

/// All configured identities, by name.
#[derive(Clone)]
pub struct Bridges(Arc<BTreeMap<String, Arc<Bridge>>>);

impl Bridges {
    /// Of these, each under its own name.
    pub fn new(bridges: impl IntoIterator<Item = Arc<Bridge>>) -> Self {
        let by_name = bridges.into_iter().map(|b| (b.name.clone(), b));
        Self(Arc::new(by_name.collect()))
    }

    /// The instance of that name; the empty name means the default one.
    pub fn get(&self, name: &str) -> Option<&Arc<Bridge>> {
        self.0.get(Self::full_name(name))
    }

    /// The name that is meant by one in a request.
    pub fn full_name(name: &str) -> &str {
        if name.is_empty() {
            DEFAULT_INSTANCE
        } else {
            name
        }
    }

    /// The default instance first, then the others by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Bridge>> {
        let default = self.0.get(DEFAULT_INSTANCE);
        let others = self.0.values().filter(|b| b.name != DEFAULT_INSTANCE);
        default.into_iter().chain(others)
    }
}
