//! The address of the live socket that a login's answer announces, made safe to use.
//!
//! The announcement comes from the network, and the session's token goes where it points. A host
//! that is configured with `https` therefore never leads to an unencrypted socket: `http` and `ws`
//! become `https`. An invalid announcement falls back to the configured host, as a missing one
//! does.

use reqwest::Url;

use expd_domain::excerpt::excerpt;

/// Bound on an announcement in bytes: a name has 253 at most.
const MAX_LENGTH: usize = 300;

/// URL of the socket, and a warning for the operator.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SocketAddress {
    pub(super) url: String,
    pub(super) warning: Option<String>,
}

/// Reads an announcement; `host` is the configured base URL.
pub(super) fn socket_address(announced: Option<&str>, host: &str) -> SocketAddress {
    let fine = |url: &str| SocketAddress {
        url: url.trim_end_matches('/').to_owned(),
        warning: None,
    };
    let Some(announced) = announced.map(str::trim).filter(|text| !text.is_empty()) else {
        return fine(host);
    };
    let Some(mut url) = parse(announced, host) else {
        return SocketAddress {
            warning: Some(format!(
                "EXP announces its live socket at {:?}, which is not an address of the form http(s)://host[:port]; using the host setting instead: {host}",
                excerpt(announced)
            )),
            ..fine(host)
        };
    };
    let plain = url.scheme() == "http";
    if !plain || !host.starts_with("https:") {
        return fine(url.as_str());
    }
    // Cannot fail between schemes that both have hosts and ports. A default port becomes the other
    // scheme's default.
    url.set_scheme("https").ok();
    let fine = fine(url.as_str());
    SocketAddress {
        warning: Some(format!(
            "EXP announces an unencrypted live socket ({}), but the host setting is https: connecting to {} instead; make the network announce an https address",
            excerpt(announced),
            excerpt(&fine.url)
        )),
        ..fine
    }
}

/// The announcement as `http` or `https`. One without a scheme takes the configured host's.
fn parse(announced: &str, host: &str) -> Option<Url> {
    if announced.len() > MAX_LENGTH {
        return None;
    }
    let (scheme, rest) = announced.split_once("://").unwrap_or_else(|| {
        let scheme = host.split_once("://").map_or("https", |(scheme, _)| scheme);
        (scheme, announced)
    });
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "http" | "ws" => "http",
        "https" | "wss" => "https",
        _ => return None,
    };
    let url = Url::parse(&format!("{scheme}://{rest}")).ok()?;
    let bare = url.username().is_empty() && url.password().is_none();
    (bare && url.host_str().is_some()).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(announced: &str, host: &str) -> (String, bool) {
        let address = socket_address(Some(announced), host);
        (address.url, address.warning.is_some())
    }

    #[test]
    fn an_address_is_used_as_it_is_announced() {
        for (announced, host, expected) in [
            ("n.example", "https://a", "https://n.example"),
            ("n.example:9000", "http://a", "http://n.example:9000"),
            (
                "https://n.example/base/",
                "https://a",
                "https://n.example/base",
            ),
            ("wss://n.example", "https://a", "https://n.example"),
            ("ws://n.example", "http://a", "http://n.example"),
            ("http://n/", "http://a", "http://n"),
            ("https://n", "http://a", "https://n"),
            ("", "https://a/", "https://a"),
        ] {
            assert_eq!(url(announced, host), (expected.to_owned(), false));
        }
        assert_eq!(socket_address(None, "https://a").url, "https://a");
    }

    #[test]
    fn https_never_becomes_http() {
        for (announced, expected) in [
            ("http://n.example", "https://n.example"),
            ("ws://n.example:80/x", "https://n.example/x"),
            ("HTTP://n.example:9000", "https://n.example:9000"),
        ] {
            assert_eq!(url(announced, "https://a"), (expected.to_owned(), true));
        }
    }

    #[test]
    fn what_is_no_address_falls_back_and_is_quoted_in_short() {
        let long = format!("https://{}", "x".repeat(900_000));
        for announced in [
            "ftp://n",
            "http://",
            "https://a b",
            "https://u:p@n",
            "://",
            &long,
        ] {
            let address = socket_address(Some(announced), "https://a");
            assert_eq!(address.url, "https://a", "{announced:.40}");
            assert!(address.warning.unwrap().len() < 300);
        }
    }
}
