//! Cookies with restricted tokens, one for each app, by which a page's images and films load
//! without a token in their URLs.
//!
//! A page of another site sends a cookie only with `SameSite=None` and `Secure`, which browsers
//! take from loopback addresses; `Partitioned` gives each site its own, so that no other page reads
//! with it.

use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;

use super::caller::PageCaller;
use super::state::WebState;
use expd_domain::Secret;
use expd_server::token_life::Clocks;

/// The app's name follows.
const PREFIX: &str = "expd_rt_";

/// Maximum number of cookies of one request that are read.
const MAX_COOKIES: usize = 16;

/// Sets the cookie of a page's app on an answer.
pub(super) fn set(state: &WebState, page: &PageCaller, response: &mut Response) {
    let (tokens, now) = (&state.tokens, Clocks::now());
    let token = tokens.issue_restricted(&page.app, &page.origin, now);
    let cookie = format!(
        "{PREFIX}{}={}; Path=/api; HttpOnly; Secure; SameSite=None; Partitioned",
        page.app.name,
        token.expose()
    );
    if let Ok(mut cookie) = HeaderValue::try_from(cookie) {
        cookie.set_sensitive(true);
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
}

/// Restricted tokens among the cookies of a request.
pub(super) fn tokens(headers: &HeaderMap) -> impl Iterator<Item = Secret> + '_ {
    let cookies = headers.get_all(header::COOKIE).iter();
    cookies
        .filter_map(|cookies| cookies.to_str().ok())
        .flat_map(|cookies| cookies.split(';'))
        .filter_map(|cookie| cookie.trim().strip_prefix(PREFIX)?.split_once('='))
        .map(|(_, token)| Secret::new(token))
        .take(MAX_COOKIES)
}
