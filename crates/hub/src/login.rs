//! The login of a request, proved by its token.

use std::fmt;
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;

use super::error::ApiError;
use super::state::HubState;
use super::tokens::TokenClaims;
use expd_server::connection::{ClientConnection, RequestConnection};
use expd_server::token;
pub(super) use expd_server::token::bearer;
use expd_server::token_life::TokenLife;

use expd_domain::{Channel, ChannelRule, Identity, IdentityKind, Quoted, Secret};

/// Logged-in identity.
#[derive(Clone, Debug)]
pub(super) struct Login {
    pub identity: Identity,
    pub life: TokenLife,
    /// Unchanged by refreshes.
    pub id: String,
    fingerprint: u64,
}

impl Login {
    pub(super) fn new(identity: Identity, fingerprint: u64, life: TokenLife) -> Self {
        Self {
            identity,
            life,
            id: uuid::Uuid::new_v4().to_string(),
            fingerprint,
        }
    }

    pub(super) fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// Verifies a token.
    pub(super) fn from_token(hub: &HubState, token: &Secret) -> Result<Self, ApiError> {
        let claims = hub.tokens.verify(token)?;
        let life = claims.life();
        Self::from_claims(hub, claims, life)
    }

    /// Verifies a token of a live socket, which may be older than the last refresh of its login.
    pub(super) fn from_socket_token(hub: &HubState, token: &Secret) -> Result<Self, ApiError> {
        let claims = hub.tokens.read(token)?;
        let mut life = claims.life();
        if hub.tokens.left(life).is_zero() {
            let refreshed = hub.refreshed_logins.life(&claims.login);
            life = refreshed.ok_or_else(token::expired)?;
        }
        Self::from_claims(hub, claims, life)
    }

    fn from_claims(hub: &HubState, claims: TokenClaims, life: TokenLife) -> Result<Self, ApiError> {
        if !hub.directory.is_valid(&claims.identity, claims.fingerprint) {
            return Err(revoked());
        }
        Ok(Self {
            identity: claims.identity,
            life,
            id: claims.login,
            fingerprint: claims.fingerprint,
        })
    }

    /// Name of the identity, unique across all kinds.
    pub(super) fn owner(&self) -> String {
        match &self.identity.pairing_code {
            Some(code) => format!("pairing:{code}"),
            None => owner_of(&self.identity),
        }
    }

    /// Assigns the request's connection to the identity.
    fn identify_connection(&self, hub: &HubState, parts: &Parts) -> Result<(), ApiError> {
        match (&self.identity.pairing_code, connection(parts)) {
            (None, Some(connection)) => hub.admission.identify(connection, &self.owner()),
            _ => Ok(()),
        }
    }

    pub(super) fn may_listen(&self, channel: &Channel) -> Result<(), ApiError> {
        if self.identity.pairing_code.is_some() && !is_pairing_channel(channel) {
            return Err(pairing_only());
        }
        Ok(channel.may_listen(self.identity.kind)?)
    }

    pub(super) fn may_broadcast(&self, channel: &Channel) -> Result<(), ApiError> {
        // General rules come first: a consumer app, too, is told that a system channel takes no
        // broadcasts.
        if channel.system {
            return Err(ChannelRule::SystemBroadcast(channel.name.clone()).into());
        }
        channel.may_broadcast(self.identity.kind)?;
        self.require_paired()
    }

    /// Refuses a device that waits to be paired, which may only listen for its credentials.
    pub(super) fn require_paired(&self) -> Result<(), ApiError> {
        if self.identity.pairing_code.is_some() {
            return Err(pairing_only());
        }
        Ok(())
    }

    /// Refuses identities with read-only access to resources.
    pub(super) fn may_write(&self) -> Result<(), ApiError> {
        self.require_paired()?;
        if self.identity.kind == IdentityKind::ConsumerApp {
            return Err(ApiError::forbidden(
                "resource.readOnly",
                "a consumer app may read resources, not change them",
            ));
        }
        Ok(())
    }
}

/// Kind and uuid, for log lines.
impl fmt::Display for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.identity.pairing_code {
            Some(_) => f.write_str("a device that waits to be paired"),
            None => write!(f, "{} {}", self.identity.kind, Quoted(&self.identity.uuid)),
        }
    }
}

/// Name of a paired identity, unique across all kinds.
pub(super) fn owner_of(identity: &Identity) -> String {
    format!("{}:{}", identity.kind, identity.uuid)
}

/// Identity that a restricted token proves, for reading content.
///
/// # Errors
/// The token is not a restricted one, has expired, or its identity is gone or waits to be paired.
#[allow(dead_code, reason = "the delivery of content calls it")]
pub(super) fn restricted_identity(hub: &HubState, token: &Secret) -> Result<Identity, ApiError> {
    let claims = hub.tokens.verify_restricted(token)?;
    if !hub.directory.is_valid(&claims.identity, claims.fingerprint) {
        return Err(revoked());
    }
    if claims.identity.pairing_code.is_some() {
        return Err(pairing_only());
    }
    Ok(claims.identity)
}

fn revoked() -> ApiError {
    ApiError::unauthorized(
        "authentication.token.revoked",
        "the identity of this token was removed, or its credentials changed; log in again",
    )
}

fn pairing_only() -> ApiError {
    ApiError::forbidden(
        "pairing.restricted",
        "a device that waits to be paired may listen on the system channel \"pairing\" and do nothing else",
    )
}

impl FromRequestParts<Arc<HubState>> for Login {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, hub: &Arc<HubState>) -> Result<Self, ApiError> {
        let token = bearer(&parts.headers).ok_or_else(|| {
            ApiError::unauthorized(
                "authentication.token.missing",
                "this needs the header `Authorization: Bearer TOKEN` with the token of a login; log in with POST /api/auth/login",
            )
        })?;
        let login = Self::from_token(hub, &token)?;
        login.identify_connection(hub, parts)?;
        // For the extractor of the body.
        parts.extensions.insert(login.clone());
        Ok(login)
    }
}

fn connection(parts: &Parts) -> Option<&ClientConnection> {
    parts
        .extensions
        .get::<ConnectInfo<RequestConnection>>()
        .map(|ConnectInfo(RequestConnection(connection))| &**connection)
}

/// True for the channel on which devices wait to be paired.
pub(super) fn is_pairing_channel(channel: &Channel) -> bool {
    channel.system && !channel.consumer && channel.name == "pairing"
}
