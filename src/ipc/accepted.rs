//! Accepts connections: bounded in number, and continued after errors of the system.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, Stream};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::bind::{BoundSocket, SocketFile};
use super::peer_stream::PeerStream;
use crate::journal::JournalEvent;

/// Pause after an accept failed for lack of descriptors or memory. A retry at once would fail
/// again, and keep a core busy.
const PAUSE: Duration = Duration::from_millis(100);

/// Descriptors that the daemon needs besides one for each local connection: connections that are
/// being refused, upstream sockets, the journal, files.
const OTHER_FILES: u64 = 384;

/// A socket that accepts connections.
#[derive(Debug)]
pub struct Listener(Endpoint);

#[derive(Debug)]
enum Endpoint {
    Unix {
        listener: UnixListener,
        /// Removes the socket's file together with the listener.
        _file: SocketFile,
    },
    Tcp(TcpListener),
}

impl Listener {
    /// Listens on a Unix socket, whose file is removed on drop. Must be called within the runtime.
    ///
    /// # Errors
    /// The socket cannot be made non-blocking, or the runtime cannot register it.
    pub fn unix(socket: BoundSocket) -> io::Result<Self> {
        let (listener, file) = socket.into_parts()?;
        Ok(Self(Endpoint::Unix {
            listener: UnixListener::from_std(listener)?,
            _file: file,
        }))
    }

    /// Listens on a loopback TCP address.
    pub fn tcp(listener: TcpListener) -> Self {
        Self(Endpoint::Tcp(listener))
    }
}

/// Accepted connections of one listener. They end only at the token, which closes the listener.
///
/// The semaphore bounds the open connections over all listeners that share it. Further ones wait in
/// the kernel's backlog until one closes; once that is full, connecting itself waits or fails. The
/// server gives more permits than users may have connections, so that each one beyond a user's
/// share is accepted and refused with a reason: only connections that are being refused reach this
/// bound.
#[derive(Debug)]
pub struct Accepted {
    listener: Listener,
    connections: Arc<Semaphore>,
    stop: CancellationToken,
    /// True if the system's refusal has been logged.
    refused: bool,
    /// True if it has been logged that the limit was reached.
    full: bool,
}

impl Accepted {
    /// Accepts from `listener`, as many at a time as `connections` permits, until `stop`.
    pub fn new(listener: Listener, connections: Arc<Semaphore>, stop: CancellationToken) -> Self {
        Self {
            listener,
            connections,
            stop,
            refused: false,
            full: false,
        }
    }

    pub fn into_stream(self) -> impl Stream<Item = io::Result<PeerStream>> + Send {
        stream::unfold(self, |mut accepted| async move {
            let connection = accepted.next().await?;
            Some((Ok(connection), accepted))
        })
    }

    /// The next connection; `None` once stopped.
    pub async fn next(&mut self) -> Option<PeerStream> {
        let stop = self.stop.clone();
        stop.run_until_cancelled(self.accept()).await.flatten()
    }

