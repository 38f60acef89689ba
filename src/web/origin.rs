//! Guard of every request: the host name that it uses, and the origin that it comes from.
//!
//! Any page in any browser on this host can send requests here. `Host` reveals pages whose own name
//! resolves to this address (DNS rebinding); `Origin`, or `Sec-Fetch-Site` where browsers omit
//! that, reveals pages of other origins. Scripts can set none of the three.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::cors;
use super::refusal;
use super::state::WebState;
use expd_domain::Quoted;
use expd_server::error::ApiError;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Host name that a request uses: `127.0.0.1:9980`, `localhost:9980` or `[::1]:9980`.
#[derive(Clone)]
pub(super) struct CalledAs(pub Arc<str>);

/// Configured origin that a request comes from; none only for reading content.
#[derive(Clone)]
pub(super) struct RequestOrigin(pub Option<Arc<str>>);

/// Part of the door that a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// Content and layouts, which are read with a token in the URL or a cookie.
    Content,
    /// The rest of the SDK's protocol.
    Protocol,
    /// Pages that the door serves itself.
    Pages,
}

impl Part {
    fn of(request: &Request) -> Self {
        let path = request.uri().path();
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        if reads && is_content(path) {
            Self::Content
        } else if is_below(path, "/api") || is_below(path, "/socket.io") {
            Self::Protocol
        } else {
            Self::Pages
        }
    }
}

/// True for the paths of content and layouts.
pub(super) fn is_content(path: &str) -> bool {
    let layout = path
        .strip_prefix("/api/locations/")
        .and_then(|rest| rest.strip_suffix("/layout"));
    is_below(path, "/api/delivery") || layout.is_some_and(|uuid| !uuid.contains('/'))
}

fn is_below(path: &str, folder: &str) -> bool {
    let rest = path.strip_prefix(folder);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Refuses requests with another host name or from another origin, and answers preflights.
pub(super) async fn guard(
    State(state): State<Arc<WebState>>,
    mut request: Request,
    next: Next,
) -> Response {
    let part = Part::of(&request);
    let checked = called_as(request.uri(), request.headers(), state.port).and_then(|called| {
        let named = named_origin(request.headers())?;
        let origin = check(&state, &request, part, &called, named)?;
        Ok((called, named.map(str::to_owned), origin))
    });
    let (called, named, origin) = match checked {
        Ok(checked) => checked,
        Err(refused) => {
            let named = named_origin(request.headers()).ok().flatten();
            refusal::report("a request", "", named.unwrap_or_default(), &refused);
            return refused.into_response();
        }
    };
    // Browsers let a page read an answer only if it names the page's origin.
    let readable = named.filter(|_| origin.is_some());
    if request.method() == Method::OPTIONS {
        return match readable {
            Some(origin) => cors::preflight(&origin, request.headers()),
            None => StatusCode::NO_CONTENT.into_response(),
        };
    }
    let extensions = request.extensions_mut();
    extensions.insert(CalledAs(called));
    extensions.insert(RequestOrigin(origin));
    let mut response = next.run(request).await;
    if let Some(origin) = readable {
        cors::allow(&origin, response.headers_mut());
    }
    response
}

/// The configured origin of a request.
fn check(
    state: &WebState,
    request: &Request,
    part: Part,
    called: &str,
    named: Option<&str>,
) -> Result<Option<Arc<str>>, ApiError> {
    let own = format!("http://{called}");
    let site = request.headers().get(SEC_FETCH_SITE);
    let site = site.map(|site| site.to_str().unwrap_or_default());
    if let Some(named) = named {
        if state.apps.know_origin(named) {
            return Ok(Some(named.into()));
        }
        // The door's own pages may use everything that it serves without a login.
        if part == Part::Pages && named == own {
            return Ok(None);
        }
        return Err(foreign(format!(
            "no app in web.apps has the origin {}; add it there exactly as written here",
            Quoted(named)
        )));
    }
    match (part, site) {
        // Browsers omit `Origin` from a page's own reading requests.
        (Part::Protocol | Part::Content, Some("same-origin")) if state.apps.know_origin(&own) => {
            Ok(Some(own.into()))
        }
        // Read with its own token.
        (Part::Content, _) | (Part::Pages, None | Some("same-origin" | "none")) => Ok(None),
        (Part::Pages, Some(_)) => Err(foreign(
            "pages of this door are opened by their address, not from another site".to_owned(),
        )),
        (Part::Protocol, Some("same-origin")) => Err(foreign(format!(
            "no app in web.apps has the door's own origin {}; add it to the origins of its app",
            Quoted(&own)
        ))),
        (Part::Protocol, _) => Err(foreign(
            "the request has no Origin, which browsers send with every request of a page's script"
                .to_owned(),
        )),
    }
}

/// The host name that a request uses.
fn called_as(uri: &Uri, headers: &HeaderMap, port: u16) -> Result<Arc<str>, ApiError> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().unwrap_or_default(),
        _ => "",
    };
    let is_own = |authority: &str| {
        let (name, named_port) = match authority.rsplit_once(':') {
            Some((name, digits)) if !digits.ends_with(']') => (name, digits),
            // Browsers omit the default port.
            _ => (authority, "80"),
        };
        matches!(name, "127.0.0.1" | "localhost" | "[::1]") && named_port == port.to_string()
    };
    let target = uri.authority().map(Authority::as_str);
    if is_own(host) && target.is_none_or(|target| target == host) {
        return Ok(host.into());
    }
    Err(ApiError::new(
        StatusCode::MISDIRECTED_REQUEST,
        "request.host.foreign",
        format!(
            "the request uses the host name {}; this door answers only to 127.0.0.1:{port}, localhost:{port} and [::1]:{port}",
            Quoted(host)
        ),
    ))
}

