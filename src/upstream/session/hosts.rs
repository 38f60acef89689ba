//! The hosts that a login's answer announces, for calls and for the live socket.
//!
//! The announcement comes from the network, and the session's token goes where it points. A host
//! that is no URL, or leaves `https` for `http`, is therefore refused, and the configured one is
//! used in its place. A socket without an announcement goes where calls go, and calls without one
//! go to the configured host.

use reqwest::Url;

use crate::config::HostsChoice;
use expd_domain::LoginAnswer;
use expd_domain::excerpt::excerpt;

/// Bound on an announcement in bytes: a name has 253 at most.
const MAX_LENGTH: usize = 300;

/// Base URLs without a trailing slash, and warnings for the operator.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Hosts {
    pub(super) api: String,
    pub(super) socket: String,
    pub(super) warnings: Vec<String>,
}

/// Fault of an announcement, as a clause that follows "but".
#[derive(Debug, thiserror::Error)]
enum AnnouncementFault {
    #[error("this is not an address of the form http(s)://host[:port]")]
    NoUrl,
    #[error("this is unencrypted, while the host setting is https")]
    Unencrypted,
}

/// The hosts of an answer; `configured` is the configured base URL.
pub(super) fn hosts(answer: &LoginAnswer, choice: HostsChoice, configured: &str) -> Hosts {
    let configured = configured.trim_end_matches('/');
    let mut warnings = Vec::new();
    let mut host = |what, announced: Option<&str>| {
        match announced.map(str::trim) {
        None | Some("") => None,
        Some(announced) => Some(read(announced, configured).unwrap_or_else(|fault| {
            let announced = excerpt(announced);
            warnings.push(format!(
                "EXP announces {what} at {announced:?}, but {fault}; using the host setting instead ({configured}); correct the network, or set hosts = \"configured\""
            ));
            configured.to_owned()
        })),
    }
    };
    let (api, socket) = match choice {
        HostsChoice::Configured => (None, None),
        HostsChoice::Announced => (
            host("its API", answer.api_host.as_deref()),
            host("its live socket", answer.network_host.as_deref()),
        ),
    };
    let api = api.unwrap_or_else(|| configured.to_owned());
    Hosts {
        socket: socket.unwrap_or_else(|| api.clone()),
        api,
        warnings,
    }
}

/// Reads an announcement as a base URL. One without a scheme takes the configured host's.
fn read(announced: &str, configured: &str) -> Result<String, AnnouncementFault> {
    if announced.len() > MAX_LENGTH {
        return Err(AnnouncementFault::NoUrl);
    }
    let (scheme, rest) = match announced.split_once("://") {
        Some(parts) => parts,
        // A single word is no address: networks send such words in place of one.
        None if announced.contains(['.', ':']) || announced == "localhost" => {
            let scheme = configured
                .split_once("://")
                .map_or("https", |parts| parts.0);
            (scheme, announced)
        }
        None => return Err(AnnouncementFault::NoUrl),
    };
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "http" | "ws" => "http",
        "https" | "wss" => "https",
        _ => return Err(AnnouncementFault::NoUrl),
    };
    let url = Url::parse(&format!("{scheme}://{rest}")).map_err(|_| AnnouncementFault::NoUrl)?;
    let bare = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    if !bare || url.host_str().is_none() {
        return Err(AnnouncementFault::NoUrl);
    }
    if scheme == "http" && configured.starts_with("https:") {
        return Err(AnnouncementFault::Unencrypted);
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use expd_domain::IdentityKind;
    use expd_domain::login_answer::Claimant;
    use serde_json::json;

    fn answer(api: Option<&str>, socket: Option<&str>) -> LoginAnswer {
        let claimant = Claimant {
            kind: IdentityKind::Device,
            uuid: None,
        };
        let json = json!({"token": "t", "api": {"host": api}, "network": {"host": socket}});
        LoginAnswer::read(json.to_string().as_bytes(), claimant).unwrap()
    }

    fn used(api: Option<&str>, socket: Option<&str>, configured: &str) -> (String, String, usize) {
        let hosts = hosts(&answer(api, socket), HostsChoice::Announced, configured);
        (hosts.api, hosts.socket, hosts.warnings.len())
    }

    #[test]
    fn an_address_is_used_as_it_is_announced() {
        for (announced, configured, expected) in [
            ("n.example", "https://a", "https://n.example"),
            ("n.example:9000", "http://a", "http://n.example:9000"),
            ("localhost", "http://a", "http://localhost"),
            (
                "https://n.example/base/",
                "https://a",
                "https://n.example/base",
            ),
            ("wss://n.example", "https://a", "https://n.example"),
            ("ws://n.example", "http://a", "http://n.example"),
            ("http://n/", "http://a", "http://n"),
            ("https://n", "http://a", "https://n"),
        ] {
            let (api, socket, warnings) = used(Some(announced), Some(announced), configured);
            assert_eq!((api.as_str(), socket.as_str()), (expected, expected));
            assert_eq!(warnings, 0, "{announced}");
        }
    }

    #[test]
    fn the_socket_falls_back_to_the_api_and_the_api_to_the_setting() {
        let (a, n) = (Some("https://api.example"), Some("https://net.example"));
        for (api, socket, expected) in [
            (a, n, ("https://api.example", "https://net.example")),
            (a, None, ("https://api.example", "https://api.example")),
            (None, n, ("https://host.example", "https://net.example")),
            (None, None, ("https://host.example", "https://host.example")),
            (
                Some(" "),
                Some(""),
                ("https://host.example", "https://host.example"),
            ),
        ] {
            let (api, socket, warnings) = used(api, socket, "https://host.example/");
            assert_eq!(
                (api.as_str(), socket.as_str(), warnings),
                (expected.0, expected.1, 0)
            );
        }
    }

    #[test]
    fn a_refused_host_gives_way_to_the_configured_one() {
        let long = format!("https://{}", "x".repeat(900_000));
        for announced in [
            "http://n.example",
            "ws://n.example:80/x",
            "HTTP://n.example:9000",
            "ftp://n",
            "http://",
            "https://a b",
            "https://u:p@n",
            "https://n/?x",
            "://",
            "nonsense",
            &long,
        ] {
            let answer = answer(Some("https://api.example"), Some(announced));
            let hosts = hosts(&answer, HostsChoice::Announced, "https://a");
            assert_eq!(hosts.api, "https://api.example");
            assert_eq!(hosts.socket, "https://a", "{announced:.40}");
            let warning = &hosts.warnings[0];
            assert!(
                warning.len() < 400 && warning.contains("but this is"),
                "{warning}"
            );
        }
    }

    #[test]
    fn the_configured_host_alone_is_used_where_that_is_meant() {
        let answer = answer(Some("https://api.example"), Some("ftp://x"));
        let hosts = hosts(&answer, HostsChoice::Configured, "https://a/");
        assert_eq!(
            (hosts.api.as_str(), hosts.socket.as_str()),
            ("https://a", "https://a")
        );
        assert!(hosts.warnings.is_empty());
    }
}
