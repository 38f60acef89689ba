//! A web page at the daemon's web server, over a WebSocket.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use expd_bench::account::Account;
use expd_bench::{http_client, load};
use expd_domain::{Alphabet, Channel, ChannelId, Generation, Secret, login};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};
use tokio_tungstenite::{WebSocketStream, client_async};

/// Apps of the pages; one may have 128 live sockets.
pub const APPS: [&str; 4] = ["board", "till", "queue", "map"];

/// Origin of all pages.
pub const ORIGIN: &str = "https://kiosk.example";

/// Timeout of the daemon's getting online.
const PATIENCE: Duration = Duration::from_secs(30);

/// Pause before a request that was refused is repeated.
const PAUSE: Duration = Duration::from_millis(50);

/// A page that has subscribed to the channel of all loads.
pub struct Page {
    socket: WebSocketStream<TcpStream>,
}

impl Page {
    /// Logs in, opens its socket, and subscribes to the channel. Tries again while the daemon is
    /// not online, and while an app opens too many sockets at once.
    pub async fn open(web: &str, app: &str, generation: Generation) -> Self {
        let end = Instant::now() + PATIENCE;
        let token = loop {
            match log_in(web, app).await {
                Ok(token) => break token,
                Err(status) => assert!(Instant::now() < end, "the login is answered {status}"),
            }
            sleep(PAUSE).await;
        };
        let socket = loop {
            match connect(web, &token, generation).await {
                Ok(socket) => break socket,
                Err(status) => assert!(Instant::now() < end, "the handshake is answered {status}"),
            }
            sleep(PAUSE).await;
        };
        let mut page = Self { socket };
        if generation == Generation::V4 {
            page.send("40").await;
        }
        let channel = ChannelId::encode("demo", &Channel::new("menu"), Alphabet::UrlSafe);
        // The namespace is open before anything is sent in it.
        while !page.packet().await.starts_with("40") {}
        let subscribe = format!("42{}", json!(["subscribe", [channel.as_str()]]));
        page.send(&subscribe).await;
        page
    }

    /// Waits until the network has confirmed the channel.
    pub async fn subscribed(&mut self) {
        while !self.packet().await.starts_with("42[\"subscribed\"") {}
    }

    /// Receives broadcasts until the run ends.
    pub async fn listen(mut self, mut account: Account) -> Account {
        self.subscribed().await;
        account.confirmed();
        while !account.ended {
            let packet = self.packet().await;
            if !packet.starts_with("42[\"broadcast\"") {
                continue;
            }
            if packet.len() < load::SHORTEST {
                account.end();
                continue;
            }
            let look = account.wants_to_look();
            account.take(look.then(|| load::made_at(packet.as_bytes())).flatten());
        }
        account
    }

    /// The next packet; answers pings.
    pub async fn packet(&mut self) -> Utf8Bytes {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Text(packet))) if packet == "2" => self.send("3").await,
                Some(Ok(Message::Text(packet))) => return packet,
                // The library answers the server's pings.
                Some(Ok(_)) => {}
                other => panic!("the page's socket has ended: {other:?}"),
            }
        }
    }

    async fn send(&mut self, packet: &str) {
        self.socket.send(Message::text(packet)).await.unwrap();
    }
}

/// Token of a new login, or the status of the refusal.
async fn log_in(web: &str, app: &str) -> Result<String, u16> {
    let expires = SystemTime::now() + Duration::from_secs(60);
    let expires = expires.duration_since(UNIX_EPOCH).unwrap().as_secs();
    let claims = json!({"type": "consumerApp", "uuid": app, "exp": expires});
    let proof = login::sign(&claims, &Secret::new("key"));
    let request = http_client()
        .post(format!("http://{web}/api/auth/login"))
        .header("Origin", ORIGIN)
        .header("Content-Type", "application/json")
        .body(json!({"token": proof.expose()}).to_string());
    let Ok(answer) = request.send().await else {
        return Err(0);
    };
    let status = answer.status().as_u16();
    let body = answer.bytes().await.unwrap();
    let login: Value = serde_json::from_slice(&body).unwrap_or_default();
    login["token"].as_str().map(str::to_owned).ok_or(status)
}

async fn connect(
    web: &str,
    token: &str,
    generation: Generation,
) -> Result<WebSocketStream<TcpStream>, u16> {
    let stream = TcpStream::connect(web).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let number = match generation {
        Generation::V3 => 3,
        Generation::V4 => 4,
    };
    let url = format!("ws://{web}/socket.io/?EIO={number}&transport=websocket&token={token}");
    let mut request = url.into_client_request().unwrap();
    let headers = request.headers_mut();
    headers.insert("Origin", ORIGIN.parse().unwrap());
    match client_async(request, stream).await {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(answer)) => Err(answer.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}
