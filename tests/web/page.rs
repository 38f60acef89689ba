//! Pages that speak the packets of Engine.IO 3, as the vendor's SDK does.

use std::time::Duration;

use expd_test_support::in_time;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::page_host::{Answered, BOARD_ORIGIN, PageHost};

/// A page over a WebSocket.
pub struct Page(WebSocketStream<TcpStream>);

/// Packet that opens the default namespace.
const CONNECT: &str = "40";

/// Packet by which a client leaves it, and a server would end Socket.IO: after it, the SDK's client
/// does not come back.
const DISCONNECT: &str = "41";

impl Page {
    /// Opens the page's socket, or returns the refusal.
    pub async fn try_open(host: &PageHost, token: &str) -> Result<Self, Answered> {
        Self::connect(host, token, None).await
    }

    pub async fn open(host: &PageHost, token: &str) -> Self {
        Self::try_open(host, token).await.unwrap()
    }

    /// The same, for a page that takes little at a time.
    pub async fn open_narrow(host: &PageHost, token: &str) -> Self {
        Self::connect(host, token, Some(4096)).await.unwrap()
    }

    async fn connect(host: &PageHost, token: &str, buffer: Option<u32>) -> Result<Self, Answered> {
        let socket = TcpSocket::new_v4().unwrap();
        if let Some(bytes) = buffer {
            socket.set_recv_buffer_size(bytes).unwrap();
        }
        let stream = socket.connect(([127, 0, 0, 1], host.port).into()).await;
        let url = host.url(&format!(
            "/socket.io/?EIO=3&transport=websocket&token={token}"
        ));
        let mut request = url.replacen("http", "ws", 1).into_client_request().unwrap();
        let origin = BOARD_ORIGIN.parse().unwrap();
        request.headers_mut().insert("Origin", origin);
        match client_async(request, stream.unwrap()).await {
            Ok((socket, _)) => Ok(Self(socket)),
            Err(Error::Http(answer)) => Err(Answered {
                status: answer.status().as_u16(),
                json: serde_json::from_slice(answer.body().as_deref().unwrap_or_default())
                    .unwrap_or_default(),
            }),
            Err(error) => panic!("{error}"),
        }
    }

    /// Leaves the default namespace, and opens it again over the same transport.
    pub async fn leave_and_open_again(&mut self) {
        for packet in [DISCONNECT, CONNECT] {
            self.0.send(Message::text(packet)).await.unwrap();
        }
        while self.packet().await.expect("the transport was closed") != CONNECT {}
    }

    /// Subscribes to the host's channel, and waits for the confirmation.
    pub async fn subscribe(&mut self, host: &PageHost) {
        assert!(self.try_subscribe(host).await, "the transport was closed");
    }

    /// False where the transport is closed instead.
    pub async fn try_subscribe(&mut self, host: &PageHost) -> bool {
        let ids = serde_json::to_string(&[host.channel_id()]).unwrap();
        let packet = Message::text(format!("42[\"subscribe\",{ids}]"));
        if self.0.send(packet).await.is_err() {
            return false;
        }
        loop {
            match self.packet().await {
                Some(packet) if packet.starts_with("42[\"subscribed\"") => return true,
                Some(packet) => assert!(number(&packet).is_none(), "before `subscribed`: {packet}"),
                None => return false,
            }
        }
    }

    /// Number of the next broadcast; none where the transport is closed.
    pub async fn number(&mut self) -> Option<u64> {
        loop {
            let packet = self.packet().await?;
            if let Some(number) = number(&packet) {
                return Some(number);
            }
        }
    }

