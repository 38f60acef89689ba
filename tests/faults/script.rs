//! A network that keeps its promises badly, on a script: it logs anybody in, and confirms, forgets
//! and delivers as it is told.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::routing::post;
use expd_domain::{Channel, ChannelId};
use expd_server::engine::Heartbeat;
use expd_test_support::socket_server::{ClientEvent, ServerSocket, SocketServer};
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

/// As real servers have it.
const HEARTBEAT: Heartbeat = Heartbeat {
    interval: Duration::from_secs(25),
    timeout: Duration::from_secs(20),
};

/// The device that it takes everybody for.
pub const DEVICE: &str = "device";

#[derive(Default)]
struct State {
    /// Channels that are not confirmed, each from this connection on.
    ignored: HashMap<String, usize>,
    /// Nothing is confirmed or delivered; pings are answered.
    deaf: bool,
    /// Maximum number of channels of a socket, and whether the client is told of those beyond it.
    limit: Option<(usize, bool)>,
    /// Every socket is disconnected once it was confirmed something.
    drops: bool,
    /// Delay of each confirmation.
    delay: Duration,
    /// Every ask, by channel.
    asks: HashMap<String, Vec<Ask>>,
    /// The open sockets.
    clients: HashMap<u64, Client>,
    connects: usize,
    sent: u64,
}

/// An open socket.
struct Client {
    socket: ServerSocket,
    /// Number of its connection, from 1.
    connection: usize,
    /// Its subscribed channels.
    channels: HashSet<String>,
}

/// One request for a channel.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    pub at: Instant,
    /// Number of the connection that it came on, from 1.
    pub connection: usize,
}

pub struct Scripted {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
    _server: SocketServer,
}

impl Scripted {
    /// A network whose tokens live for `ttl`.
    pub async fn start(ttl: Duration) -> Self {
        let state: Arc<Mutex<State>> = Arc::default();
        let authenticate = move || async move {
            let ends = SystemTime::now() + ttl;
            let expiration = ends.duration_since(UNIX_EPOCH).unwrap().as_millis();
            Json(json!({
                "token": "token",
                "expiration": u64::try_from(expiration).unwrap(),
                "identity": {"uuid": DEVICE, "type": "device", "organization": "o"},
                "network": {},
            }))
        };
        let router = axum::Router::new()
            .route("/api/auth/login", post(authenticate))
            .route("/api/auth/token", post(authenticate));
        let shared = state.clone();
        let confirmations = TaskTracker::new();
        let server = SocketServer::start(HEARTBEAT, router, move |socket, event| match event {
            ClientEvent::Connected => {
                let mut state = shared.lock().unwrap();
                state.connects += 1;
                let client = Client {
                    socket: socket.clone(),
                    connection: state.connects,
                    channels: HashSet::new(),
                };
                state.clients.insert(socket.id, client);
            }
            ClientEvent::Event(name, ids) if name == "subscribe" => {
                let ids: Vec<ChannelId> = serde_json::from_value(ids).unwrap();
                let (asked, socket) = (shared.clone(), socket.clone());
                confirmations.spawn(async move { subscribe(&asked, &socket, ids).await });
            }
            ClientEvent::Event(..) => {}
            ClientEvent::Left => {
                shared.lock().unwrap().clients.remove(&socket.id);
            }
        });
        let server = server.await;
        Self {
            address: server.address,
            state,
            _server: server,
        }
    }

    pub fn ignore(&self, channel: &str, ignored: bool) {
        let mut state = self.state.lock().unwrap();
        if ignored {
            state.ignored.insert(channel.to_owned(), 0);
        } else {
            state.ignored.remove(channel);
        }
    }

    /// Confirms a channel no more from this connection on; the first has number 1.
    pub fn ignore_from(&self, connection: usize, channel: &str) {
        let mut state = self.state.lock().unwrap();
        state.ignored.insert(channel.to_owned(), connection);
    }

    pub fn deafen(&self, deaf: bool) {
        self.state.lock().unwrap().deaf = deaf;
    }

    /// Lets a socket have so many channels; what is beyond is refused, with or without a word.
    pub fn limit(&self, most: usize, said: bool) {
        self.state.lock().unwrap().limit = Some((most, said));
    }

    pub fn drop_subscribers(&self, drops: bool) {
        self.state.lock().unwrap().drops = drops;
    }

    /// Returns the number of open sockets.
    pub fn open(&self) -> usize {
        self.state.lock().unwrap().clients.len()
    }

    /// The channels of the socket that has the fewest.
    pub fn fewest(&self) -> usize {
        let state = self.state.lock().unwrap();
        let counts = state.clients.values().map(|client| client.channels.len());
        counts.min().unwrap_or_default()
    }

    pub fn delay(&self, delay: Duration) {
        self.state.lock().unwrap().delay = delay;
    }

    /// Forgets who listens on a channel.
    pub fn forget(&self, channel: &str) {
        for client in self.state.lock().unwrap().clients.values_mut() {
            client.channels.remove(channel);
        }
    }

    /// Requests for a channel so far.
    pub fn asks(&self, channel: &str) -> Vec<Ask> {
        let state = self.state.lock().unwrap();
        state.asks.get(channel).cloned().unwrap_or_default()
    }

    pub fn connects(&self) -> usize {
        self.state.lock().unwrap().connects
    }

    /// Broadcasts the next number on a channel, to those who hear it.
    pub fn broadcast(&self, channel: &str) -> u64 {
        let mut state = self.state.lock().unwrap();
        state.sent += 1;
        let number = state.sent;
        if state.deaf {
            return number;
        }
        let id = ChannelId::encode("o", &Channel::new(channel), expd_domain::Alphabet::UrlSafe);
        let event =
            json!({"id": number.to_string(), "name": "n", "channel": id, "payload": number});
        for client in state.clients.values() {
            if client.channels.contains(channel) {
                client.socket.emit("broadcast", &event);
            }
        }
        number
    }
}

async fn subscribe(shared: &Arc<Mutex<State>>, socket: &ServerSocket, ids: Vec<ChannelId>) {
    let (confirmed, refused, delay, drops) = {
        let mut state = shared.lock().unwrap();
        let mut confirmed: Vec<Value> = Vec::new();
        let mut refused: Vec<Value> = Vec::new();
        let limit = state.limit;
        // None where it has left meanwhile.
        let connection = state.clients.get(&socket.id).map(|it| it.connection);
        let connection = connection.unwrap_or_default();
        for id in ids {
            let (_, channel) = id.decode().unwrap();
            let asks = state.asks.entry(channel.name.clone()).or_default();
            asks.push(Ask {
                at: Instant::now(),
                connection,
            });
            let from = state.ignored.get(&channel.name);
            if state.deaf || from.is_some_and(|from| connection >= *from) {
                continue;
            }
            if let Some(Client { channels, .. }) = state.clients.get_mut(&socket.id) {
                if let Some((most, said)) = limit
                    && channels.len() >= most
                    && !channels.contains(&channel.name)
                {
                    if said {
                        let (code, message) = ("network.channel.tooMany", "a socket has so many");
                        refused.push(json!({"channel": id, "code": code, "message": message}));
                    }
                    continue;
                }
                channels.insert(channel.name);
            }
            confirmed.push(json!(id));
        }
        (confirmed, refused, state.delay, state.drops)
    };
    if delay > Duration::ZERO {
        tokio::time::sleep(delay).await;
    }
    if !refused.is_empty() {
        socket.emit("subscribe_error", &json!(refused));
    }
    if !confirmed.is_empty() {
        socket.emit("subscribed", &json!(confirmed));
        if drops {
            socket.disconnect();
        }
    }
}
