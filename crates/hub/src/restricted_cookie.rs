//! Cookie `_rt` with the restricted token, set with each API response and each handshake of long
//! polling, so that a page's images and videos load without a token in their URLs.
//!
//! A page of another site, where the SDK usually runs, sends it only with `SameSite=None`, which
//! browsers accept together with `Secure`: over HTTPS and on loopback. `Partitioned` gives each
//! site that embeds the network its own cookie, so that no other page can read with it.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;

use super::login::{Login, bearer};
use super::state::HubState;
use expd_domain::Secret;
use expd_server::engine_query::EngineQuery;
use expd_server::hosts::Hosts;

const NAME: &str = "_rt";

/// Token that proved a reader, in the extensions of a response.
#[derive(Clone)]
pub(super) struct RestrictedToken(pub Secret);

/// Values of the cookie in a request.
pub(super) fn tokens(headers: &HeaderMap) -> impl Iterator<Item = String> + '_ {
    let cookies = headers.get_all(header::COOKIE).iter();
    cookies
        .filter_map(|cookies| cookies.to_str().ok())
        .flat_map(|cookies| cookies.split(';'))
        .filter_map(|cookie| cookie.trim().strip_prefix(NAME)?.strip_prefix('='))
        .filter(|token| !token.is_empty())
        .map(str::to_owned)
}

/// Sets the cookie on responses to logged-in clients.
pub(super) async fn set(
    State(hub): State<Arc<HubState>>,
    request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path();
    let login = if path.starts_with("/api/") {
        bearer(request.headers()).and_then(|token| Login::from_token(&hub, &token).ok())
    } else {
        EngineQuery::handshake_token(request.uri())
            .and_then(|token| Login::from_socket_token(&hub, &token).ok())
    };
    let secure = is_secure(&request);
    let mut response = next.run(request).await;
    let proved = response.extensions_mut().remove::<RestrictedToken>();
    let issued = login
        .filter(|login| login.identity.pairing_code.is_none())
        .filter(|_| response.status() != StatusCode::UNAUTHORIZED)
        .map(|login| {
            let fingerprint = login.fingerprint();
            hub.tokens.issue_restricted(login.identity, fingerprint)
        });
    if let Some(token) = issued.or(proved.map(|RestrictedToken(token)| token)) {
        let further = if secure {
            "; Secure; SameSite=None; Partitioned"
        } else {
            ""
        };
        let cookie = format!("{NAME}={}; HttpOnly; Path=/api{further}", token.expose());
        if let Ok(mut cookie) = HeaderValue::try_from(cookie) {
            cookie.set_sensitive(true);
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
    }
    response
}

/// True if browsers accept a `Secure` cookie: over HTTPS, and on loopback.
fn is_secure(request: &Request) -> bool {
    let forwarded = request.headers().get("x-forwarded-proto");
    forwarded.is_some_and(|scheme| scheme == "https")
        || Hosts::loopback().allow(request.uri(), request.headers())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cookie_is_found_among_others() {
        let mut headers = HeaderMap::new();
        for cookies in ["a=1; _rt=one; x_rt=2", "_rt=; _rtx=3;_rt=two"] {
            headers.append(header::COOKIE, HeaderValue::from_static(cookies));
        }
        assert_eq!(tokens(&headers).collect::<Vec<_>>(), ["one", "two"]);
    }
}
