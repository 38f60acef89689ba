//! The connection to the daemon's socket, which recognizes the daemon's refusal.
//!
//! A daemon that refuses a connection says why in a GOAWAY frame, and closes. The HTTP/2 library
//! would fail at its own first write, to a closed socket, before it has read the reason.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use rustix::net::RecvFlags;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use crate::address::Address;

/// The length of a frame's head (RFC 9113, section 4.1).
const HEAD: usize = 9;

const SETTINGS: u8 = 0x4;
const GOAWAY: u8 = 0x7;

/// A GOAWAY's last stream and error code, before its debug data (RFC 9113, section 6.8).
const FIXED: usize = 8;

/// Maximum size of a refusal that is read.
const LONGEST: usize = 1 << 10;

/// The daemon's reason for refusing the connection.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct RefusedByDaemon(String);

/// A connection. A refusal surfaces as an I/O error that holds [`RefusedByDaemon`].
#[derive(Debug)]
pub(super) struct DaemonStream {
    stream: Socket,
    /// The daemon's first bytes were read, and were not a refusal.
    is_accepted: bool,
}

#[derive(Debug)]
enum Socket {
    Unix(UnixStream),
    Tcp(TcpStream),
}

/// Calls a method on either kind of socket.
macro_rules! of_either {
    ($socket:expr, $stream:ident => $call:expr) => {
        match $socket {
            Socket::Unix($stream) => $call,
            Socket::Tcp($stream) => $call,
        }
    };
}

impl DaemonStream {
    pub(super) async fn connect(address: &Address) -> io::Result<Self> {
        let stream = match address {
            Address::Unix(path) => Socket::Unix(UnixStream::connect(path).await?),
            Address::Tcp(address) => {
                let stream = TcpStream::connect(address).await?;
                // A call is one small write, which must not wait for the next.
                stream.set_nodelay(true)?;
                Socket::Tcp(stream)
            }
        };
        Ok(Self {
            stream,
            is_accepted: false,
        })
    }

    /// The refusal that caused a write error, if one can be read.
    fn refusal_behind(&self, error: io::Error) -> io::Error {
        if self.is_accepted {
            return error;
        }
        let mut came = [0; LONGEST];
        // Bypasses the runtime's readiness, which may be older than the refusal.
        let received = of_either!(&self.stream, stream => rustix::net::recv(stream, &mut came, RecvFlags::DONTWAIT));
        match received {
            Ok((length, _)) => refusal(came.get(..length).unwrap_or_default()).unwrap_or(error),
            Err(_) => error,
        }
    }

    fn written<T>(&self, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        polled.map_err(|error| self.refusal_behind(error))
    }
}

impl AsyncRead for DaemonStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = of_either!(&mut self.stream, stream => Pin::new(stream).poll_read(cx, buffer));
        if !self.is_accepted
            && let Poll::Ready(Ok(())) = &polled
        {
            let came = buffer.filled().get(before..).unwrap_or_default();
            if let Some(refusal) = refusal(came) {
                return Poll::Ready(Err(refusal));
            }
            self.is_accepted = true;
        }
        polled
    }
}

impl AsyncWrite for DaemonStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = of_either!(&mut self.stream, stream => Pin::new(stream).poll_write(cx, bytes));
        self.written(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = of_either!(&mut self.stream, stream => Pin::new(stream).poll_write_vectored(cx, slices));
        self.written(polled)
    }

    fn is_write_vectored(&self) -> bool {
        of_either!(&self.stream, stream => stream.is_write_vectored())
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = of_either!(&mut self.stream, stream => Pin::new(stream).poll_flush(cx));
        self.written(polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        of_either!(&mut self.stream, stream => Pin::new(stream).poll_shutdown(cx))
    }
}

/// Parses the daemon's first bytes as a refusal: SETTINGS, and GOAWAY with a reason, written at
/// once.
fn refusal(came: &[u8]) -> Option<io::Error> {
    let (kind, _, rest) = frame(came)?;
    let (then, payload, _) = frame(rest)?;
    let reason = payload.get(FIXED..)?;
    if kind != SETTINGS || then != GOAWAY || reason.is_empty() {
        return None;
    }
    let reason = String::from_utf8_lossy(reason).into_owned();
    let refused = RefusedByDaemon(reason);
    Some(io::Error::new(io::ErrorKind::ConnectionRefused, refused))
}

/// Type and payload of the first frame, and the bytes after it.
fn frame(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[a, b, c, kind, ..], rest) = bytes.split_first_chunk::<HEAD>()?;
    let length = u32::from_be_bytes([0, a, b, c]);
    let (payload, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    Some((kind, payload, rest))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::AsyncWriteExt as _;
    use tokio::net::UnixListener;

    use crate::{Client, ClientError};

    #[tokio::test]
    async fn a_refused_connection_says_the_daemons_reason() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let listener = UnixListener::bind(&path).unwrap();
        let mut refusing = tokio::task::JoinSet::new();
        refusing.spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut frames = vec![0, 0, 0, 4, 0, 0, 0, 0, 0];
                frames.extend([0, 0, 16, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xb]);
                frames.extend(b"too many");
                stream.write_all(&frames).await.unwrap();
            }
        });
        for _ in 0..50 {
            let refused = async {
                let client = Client::connect(Some(path.clone())).await?;
                client.status().await.map(drop)
            };
            let refused = tokio::time::timeout(Duration::from_secs(5), refused).await;
            let error = refused.expect("it waits").unwrap_err();
            assert!(
                matches!(&error, ClientError::NotReachable { reason, .. } if reason.contains("too many")),
                "{error:?}"
            );
        }
    }
}
