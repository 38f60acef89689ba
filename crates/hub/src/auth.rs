//! Logging in, refreshing, and the session that every other request proves with its token.

use std::fmt;
use std::sync::Arc;

use axum::Json;
use axum::extract::{ConnectInfo, FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, header};

use super::admission::Address;
use super::body::{JsonBody, OPEN_BODY};
use super::connection::{Connection, Peer};
use super::error::ApiError;
use super::pairing::is_pairing_channel;
use super::pairing_codes::FreshCode;
use super::password;
use super::socket;
use super::state::HubState;
use super::tokens::now_millis;
use expd_domain::identity::{Authentication, Network};
use expd_domain::login::{self, Claims, LoginRequest, UserLogin};
use expd_domain::{Channel, ChannelRule, Identity, IdentityKind, Secret};

/// Checked in place of an unknown user's hash, so that the time of an answer does not tell who exists. Made up: whatever
/// it may match, an unknown user is refused.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$2h/rE2xZ9dUUqfKAzXmv3Q4yqVbZbSLhGBL5Q8vMr5I";

/// Who sends a request.
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub identity: Identity,
    pub expiration: i64,
    fingerprint: u64,
}

impl Session {
    /// The session of a token that holds.
    pub(super) fn of_token(hub: &HubState, token: &Secret) -> Result<Self, ApiError> {
        let claims = hub.tokens.verify(token)?;
        if !hub
            .directory
            .still_holds(&claims.identity, claims.fingerprint)
        {
            return Err(ApiError::unauthorized(
                "authentication.token.revoked",
                "whom this token was given to is not known any more; log in again",
            ));
        }
        Ok(Self {
            identity: claims.identity,
            expiration: claims.expiration,
            fingerprint: claims.fingerprint,
        })
    }

    /// Tells identities apart, of all kinds.
    pub(super) fn name(&self) -> String {
        match &self.identity.pairing_code {
            Some(code) => format!("pairing:{code}"),
            None => format!("{}:{}", self.identity.kind, self.identity.uuid),
        }
    }

    /// Takes note that the connection is used by somebody who is logged in.
    fn makes_known(&self, hub: &HubState, parts: &Parts) -> Result<(), ApiError> {
        match (&self.identity.pairing_code, connection(parts)) {
            (None, Some(connection)) => hub.admission.know(connection, &self.name()),
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
        // What holds for everybody is said first: a system channel is refused as such to a consumer app, too.
        if channel.system {
            return Err(ChannelRule::SystemBroadcast(channel.name.clone()).into());
        }
        channel.may_broadcast(self.identity.kind)?;
        self.is_paired()
    }

    /// Refuses a device that waits to be paired, for everything but listening for its credentials.
    pub(super) fn is_paired(&self) -> Result<(), ApiError> {
        if self.identity.pairing_code.is_some() {
            return Err(pairing_only());
        }
        Ok(())
    }

    /// Refuses those who may read resources and not change them.
    pub(super) fn may_write(&self) -> Result<(), ApiError> {
        self.is_paired()?;
        if self.identity.kind == IdentityKind::ConsumerApp {
            return Err(ApiError::forbidden(
                "resource.readOnly",
                "a consumer app may read resources, not change them",
            ));
        }
        Ok(())
    }
}

/// In a log line: kind and uuid.
impl fmt::Display for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.identity.pairing_code {
            Some(_) => f.write_str("a device that waits to be paired"),
            None => write!(f, "{} {:?}", self.identity.kind, self.identity.uuid),
        }
    }
}

fn pairing_only() -> ApiError {
    ApiError::forbidden(
        "pairing.restricted",
        "a device that waits to be paired may listen on the system channel \"pairing\" and do nothing else",
    )
}

impl FromRequestParts<Arc<HubState>> for Session {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, hub: &Arc<HubState>) -> Result<Self, ApiError> {
        let token = bearer(&parts.headers).ok_or_else(|| {
            ApiError::unauthorized(
                "authentication.token.missing",
                "this needs the header `Authorization: Bearer TOKEN` with a session's token; log in with POST /api/auth/login",
            )
        })?;
        let session = Self::of_token(hub, &token)?;
        session.makes_known(hub, parts)?;
        // For what reads the body.
        parts.extensions.insert(session.clone());
        Ok(session)
    }
}

/// The text after `Bearer` in `Authorization`.
pub(super) fn bearer(headers: &HeaderMap) -> Option<Secret> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| Secret::new(token.trim()))
}

/// `POST /api/auth/login`
pub(super) async fn log_in(
    State(hub): State<Arc<HubState>>,
    host: OwnHost,
    ConnectInfo(Peer(connection)): ConnectInfo<Peer>,
    body: JsonBody<LoginRequest, OPEN_BODY>,
) -> Result<Json<Authentication>, ApiError> {
    let address = connection.address();
    let attempt = match body.value {
        LoginRequest::User(user) => log_in_user(&hub, address, user).await,
        LoginRequest::Token { token } => log_in_with_token(&hub, address, &token),
    };
    match attempt {
        Ok((identity, fingerprint, expiration)) => {
            let session = Session {
                identity,
                expiration,
                fingerprint,
            };
            if session.identity.pairing_code.is_none() {
                hub.admission.know(&connection, &session.name())?;
            }
            hub.counters.logins.one();
            log::info!("{session} logged in");
            Ok(authentication(&hub, session, host))
        }
        Err(error) => {
            hub.counters.logins_refused.one();
            log::info!(code = error.code; "refused a login: {error}");
            Err(error)
        }
    }
}

