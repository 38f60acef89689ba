//! The subscribers, in a separate process: gRPC streams of a local socket, or sockets of the
//! network itself (`direct.rs`).

use std::num::NonZeroUsize;
use std::path::Path;

use expd_bench::account;
use expd_bench::load::Load;
use expd_bench::stream::{self, connect};
use expd_proto as proto;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::direct;
use super::run::StreamSource;

/// Maximum number of connections that streams are spread over, unless `CONNECTIONS` sets another: a
/// host has dozens of apps, not thousands.
const CONNECTIONS: usize = 100;

fn connections() -> usize {
    let said = std::env::var("CONNECTIONS");
    said.map_or(CONNECTIONS, |said| {
        let said: NonZeroUsize = said.parse().expect("CONNECTIONS is a number above 0");
        said.get()
    })
}

/// Listens until the run ends, and reports what arrived.
pub async fn run(folder: &Path, load: Load, source: StreamSource, credit_socket: &str) {
    account::listen(folder, load, credit_socket, async |mut accounts| {
        let mut streams = JoinSet::new();
        let connections = load.streams.min(connections());
        for connection in 0..connections {
            let share =
                load.streams / connections + usize::from(connection < load.streams % connections);
            let accounts = accounts.drain(..share);
            match source {
                StreamSource::Daemon => {
                    let channel = connect(folder.join("socket")).await;
                    for account in accounts {
                        streams.spawn(stream::listen(channel.clone(), account));
                    }
                }
                StreamSource::Network(port) => {
                    for account in accounts {
                        streams.spawn(direct::own(port, account));
                    }
                }
                #[cfg(feature = "rust-socketio")]
                StreamSource::NetworkByLibrary(port) => {
                    for account in accounts {
                        streams.spawn(direct::library(port, account));
                    }
                }
            }
        }
        streams
    })
    .await;
}

/// Listens on this many channels, including that of all loads, and reports whenever all are
/// confirmed and whenever none is.
pub async fn listeners(folder: &Path, count: usize) {
    let (told, mut tellings) = mpsc::channel(count * 4);
    let mut streams = JoinSet::new();
    let connections = connections();
    for connection in 0..count.min(connections) {
        let channel = connect(folder.join("socket")).await;
        for number in (connection..count).step_by(connections) {
            let name = match number {
                0 => "menu".to_owned(),
                _ => format!("channel {number}"),
            };
            streams.spawn(states(channel.clone(), name, told.clone()));
        }
    }
    let mut confirmed = 0;
    while let Some(is_confirmed) = tellings.recv().await {
        if is_confirmed {
            confirmed += 1;
        } else {
            confirmed -= 1;
        }
        if confirmed == count {
            println!("confirmed");
        } else if confirmed == 0 {
            println!("pending");
        }
    }
}

/// Reports each change of a channel's subscription.
async fn states(channel: tonic::transport::Channel, name: String, told: mpsc::Sender<bool>) {
    let request = proto::ListenRequest {
        channel: Some(proto::Channel {
            name,
            ..proto::Channel::default()
        }),
        ..proto::ListenRequest::default()
    };
    let mut client = proto::network_client::NetworkClient::new(channel);
    let mut events = client.listen(request).await.unwrap().into_inner();
    let mut was = false;
    while let Some(event) = events.message().await.unwrap() {
        if let Some(proto::listen_event::Event::Subscription(subscription)) = event.event {
            let is = subscription.state() == proto::subscription::State::Confirmed;
            if is != was {
                told.send(is).await.unwrap();
            }
            was = is;
        }
    }
}
