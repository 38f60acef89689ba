//! Who is at the other end of a local connection.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::net::sockopt;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::OwnedSemaphorePermit;
use tonic::transport::server::Connected;

use super::caller::Caller;
use super::local::LocalStream;
use super::refusal;
use super::writer::Writer;
use expd_authority::Reader;

/// How long a TCP peer may be silent before it is probed.
const TCP_KEEPALIVE: Duration = Duration::from_secs(60);

/// The process that connected, as the kernel noted it then (`SO_PEERCRED`). The process may have passed the connection on since, and
/// once it ended its ID may be another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The process; 0 where it is in another namespace.
    pub pid: i32,
    /// The effective user at the time of connecting.
    pub uid: u32,
    /// The effective group at the time of connecting.
    pub gid: u32,
}

/// One accepted connection. Read from it as the server: what the client sends is mended on the way ([`super::authority`]).
#[derive(Debug)]
pub struct PeerStream {
    stream: Stream,
    /// What stands between the stream and whoever reads from it.
    reader: Reader,
    /// The same for whoever writes.
    writer: Writer,
    caller: Caller,
    /// The connection's share of the bound on connections; given back when it is dropped.
    _permit: OwnedSemaphorePermit,
}

#[derive(Debug)]
enum Stream {
    Unix(LocalStream),
    Tcp(TcpStream),
}

impl PeerStream {
    pub(super) fn unix(stream: UnixStream, permit: OwnedSemaphorePermit) -> io::Result<Self> {
        let credentials = stream.peer_cred()?;
        let peer = Peer {
            pid: credentials.pid().unwrap_or(0),
            uid: credentials.uid(),
            gid: credentials.gid(),
        };
        Ok(Self {
            stream: Stream::Unix(LocalStream::new(stream)?),
            reader: Reader::new(),
            writer: Writer::default(),
            caller: Caller::local(peer),
            _permit: permit,
        })
    }

    pub(super) fn tcp(stream: TcpStream, permit: OwnedSemaphorePermit) -> io::Result<Self> {
        // A broadcast is one small write that shall not wait for the next.
        stream.set_nodelay(true)?;
        // A Unix socket's end is told by the kernel; a TCP peer that is gone is found by asking.
        sockopt::set_socket_keepalive(&stream, true)?;
        sockopt::set_tcp_keepidle(&stream, TCP_KEEPALIVE)?;
        Ok(Self {
            stream: Stream::Tcp(stream),
            reader: Reader::new(),
            writer: Writer::default(),
            caller: Caller::unknown(),
            _permit: permit,
        })
    }

    /// Who connected; unknown on TCP.
    pub fn peer(&self) -> Option<Peer> {
        self.caller.peer()
    }

    /// Who connected, as the calls of this connection know it.
    pub fn caller(&self) -> Caller {
        self.caller.clone()
    }

    /// Whether the last write found no room.
    pub fn is_congested(&self) -> bool {
        self.writer.is_blocked()
    }

    /// Tells the client that it is not served, and why, as far as there is room for that at once.
    pub fn refuse(&self, reason: &str) {
        let goaway = refusal::frames(reason);
        let written = match &self.stream {
            Stream::Unix(stream) => stream.try_write(&goaway),
            Stream::Tcp(stream) => stream.try_write(&goaway),
        };
        // A client that is gone, or does not read, need not know.
        written.ok();
    }
}

impl Connected for PeerStream {
    type ConnectInfo = Caller;

    fn connect_info(&self) -> Caller {
        self.caller.clone()
    }
}

impl AsyncRead for PeerStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        match &mut this.stream {
            Stream::Unix(stream) => this.reader.poll_read(stream, cx, buffer),
            Stream::Tcp(stream) => this.reader.poll_read(stream, cx, buffer),
        }
    }
}

impl AsyncWrite for PeerStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        match &mut this.stream {
            Stream::Unix(stream) => this.writer.poll_write(stream, cx, bytes),
            Stream::Tcp(stream) => this.writer.poll_write(stream, cx, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        match &mut this.stream {
            Stream::Unix(stream) => this.writer.poll_flush(stream, cx),
            Stream::Tcp(stream) => this.writer.poll_flush(stream, cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        match &mut this.stream {
            Stream::Unix(stream) => this.writer.poll_shutdown(stream, cx),
            Stream::Tcp(stream) => this.writer.poll_shutdown(stream, cx),
        }
    }
}
