//! Connection errors: trust, names, TCP, proxies and TLS, each with a remedy if there is one.

use std::io;
use std::path::PathBuf;

use super::dns::NameError;

#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("cannot read ca_file {}: {source}", path.display())]
    CaFile { path: PathBuf, source: io::Error },
    #[error("ca_file {} contains no PEM certificates{detail}; name a file that does", path.display())]
    NoCertificates { path: PathBuf, detail: String },
    #[error("TLS could not be set up: {0}")]
    TlsSetup(String),
    #[error("{0:?} is not a name that a certificate can have")]
    ServerName(String),
    /// The TLS handshake failed, for the reason that the text explains.
    #[error("{0}")]
    Handshake(String),
    #[error(
        "the name {host:?} cannot be resolved ({source}); check the host setting and this machine's DNS"
    )]
    Unresolved { host: String, source: NameError },
    #[error("the name {0:?} has no addresses; check the host setting and this machine's DNS")]
    NoAddresses(String),
    /// Every address failed.
    #[error("connecting to {host} {failures}")]
    Unreachable { host: String, failures: String },
    #[error("the proxy setting is not a URL: {0}")]
    ProxySetting(reqwest::Error),
    #[error("proxies with the scheme {0:?} are not supported; use one with http:// or https://")]
    ProxyScheme(String),
    #[error("{proxy} is not reachable: {source}")]
    ProxyUnreachable {
        proxy: String,
        source: Box<ConnectError>,
    },
    #[error("{proxy} broke the connection: {source}")]
    ProxyBroke { proxy: String, source: io::Error },
    /// The proxy answered 407.
    #[error("{proxy} {remedy}")]
    ProxyAuthentication { proxy: String, remedy: String },
    #[error("{proxy} refuses a tunnel to {target}: {status}")]
    ProxyRefused {
        proxy: String,
        target: String,
        status: String,
    },
    #[error("{0} does not answer as an HTTP proxy")]
    NotAProxy(String),
    #[error("the HTTP client could not be set up: {0}")]
    HttpClient(String),
}
