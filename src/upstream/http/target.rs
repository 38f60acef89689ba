//! Where an API request goes: a path that the caller gave, kept inside `/api/` of the configured host.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use reqwest::{Method, Url};

use super::error::CallError;

/// The method that a caller names, in any case.
pub(super) fn method(name: &str) -> Result<Method, CallError> {
    match name.to_ascii_uppercase().as_str() {
        "GET" => Ok(Method::GET),
        "POST" => Ok(Method::POST),
        "PATCH" => Ok(Method::PATCH),
        "PUT" => Ok(Method::PUT),
        "DELETE" => Ok(Method::DELETE),
        _ => Err(refused(format!(
            "the method {name:?} is not known; use GET, POST, PATCH, PUT or DELETE"
        ))),
    }
}

/// The URL of a path at `host`, which is a base URL.
pub(super) fn url(host: &str, path: &str) -> Result<Url, CallError> {
    if !path.starts_with("/api/") {
        return Err(refused(format!(
            "the path {path:?} does not start with /api/"
        )));
    }
    let base = Url::parse(host).map_err(|e| refused(format!("the host setting {host:?}: {e}")))?;
    let url = Url::parse(&format!("{}{path}", host.trim_end_matches('/')))
        .map_err(|e| refused(format!("the path {path:?} makes no URL: {e}")))?;
    if url.fragment().is_some() {
        // It would never leave this host, and what stands in it would be lost in silence.
        return Err(refused(format!(
            "the path {path:?} holds a #; write %23 where it is meant"
        )));
    }
    // `..` and its escaped spellings are resolved by now; escaped slashes are not.
    let prefix = format!("{}/api/", base.path().trim_end_matches('/'));
    let inside = url.path().strip_prefix(&prefix);
    if url.origin() != base.origin() || inside.is_none_or(climbs) {
        return Err(refused(format!("the path {path:?} leads out of /api/")));
    }
    Ok(url)
}

/// The URL of a path that an app gave. The session's own calls are not for apps: their answers are tokens.
pub(super) fn app_url(host: &str, path: &str) -> Result<Url, CallError> {
    let url = url(host, path)?;
    let decoded = decode(url.path()).to_ascii_lowercase();
    let mut segments = decoded.split('/').filter(|segment| !segment.is_empty());
    if segments.any(|segment| segment == "api") && segments.next() == Some("auth") {
        return Err(refused(format!(
            "the path {path:?} is the daemon's own: it logs in and keeps the token to itself; any other path under /api/ is sent with it"
        )));
    }
    Ok(url)
}

/// Whether a path climbs up once a server has decoded its escaped slashes.
fn climbs(path: &str) -> bool {
    decode(path)
        .split(['/', '\\'])
        .any(|segment| segment == "..")
}

fn decode(path: &str) -> Cow<'_, str> {
    percent_decode_str(path).decode_utf8_lossy()
}

fn refused(reason: String) -> CallError {
    CallError::Invalid { reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "https://exp.example:8443/base";

    #[test]
    fn paths_under_api_go_to_the_host_as_they_are() {
        for path in [
            "/api/devices",
            "/api/devices?limit=1&name=a%20b",
            "/api/data/group/a%2Fb",
            "/api/data/g/k..ey",
            "/api/data/g/%25",
            "/api/authors",
            "/api/data/auth/login",
        ] {
            let url = app_url(HOST, path).unwrap();
            assert_eq!(url.as_str(), format!("{HOST}{path}"));
        }
    }

    #[test]
    fn no_path_leads_elsewhere() {
        for path in [
            "",
            "/",
            "/api",
            "api/devices",
            "/apis/x",
            "https://evil.example/api/x",
            "//evil.example/api/x",
            "@evil.example/api/x",
            "/api/../admin",
            "/api/..",
            "/api/%2e%2e/admin",
            "/api/%2E./admin",
            "/api/x/../../admin",
            "/api/\\..\\..\\admin",
            "/api/..%2fadmin",
            "/api/x%2f..%2f..%2fadmin",
            "/api/..%5cadmin",
            "/api/../../base/api/../x",
            "/api/\t../x",
            "/api/devices#1",
        ] {
            let refused = app_url(HOST, path);
            assert!(
                matches!(refused, Err(CallError::Invalid { .. })),
                "{path:?} leads to {refused:?}"
            );
        }
    }

    #[test]
    fn the_sessions_own_calls_are_not_for_apps() {
        for path in [
            "/api/auth/token",
            "/api/auth/login?x",
            "/api/auth",
            "/api/%61uth/token",
            "/api//auth/token",
            "/api/auth%2Ftoken",
            "/api/AUTH/token",
            "/api/x/../auth/token",
            "/api/./auth/token",
        ] {
            let refused = app_url(HOST, path).unwrap_err().to_string();
            assert!(refused.contains("the daemon's own"), "{path}: {refused}");
        }
        assert!(url(HOST, "/api/auth/token").is_ok());
    }

    #[test]
    fn methods_are_taken_in_any_case() {
        assert_eq!(method("pAtCh").unwrap(), Method::PATCH);
        assert!(method("CONNECT").is_err());
        assert!(method("").is_err());
    }
}
