//! The login of a request, proved by one of the door's tokens.

use std::sync::Arc;

use axum::http::HeaderMap;

use super::error;
use super::state::WebState;
use super::tokens::Claims;
use crate::access::{Action, Caller, PageIdentity, Refusal, report_limit, report_refusal};
use crate::bridge::{Bridge, BridgeError};
use crate::config::WebApp;
use crate::router::WebPage;
use crate::shares::{Holder, Memory};
use expd_domain::{Channel, ChannelId, KnownIdentity, NameSet, Quoted, Secret};
use expd_server::error::ApiError;
use expd_server::rate_limiter::RateLimiter;
use expd_server::token::bearer;
use expd_server::token_life::Clocks;

/// A page that is logged in.
#[derive(Clone)]
pub(super) struct PageCaller {
    pub app: WebApp,
    pub origin: Arc<str>,
    /// Its login, which stays the same over refreshes; empty for a restricted token.
    pub login: String,
    pub caller: Caller,
    pub bridge: Arc<Bridge>,
    pub holder: Holder,
}

impl PageCaller {
    /// The caller of a request with the header `Authorization`.
    ///
    /// # Errors
    /// The token is missing, invalid, or issued to another origin.
    pub fn of_request(
        state: &WebState,
        headers: &HeaderMap,
        origin: &str,
    ) -> Result<Self, ApiError> {
        let token = bearer(headers).ok_or_else(|| {
            ApiError::unauthorized(
                "authentication.token.missing",
                "this needs the header `Authorization: Bearer TOKEN` with the token of a login at this door; log in with POST /api/auth/login",
            )
        })?;
        let caller = Self::of_token(state, &token, Some(origin))?;
        caller.limit(&state.rates.requests, "requests")?;
        Ok(caller)
    }

    /// The caller of a token.
    ///
    /// # Errors
    /// As for [`Self::of_request`].
    pub fn of_token(
        state: &WebState,
        token: &Secret,
        origin: Option<&str>,
    ) -> Result<Self, ApiError> {
        Self::of_claims(state, state.tokens.verify(token, Clocks::now())?, origin)
    }

    /// The reader of content that a restricted token names.
    ///
    /// # Errors
    /// The token is invalid, or issued to another origin.
    pub fn of_restricted(
        state: &WebState,
        token: &Secret,
        origin: Option<&str>,
    ) -> Result<Self, ApiError> {
        let claims = state.tokens.verify_restricted(token, Clocks::now())?;
        Self::of_claims(state, claims, origin)
    }

    fn of_claims(state: &WebState, claims: Claims, origin: Option<&str>) -> Result<Self, ApiError> {
        let app = state.apps.by_name(&claims.app);
        let app = app.filter(|app| state.tokens.is_of(&claims, app));
        let app = app.filter(|app| app.origins.contains(&claims.origin));
        let app = app.ok_or_else(|| {
            ApiError::unauthorized(
                "authentication.token.revoked",
                "the app of this token is no longer in the settings, or its key or origins have changed; log in again",
            )
        })?;
        if origin.is_some_and(|origin| origin != claims.origin) {
            return Err(ApiError::forbidden(
                "authentication.origin",
                "this token is of a page from another origin",
            ));
        }
        Self::new(state, app, &claims.origin, claims.login)
    }

    /// A page of an app.
    ///
    /// # Errors
    /// The app's instance does not exist.
    pub fn new(
        state: &WebState,
        app: WebApp,
        origin: &str,
        login: String,
    ) -> Result<Self, ApiError> {
        let bridge = state.bridges.get(&app.instance).ok_or_else(|| {
            let name = Quoted(&app.instance);
            let message = format!(
                "there is no instance {name}; add [instances.NAME] to expd's settings, and reload"
            );
            ApiError::busy("network.instance", message)
        })?;
        let origin: Arc<str> = origin.into();
        let page = PageIdentity {
            app: app.name.as_str().into(),
            origin: origin.clone(),
        };
        let holder = Holder::App(state.apps.number(&app.name));
        Ok(Self {
            app,
            origin,
            login,
            caller: Caller::of_page(page),
            bridge,
            holder,
        })
    }

