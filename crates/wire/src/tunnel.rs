//! Connections to a server through a proxy's tunnel (`CONNECT`), with TLS on top.

use std::io;
use std::time::Duration;

use http::Uri;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;
use tokio_rustls::rustls::pki_types::ServerName;

use super::error::ConnectError;
use super::path::PathRecord;
use super::proxy_challenge::remedy;
use super::tcp;
use super::tls::explain;
use super::trust::Trust;
use expd_domain::excerpt::excerpt;

/// Maximum size of the head of a proxy's response.
const MAX_HEAD: usize = 16 << 10;

/// Timeout of asking a proxy again after a 407, to learn which authentication it wants.
const CHALLENGE_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// An open connection, encrypted or not.
pub(super) type Stream = Box<dyn Io>;

/// The configured proxy for a URL, or else the environment's (`HTTPS_PROXY`, `HTTP_PROXY`,
/// `ALL_PROXY`, `NO_PROXY`).
pub(super) fn proxy_for(url: &str, setting: Option<&str>) -> Option<Intercept> {
    let matcher = match setting {
        Some(proxy) => Matcher::builder().all(proxy).build(),
        None => Matcher::from_env(),
    };
    matcher.intercept(&url.parse().ok()?)
}

/// Starts TLS to a host.
pub(super) async fn encrypt(
    stream: Stream,
    host: &str,
    trust: &Trust,
) -> Result<Stream, ConnectError> {
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| ConnectError::ServerName(host.to_owned()))?;
    let stream = tokio_rustls::TlsConnector::from(trust.connector()?)
        .connect(name, stream)
        .await
        .map_err(|error| ConnectError::Handshake(explain(&error, host)))?;
    Ok(Box::new(stream))
}

/// Requests a tunnel to `target` (`host:port`) from a proxy. The path records the connection to the
/// proxy.
pub(super) async fn open(
    proxy: &Intercept,
    target: &str,
    trust: &Trust,
    path: &PathRecord,
) -> Result<Stream, ConnectError> {
    let proxy_name = display_name(proxy);
    let (stream, head) = request_tunnel(proxy, target, trust, path).await?;
    let status = head.lines().next().unwrap_or_default();
    match status_of(&head) {
        Some(code) if code.starts_with('2') => Ok(stream),
        Some("407") => Err(ConnectError::ProxyAuthentication {
            proxy: proxy_name,
            remedy: remedy(challenges(&head)),
        }),
        Some(_) => Err(ConnectError::ProxyRefused {
            proxy: proxy_name,
            target: target.to_owned(),
            status: excerpt(status),
        }),
        None => Err(ConnectError::NotAProxy(proxy_name)),
    }
}

/// Asks a proxy which authentication it wants, after the HTTP library got a 407: the library
/// reports the status alone. `None` if the proxy does not repeat the 407.
pub(super) async fn challenge(url: &str, setting: Option<&str>, trust: &Trust) -> Option<String> {
    let proxy = proxy_for(url, setting)?;
    let uri: Uri = url.parse().ok()?;
    let target = format!("{}:{}", uri.host()?, uri.port_u16().unwrap_or(443));
    let path = PathRecord::default();
    let asked = timeout(
        CHALLENGE_TIMEOUT,
        request_tunnel(&proxy, &target, trust, &path),
    )
    .await;
    let (_, head) = asked.ok()?.ok()?;
    (status_of(&head) == Some("407")).then(|| remedy(challenges(&head)))
}

fn display_name(proxy: &Intercept) -> String {
    let (host, port, _) = endpoint(proxy);
    format!("the proxy {host}:{port}")
}

/// A proxy's host and port; the flag is true if it is reached by TLS.
fn endpoint(proxy: &Intercept) -> (&str, u16, bool) {
    let uri = proxy.uri();
    let secure = uri.scheme_str() == Some("https");
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
    (host, port, secure)
}

/// Sends `CONNECT` and reads the head of the response.
async fn request_tunnel(
    proxy: &Intercept,
    target: &str,
    trust: &Trust,
    path: &PathRecord,
) -> Result<(Stream, String), ConnectError> {
    if let Some(other) = proxy.uri().scheme_str()
        && !matches!(other, "http" | "https")
    {
        return Err(ConnectError::ProxyScheme(other.to_owned()));
    }
    let (host, port, secure) = endpoint(proxy);
    let name = display_name(proxy);
    let stream =
        tcp::connect(host, port)
            .await
            .map_err(|error| ConnectError::ProxyUnreachable {
                proxy: name.clone(),
                source: Box::new(error),
            })?;
    path.set(&stream);
    let mut stream: Stream = Box::new(stream);
    if secure {
        stream = encrypt(stream, host, trust).await?;
    }
    let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n").into_bytes();
    if let Some(credentials) = proxy.basic_auth() {
        request.extend_from_slice(b"Proxy-Authorization: ");
        request.extend_from_slice(credentials.as_bytes());
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    let broke = |source: io::Error| ConnectError::ProxyBroke {
        proxy: name.clone(),
        source,
    };
    stream.write_all(&request).await.map_err(broke)?;
    stream.flush().await.map_err(broke)?;
    let head = head(&mut stream).await.map_err(broke)?;
    Ok((stream, head))
}

fn status_of(head: &str) -> Option<&str> {
    let code = head.lines().next()?.split_ascii_whitespace().nth(1)?;
    (code.len() == 3).then_some(code)
}

/// Values of `Proxy-Authenticate` in a response's head.
fn challenges(head: &str) -> impl Iterator<Item = &str> {
    let fields = head.lines().filter_map(|line| line.split_once(':'));
    fields
        .filter(|(name, _)| name.eq_ignore_ascii_case("Proxy-Authenticate"))
        .map(|(_, value)| value)
}

/// Reads the head of a response and not a byte more: the rest belongs to the tunnel.
async fn head(stream: &mut Stream) -> io::Result<String> {
    let mut head = Vec::with_capacity(256);
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() == MAX_HEAD {
            return Err(io::Error::other("the head of its answer does not end"));
        }
        head.push(stream.read_u8().await?);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}
