//! Accepted connections, each with its peer's identity.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::net::{SendFlags, sockopt};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::OwnedSemaphorePermit;
use tonic::transport::server::Connected;

use super::goaway;
use super::unix_reads::UnixReads;
use super::writer::Writer;
use crate::access::{Caller, Peer};
use expd_authority::Reader;

/// Silence of a TCP peer before it is probed.
const TCP_KEEPALIVE: Duration = Duration::from_secs(60);

/// One accepted connection. Reads pass through [`Reader`], which corrects the `:authority` of
/// clients that send the socket's path there.
#[derive(Debug)]
pub struct PeerStream {
    stream: Stream,
    reader: Reader,
    writer: Writer,
    caller: Caller,
    /// Permit of the connection, counted against the limit on connections.
    _permit: OwnedSemaphorePermit,
}

#[derive(Debug)]
enum Stream {
    Unix(UnixReads),
    Tcp(TcpStream),
}

impl PeerStream {
    pub(crate) fn unix(stream: UnixStream, permit: OwnedSemaphorePermit) -> io::Result<Self> {
        let credentials = stream.peer_cred()?;
        let peer = Peer {
            pid: credentials.pid().unwrap_or(0),
            uid: credentials.uid(),
            gid: credentials.gid(),
        };
        Ok(Self {
            stream: Stream::Unix(UnixReads(stream)),
            reader: Reader::default(),
            writer: Writer::default(),
            caller: Caller::local(peer),
            _permit: permit,
        })
    }

    pub(super) fn tcp(stream: TcpStream, permit: OwnedSemaphorePermit) -> io::Result<Self> {
        // A broadcast is one small write, which must not wait for the next.
        stream.set_nodelay(true)?;
        // The kernel reports the end of a Unix socket; a TCP peer that vanished has to be probed.
        sockopt::set_socket_keepalive(&stream, true)?;
        sockopt::set_tcp_keepidle(&stream, TCP_KEEPALIVE)?;
        Ok(Self {
            stream: Stream::Tcp(stream),
            reader: Reader::default(),
            writer: Writer::default(),
            caller: Caller::unknown(),
            _permit: permit,
        })
    }

    /// The process that connected; `None` over TCP.
    pub fn peer(&self) -> Option<Peer> {
        self.caller.peer()
    }

    /// The caller of all requests on this connection.
    pub fn caller(&self) -> Caller {
        self.caller.clone()
    }

    /// True if the last write found no room in the socket.
    pub fn is_congested(&self) -> bool {
        self.writer.is_blocked()
    }

    /// Sends the client the reason of its refusal, as far as the socket has room now.
    pub fn refuse(&self, reason: &str) {
        let goaway = goaway::frames(reason);
        // Not `try_write`: it fails on a fresh connection until the runtime has polled it.
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        let sent = match &self.stream {
            Stream::Unix(UnixReads(stream)) => rustix::net::send(stream, &goaway, flags),
            Stream::Tcp(stream) => rustix::net::send(stream, &goaway, flags),
        };
        // A client that has gone or does not read misses nothing.
        sent.ok();
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
            Stream::Unix(UnixReads(stream)) => this.writer.poll_write(stream, cx, bytes),
            Stream::Tcp(stream) => this.writer.poll_write(stream, cx, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        match &mut this.stream {
            Stream::Unix(UnixReads(stream)) => this.writer.poll_flush(stream, cx),
            Stream::Tcp(stream) => this.writer.poll_flush(stream, cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        match &mut this.stream {
            Stream::Unix(UnixReads(stream)) => this.writer.poll_shutdown(stream, cx),
            Stream::Tcp(stream) => this.writer.poll_shutdown(stream, cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::IoSlice;
    use std::sync::Arc;

    use expd_test_support::in_time;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio::sync::Semaphore;

    use super::*;

    fn permit() -> OwnedSemaphorePermit {
        Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap()
    }

    fn pair() -> (PeerStream, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (PeerStream::unix(ours, permit()).unwrap(), theirs)
    }

    #[tokio::test]
    async fn all_arrives_in_order_at_a_reader_that_is_slower() {
        let (mut stream, mut peer) = pair();
        let bytes: Vec<u8> = (0..4_000_000_u32)
            .map(|n| n.to_le_bytes()[(n % 4) as usize])
            .collect();
        let read = async {
            let (mut all, mut some) = (Vec::new(), vec![0; 1000]);
            loop {
                let count = peer.read(&mut some).await.unwrap();
                if count == 0 {
                    return all;
                }
                all.extend_from_slice(&some[..count]);
                tokio::task::yield_now().await;
            }
        };
        let write = async {
            for (number, part) in bytes.chunks(70_000).enumerate() {
                if number % 2 == 0 {
                    stream.write_all(part).await.unwrap();
                } else {
                    let (head, tail) = part.split_at(part.len() / 2);
                    let slices = [IoSlice::new(head), IoSlice::new(tail)];
                    let written = stream.write_vectored(&slices).await.unwrap();
                    stream.write_all(&part[written..]).await.unwrap();
                }
            }
            stream.shutdown().await.unwrap();
        };
        let (read, ()) = in_time("all of it", async { tokio::join!(read, write) }).await;
        assert!(read == bytes, "{} of {} bytes", read.len(), bytes.len());
    }

    #[tokio::test]
    async fn a_reader_is_woken_while_the_writer_waits_for_room() {
        let (stream, mut peer) = pair();
        let (mut reader, mut writer) = tokio::io::split(stream);
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(async move {
            let mut bytes = vec![0; 64 << 10];
            let mut total = 0;
            loop {
                match reader.read(&mut bytes).await.unwrap() {
                    0 => return total,
                    some => total += some,
                }
            }
        });
        tokio::task::yield_now().await;
        let block = vec![1; 1 << 20];
        let (written, ()) = tokio::join!(writer.write_all(&block), async {
            // The writer waits for room by now.
            tokio::task::yield_now().await;
            peer.write_all(&vec![2; 100_000]).await.unwrap();
            let mut bytes = vec![0; 1 << 20];
            in_time("what was written", peer.read_exact(&mut bytes))
                .await
                .unwrap();
        });
        written.unwrap();
        peer.write_all(b"more").await.unwrap();
        drop(peer);
        let total = in_time("the end", tasks.join_next())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(total, 100_004);
    }

    #[tokio::test]
    async fn a_fresh_connection_is_refused_with_the_reason_on_unix_and_tcp() {
        let (stream, mut client) = pair();
        stream.refuse("too many");
        drop(stream);
        let mut seen = Vec::new();
        in_time("the reason", client.read_to_end(&mut seen))
            .await
            .unwrap();
        assert_eq!(seen, goaway::frames("too many"));

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut client = in_time("a connection", TcpStream::connect(address))
            .await
            .unwrap();
        let (accepted, _) = in_time("a connection", listener.accept()).await.unwrap();
        let stream = PeerStream::tcp(accepted, permit()).unwrap();
        stream.refuse("too many");
        drop(stream);
        seen.clear();
        in_time("the reason", client.read_to_end(&mut seen))
            .await
            .unwrap();
        assert_eq!(seen, goaway::frames("too many"));
    }
}