    /// Cancel-safe: the kernel keeps what was not accepted.
    async fn accept(&mut self) -> Option<PeerStream> {
        loop {
            let permit = self.permit().await?;
            match self.accept_one(permit).await {
                Ok(connection) => {
                    self.refused = false;
                    return Some(connection);
                }
                // The peer gave up before it was accepted.
                Err(error) if is_of_peer(&error) => {}
                Err(error) => {
                    if !self.refused {
                        log::error!(
                            "cannot accept local connections: {error}; trying again; raise the \
                             limit of open files (LimitNOFILE=) or lower \
                             daemon.limits.max_connections"
                        );
                        self.refused = true;
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    async fn permit(&mut self) -> Option<OwnedSemaphorePermit> {
        if let Ok(permit) = self.connections.clone().try_acquire_owned() {
            self.full = false;
            return Some(permit);
        }
        if !self.full {
            log::warn!(
                event = JournalEvent::LimitHit;
                "connection limit reached; new connections wait (daemon.limits.max_connections)"
            );
            self.full = true;
        }
        // Fails once the semaphore is closed, which also means to stop.
        self.connections.clone().acquire_owned().await.ok()
    }

    async fn accept_one(&self, permit: OwnedSemaphorePermit) -> io::Result<PeerStream> {
        match &self.listener.0 {
            Endpoint::Unix { listener, .. } => {
                let (stream, _) = listener.accept().await?;
                PeerStream::unix(stream, permit)
            }
            Endpoint::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                PeerStream::tcp(stream, permit)
            }
        }
    }
}

/// True for an error of one connection, which says nothing about the listener.
fn is_of_peer(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
            | io::ErrorKind::NotConnected
    )
}

/// Raises this process's limit of open files (1,024 on many systems) as far as `connections` need
/// and the hard limit allows. Returns the number of connections that it leaves room for.
pub fn allow_open_files(connections: usize) -> usize {
    let wanted = (connections as u64).saturating_add(OTHER_FILES);
    let limit = getrlimit(Resource::Nofile);
    let (Some(current), maximum) = (limit.current, limit.maximum) else {
        return connections;
    };
    let mut room = current;
    if current < wanted {
        let raised = wanted.min(maximum.unwrap_or(wanted));
        let limit = Rlimit {
            current: Some(raised),
            maximum,
        };
        if raised > current && setrlimit(Resource::Nofile, limit).is_ok() {
            room = raised;
        }
    }
    room_for_connections(room, connections)
}

/// The number of connections that `files` descriptors leave room for: at least half of them.
fn room_for_connections(files: u64, connections: usize) -> usize {
    let room = files - OTHER_FILES.min(files / 2);
    usize::try_from(room)
        .unwrap_or(connections)
        .clamp(1, connections.max(1))
}

#[cfg(test)]
mod tests {
    use expd_test_support::{eventually, in_time};
    use futures_util::{FutureExt as _, StreamExt as _};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpStream, UnixStream};

    use super::*;
    use crate::access::Peer;
    use crate::ipc::{SocketPath, bind};

    /// A bounded socket in a folder of its own.
    struct BoundedSocket {
        folder: tempfile::TempDir,
        accepted: Accepted,
        stop: CancellationToken,
    }

    impl BoundedSocket {
        fn new(connections: usize) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let place = SocketPath::named(folder.path().join("s"));
            let bound = bind(&place, 0o600, None).unwrap();
            let stop = CancellationToken::new();
            let accepted = Accepted::new(
                Listener::unix(bound).unwrap(),
                Arc::new(Semaphore::new(connections)),
                stop.clone(),
            );
            Self {
                folder,
                accepted,
                stop,
            }
        }

        async fn connect(&self) -> UnixStream {
            UnixStream::connect(self.folder.path().join("s"))
                .await
                .unwrap()
        }
    }

    fn ourselves() -> Peer {
        Peer {
            pid: std::process::id().cast_signed(),
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
        }
    }

    #[tokio::test]
    async fn a_connection_knows_its_peer_and_carries_bytes() {
        let mut socket = BoundedSocket::new(10);
        let mut client = socket.connect().await;
        let mut served = in_time("a connection", socket.accepted.next())
            .await
            .unwrap();
        assert_eq!(served.peer(), Some(ourselves()));
        assert_eq!(
            tonic::transport::server::Connected::connect_info(&served).peer(),
            Some(ourselves())
        );
        client.write_all(b"ping").await.unwrap();
        let mut bytes = [0; 4];
        in_time("a ping", served.read_exact(&mut bytes))
            .await
            .unwrap();
        served.write_all(b"pong").await.unwrap();
        in_time("the flush", served.flush()).await.unwrap();
        in_time("a pong", client.read_exact(&mut bytes))
            .await
            .unwrap();
        assert_eq!(&bytes, b"pong");
    }

    #[tokio::test]
    async fn tcp_connections_come_too_without_a_known_peer() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut accepted = Accepted::new(
            Listener::tcp(listener),
            Arc::new(Semaphore::new(1)),
            CancellationToken::new(),
        );
        let _client = TcpStream::connect(address).await.unwrap();
        assert_eq!(
            in_time("a connection", accepted.next())
                .await
                .unwrap()
                .peer(),
            None
        );
    }

    #[tokio::test]
    async fn at_the_bound_connections_wait_until_one_closes() {
        let mut socket = BoundedSocket::new(2);
        let _clients = [
            socket.connect().await,
            socket.connect().await,
            socket.connect().await,
        ];
        let first = in_time("a connection", socket.accepted.next())
            .await
            .unwrap();
        let _second = in_time("a connection", socket.accepted.next())
            .await
            .unwrap();
        let third = socket.accepted.next().now_or_never();
        assert!(third.is_none(), "a third connection was accepted");
        assert!(socket.accepted.full, "it waits for something else");
        drop(first);
        in_time("a connection", socket.accepted.next())
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn it_ends_at_the_token_and_the_file_goes_with_it() {
        let BoundedSocket {
            folder,
            accepted,
            stop,
        } = BoundedSocket::new(2);
        let mut stream = Box::pin(accepted.into_stream());
        stop.cancel();
        assert!(in_time("the end", stream.next()).await.is_none());
        drop(stream);
        assert!(!folder.path().join("s").exists());
    }

    /// The limit is that of the whole process, so this runs in a process of its own.
    #[test]
    fn accepting_goes_on_after_the_descriptors_ran_out() {
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "ipc::accepted::tests::played_without_descriptors",
                "--ignored",
                "--nocapture",
            ])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && text.contains("1 passed"),
            "{text}"
        );
    }

    #[tokio::test]
    #[ignore = "played by accepting_goes_on_after_the_descriptors_ran_out, in a process of its own"]
    async fn played_without_descriptors() {
        let mut socket = BoundedSocket::new(10);
        let _client = socket.connect().await;
        let before = getrlimit(Resource::Nofile);
        let none = Rlimit {
            current: Some(3),
            maximum: before.maximum,
        };
        setrlimit(Resource::Nofile, none).unwrap();
        // The connection is there, and each try fails.
        for _ in 0..3 {
            socket.accepted.refused = false;
            eventually("accepting is refused", async || {
                let accepted = socket.accepted.next().now_or_never();
                assert!(accepted.is_none(), "{accepted:?}");
                let is_refused = socket.accepted.refused;
                is_refused.then_some(()).ok_or_else(String::new)
            })
            .await;
        }
        setrlimit(Resource::Nofile, before).unwrap();
        in_time("a connection", socket.accepted.next())
            .await
            .unwrap();
        assert!(!socket.accepted.refused);
    }

    #[test]
    fn there_is_room_for_what_the_limit_allows() {
        assert_eq!(allow_open_files(8), 8);
        assert!(allow_open_files(usize::MAX) >= 1);
        for (files, room) in [
            (0, 1),
            (1, 1),
            (64, 32),
            (512, 256),
            (1024, 640),
            (65_536, 4096),
        ] {
            assert_eq!(room_for_connections(files, 4096), room, "{files}");
        }
    }
}