    /// Refuses an action that no rule about its app allows.
    ///
    /// # Errors
    /// No rule allows it.
    pub fn allow(&self, state: &WebState, action: &Action<'_>) -> Result<(), ApiError> {
        let checked = state
            .policy()
            .check(&self.caller, &self.bridge.name, action);
        checked.map_err(|refusal| self.refused(state, &refusal))
    }

    /// Refuses to listen on a channel if no rule about its app allows it; returns the names of the
    /// events that it may receive.
    ///
    /// # Errors
    /// No rule allows it.
    pub fn allow_listening(
        &self,
        state: &WebState,
        channel: &Channel,
    ) -> Result<NameSet, ApiError> {
        let policy = state.policy();
        let rights = policy.rights(&self.caller);
        let checked = rights.check(&self.bridge.name, &Action::Listen(channel, None));
        checked.map_err(|refusal| self.refused(state, &refusal))?;
        Ok(rights.heard_events(&self.bridge.name, channel))
    }

    /// Converts a refusal to an answer, and reports it to operators.
    fn refused(&self, state: &WebState, refusal: &Refusal) -> ApiError {
        report_refusal(refusal, &self.caller, &state.counters);
        error::refused(refusal)
    }

    /// Converts an error of its instance to an answer, and reports a reached limit to operators.
    pub fn failed(&self, error: BridgeError, channel: Option<&Channel>) -> ApiError {
        let at_limit = error.is_of_limit();
        let answer = error::of_bridge(error);
        if at_limit {
            let channel = channel.map_or("", |channel| &channel.name);
            let message = format!("refused a call of {}: {}", self.caller, answer.message);
            report_limit(&message, &self.caller, &self.bridge.name, channel);
        }
        answer
    }

    /// Counts an event against its app's rate, or refuses it and reports that to operators.
    ///
    /// # Errors
    /// The rate is exceeded.
    pub fn limit(&self, rate: &RateLimiter<String>, what: &str) -> Result<(), ApiError> {
        limit(rate, &self.app.name, what).inspect_err(|refused| {
            let message = format!("refused a call of {}: {}", self.caller, refused.message);
            report_limit(&message, &self.caller, &self.bridge.name, "");
        })
    }

    /// The identity of its instance.
    ///
    /// # Errors
    /// It is not logged in, or waits to be paired.
    pub fn identity(&self) -> Result<KnownIdentity, ApiError> {
        let identity = self.bridge.identity().map_err(error::of_bridge)?;
        if identity.pairing_code.is_some() {
            return Err(ApiError::busy(
                "network.pairing",
                "the device waits to be paired, and has no identity yet; the page /pairing of this door shows its code",
            ));
        }
        Ok(identity)
    }

    /// The channel of an ID, in the organization of its instance's identity.
    ///
    /// # Errors
    /// The ID is malformed, or belongs to another organization.
    pub fn channel(&self, id: &ChannelId) -> Result<Channel, ApiError> {
        let organization = self.identity()?.organization;
        expd_server::messages::decode_channel(&organization, id)
    }

    /// Its name among the router's listeners.
    pub fn web_page(&self, state: &WebState) -> WebPage {
        WebPage {
            app: self.app.name.as_str().into(),
            number: state.apps.number(&self.app.name),
        }
    }

    /// Memory for its answers.
    pub fn answers(&self, state: &WebState) -> Memory {
        Memory::new(state.answers.clone(), self.holder)
    }
}

/// Counts an event against an app's rate, or refuses it.
///
/// # Errors
/// The rate is exceeded.
pub(super) fn limit(rate: &RateLimiter<String>, app: &str, what: &str) -> Result<(), ApiError> {
    let app = app.to_owned();
    if let Err(wait) = rate.check(&app) {
        let message = format!("too many {what} of this app; try again later");
        return Err(ApiError::rate_limited("request.rate", message, wait));
    }
    rate.record(app);
    Ok(())
}
