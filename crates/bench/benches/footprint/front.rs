//! TLS terminator in front of a plain-text network. The network announces an `http:` URL, so
//! unencrypted input is passed through, too: logins and calls are encrypted, the live socket is
//! not.

use std::net::Ipv4Addr;

use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// The first byte of a TLS handshake.
const HANDSHAKE: u8 = 0x16;

/// Listens until it is dropped.
pub struct Front {
    pub port: u16,
    _tasks: JoinSet<()>,
}

impl Front {
    /// Forwards to a port.
    pub async fn start(network: u16, acceptor: TlsAcceptor) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let acceptor = acceptor.clone();
                connections.spawn(async move {
                    let mut first = [0];
                    stream.peek(&mut first).await.unwrap();
                    if first == [HANDSHAKE] {
                        pass(acceptor.accept(stream).await.unwrap(), network).await;
                    } else {
                        pass(stream, network).await;
                    }
                });
            }
        });
        Self {
            port,
            _tasks: tasks,
        }
    }
}

async fn pass(mut client: impl AsyncRead + AsyncWrite + Unpin, network: u16) {
    let address = (Ipv4Addr::LOCALHOST, network);
    let mut server = TcpStream::connect(address).await.unwrap();
    // However it ends, both sides notice.
    copy_bidirectional(&mut client, &mut server).await.ok();
}
