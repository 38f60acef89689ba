//! Programs on the daemon's socket.

use std::path::PathBuf;
use std::time::Duration;

use futures_util::future::try_join_all;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio::time::timeout;
use tonic::Streaming;
use tonic::transport::{Channel as Connection, Endpoint};
use tower::service_fn;

use super::daemon::Home;
use expd_proto::daemon_client::DaemonClient;
use expd_proto::listen_event::Event;
use expd_proto::network_client::NetworkClient;
use expd_proto::subscription::State;
use expd_proto::{
    BroadcastRequest, Channel, GetStatusRequest, ListenEvent, ListenRequest, Payload, payload,
};

/// Timeout of every wait; a channel's log expires within 60 s.
const DEADLINE: Duration = Duration::from_secs(90);

/// Number of bytes that each of the streams receives before it is read.
const WINDOW: u32 = 256 << 10;

/// Programs that listen. They disconnect on drop.
pub struct Apps {
    socket: PathBuf,
    streams: Vec<Streaming<ListenEvent>>,
}

impl Apps {
    pub fn of(home: &Home) -> Self {
        Self {
            socket: home.socket(),
            streams: Vec::new(),
        }
    }

    async fn connect(&self) -> Connection {
        let socket = self.socket.clone();
        let connector = service_fn(move |_| {
            let socket = socket.clone();
            async move { UnixStream::connect(socket).await.map(TokioIo::new) }
        });
        Endpoint::from_static("http://localhost")
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOW * 16)
            .connect_with_connector(connector)
            .await
            .unwrap()
    }

    /// Opens streams on this many connections, and waits until all are confirmed.
    pub async fn listen(&mut self, streams: usize, connections: usize, channel: &str) {
        for connection in 0..connections {
            let client =
                NetworkClient::new(self.connect().await).max_decoding_message_size(1 << 20);
            let share = streams / connections + usize::from(connection < streams % connections);
            let opened = (0..share).map(|_| {
                let mut client = client.clone();
                let request = ListenRequest {
                    channel: Some(named(channel)),
                    ..Default::default()
                };
                async move {
                    let mut stream = client.listen(request).await?.into_inner();
                    while !confirmed(stream.message().await?) {}
                    Ok::<_, tonic::Status>(stream)
                }
            });
            let opened = timeout(DEADLINE, try_join_all(opened)).await.unwrap();
            self.streams.extend(opened.unwrap());
        }
    }

    pub async fn broadcast(&self, channel: &str, bytes: usize) {
        let mut client = NetworkClient::new(self.connect().await);
        let json = format!("\"{}\"", "x".repeat(bytes - 2));
        let request = BroadcastRequest {
            channel: Some(named(channel)),
            name: "footprint".to_owned(),
            payload: Some(Payload {
                form: Some(payload::Form::Json(json)),
            }),
            ..Default::default()
        };
        client.broadcast(request).await.unwrap();
    }

    /// Waits until every stream has received a broadcast.
    pub async fn all_have_one_more(&mut self) {
        let all = self.streams.iter_mut().map(|stream| async move {
            while !is_broadcast(stream.message().await?) {}
            Ok::<_, tonic::Status>(())
        });
        timeout(DEADLINE, try_join_all(all)).await.unwrap().unwrap();
    }

    /// Waits until the daemon has dropped all channels but one.
    pub async fn left_with_one_channel(&self) {
        let mut client = DaemonClient::new(self.connect().await);
        let left = async {
            loop {
                let status = client
                    .get_status(GetStatusRequest::default())
                    .await
                    .unwrap();
                if status.into_inner().instances[0].channels.len() <= 1 {
                    break;
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        timeout(DEADLINE, left).await.unwrap();
    }
}

fn named(name: &str) -> Channel {
    Channel {
        name: name.to_owned(),
        ..Default::default()
    }
}

fn confirmed(event: Option<ListenEvent>) -> bool {
    match event.expect("the stream goes on").event {
        Some(Event::Subscription(subscription)) => subscription.state() == State::Confirmed,
        _ => false,
    }
}

fn is_broadcast(event: Option<ListenEvent>) -> bool {
    match event.expect("the stream goes on").event {
        Some(Event::Broadcast(_)) => true,
        Some(Event::Gap(gap)) => panic!("a stream fell behind: {gap:?}"),
        _ => false,
    }
}
