//! Middleboxes and proxies between a client and a server, small and real.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// Listens until it is dropped.
pub struct Front {
    pub port: u16,
    /// Connections that were let through.
    pub passed: Arc<AtomicUsize>,
    freeze: watch::Sender<bool>,
    _tasks: JoinSet<()>,
}

/// Treatment of a connection.
#[derive(Clone)]
pub enum FrontKind {
    /// Hands everything on to a port, until it is frozen: then nothing more, and no end either.
    Pass(u16),
    /// Like `Pass`, but answers a WebSocket handshake with this status line.
    NoUpgrade(u16, &'static str),
    /// Like `Pass`, but swallows a WebSocket handshake without a word.
    SilentUpgrade(u16),
    /// Ends TLS with this certificate and hands on to a port.
    Tls(u16, TlsAcceptor),
    /// An HTTP proxy: CONNECT and plain requests. With credentials it wants exactly these (`Basic
    /// …`).
    Proxy(Option<&'static str>),
}

impl Front {
    pub async fn start(kind: FrontKind) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let passed = Arc::new(AtomicUsize::new(0));
        let (freeze, frozen) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let counter = Arc::clone(&passed);
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (kind, counter, frozen) = (kind.clone(), Arc::clone(&counter), frozen.clone());
                // A connection that breaks is the client's to notice.
                connections.spawn(async move { drop(serve(kind, stream, counter, frozen).await) });
            }
        });
        Self {
            port,
            passed,
            freeze,
            _tasks: tasks,
        }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn passed(&self) -> usize {
        self.passed.load(Ordering::SeqCst)
    }

    /// From now on nothing comes through, in either direction, and no connection ends.
    pub fn freeze(&self) {
        self.freeze.send_replace(true);
    }
}

async fn serve(
    kind: FrontKind,
    mut client: TcpStream,
    passed: Arc<AtomicUsize>,
    mut frozen: watch::Receiver<bool>,
) -> std::io::Result<()> {
    match kind {
        FrontKind::Pass(port) => {
            let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
            passed.fetch_add(1, Ordering::SeqCst);
            let freezing = async { drop(frozen.wait_for(|frozen| *frozen).await) };
            tokio::select! {
                copied = copy_bidirectional(&mut client, &mut server) => drop(copied?),
                () = freezing => std::future::pending().await,
            }
        }
        FrontKind::NoUpgrade(port, status) => {
            let head = head(&mut client).await?;
            if is_upgrade(&head) {
                let answer =
                    format!("{status}\r\nContent-Length: 9\r\nConnection: close\r\n\r\nno thanks");
                client.write_all(answer.as_bytes()).await?;
                return client.shutdown().await;
            }
            pass(&mut client, port, head.as_bytes(), &passed).await?;
        }
        FrontKind::SilentUpgrade(port) => {
            let head = head(&mut client).await?;
            if is_upgrade(&head) {
                std::future::pending::<()>().await;
            }
            pass(&mut client, port, head.as_bytes(), &passed).await?;
        }
        FrontKind::Tls(port, acceptor) => {
            if let Ok(mut client) = acceptor.accept(client).await {
                pass(&mut client, port, b"", &passed).await?;
            }
        }
        FrontKind::Proxy(credentials) => proxy(client, credentials, &passed).await?,
    }
    Ok(())
}

fn is_upgrade(head: &str) -> bool {
    head.to_ascii_lowercase().contains("upgrade: websocket")
}

async fn pass(
    client: &mut (impl AsyncRead + AsyncWrite + Unpin),
    port: u16,
    first: &[u8],
    passed: &AtomicUsize,
) -> std::io::Result<()> {
    let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    passed.fetch_add(1, Ordering::SeqCst);
    server.write_all(first).await?;
    copy_bidirectional(client, &mut server).await.map(drop)
}

async fn proxy(
    mut client: TcpStream,
    credentials: Option<&str>,
    passed: &AtomicUsize,
) -> std::io::Result<()> {
    let head = head(&mut client).await?;
    let refused = credentials.is_some_and(|credentials| {
        !head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .any(|(name, value)| {
                name.eq_ignore_ascii_case("proxy-authorization") && value == credentials
            })
    });
    if refused {
        let answer = "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        client.write_all(answer.as_bytes()).await?;
        return client.shutdown().await;
    }
    let mut words = head.split(' ');
    let (method, target) = (words.next().unwrap(), words.next().unwrap().to_owned());
    // Names are resolved by the proxy: `.test` is this machine here.
    let port_of =
        |authority: &str| -> u16 { authority.rsplit_once(':').unwrap().1.parse().unwrap() };
    if method == "CONNECT" {
        let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, port_of(&target))).await?;
        passed.fetch_add(1, Ordering::SeqCst);
        client
            .write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
            .await?;
        return copy_bidirectional(&mut client, &mut server).await.map(drop);
    }
    // A plain request: by its path, one a connection.
    let (authority, path) = target
        .strip_prefix("http://")
        .unwrap()
        .split_once('/')
        .unwrap();
    let forwarded = head.replacen(&target, &format!("/{path}"), 1).replacen(
        "\r\n",
        "\r\nConnection: close\r\n",
        1,
    );
    pass(
        &mut client,
        port_of(authority),
        forwarded.as_bytes(),
        passed,
    )
    .await
}

/// Reads the head of a request, byte by byte: the rest is someone else's.
async fn head(stream: &mut TcpStream) -> std::io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    Ok(String::from_utf8(head).unwrap())
}
