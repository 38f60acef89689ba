//! A network for the benchmarks: accepts every login and sends the ordered messages to every
//! socket, as packets that are encoded once.
//!
//! It speaks WebSocket by hand, since a full server would be the bottleneck of the whole path:
//! generation 3, and generation 4 for clients that request it.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use expd_domain::{Alphabet, Channel, ChannelId, Payload};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;

use crate::load::{self, Sink};

/// Maximum number of batches that a socket has not sent yet.
const QUEUE: usize = 64;

type Batch = Arc<Vec<Message>>;

#[derive(Default)]
struct LoadNetwork {
    sockets: Mutex<Vec<mpsc::Sender<Batch>>>,
    connections: AtomicU64,
    bytes: AtomicU64,
}

/// Serves until the order to start, then sends, and reports what it sent.
pub async fn run(folder: &Path, port: u16) {
    let network = Arc::new(LoadNetwork::default());
    let listener = bind(port);
    let port = listener.local_addr().unwrap().port();
    let credit = load::credit(&folder.join("network-credit"));
    println!("{port}");
    let accepting = network.clone();
    #[allow(clippy::disallowed_methods, reason = "ends with the process")]
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let network = accepting.clone();
            tokio::spawn(async move { network.meet(stream, port).await });
        }
    });
    let mut feed = Feed {
        network: network.clone(),
        sent: 0,
    };
    let mut told = load::feed(load::order().await, &mut feed, credit).await;
    let count =
        |name: &str, counter: &AtomicU64| (name.to_owned(), counter.load(Ordering::Relaxed));
    told.more.extend([
        count("connections", &network.connections),
        count("bytes", &network.bytes),
    ]);
    println!("{}", serde_json::to_string(&told).unwrap());
    std::future::pending::<()>().await;
}

/// Binds even if another server has just used the port.
fn bind(port: u16) -> TcpListener {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(([127, 0, 0, 1], port).into()).unwrap();
    socket.listen(1024).unwrap()
}

impl LoadNetwork {
    async fn meet(&self, mut stream: TcpStream, port: u16) {
        stream.set_nodelay(true).unwrap();
        let mut head = vec![0; 4096];
        let seen = loop {
            let seen = stream.peek(&mut head).await.unwrap();
            if seen == 0 {
                return;
            }
            if head[..seen].windows(4).any(|four| four == b"\r\n\r\n") {
                break seen;
            }
        };
        if head.starts_with(b"GET") {
            self.connections.fetch_add(1, Ordering::Relaxed);
            let newer = head[..seen].windows(5).any(|five| five == b"EIO=4");
            self.converse(stream, newer).await;
            return;
        }
        // A login. Its content is ignored; reading until a moment of silence takes all of it.
        let mut all = vec![0; 64 * 1024];
        let mut got = 0;
        while got < seen || !all[..got].ends_with(b"}") {
            got += stream.read(&mut all[got..]).await.unwrap();
        }
        let expiration = std::time::SystemTime::now() + Duration::from_secs(24 * 3600);
        let expiration = expiration
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_millis();
        let body = format!(
            r#"{{"token":"t","expiration":{expiration},"identity":{{"uuid":"screen","type":"device","organization":"demo"}},"network":{{"host":"http://127.0.0.1:{port}"}}}}"#
        );
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(answer.as_bytes()).await.unwrap();
    }

    /// In generation 4 the client opens the namespace first, and the server pings, though not
    /// within a run.
    async fn converse(&self, stream: TcpStream, newer: bool) {
        let socket = tokio_tungstenite::accept_async(stream).await.unwrap();
        let (mut out, mut words) = socket.split();
        let opening = r#"0{"sid":"s","pingInterval":25000,"pingTimeout":60000,"maxPayload":1000000,"upgrades":[]}"#;
        out.send(Message::text(opening)).await.unwrap();
        if newer {
            words.next().await;
            out.send(Message::text(r#"40{"sid":"s"}"#)).await.unwrap();
        } else {
            out.send(Message::text("40")).await.unwrap();
        }
        let (sender, mut batches) = mpsc::channel::<Batch>(QUEUE);
        self.sockets.lock().unwrap().push(sender);
        loop {
            tokio::select! {
                word = words.next() => {
                    let Some(Ok(word)) = word else { return };
                    let text = word.to_text().unwrap_or_default();
                    if text.starts_with('2') {
                        out.send(Message::text("3")).await.unwrap();
                    } else if let Some(ids) = text.strip_prefix(r#"42["subscribe","#) {
                        out.send(Message::text(format!(r#"42["subscribed",{ids}"#))).await.unwrap();
                    }
                }
                batch = batches.recv() => {
                    for message in batch.unwrap().iter() {
                        self.bytes.fetch_add(message.len() as u64, Ordering::Relaxed);
                        if out.feed(message.clone()).await.is_err() {
                            return;
                        }
                    }
                    if out.flush().await.is_err() {
                        return;
                    }
                }
            }
        }
    }
}

struct Feed {
    network: Arc<LoadNetwork>,
    sent: u64,
}

impl Sink for Feed {
    async fn send(&mut self, payloads: Vec<Payload>) {
        let channel = ChannelId::encode("demo", &Channel::new("menu"), Alphabet::UrlSafe);
        let channel = channel.as_str();
        let packets = payloads.iter().map(|payload| {
            // IDs are unique: a daemon drops a second broadcast with the same ID as a duplicate.
            self.sent += 1;
            let (id, payload) = (self.sent, payload.as_str());
            Message::text(format!(
                r#"42["broadcast",{{"id":"{id:012x}","name":"tick","channel":"{channel}","payload":{payload}}}]"#
            ))
        });
        let batch = Arc::new(packets.collect());
        let sockets = self.network.sockets.lock().unwrap().clone();
        for socket in sockets {
            // The client has closed a socket that is gone.
            socket.send(Arc::clone(&batch)).await.ok();
        }
    }
}
