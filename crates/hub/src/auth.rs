//! Logging in and refreshing tokens.

use std::sync::Arc;

use axum::Json;
use axum::extract::{ConnectInfo, State};

use super::authentication::{Authentication, PublicUrl};
use super::body::{JsonBody, PUBLIC_BODY};
use super::disconnect;
use super::error::ApiError;
use super::login::Login;
use super::pairing_codes::IssuedCode;
use super::password;
use super::state::HubState;
use super::tokens::now_millis;
use expd_domain::login as login_token;
use expd_domain::{Identity, IdentityKind, Secret};
use expd_server::address::Address;
use expd_server::connection::RequestConnection;
use expd_server::login_request::{ClaimedKind, LoginClaims, LoginRequest, UserLogin};
use expd_server::token_life::TokenLife;

/// Hash that is checked for an unknown user, so that response times do not reveal which users
/// exist. It is made up; an unknown user is refused even if it matches.
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
        LoginRequest::Token(token, kind) => log_in_with_token(&hub, address, &token, kind),
    };
    match attempt {
        Ok((identity, fingerprint, life)) => {
            let login = Login::new(identity, fingerprint, life);
            if login.identity.pairing_code.is_none() {
                hub.admission.identify(&connection, &login.owner())?;
            }
            hub.counters.logins.increment();
            log::info!("{login} logged in");
            Ok(Json(Authentication::new(&hub, login, host)))
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
    if login.identity.pairing_code.is_some() {
        // As in EXP's cloud: the device logs in again, and gets a new code.
        hub.counters.refreshes_refused.increment();
        return Err(ApiError::unauthorized(
            "authentication.pairing",
            "the login of a device that waits to be paired cannot be refreshed; log in again for a new code",
        ));
    }
    login.life = hub.tokens.life();
    hub.refreshed_logins
        .note(&login.id, &login.owner(), login.life);
    hub.counters.refreshes.increment();
    Ok(Json(Authentication::new(&hub, login, host)))
}

type LoggedIn = (Identity, u64, TokenLife);

async fn log_in_user(
    hub: &Arc<HubState>,
    address: Address,
    user: UserLogin,
) -> Result<LoggedIn, ApiError> {
    let UserLogin {
        username,
        password,
        organization,
    } = user;
    let known = hub.directory.password_hash(&username);
    let hash = known.unwrap_or(DUMMY_HASH).to_owned();
    let check = move || password::verify(&password, &hash);
    let checked = hub
        .password_checks
        .check(address, &username, known.is_some(), check);
    let matches = checked.await? && known.is_some();
    if !matches || organization.is_some_and(|named| named != hub.organization) {
        return Err(wrong_credentials(
            "the username, the password or the organization is wrong",
        ));
    }
    let identity = Identity {
        uuid: username,
        kind: IdentityKind::User,
        organization: hub.organization.clone(),
        pairing_code: None,
    };
    Ok((identity, 0, hub.tokens.life()))
}

fn log_in_with_token(
    hub: &Arc<HubState>,
    address: Address,
    token: &Secret,
    kind: Option<ClaimedKind>,
) -> Result<LoggedIn, ApiError> {
    let claims: LoginClaims =
        login_token::peek(token).map_err(|error| wrong_credentials(&error.to_string()))?;
    if claims.expired(now_millis()) {
        return Err(wrong_credentials(
            "the login token has expired; check the clock of the device",
        ));
    }
    let signed_with = |secret: &Secret| login_token::verify::<LoginClaims>(token, secret).is_ok();
    let life = hub.tokens.life();
    let uuid = claims.uuid();
    // The signed kind takes precedence. If neither names one, the secret that matches decides.
    let kind = claims.kind.or(kind);
    if kind != Some(ClaimedKind::ConsumerApp)
        && let Some(device) = hub.directory.device(uuid)
        && signed_with(&device.secret)
    {
        let identity = identity(hub, IdentityKind::Device, uuid);
        return Ok((identity, device.fingerprint, life));
    }
    if kind != Some(ClaimedKind::Device)
        && let Some(fingerprint) = hub.directory.app_fingerprint(uuid)
        && hub.directory.api_key(uuid).is_some_and(signed_with)
    {
        let identity = identity(hub, IdentityKind::ConsumerApp, uuid);
        return Ok((identity, fingerprint, life));
    }
    if kind == Some(ClaimedKind::ConsumerApp) {
        return Err(wrong_credentials(
            "the consumer app's uuid or its API key is wrong",
        ));
    }
    if !claims.allow_pairing() {
        return Err(wrong_credentials(
            "the device's uuid or its secret is wrong",
        ));
    }
    let code = issue_code(hub, address, life)?;
    let identity = Identity {
        pairing_code: Some(code),
        ..identity(hub, IdentityKind::Device, "")
    };
    Ok((identity, 0, life))
}

fn issue_code(hub: &Arc<HubState>, address: Address, life: TokenLife) -> Result<String, ApiError> {
    let IssuedCode { code, replaced } = hub.directory.issue_code(address, life)?;
    if let Some(replaced) = replaced {
        // The device that waits with the evicted code must request another one.
        for socket in hub.sockets.sockets_of_code(&replaced) {
            disconnect::disconnect(hub, socket);
        }
    }
    Ok(code)
}

fn identity(hub: &HubState, kind: IdentityKind, uuid: &str) -> Identity {
    Identity {
        uuid: uuid.to_owned(),
        kind,
        organization: hub.organization.clone(),
        pairing_code: None,
    }
}

fn wrong_credentials(message: &str) -> ApiError {
    ApiError::unauthorized("authentication.refused", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checking_nobodys_hash_takes_as_long_as_any() {
        assert!(password::check_password_hash(DUMMY_HASH).is_ok());
    }
}