    /// The next packet; none where the transport is closed.
    async fn packet(&mut self) -> Option<String> {
        loop {
            match in_time("a packet, or the end", self.0.next()).await {
                Some(Ok(Message::Text(packet))) => {
                    assert!(!packet.starts_with(DISCONNECT), "{packet}");
                    return Some(packet.to_string());
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                // The library answers pings.
                Some(Ok(_)) => {}
            }
        }
    }
}

/// The number that a packet brings, alone or first in a list.
fn number(packet: &str) -> Option<u64> {
    let event: Value = serde_json::from_str(packet.strip_prefix("42")?).ok()?;
    if event[0] != "broadcast" {
        return None;
    }
    let payload = &event[1]["payload"];
    payload.as_u64().or_else(|| payload[0].as_u64())
}

/// Time after which a refresh is answered whatever the page has confirmed.
pub const HOLD_TIMEOUT: Duration = Duration::from_secs(1);

/// Time after which a page that takes nothing is cut.
pub const CUT_AFTER: Duration = Duration::from_secs(10);

/// A page over long polling.
pub struct PollingPage {
    http: reqwest::Client,
    url: String,
}

impl PollingPage {
    pub async fn open(host: &PageHost, token: &str) -> Self {
        let url = host.url(&format!(
            "/socket.io/?EIO=3&transport=polling&b64=1&token={token}"
        ));
        let http = host.http.clone();
        let mut page = Self { http, url };
        let packets = page.poll().await;
        let handshake: Value = serde_json::from_str(&packets[0][1..]).unwrap();
        let sid = handshake["sid"].as_str().unwrap();
        page.url = format!("{}&sid={sid}", page.url);
        page
    }

    /// Opens one that is subscribed and was given the number 1, which it has yet to confirm.
    pub async fn with_first_number(host: &PageHost, token: &str) -> Self {
        let page = Self::open(host, token).await;
        page.subscribe(host).await;
        page.poll_until("42[\"subscribed\"").await;
        host.send(1).await;
        assert_eq!(page.poll_until("42[\"broadcast\"").await, [1]);
        page
    }

    /// Asks to subscribe to the host's channel.
    pub async fn subscribe(&self, host: &PageHost) {
        let ids = serde_json::to_string(&[host.channel_id()]).unwrap();
        let packet = format!("42[\"subscribe\",{ids}]");
        let request = self
            .http
            .post(&self.url)
            .header("Origin", BOARD_ORIGIN)
            .header("Content-Type", "text/plain;charset=UTF-8")
            .body(format!("{}:{packet}", packet.len()));
        assert!(request.send().await.unwrap().status().is_success());
    }

    /// Packets of one poll; empty where the transport is closed.
    pub async fn poll(&self) -> Vec<String> {
        let request = self.http.get(&self.url).header("Origin", BOARD_ORIGIN);
        let answer = in_time("a poll's answer", request.send()).await.unwrap();
        if !answer.status().is_success() {
            return Vec::new();
        }
        let packets = unframed(&answer.text().await.unwrap());
        assert!(!packets.iter().any(|it| it.starts_with(DISCONNECT)));
        packets
    }

    /// Polls until it is subscribed and this number has come; returns all that came.
    pub async fn numbers_until(&self, last: u64) -> Vec<u64> {
        let mut numbers = self.poll_until("42[\"subscribed\"").await;
        while numbers.last() != Some(&last) {
            numbers.extend(self.poll_until("42[\"broadcast\"").await);
        }
        numbers
    }

    /// Polls until a packet begins so; returns the numbers that came with it.
    pub async fn poll_until(&self, beginning: &str) -> Vec<u64> {
        loop {
            let packets = self.poll().await;
            assert!(!packets.is_empty(), "the transport was closed");
            if packets.iter().any(|packet| packet.starts_with(beginning)) {
                return packets.iter().filter_map(|packet| number(packet)).collect();
            }
        }
    }
}

/// Packets of a text of generation 3: each after the number of its characters and a colon.
fn unframed(mut text: &str) -> Vec<String> {
    let mut packets = Vec::new();
    while let Some((length, rest)) = text.split_once(':') {
        let length: usize = length.parse().unwrap();
        let end = rest
            .char_indices()
            .nth(length)
            .map_or(rest.len(), |it| it.0);
        packets.push(rest[..end].to_owned());
        text = &rest[end..];
    }
    packets
}
