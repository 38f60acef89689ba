//! Handshake URLs of an endpoint for each transport, and errors about it without its token.

use std::time::Duration;

use hyper_util::client::proxy::matcher::Intercept;
use reqwest::Url;

use super::redact;
use crate::diagnosis::RouteDescription;
use crate::socket::packet::MAX_PACKET;
use crate::socket::{Endpoint, SocketError};
use crate::tunnel::proxy_for;
use expd_domain::Generation;

/// A validated endpoint.
#[derive(Clone, Debug)]
pub(in crate::socket) struct Address<'a> {
    /// The endpoint as requested.
    pub endpoint: &'a Endpoint,
    base: Url,
}

impl<'a> Address<'a> {
    /// Validates an endpoint's URL.
    pub fn new(endpoint: &'a Endpoint) -> Result<Self, SocketError> {
        let wrong = |reason: String| SocketError::Connect {
            url: endpoint.url.clone(),
            reason,
        };
        let mut base = Url::parse(&endpoint.url).map_err(|error| {
            wrong(format!(
                "it is not a URL ({error}); write http(s)://host[:port]"
            ))
        })?;
        if !matches!(base.scheme(), "http" | "https") || base.host_str().is_none() {
            return Err(wrong(
                "only http:// and https:// URLs with a host are supported".into(),
            ));
        }
        base.set_query(None);
        base.set_fragment(None);
        let path = format!("{}/socket.io/", base.path().trim_end_matches('/'));
        base.set_path(&path);
        Ok(Self { endpoint, base })
    }

    /// The URL of a handshake over long polling; later requests add to it.
    pub fn polling(&self, generation: Generation) -> Url {
        let mut url = self.base.clone();
        self.query(&mut url, generation, "polling");
        url
    }

    /// The URL of a handshake over WebSocket.
    pub fn websocket(&self, generation: Generation) -> Url {
        let mut url = self.base.clone();
        let scheme = if self.secure() { "wss" } else { "ws" };
        // Cannot fail: both schemes have hosts and ports.
        url.set_scheme(scheme).ok();
        self.query(&mut url, generation, "websocket");
        url
    }

    fn query(&self, url: &mut Url, generation: Generation, transport: &str) {
        url.query_pairs_mut()
            .append_pair("EIO", &generation.number().to_string())
            .append_pair("transport", transport)
            .append_pair("token", self.endpoint.token.expose());
    }

    /// Maximum size of a message, in bytes.
    pub fn max_message(&self) -> usize {
        self.endpoint.max_message.min(MAX_PACKET)
    }

    /// True for TLS.
    pub fn secure(&self) -> bool {
        self.base.scheme() == "https"
    }

    /// The host's name or address, an IPv6 address without its brackets.
    pub fn host(&self) -> &str {
        self.base
            .host_str()
            .unwrap_or_default()
            .trim_matches(['[', ']'])
    }

    pub fn port(&self) -> u16 {
        self.base.port_or_known_default().unwrap_or_default()
    }

    /// Host and port as in an HTTP request.
    pub fn authority(&self) -> String {
        format!(
            "{}:{}",
            self.base.host_str().unwrap_or_default(),
            self.port()
        )
    }

    /// The configured proxy, or else the environment's (`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`,
    /// `NO_PROXY`).
    pub fn proxy(&self) -> Option<Intercept> {
        proxy_for(self.base.as_str(), self.endpoint.proxy.as_deref())
    }

    /// The route, for error messages.
    pub fn route(&self) -> RouteDescription {
        RouteDescription::new(&self.endpoint.url, self.endpoint.proxy.as_deref())
    }

    #[cfg(feature = "rust-socketio")]
    /// True if `rust_socketio` works: it supports no proxies, and takes a path in the URL for the
    /// whole path.
    pub fn is_direct(&self) -> bool {
        self.proxy().is_none() && self.base.path() == "/socket.io/"
    }

    /// The error for a failed opening.
    pub fn failed(&self, reason: impl AsRef<str>) -> SocketError {
        SocketError::Connect {
            url: self.endpoint.url.clone(),
            reason: redact(reason.as_ref(), self.endpoint),
        }
    }

    /// The error for a refused token.
    pub fn refused(&self, reason: impl AsRef<str>) -> SocketError {
        SocketError::Refused {
            url: self.endpoint.url.clone(),
            reason: redact(reason.as_ref(), self.endpoint),
        }
    }

    /// The error for a busy server.
    pub fn busy(&self, reason: impl AsRef<str>, retry_after: Duration) -> SocketError {
        SocketError::Busy {
            url: self.endpoint.url.clone(),
            reason: redact(reason.as_ref(), self.endpoint),
            retry_after,
        }
    }

    /// The error for an opening that took too long.
    pub fn timeout(&self, after: Duration) -> SocketError {
        SocketError::Timeout {
            url: self.endpoint.url.clone(),
            after,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::choice::SocketLibrary;
    use expd_domain::Secret;

    fn endpoint(url: &str, proxy: Option<&str>) -> Endpoint {
        Endpoint {
            path: crate::PathRecord::default(),
            url: url.into(),
            token: Secret::new("a+b/c=&d"),
            proxy: proxy.map(Into::into),
            ca_file: None,
            library: SocketLibrary::Own,
            timeout: Duration::from_secs(1),
            max_message: usize::MAX,
        }
    }

    #[test]
    fn the_token_and_the_path_arrive_whole() {
        let endpoint = endpoint("https://exp.example/base/", None);
        let address = Address::new(&endpoint).unwrap();
        assert_eq!(
            address.websocket(Generation::V3).as_str(),
            "wss://exp.example/base/socket.io/?EIO=3&transport=websocket&token=a%2Bb%2Fc%3D%26d"
        );
        assert_eq!(address.authority(), "exp.example:443");
        assert!(Address::new(&self::endpoint("ftp://exp.example", None)).is_err());
        assert!(Address::new(&self::endpoint("exp.example", None)).is_err());
    }

    #[test]
    fn an_ipv6_host_loses_its_brackets_where_it_is_dialled() {
        let endpoint = endpoint("http://[::1]:9000", None);
        let address = Address::new(&endpoint).unwrap();
        assert_eq!((address.host(), address.port()), ("::1", 9000));
        assert_eq!(address.authority(), "[::1]:9000");
    }

    #[test]
    fn the_setting_names_the_proxy_with_its_credentials() {
        let endpoint = endpoint(
            "http://exp.example",
            Some("http://me:secret@proxy.example:3128"),
        );
        let address = Address::new(&endpoint).unwrap();
        let proxy = address.proxy().unwrap();
        assert_eq!(proxy.uri().host(), Some("proxy.example"));
        assert_eq!(proxy.basic_auth().unwrap(), "Basic bWU6c2VjcmV0");
    }
}
