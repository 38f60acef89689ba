//! The handle of one identity: listeners, responses, API requests and the login's identity.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::content::UserContent;
use super::error::BridgeError;
use super::waiting::OfflineQueue;
use crate::config::ChannelIdSpelling;
use crate::metrics::Counters;
use crate::router::{InstanceId, ListenSpec, Listener, RouterHandle};
use crate::shares::{Asker, Share, Shares, UserRates};
use crate::upstream::api::{ApiAnswer, ApiClient};
use crate::upstream::link::LinkStatus;
use crate::upstream::session::{Session, SessionState};
use crate::upstream::transport::AnswerRoom;
use expd_domain::channel::check_event_name;
use expd_domain::{
    Alphabet, ApiPath, BroadcastId, Channel, ChannelId, IdentityKind, KnownIdentity, Payload,
};

/// The user on whose behalf a call to EXP is made.
#[derive(Clone, Copy)]
pub struct OnBehalf<'a> {
    /// The user whose shares the call takes, and the program.
    pub asker: Asker,
    /// Memory for its answer.
    pub room: &'a dyn AnswerRoom,
}

/// One identity.
pub struct Bridge {
    pub name: String,
    /// The user who runs it, and alone may call it; none for a configured one.
    pub user: Option<u32>,
    /// The instance's ID in the router.
    pub instance: InstanceId,
    /// Kind of its identity.
    pub kind: IdentityKind,
    /// True where it has a live socket.
    pub network: bool,
    /// Its session, which has its settings.
    pub session: Session,
    /// Its HTTP calls.
    pub api: ApiClient,
    pub router: RouterHandle,
    /// State of its link.
    pub link: watch::Receiver<LinkStatus>,
    pub counters: Arc<Counters>,
    /// Shares of its open calls to EXP.
    pub calls: Shares,
    /// Rates of what users send.
    pub rates: UserRates,
    /// Queue of the broadcasts of all instances that wait for a connection.
    pub waiting: OfflineQueue,
    /// Ends the instance.
    pub(super) stop: CancellationToken,
}

impl Bridge {
    /// Opens a listener.
    ///
    /// # Errors
    /// A rule of the network is broken, a limit is reached, or the instance has no live socket.
    pub async fn listen(&self, spec: ListenSpec) -> Result<Listener, BridgeError> {
        spec.channel.may_listen(self.kind)?;
        if !self.network {
            return Err(BridgeError::NoSocket {
                instance: self.name.clone(),
            });
        }
        if let Some(name) = &spec.name {
            check_event_name(name)?;
        }
        Ok(self.router.open(self.instance, spec).await?)
    }

    /// Responds to a broadcast on behalf of a user.
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
        self.rates.take_bytes(user.asker, payload.as_str().len())?;
        let _call = self.call(user.asker)?;
        let answer = self.api.respond(id, channel, payload, user.room).await;
        match &answer {
            Ok(()) => self.counters.responses_sent.inc(),
            Err(_) => self.counters.responses_failed.inc(),
        }
        Ok(answer?)
    }

    /// Sends one HTTP request of the API on behalf of a user.
    ///
    /// # Errors
    /// The request is malformed, or the call failed.
    pub async fn request(
        &self,
        user: OnBehalf<'_>,
        method: &str,
        path: ApiPath,
        query: BTreeMap<String, String>,
        body: Option<&Payload>,
    ) -> Result<ApiAnswer, BridgeError> {
        let bytes = body.map_or(0, |body| body.as_str().len());
        self.rates.take_bytes(user.asker, bytes)?;
        let _call = self.call(user.asker)?;
        Ok(self
            .api
            .request(method, path, query, body, user.room)
            .await?)
    }

    /// Gets content on behalf of a user, from a byte on. The call is open until the content is
    /// dropped.
    ///
    /// # Errors
    /// The request is malformed, or the call failed.
    pub async fn fetch(
        &self,
        user: OnBehalf<'_>,
        path: &ApiPath,
        query: &BTreeMap<String, String>,
        offset: u64,
    ) -> Result<UserContent, BridgeError> {
        let call = self.call(user.asker)?;
        let content = self.api.fetch(path, query, offset, user.room).await?;
        let rates = self.rates.clone();
        Ok(UserContent::new(content, rates, user.asker, call))
    }

    /// A URL that loads content without further credentials.
    ///
    /// # Errors
    /// The request is malformed, or the network gives no token for it.
    pub async fn content_url(&self, path: &ApiPath, variant: &str) -> Result<String, BridgeError> {
        Ok(self.api.content_url(path, variant).await?)
    }

    /// Counts an open call to EXP until the share is dropped.
    pub(super) fn call(&self, asker: Asker) -> Result<Share, BridgeError> {
        let most = self.calls.most();
        let call = self.calls.take(asker, 1);
        call.map_err(|full| BridgeError::TooManyCalls { most, full })
    }

    /// The identity that the instance is logged in as.
    ///
    /// # Errors
    /// It is not logged in.
    pub fn identity(&self) -> Result<KnownIdentity, BridgeError> {
        match self.session.state() {
            SessionState::LoggedIn(session) | SessionState::RefreshFailing { session, .. } => {
                Ok(session.authentication.identity.clone())
            }
            SessionState::LoggingIn { last_error, .. } => Err(self.no_identity(match last_error {
                Some(error) => format!("the login is in progress; the last one failed: {error}"),
                None => "the login is in progress".to_owned(),
            })),
            SessionState::Refused { reason, .. } | SessionState::Failed { reason, .. } => {
                Err(self.no_identity(reason))
            }
        }
    }

    /// Expiry of the session's token.
    pub fn token_expires_at(&self) -> Option<SystemTime> {
        let state = self.session.state();
        state.session().map(|session| session.ends_at.wall())
    }

    /// A channel's ID in this instance's preferred spelling; empty while the organization is
    /// unknown.
    pub fn channel_id(&self, channel: &Channel) -> String {
        let alphabet = match self.session.setup().settings.channel_id {
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

    fn no_identity(&self, reason: String) -> BridgeError {
        BridgeError::NoIdentity {
            instance: self.name.clone(),
            reason,
        }
    }
}
