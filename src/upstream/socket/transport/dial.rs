//! A connection of our own to the server: TCP, through a proxy's tunnel where one is set, then TLS.

use std::io;
use std::time::Duration;

use http::Uri;
use hyper_util::client::proxy::matcher::Intercept;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::rustls::pki_types::ServerName;

use super::Address;
use super::tls::explain;
use crate::upstream::names::look_up;
use crate::upstream::trust::Trust;

/// How long TCP may take to one of a host's addresses; the next one, or long polling, deserves its turn.
const TCP_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest head of a proxy's answer, in bytes.
const MAX_HEAD: usize = 16 << 10;

/// A byte stream of either kind.
pub(super) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// An open connection to the server.
pub(super) type Stream = Box<dyn Io>;

/// Connects to `address`. The error is the reason, with a remedy where there is one.
pub(super) async fn dial(address: &Address<'_>, trust: &Trust) -> Result<Stream, String> {
    let stream = match address.proxy() {
        Some(proxy) => tunnel(&proxy, &address.authority(), trust).await?,
        None => Box::new(tcp(address.host(), address.port()).await?),
    };
    if address.secure() {
        encrypt(stream, address.host(), trust).await
    } else {
        Ok(stream)
    }
}

async fn tcp(host: &str, port: u16) -> Result<TcpStream, String> {
    let addresses = look_up(host, port).await.map_err(|error| {
        format!(
            "the name {host:?} cannot be looked up ({error}); check the host setting and this machine's DNS"
        )
    })?;
    let mut reason = format!(
        "the name {host:?} has no addresses; check the host setting and this machine's DNS"
    );
    for address in addresses {
        let failure = match tokio::time::timeout(TCP_TIMEOUT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // A ping that waits for company is late. Where the option is not to be had, nothing is lost but that.
                stream.set_nodelay(true).unwrap_or_default();
                return Ok(stream);
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {TCP_TIMEOUT:?}"),
        };
        reason = format!("connecting to {host} at {address} failed: {failure}");
    }
    Err(reason)
}

async fn encrypt(stream: Stream, host: &str, trust: &Trust) -> Result<Stream, String> {
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| format!("{host:?} is no name that a certificate could have"))?;
    let stream = tokio_rustls::TlsConnector::from(trust.connector()?)
        .connect(name, stream)
        .await
        .map_err(|error| explain(&error, host))?;
    Ok(Box::new(stream))
}

/// Asks a proxy for a tunnel to `target`.
async fn tunnel(proxy: &Intercept, target: &str, trust: &Trust) -> Result<Stream, String> {
    let uri: &Uri = proxy.uri();
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let secure = match uri.scheme_str() {
        Some("http") | None => false,
        Some("https") => true,
        Some(other) => {
            return Err(format!(
                "a proxy of the kind {other:?} is not supported; use one that is reached by http:// or https://"
            ));
        }
    };
    let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
    let said = format!("the proxy {host}:{port}");
    let stream = tcp(host, port)
        .await
        .map_err(|reason| format!("{said} is not reachable: {reason}"))?;
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
    let broke = |error: io::Error| format!("{said} broke the connection: {error}");
    stream.write_all(&request).await.map_err(broke)?;
    stream.flush().await.map_err(broke)?;
    let head = head(&mut stream).await.map_err(broke)?;
    let status = head.lines().next().unwrap_or_default();
    match status.split_ascii_whitespace().nth(1) {
        Some(code) if code.len() == 3 && code.starts_with('2') => Ok(stream),
        Some("407") => Err(format!(
            "{said} asks for credentials; write them into its URL (http://user:password@host:port)"
        )),
        Some(code) if code.len() == 3 => Err(format!(
            "{said} refuses a tunnel to {target}: {}",
            status.chars().take(100).collect::<String>()
        )),
        _ => Err(format!("{said} does not answer as an HTTP proxy")),
    }
}

/// Reads the head of an answer and not a byte more: what follows belongs to the tunnel.
async fn head(stream: &mut Stream) -> io::Result<String> {
    let mut head = Vec::with_capacity(256);
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() == MAX_HEAD {
            return Err(io::Error::other("its answer has no end"));
        }
        head.push(stream.read_u8().await?);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}
