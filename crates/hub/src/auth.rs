//! Logging in and refreshing tokens.

use std::sync::Arc;

use axum::Json;
use axum::extract::{ConnectInfo, FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderValue, header};

use super::address::Address;
use super::body::{JsonBody, PUBLIC_BODY};
use super::connection::RequestConnection;
use super::disconnect;
use super::error::ApiError;
use super::login::Login;
use super::pairing_codes::IssuedCode;
use super::password;
use super::state::HubState;
use super::tokens::now_millis;
use expd_domain::identity::{Authentication, Network};
use expd_domain::login::{self as login_token, Claims, LoginRequest, UserLogin};
use expd_domain::{Identity, IdentityKind, Secret};

/// Hash that is checked for an unknown user, so that response times do not reveal which users
/// exist. It was made up; an unknown user is refused even if it matches.
const DUMMY_HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$2h/rE2xZ9dUUqfKAzXmv3Q4yqVbZbSLhGBL5Q8vMr5I";

/// `POST /api/auth/login`
pub(super) async fn log_in(
    State(hub): State<Arc<HubState>>,
    host: PublicUrl,
    ConnectInfo(RequestConnection(connection)): ConnectInfo<RequestConnection>,
    body: JsonBody<LoginRequest, PUBLIC_BODY>,
) -> Result<Json<Authentication>, ApiError> {
    let address = connection.address();
    let attempt = match body.value {
        LoginRequest::User(user) => log_in_user(&hub, address, user).await,
        LoginRequest::Token { token } => log_in_with_token(&hub, address, &token),
    };
    match attempt {
        Ok((identity, fingerprint, expiration)) => {
            let login = Login::new(identity, fingerprint, expiration);
            if login.identity.pairing_code.is_none() {
                hub.admission.identify(&connection, &login.owner())?;
            }
            hub.counters.logins.increment();
            log::info!("{login} logged in");
            Ok(authentication(&hub, login, host))
        }
        Err(error) => {
            hub.counters.logins_refused.increment();
            log::info!(code = error.code; "refused a login: {error}");
            Err(error)
        }
    }
}

/// `POST /api/auth/token`
pub(super) async fn refresh(
    State(hub): State<Arc<HubState>>,
    host: PublicUrl,
    login: Result<Login, ApiError>,
) -> Result<Json<Authentication>, ApiError> {
    let mut login = login.inspect_err(|_| hub.counters.refreshes_refused.increment())?;
    login.expiration = hub.tokens.expiration();
    if let Some(code) = &login.identity.pairing_code {
        hub.directory.extend_code(code, login.expiration);
    }
    hub.counters.refreshes.increment();
    Ok(authentication(&hub, login, host))
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
    let hash = known.unwrap_or(DUMMY_HASH).to_owned();
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
        login_token::peek(token).map_err(|error| wrong_credentials(&error.to_string()))?;
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
                .filter(|key| login_token::verify::<Claims>(token, key).is_ok())
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
                .filter(|device| login_token::verify::<Claims>(token, &device.secret).is_ok());
            if let Some(device) = known {
                let identity = identity(IdentityKind::Device, uuid);
                return Ok((identity, device.fingerprint, expiration));
            }
            if !allow_pairing {
                return Err(wrong_credentials(
                    "the device's uuid or its secret is wrong",
                ));
            }
            let IssuedCode { code, replaced } = hub.directory.issue_code(address, expiration)?;
            if let Some(replaced) = replaced {
                // The device that waits with the replaced code has to ask for another one.
                for socket in hub.sockets.sockets_of_code(&replaced) {
                    disconnect::disconnect(hub, socket);
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
    login: Login,
    PublicUrl(host): PublicUrl,
) -> Json<Authentication> {
    let token = hub.tokens.issue(
        login.identity.clone(),
        login.fingerprint(),
        login.expiration,
    );
    Json(Authentication {
        token,
        expiration: login.expiration,
        identity: login.identity,
        network: Network {
            host: Some(host),
            token: None,
        },
        restricted_token: None,
    })
}

/// URL by which the client reached this server, announced as the address of its live socket. A
/// proxy that terminates TLS sets `X-Forwarded-Proto`; a client that sets it itself misleads nobody
/// else.
pub(super) struct PublicUrl(String);

impl FromRequestParts<Arc<HubState>> for PublicUrl {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checking_nobodys_hash_takes_as_long_as_any() {
        assert!(password::check_password_hash(DUMMY_HASH).is_ok());
    }
}