/// `POST /api/auth/token`
pub(super) async fn refresh(
    State(hub): State<Arc<HubState>>,
    host: OwnHost,
    session: Result<Session, ApiError>,
) -> Result<Json<Authentication>, ApiError> {
    let mut session = session.inspect_err(|_| hub.counters.refreshes_refused.one())?;
    session.expiration = hub.tokens.expiration();
    if let Some(code) = &session.identity.pairing_code {
        hub.directory.extend_code(code, session.expiration);
    }
    hub.counters.refreshes.one();
    Ok(authentication(&hub, session, host))
}

type LoggedIn = (Identity, u64, i64);

async fn log_in_user(
    hub: &Arc<HubState>,
    address: Address,
    user: UserLogin,
) -> Result<LoggedIn, ApiError> {
    let UserLogin {
        username,
        password,
        organization,
        ..
    } = user;
    let known = hub.directory.password_hash(&username);
    let hash = known.unwrap_or(NOBODY).to_owned();
    let check = move || password::verify(&password, &hash);
    let checked = hub
        .password_checks
        .check(address, &username, known.is_some(), check);
    let matches = checked.await? && known.is_some();
    if !matches || organization != hub.organization {
        return Err(wrong_credentials(
            "the username, the password or the organization is wrong",
        ));
    }
    let identity = Identity {
        uuid: username,
        kind: IdentityKind::User,
        organization,
        pairing_code: None,
    };
    Ok((identity, 0, hub.tokens.expiration()))
}

fn log_in_with_token(
    hub: &Arc<HubState>,
    address: Address,
    token: &Secret,
) -> Result<LoggedIn, ApiError> {
    let claims: Claims =
        login::peek(token).map_err(|error| wrong_credentials(&error.to_string()))?;
    if claims.expired(now_millis()) {
        return Err(wrong_credentials(
            "the login token has expired; check the clock of the device",
        ));
    }
    let expiration = hub.tokens.expiration();
    let identity = |kind, uuid: &str| Identity {
        uuid: uuid.to_owned(),
        kind,
        organization: hub.organization.clone(),
        pairing_code: None,
    };
    match &claims {
        Claims::ConsumerApp { uuid, .. } => {
            let known = hub.directory.api_key(uuid);
            known
                .filter(|key| login::verify::<Claims>(token, key).is_ok())
                .ok_or_else(|| {
                    wrong_credentials("the consumer app's uuid or its API key is wrong")
                })?;
            let fingerprint = hub.directory.app_fingerprint(uuid).unwrap_or(0);
            let identity = identity(IdentityKind::ConsumerApp, uuid);
            Ok((identity, fingerprint, expiration))
        }
        Claims::Device {
            uuid,
            allow_pairing,
            ..
        } => {
            let known = hub
                .directory
                .device(uuid)
                .filter(|device| login::verify::<Claims>(token, &device.secret).is_ok());
            if let Some(device) = known {
                let identity = identity(IdentityKind::Device, uuid);
                return Ok((identity, device.fingerprint, expiration));
            }
            if !allow_pairing {
                return Err(wrong_credentials(
                    "the device's uuid or its secret is wrong",
                ));
            }
            let FreshCode { code, replaced } = hub.directory.hand_out_code(address, expiration)?;
            if let Some(replaced) = replaced {
                // Whoever waits with it has to ask for another one.
                for socket in hub.network.sockets_of_code(&replaced) {
                    socket::send_away(hub, socket);
                }
            }
            let identity = Identity {
                pairing_code: Some(code),
                ..identity(IdentityKind::Device, "")
            };
            Ok((identity, 0, expiration))
        }
    }
}

fn wrong_credentials(message: &str) -> ApiError {
    ApiError::unauthorized("authentication.refused", message)
}

fn authentication(
    hub: &HubState,
    session: Session,
    OwnHost(host): OwnHost,
) -> Json<Authentication> {
    let token = hub.tokens.issue(
        session.identity.clone(),
        session.fingerprint,
        session.expiration,
    );
    Json(Authentication {
        token,
        expiration: session.expiration,
        identity: session.identity,
        network: Network {
            host: Some(host),
            token: None,
        },
        restricted_token: None,
    })
}

/// The URL by which the client reached this network, for its socket to go the same way. What ends TLS in front of it says so in
/// `X-Forwarded-Proto`; a client that says so itself misleads nobody else.
pub(super) struct OwnHost(String);

impl FromRequestParts<Arc<HubState>> for OwnHost {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _hub: &Arc<HubState>) -> Result<Self, ApiError> {
        let forwarded = parts.headers.get("x-forwarded-proto");
        let scheme = match forwarded.map(HeaderValue::as_bytes) {
            Some(b"https") => "https",
            _ => "http",
        };
        parts
            .headers
            .get(header::HOST)
            .and_then(|host| host.to_str().ok()?.parse::<Authority>().ok())
            .map(|authority| Self(format!("{scheme}://{authority}")))
            .ok_or_else(|| {
                ApiError::bad_request(
                    "request.host.missing",
                    "the request needs a Host header that names this network",
                )
            })
    }
}

/// The connection of a request.
pub(super) fn connection(parts: &Parts) -> Option<&Connection> {
    parts
        .extensions
        .get::<ConnectInfo<Peer>>()
        .map(|ConnectInfo(Peer(connection))| &**connection)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checking_nobodys_hash_takes_as_long_as_any() {
        assert!(password::check_password_hash(NOBODY).is_ok());
    }
}
