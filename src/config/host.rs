//! Base URLs of APIs: from the settings, and from programs that bring an identity along.

use std::net::IpAddr;

use url::{Host, Url};

/// Reason why a text is no base URL, with its remedy. Never quotes the text, which may contain a
/// password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}; {remedy}")]
pub struct HostFault {
    pub(super) what: String,
    pub(super) remedy: &'static str,
}

/// The base URL of an API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiHost {
    /// URL without a trailing slash.
    pub url: String,
    /// True if tokens would cross a network unencrypted.
    pub is_exposed: bool,
}

impl ApiHost {
    /// Parses the host of an identity that a program brings along, by the rules of the settings.
    ///
    /// # Errors
    /// `text` is no base URL, or contains a user or a password.
    pub fn parse(text: &str) -> Result<Self, HostFault> {
        let url = base_url(text)?;
        check_bare(&url)?;
        Ok(Self {
            is_exposed: is_exposed(&url),
            url: url.as_str().trim_end_matches('/').to_owned(),
        })
    }
}

/// Reads a base URL.
pub(super) fn base_url(text: &str) -> Result<Url, HostFault> {
    let fault = |what: String, remedy| HostFault { what, remedy };
    let url = match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => url,
        Ok(_) => {
            let what = "must be an http or https URL".to_owned();
            return Err(fault(what, "begin it with https://"));
        }
        Err(error) => {
            let what = format!("is not a URL: {error}");
            return Err(fault(what, "write it as in \"https://api.goexp.io\""));
        }
    };
    if url.query().is_some() || url.fragment().is_some() {
        let what = "has a query or a fragment".to_owned();
        return Err(fault(what, "end it before the ? or #"));
    }
    Ok(url)
}

/// Refuses a URL with a user or a password.
pub(super) fn check_bare(url: &Url) -> Result<(), HostFault> {
    if url.username().is_empty() && url.password().is_none() {
        return Ok(());
    }
    Err(HostFault {
        what: "contains a user or a password".to_owned(),
        remedy: "put the credentials into [instances.NAME.credentials]",
    })
}

/// True for a URL without TLS whose host is another machine.
pub(super) fn is_exposed(url: &Url) -> bool {
    let local = match url.host() {
        Some(Host::Ipv4(ip)) => IpAddr::V4(ip).is_loopback(),
        Some(Host::Ipv6(ip)) => IpAddr::V6(ip).is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    url.scheme() == "http" && !local
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_of_a_program_is_read_as_one_of_the_settings() {
        for (text, url) in [
            ("https://api.goexp.io/", "https://api.goexp.io"),
            (
                "https://exp.example:8443/a/../b/",
                "https://exp.example:8443/b",
            ),
            ("https://EXP.example\n", "https://exp.example"),
            ("http://127.0.0.1:9000", "http://127.0.0.1:9000"),
        ] {
            let host = ApiHost::parse(text).unwrap();
            assert_eq!((host.url.as_str(), host.is_exposed), (url, false));
        }
        assert!(ApiHost::parse("http://exp.example").unwrap().is_exposed);
        for (text, what) in [
            ("", "is not a URL"),
            ("api.goexp.io", "is not a URL"),
            ("ftp://exp.example", "http or https"),
            ("file:///etc/passwd", "http or https"),
            ("unix:/run/x.sock", "http or https"),
            ("https://exp.example/?a", "a query"),
            ("https://exp.example/#a", "a fragment"),
            ("https://ada:secret@exp.example", "a password"),
        ] {
            let fault = ApiHost::parse(text).unwrap_err().to_string();
            assert!(fault.contains(what), "{text}: {fault}");
            assert!(!fault.contains("secret"), "{fault}");
        }
    }
}
