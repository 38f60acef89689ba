//! Login of pages at the door, and refresh of their tokens.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, Request, State};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use serde_json::{Map, Value};

use super::caller::PageCaller;
use super::cookie;
use super::origin::{CalledAs, RequestOrigin};
use super::refusal;
use super::state::WebState;
use crate::config::WebApp;
use expd_domain::{KnownIdentity, Quoted, Secret, login};
use expd_server::body::{self, BodyTerms, PUBLIC_BODY};
use expd_server::connection::RequestConnection;
use expd_server::error::ApiError;
use expd_server::login_request::{LoginClaims, LoginRequest};
use expd_server::token::{hex, now_millis};
use expd_server::token_life::Clocks;

/// Time limit of a refresh for the page to receive everything written to its old socket.
const HOLD_TIMEOUT: Duration = Duration::from_secs(1);

/// The authentication payload, with all that the SDKs read.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Authentication {
    token: Secret,
    expiration: i64,
    restricted_token: Secret,
    api: Host,
    network: Host,
    identity: Map<String, Value>,
}

#[derive(Clone, Serialize)]
struct Host {
    host: String,
}

/// Facts of a request that the guard has checked.
pub(super) struct Checked {
    pub origin: Arc<str>,
    pub called: Arc<str>,
    pub connection: Arc<expd_server::connection::ClientConnection>,
}

impl Checked {
    pub fn of(request: &Request) -> Result<Self, ApiError> {
        let extensions = request.extensions();
        let origin = extensions.get::<RequestOrigin>();
        let called = extensions.get::<CalledAs>();
        let connection = extensions.get::<ConnectInfo<RequestConnection>>();
        match (origin, called, connection) {
            (
                Some(RequestOrigin(Some(origin))),
                Some(CalledAs(called)),
                Some(ConnectInfo(RequestConnection(connection))),
            ) => Ok(Self {
                origin: origin.clone(),
                called: called.clone(),
                connection: connection.clone(),
            }),
            _ => Err(ApiError::forbidden(
                "request.origin.foreign",
                "the request comes from no configured origin",
            )),
        }
    }
}

/// `POST /api/auth/login`
pub(super) async fn log_in(
    State(state): State<Arc<WebState>>,
    request: Request,
) -> Result<Response, ApiError> {
    let checked = Checked::of(&request)?;
    let (parts, body) = request.into_parts();
    let terms = BodyTerms {
        owner: None,
        content_length: body::content_length(&parts.headers),
        limit: PUBLIC_BODY,
    };
    let (bytes, _) = body::read(&state.body_memory, &checked.connection, body, terms).await?;
    let login: LoginRequest = serde_json::from_slice(&bytes).map_err(|error| {
        ApiError::bad_request(
            "request.body.malformed",
            format!("the body is not a login: {error}"),
        )
    })?;
    let refused = |app: &str, refusal: ApiError| {
        refusal::report("the login of a page", app, &checked.origin, &refusal);
        refusal
    };
    let attempt = Attempt::of(&state, login).map_err(|refusal| refused("", refusal))?;
    let verified = attempt.verify(&state, &checked.origin);
    verified.map_err(|refusal| refused(&attempt.app.name, refusal))?;
    let login = hex(&rand::random::<[u8; 16]>());
    let page = PageCaller::new(&state, attempt.app, &checked.origin, login)?;
    let identity = page.identity()?;
    state
        .admission
        .identify(&checked.connection, &page.app.name)?;
    state.logins.add(&page.login, &page.app.name);
    log::info!(app = page.app.name, origin = &*page.origin; "a page logged in");
    Ok(answer(&state, &page, identity, &checked.called))
}

/// `POST /api/auth/token`: the page closes its socket once it has the answer, and opens another.
/// Events in between are delivered there.
pub(super) async fn refresh(
    State(state): State<Arc<WebState>>,
    request: Request,
) -> Result<Response, ApiError> {
    let checked = Checked::of(&request)?;
    let page = PageCaller::of_request(&state, request.headers(), &checked.origin)?;
    state
        .admission
        .identify(&checked.connection, &page.app.name)?;
    let identity = page.identity()?;
    if let Some(login) = state.logins.get(&page.login) {
        login.hold(HOLD_TIMEOUT).await;
    }
    Ok(answer(&state, &page, identity, &checked.called))
}

/// A login of one of the apps, not verified yet.
struct Attempt {
    app: WebApp,
    token: Secret,
}

impl Attempt {
    fn of(state: &WebState, login: LoginRequest) -> Result<Self, ApiError> {
        let LoginRequest::Token(token, _) = login else {
            return Err(wrong(
                "pages log in here with the uuid and the api_key of an app in web.apps, not as users",
            ));
        };
        let claims: LoginClaims = login::peek(&token).map_err(|error| wrong(&error.to_string()))?;
        let app = state.apps.by_uuid(claims.uuid());
        let app = app.ok_or_else(|| wrong("no app in web.apps has this uuid"))?;
        Ok(Self { app, token })
    }

    fn verify(&self, state: &WebState, origin: &str) -> Result<(), ApiError> {
        let app = &self.app;
        // Before anything is counted: a page of one app must not lock out those of another.
        if !app.origins.iter().any(|known| known == origin) {
            return Err(ApiError::forbidden(
                "authentication.origin",
                format!(
                    "the app {} has no pages from {}; add it to its origins",
                    Quoted(&app.name),
                    Quoted(origin)
                ),
            ));
        }
        let attempts = &state.rates.wrong_logins;
        let tried = (app.name.clone(), origin.to_owned());
        if let Err(wait) = attempts.check(&tried) {
            let message = "too many logins with a wrong key from this origin; try again later";
            return Err(ApiError::rate_limited("request.rate", message, wait));
        }
        let verified: Result<LoginClaims, _> = login::verify(&self.token, &app.api_key);
        let Ok(claims) = verified else {
            attempts.record(tried);
            return Err(wrong("the login is not signed with the app's api_key"));
        };
        if claims.expired(now_millis()) {
            return Err(wrong("the login has expired; check the clock of this host"));
        }
        Ok(())
    }
}

fn wrong(message: &str) -> ApiError {
    ApiError::unauthorized("authentication.credentials", message)
}

fn answer(state: &WebState, page: &PageCaller, identity: KnownIdentity, called: &str) -> Response {
    let (tokens, now) = (&state.tokens, Clocks::now());
    let (token, expiration) = tokens.issue(&page.app, &page.origin, &page.login, now);
    let host = Host {
        host: format!("http://{called}"),
    };
    let payload = Authentication {
        token,
        expiration,
        restricted_token: tokens.issue_restricted(&page.app, &page.origin, now),
        api: host.clone(),
        network: host,
        identity: announced(identity, &page.login),
    };
    let mut response = axum::Json(payload).into_response();
    cookie::set(state, page, &mut response);
    response
}

/// The identity as the network announced it.
fn announced(identity: KnownIdentity, login: &str) -> Map<String, Value> {
    let rest: Option<Map<String, Value>> = serde_json::from_str(&identity.rest).ok();
    let mut announced = rest.unwrap_or_default();
    let kind = identity.kind.as_word();
    announced.insert("type".to_owned(), kind.into());
    announced.insert("uuid".to_owned(), identity.uuid.into());
    announced.insert("organization".to_owned(), identity.organization.into());
    if let Some(username) = identity.username {
        announced.insert("username".to_owned(), username.into());
        // Of the page, not of the daemon's own connection.
        announced.insert("connectionId".to_owned(), login.into());
    }
    if let Some(role) = identity.role {
        announced.insert("role".to_owned(), role.into());
    }
    announced
}
