//! The Socket.IO server that the embedded network stands on (socketioxide), which speaks both
//! generations at once.

use std::net::Ipv4Addr;

use serde_json::{Value, json};
use socketioxide::SocketIo;
use socketioxide::extract::{Data, SocketRef};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use expd_test_support::DEADLINE;

use crate::node::PING_INTERVAL;

/// Serves until it is dropped.
pub struct Oxide {
    pub io: SocketIo,
    port: u16,
    _task: JoinSet<()>,
}

impl Oxide {
    pub async fn start() -> Self {
        let (layer, io) = SocketIo::builder()
            .ping_interval(PING_INTERVAL)
            .ping_timeout(DEADLINE)
            .max_payload(20_000_000)
            .build_layer();
        io.ns("/", async |socket: SocketRef| {
            socket.on(
                "subscribe",
                async |socket: SocketRef, Data::<Value>(channels)| {
                    socket.emit("subscribed", &channels).unwrap();
                },
            );
        });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut task = JoinSet::new();
        task.spawn(async move {
            axum::serve(listener, axum::Router::new().layer(layer))
                .await
                .unwrap();
        });
        Self {
            io,
            port,
            _task: task,
        }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub async fn broadcast(&self, payload: &Value) {
        let broadcast = json!({"id": "1", "name": "n", "channel": "é🍽", "payload": payload});
        self.io.emit("broadcast", &broadcast).await.unwrap();
    }
}