/// The origin that a request names.
fn named_origin(headers: &HeaderMap) -> Result<Option<&str>, ApiError> {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    match (origins.next(), origins.next()) {
        (None, _) => Ok(None),
        (Some(origin), None) => Ok(Some(origin.to_str().unwrap_or("null"))),
        (Some(_), Some(_)) => Err(foreign("the request has two origins".to_owned())),
    }
}

fn foreign(message: String) -> ApiError {
    ApiError::forbidden("request.origin.foreign", message)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn called(host: &'static str, port: u16) -> bool {
        let headers = HeaderMap::from_iter([(header::HOST, HeaderValue::from_static(host))]);
        called_as(&Uri::from_static("/"), &headers, port).is_ok()
    }

    #[test]
    fn the_door_has_three_names_with_its_port() {
        for host in ["127.0.0.1:9980", "localhost:9980", "[::1]:9980"] {
            assert!(called(host, 9980), "{host}");
        }
        for host in [
            "127.0.0.1",
            "127.0.0.1:80",
            "127.0.0.2:9980",
            "localhost.:9980",
            "LOCALHOST:9980",
            "a.localhost:9980",
            "evil.example:9980",
            "127.0.0.1:9980.evil.example",
            "user@127.0.0.1:9980",
            "[::1]",
            "[::ffff:127.0.0.1]:9980",
            "",
        ] {
            assert!(!called(host, 9980), "{host}");
        }
        for host in ["127.0.0.1", "localhost", "[::1]", "localhost:80"] {
            assert!(called(host, 80), "{host}");
        }
        let mut two = HeaderMap::new();
        for host in ["127.0.0.1:9980", "evil.example"] {
            two.append(header::HOST, HeaderValue::from_static(host));
        }
        assert!(called_as(&Uri::from_static("/"), &two, 9980).is_err());
        let own = [(header::HOST, HeaderValue::from_static("127.0.0.1:9980"))];
        let elsewhere = Uri::from_static("http://evil.example/");
        assert!(called_as(&elsewhere, &HeaderMap::from_iter(own), 9980).is_err());
    }

    #[test]
    fn content_is_what_tokens_in_urls_read() {
        for path in [
            "/api/delivery",
            "/api/delivery/a/b.png",
            "/api/locations/u/layout",
        ] {
            assert!(is_content(path), "{path}");
        }
        for path in [
            "/api/deliverys",
            "/api/locations/u",
            "/api/locations/u/v/layout",
            "/api/content/u",
            "/api/devices/u/layout",
        ] {
            assert!(!is_content(path), "{path}");
        }
    }
}
