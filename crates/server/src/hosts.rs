//! Check of the `Host` header.
//!
//! A server on a loopback address is meant for programs of this host. A web page in a browser here
//! can reach it, too: if the page's name resolves to a loopback address, the browser treats page
//! and server as one site (DNS rebinding). Such a request carries the page's host name and is
//! detected by it.

use std::net::{IpAddr, SocketAddr};

use axum::http::uri::Authority;
use axum::http::{HeaderMap, Uri, header};

/// Host names that requests to one server may use.
#[derive(Clone, Debug)]
pub struct Hosts {
    /// `None` accepts any name.
    names: Option<Vec<String>>,
}

impl Hosts {
    /// Names of a server on a loopback address without a name of its own.
    #[must_use]
    pub fn loopback() -> Self {
        Self {
            names: Some(Vec::new()),
        }
    }

    /// Names of a server on `listen` with further `names`, and the name in its URL. Without names,
    /// and not on a loopback address, it accepts any.
    #[must_use]
    pub fn new(listen: SocketAddr, names: &[String], url: Option<&str>) -> Self {
        let any = names.is_empty() && !listen.ip().to_canonical().is_loopback();
        let url: Option<Uri> = url.and_then(|url| url.parse().ok());
        let own = url.as_ref().and_then(Uri::host);
        let all = names.iter().map(String::as_str).chain(own);
        Self {
            names: (!any).then(|| all.map(str::to_ascii_lowercase).collect()),
        }
    }

    /// True if `Host`, and the request target if it has an authority, name this server.
    #[must_use]
    pub fn allow(&self, uri: &Uri, headers: &HeaderMap) -> bool {
        let Some(names) = &self.names else {
            return true;
        };
        let known = |authority: &Authority| {
            // User information before an @ is never legitimate here.
            !authority.as_str().contains('@') && is_known(authority.host(), names)
        };
        let mut hosts = headers.get_all(header::HOST).iter().peekable();
        let is_called = hosts.peek().is_some() || uri.authority().is_some();
        let all_known = hosts.all(|host| {
            let host = host.to_str().ok().and_then(|host| host.parse().ok());
            host.as_ref().is_some_and(known)
        });
        is_called && all_known && uri.authority().is_none_or(known)
    }
}

fn is_known(host: &str, names: &[String]) -> bool {
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    if let Ok(ip) = bare.unwrap_or(host).parse::<IpAddr>()
        && ip.to_canonical().is_loopback()
    {
        return true;
    }
    let host = host.to_ascii_lowercase();
    let name = host.strip_suffix('.').unwrap_or(&host);
    // Every name below localhost is this host, too (RFC 6761).
    name == "localhost" || name.ends_with(".localhost") || names.iter().any(|known| known == name)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn allows(hosts: &Hosts, named: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for host in named {
            headers.append(header::HOST, HeaderValue::from_str(host).unwrap());
        }
        hosts.allow(&Uri::from_static("/"), &headers)
    }

    #[test]
    fn a_loopback_server_is_called_by_loopback_names_and_its_own() {
        let listen = "127.0.0.1:9000".parse().unwrap();
        let hosts = Hosts::new(
            listen,
            &["Exp.Example.org".to_owned()],
            Some("https://Hub.example"),
        );
        for host in [
            "127.0.0.1:9000",
            "127.9.9.9",
            "localhost:1",
            "LOCALHOST",
            "localhost.",
            "a.localhost:80",
            "[::1]:9000",
            "[::ffff:127.0.0.1]",
            "exp.example.org",
            "EXP.example.org:443",
            "hub.example",
        ] {
            assert!(allows(&hosts, &[host]), "{host}");
        }
        for host in [
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "10.0.0.1",
            "[::2]",
            "127.0.0.1@evil.example",
            "evil.example@127.0.0.1",
            "",
            "xlocalhost",
        ] {
            assert!(!allows(&hosts, &[host]), "{host}");
        }
        assert!(!allows(&hosts, &[]));
        assert!(!allows(&hosts, &["127.0.0.1", "evil.example"]));
        let absolute = Uri::from_static("http://evil.example/api");
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_static("127.0.0.1"));
        assert!(!hosts.allow(&absolute, &headers));
        assert!(!allows(&Hosts::loopback(), &["exp.example.org"]));
    }

    #[test]
    fn elsewhere_any_name_will_do_unless_there_are_some() {
        let listen = "0.0.0.0:9000".parse().unwrap();
        assert!(allows(
            &Hosts::new(listen, &[], Some("https://hub.example")),
            &["whatever.example"]
        ));
        let named = Hosts::new(listen, &["exp.example.org".to_owned()], None);
        assert!(allows(&named, &["exp.example.org"]));
        assert!(!allows(&named, &["whatever.example"]));
    }
}
