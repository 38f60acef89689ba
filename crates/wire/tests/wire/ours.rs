//! The Socket.IO server of the embedded network, which speaks both generations at once.

use axum::Router;
use expd_server::engine::Heartbeat;
use expd_test_support::DEADLINE;
use expd_test_support::socket_server::{ClientEvent, SocketServer};
use serde_json::{Value, json};

use crate::node::PING_INTERVAL;

/// Serves until it is dropped.
pub struct Ours {
    pub server: SocketServer,
}

impl Ours {
    pub async fn start() -> Self {
        let heartbeat = Heartbeat {
            interval: PING_INTERVAL,
            timeout: DEADLINE,
        };
        let server = SocketServer::start(heartbeat, Router::new(), |socket, event| {
            if let ClientEvent::Event(name, channels) = event
                && name == "subscribe"
            {
                socket.emit("subscribed", &channels);
            }
        });
        Self {
            server: server.await,
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.server.address)
    }

    pub fn broadcast(&self, payload: &Value) {
        let broadcast = json!({"id": "1", "name": "n", "channel": "é🍽", "payload": payload});
        for socket in self.server.sockets() {
            socket.emit("broadcast", &broadcast);
        }
    }
}
