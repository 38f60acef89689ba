//! Ends TLS in front of the network, as reverse proxies do, so that faults can strike what is
//! encrypted.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use expd_test_support::certificates::Authority;

/// The network's encrypted door, with a certificate of a private authority.
pub struct Door {
    pub address: SocketAddr,
    pub authority: Authority,
    _task: JoinSet<()>,
}

impl Door {
    pub async fn open(network: SocketAddr) -> Self {
        let authority = Authority::new();
        let acceptor = authority.sign("127.0.0.1", false);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let acceptor = acceptor.clone();
                connections.spawn(async move {
                    // Whatever breaks is the two ends' to notice.
                    let (Ok(mut client), Ok(mut server)) = (
                        acceptor.accept(client).await,
                        TcpStream::connect(network).await,
                    ) else {
                        return;
                    };
                    // The first request of a connection, that is where logins are, says how it
                    // came.
                    let mut line = Vec::new();
                    while !line.ends_with(b"\r\n") {
                        match client.read_u8().await {
                            Ok(byte) => line.push(byte),
                            Err(_) => return,
                        }
                    }
                    line.extend_from_slice(b"X-Forwarded-Proto: https\r\n");
                    if server.write_all(&line).await.is_ok() {
                        copy_bidirectional(&mut client, &mut server).await.ok();
                    }
                });
            }
        });
        Self {
            address,
            authority,
            _task: task,
        }
    }
}
