//! A gate before the network, for one instance of a daemon: closed at first, so that connections
//! are refused.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;

/// Ends with what it has let through when it is dropped.
pub struct Gate {
    /// Keeps the port while the gate is closed; nobody else is given it then, and nobody is let in.
    _reserved: TcpSocket,
    address: SocketAddr,
    beyond: SocketAddr,
    traffic: Arc<Traffic>,
    serving: JoinSet<()>,
}

#[derive(Default)]
struct Traffic {
    /// Cuts a connection that brings a broadcast, in place of passing its answer.
    cuts_answers: AtomicBool,
    broadcasts: AtomicUsize,
}

impl Gate {
    pub fn before(network: SocketAddr) -> Self {
        let reserved = bound(([127, 0, 0, 1], 0).into());
        Self {
            address: reserved.local_addr().unwrap(),
            _reserved: reserved,
            beyond: network,
            traffic: Arc::default(),
            serving: JoinSet::new(),
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn open(&mut self) {
        let listener = bound(self.address).listen(1024).unwrap();
        let (beyond, traffic) = (self.beyond, self.traffic.clone());
        self.serving.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (near, _) = listener.accept().await.unwrap();
                connections.spawn(pass(near, beyond, traffic.clone()));
            }
        });
    }

    /// From now on nobody gets through, and who was is cut off.
    pub async fn close(&mut self) {
        self.serving.shutdown().await;
    }

    pub fn cut_answers(&self, cut: bool) {
        self.traffic.cuts_answers.store(cut, Ordering::SeqCst);
    }

    /// Returns the number of broadcast requests that have passed.
    pub fn broadcasts(&self) -> usize {
        self.traffic.broadcasts.load(Ordering::SeqCst)
    }
}

/// Bound, and deaf so far. Several may be bound to one address.
fn bound(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.set_reuseport(true).unwrap();
    socket.bind(address).unwrap();
    socket
}

async fn pass(mut near: TcpStream, beyond: SocketAddr, traffic: Arc<Traffic>) {
    let Ok(mut far) = TcpStream::connect(beyond).await else {
        return;
    };
    let (mut there, mut back) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    let mut cut = false;
    loop {
        tokio::select! {
            read = near.read(&mut there) => {
                let Ok(count @ 1..) = read else { return };
                // Heads are short, and come with their request's first bytes.
                if there[..count].starts_with(b"POST /api/networks/current/broadcasts") {
                    traffic.broadcasts.fetch_add(1, Ordering::SeqCst);
                    cut = traffic.cuts_answers.load(Ordering::SeqCst);
                }
                if far.write_all(&there[..count]).await.is_err() { return }
            }
            read = far.read(&mut back) => {
                let Ok(count @ 1..) = read else { return };
                if cut || near.write_all(&back[..count]).await.is_err() { return }
            }
        }
    }
}
