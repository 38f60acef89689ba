//! Diagnosis of failed connections to EXP: the cause, and a remedy for people.

use std::error::Error as StdError;

use hyper_util::client::proxy::matcher::Matcher;
use reqwest::Url;

use super::proxy_challenge::remedy as remedy_of_407;
use super::trust::{Trust, remedy, tls_error};
use super::tunnel::challenge;
use expd_domain::Secret;
use expd_domain::excerpt::sentence;

/// True if the request certainly never left this host: no connection was made, so sending it again
/// is safe.
pub fn never_sent(error: &reqwest::Error) -> bool {
    error.is_connect() || error.is_builder()
}

/// Step of the route to a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteStep {
    /// The proxy, or the tunnel through it.
    Proxy,
    /// The TLS handshake.
    Tls,
    /// The host itself: its name, its address, its response.
    Host,
}

/// The route from this host to an instance's host, as far as it is known, for error messages.
#[derive(Clone, Debug)]
pub struct RouteDescription {
    host: String,
    name: String,
    /// The proxy without user name and password.
    proxy: Option<String>,
    /// The proxy as configured.
    proxy_setting: Option<Secret>,
}

impl RouteDescription {
    /// The route to a host (a base URL), through the configured proxy or the environment's.
    pub fn new(host: &str, proxy: Option<&str>) -> Self {
        let parsed = Url::parse(host).ok();
        let name = parsed.as_ref().and_then(Url::host_str).unwrap_or(host);
        Self {
            host: host.to_owned(),
            name: name.to_owned(),
            proxy: match proxy {
                Some(proxy) => Some(without_password(proxy)),
                None => from_environment(host),
            },
            proxy_setting: proxy.map(Secret::new),
        }
    }

    /// The host as configured.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The proxy without its user name and password.
    pub fn proxy(&self) -> Option<&str> {
        self.proxy.as_deref()
    }

    /// The message for a proxy that answered 407 with these `Proxy-Authenticate` fields.
    pub fn describe_proxy_challenge<'a>(
        &self,
        fields: impl IntoIterator<Item = &'a str>,
    ) -> String {
        self.describe_proxy(&remedy_of_407(fields))
    }

    fn describe_proxy(&self, remedy: &str) -> String {
        let proxy = self.proxy().unwrap_or_default();
        format!("the proxy {proxy} for {} {remedy}", self.host)
    }

    /// Diagnoses an error, as [`RouteDescription::describe`] does. A proxy that refused a tunnel is
    /// first asked which authentication it wants.
    pub async fn diagnose(&self, error: &reqwest::Error, trust: &Trust) -> String {
        if !wants_authentication(&causes(error)) {
            return self.describe(error);
        }
        let setting = self.proxy_setting.as_ref().map(Secret::expose);
        match challenge(&self.host, setting, trust).await {
            Some(remedy) => self.describe_proxy(&remedy),
            None => self.describe(error),
        }
    }

    /// Describes an error: the cause, the host, and the remedy. Contains neither tokens nor
    /// queries.
    pub fn describe(&self, error: &reqwest::Error) -> String {
        self.locate(error).1
    }

    /// The step that failed with an error.
    pub fn failed_step(&self, error: &reqwest::Error) -> RouteStep {
        self.locate(error).0
    }

    /// The step that failed, and the description of the error.
    fn locate(&self, error: &reqwest::Error) -> (RouteStep, String) {
        let causes = causes(error);
        let has = |needles: &[&str]| needles.iter().any(|needle| causes.contains(needle));
        let Self { host, name, .. } = self;
        let last = last_cause(error);
        if wants_authentication(&causes) {
            return (RouteStep::Proxy, self.describe_proxy_challenge([]));
        }
        let unreached = has(&["dns error", "tcp connect error"]) || error.is_timeout();
        let untunnelled = has(&["tunnel", "proxy"]);
        // The TLS handshake comes between connecting and the request, and may break off without a
        // TLS error.
        let handshake =
            host.starts_with("https:") && error.is_connect() && !unreached && !untunnelled;
        let refusal = tls_error(error);
        let tls = handshake || refusal.is_some();
        if let Some(proxy) = self.proxy()
            && error.is_connect()
            && !tls
        {
            let text = if untunnelled && !unreached {
                format!(
                    "the proxy {proxy} does not connect to {host} ({last}); check the host setting, and what the proxy allows"
                )
            } else {
                format!(
                    "the proxy {proxy} for {host} cannot be reached ({last}); check the proxy setting, or HTTPS_PROXY, HTTP_PROXY and NO_PROXY in the environment"
                )
            };
            return (RouteStep::Proxy, text);
        }
        let text = if has(&["too many open files"]) {
            format!(
                "too many open files in this process to connect to {host} ({last}); raise its limit (LimitNOFILE=)"
            )
        } else if has(&["dns error", "failed to lookup address"]) {
            format!(
                "the name {name:?} cannot be resolved ({last}); check the host setting and this machine's DNS"
            )
        } else if tls {
            let text = format!("TLS with {name:?} failed ({last}): {}", remedy(refusal));
            return (RouteStep::Tls, text);
        } else if has(&["connection refused"]) {
            format!(
                "{host} refuses connections; check the host setting, or whether the server runs"
            )
        } else if has(&["unreachable"]) {
            format!("{host} is unreachable ({last}); check this machine's network")
        } else if error.is_connect() && error.is_timeout() {
            format!(
                "{host} did not accept a connection in time; check the host setting, this machine's network, and what its firewall allows"
            )
        } else if error.is_timeout() {
            format!("{host} did not answer in time")
        } else if has(&["connection closed", "connection reset", "broken pipe"]) {
            format!("{host} closed the connection before it answered ({last})")
        } else {
            format!("{host}: {last}")
        };
        (RouteStep::Host, text)
    }
}

/// The proxy that the environment names for a host, by the HTTP library's rules.
fn from_environment(host: &str) -> Option<String> {
    let intercept = Matcher::from_env().intercept(&host.parse().ok()?)?;
    Some(without_password(&intercept.uri().to_string()))
}

/// A proxy's URL may contain a password, but never after the last `@`.
fn without_password(proxy: &str) -> String {
    match (proxy.split_once("://"), proxy.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, place))) => format!("{scheme}://{place}"),
        (None, Some((_, place))) => place.to_owned(),
        (_, None) => proxy.trim_end_matches('/').to_owned(),
    }
}

fn wants_authentication(causes: &str) -> bool {
    ["authorization", "authentication"]
        .iter()
        .any(|word| causes.contains(&format!("proxy {word} required")))
}

/// All causes in one lowercase text, to be searched for words: the HTTP library has no types for
/// them.
fn causes(error: &dyn StdError) -> String {
    let mut text = String::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&error.to_string().to_lowercase());
        text.push('\n');
        cause = error.source();
    }
    text
}

/// The innermost cause, which is the most specific. Never the outermost, which names the URL with
/// its query.
fn last_cause(error: &dyn StdError) -> String {
    let Some(mut innermost) = error.source() else {
        return "no cause is known".to_owned();
    };
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    sentence(innermost)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxys_password_is_never_said() {
        for (proxy, said) in [
            ("http://joe:p%40ss@proxy:3128", "http://proxy:3128"),
            ("http://joe:p@ss@proxy:3128", "http://proxy:3128"),
            ("joe:pass@proxy:3128", "proxy:3128"),
            ("http://proxy:3128/", "http://proxy:3128"),
        ] {
            let route = RouteDescription::new("https://exp.example", Some(proxy));
            assert_eq!(route.proxy(), Some(said));
            assert!(route.describe_proxy_challenge([]).contains(said));
        }
    }
}
