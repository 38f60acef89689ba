//! The URL of an API request: a path below the configured host's own, exactly as the app wrote it.

use reqwest::{Method, Url};

use crate::upstream::transport::CallError;
use expd_domain::{ApiPath, Quoted};

/// Bound on the length of a method's name.
const LONGEST_METHOD: usize = 16;

/// Bound on the length of a URL in bytes: that of the HTTP library.
const LONGEST_URL: usize = u16::MAX as usize - 1;

/// Parses a method, in any case.
pub(super) fn method(name: &str) -> Result<Method, CallError> {
    let known = [
        Method::GET,
        Method::POST,
        Method::PATCH,
        Method::PUT,
        Method::DELETE,
    ];
    let short = name.len() <= LONGEST_METHOD;
    known
        .into_iter()
        .find(|method| short && method.as_str().eq_ignore_ascii_case(name))
        .ok_or_else(|| {
            refused(format!(
                "unknown method {}; use GET, POST, PATCH, PUT or DELETE",
                Quoted(name)
            ))
        })
}

/// The URL of one of the daemon's own calls. `host` is a base URL; the path is expd's.
pub(super) fn url(host: &str, path: &str) -> Result<Url, CallError> {
    Url::parse(&format!("{}{path}", host.trim_end_matches('/'))).map_err(|e| no_host(host, e))
}

/// The URL of an app's path and query parameters. The login paths are closed to apps: their answers
/// are tokens.
pub(super) fn app_url<'q>(
    host: &str,
    path: &ApiPath,
    query: impl IntoIterator<Item = (&'q str, &'q str)>,
) -> Result<Url, CallError> {
    path.check_for_apps()
        .map_err(|error| refused(error.to_string()))?;
    let base = Url::parse(host).map_err(|e| no_host(host, e))?;
    let mut url = url(host, path.as_str())?;
    url.set_query(path.query());
    // The server must get exactly the path that was classified and checked: nothing may have
    // rewritten it since.
    let sent = format!("{}{path}", base.path().trim_end_matches('/'));
    if url.path() != sent || url.origin() != base.origin() {
        return Err(refused(format!(
            "the path {} cannot be sent as written; percent-encode its special characters",
            Quoted(path.as_str())
        )));
    }
    let mut query = query.into_iter().peekable();
    if query.peek().is_some() {
        url.query_pairs_mut().extend_pairs(query);
    }
    if url.as_str().len() > LONGEST_URL {
        return Err(refused(format!(
            "the URL of path and query has {} bytes; at most {LONGEST_URL} are allowed",
            url.as_str().len()
        )));
    }
    Ok(url)
}

fn no_host(host: &str, error: impl std::fmt::Display) -> CallError {
    refused(format!(
        "the host setting {} is not a URL: {error}",
        Quoted(host)
    ))
}

fn refused(reason: String) -> CallError {
    CallError::Invalid { reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTS: [&str; 4] = [
        "https://exp.example:8443/base",
        "https://exp.example/a/b/",
        "http://127.0.0.1:9000",
        "http://127.0.0.1:9000/",
    ];

    #[test]
    fn a_path_goes_below_the_hosts_own_to_the_letter() {
        for path in [
            "/api/devices",
            "/api/devices?limit=1&name=a%20b",
            "/api/data/group/a%2Fb%2fc",
            "/api/data/g/k..ey",
            "/api/data/g/%25",
            "/api/data/g/a;b%3Bc|d",
            "/api/data//g",
            "/api/authors",
            "/api/data/auth/login",
        ] {
            for host in HOSTS {
                let parsed = ApiPath::parse(path).unwrap();
                let url = app_url(host, &parsed, []).unwrap();
                let (host, path) = (host.trim_end_matches('/'), path.replace('|', "%7C"));
                assert_eq!(url.as_str(), format!("{host}{path}"));
            }
        }
    }

    #[test]
    fn parameters_join_those_of_the_path() {
        let path = ApiPath::parse("/api/devices?limit=1").unwrap();
        let url = app_url(HOSTS[0], &path, [("sort", "a b")]).unwrap();
        assert_eq!(url.query(), Some("limit=1&sort=a+b"));
        let long = "x".repeat(LONGEST_URL);
        assert!(app_url(HOSTS[0], &path, [("sort", long.as_str())]).is_err());
    }

    #[test]
    fn the_sessions_own_calls_are_not_for_apps() {
        for path in ["/api/auth/token", "/api/auth/login?x", "/api/auth"] {
            for host in HOSTS {
                let parsed = ApiPath::parse(path).unwrap();
                let refused = app_url(host, &parsed, []).unwrap_err().to_string();
                assert!(refused.contains("the daemon's own"), "{path}: {refused}");
            }
        }
    }

    #[test]
    fn methods_are_taken_in_any_case() {
        assert_eq!(method("pAtCh").unwrap(), Method::PATCH);
        let long = "G".repeat(1 << 20);
        for unknown in ["CONNECT", "", "GET ", long.as_str()] {
            let refused = method(unknown).unwrap_err().to_string();
            assert!(refused.len() < 256, "{refused}");
        }
    }
}
