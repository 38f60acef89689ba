//! A program on the contract's generated client and tonic only.

use std::path::{Path, PathBuf};

use expd_proto as proto;
use expd_proto::listen_event::Event;
use expd_proto::network_client::NetworkClient;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tonic::Streaming;
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

use crate::program::{Meter, Order, nanoseconds};

pub struct Bare {
    network: NetworkClient<Channel>,
}

pub struct BareListener {
    events: Streaming<proto::ListenEvent>,
}

impl Bare {
    pub async fn connect(socket: &Path) -> Self {
        let path = PathBuf::from(socket);
        let connector = service_fn(move |_| {
            let path = path.clone();
            async move { UnixStream::connect(path).await.map(TokioIo::new) }
        });
        // Used as the authority: HTTP/2 servers refuse a socket's path there.
        let channel = Endpoint::from_static("http://localhost");
        let channel = channel.connect_with_connector(connector).await.unwrap();
        Self {
            network: NetworkClient::new(channel),
        }
    }

    /// Broadcasts an order, and returns the number of responses.
    pub async fn send(&mut self, channel: &str, order: &Order) -> Result<usize, tonic::Status> {
        let request = proto::BroadcastRequest {
            channel: Some(named(channel)),
            name: "cost".to_owned(),
            payload: Some(proto::Payload {
                form: Some(proto::payload::Form::Json(
                    serde_json::to_string(order).unwrap(),
                )),
            }),
            timeout: Some(prost_types::Duration::default()),
            ..proto::BroadcastRequest::default()
        };
        let answer = self.network.broadcast(request).await?;
        Ok(answer.into_inner().responses.len())
    }

    pub async fn call(mut self, channel: &str, meter: &mut Meter) {
        loop {
            let at = nanoseconds();
            self.send(channel, &Order::now()).await.unwrap();
            if !meter.take(at) {
                return;
            }
        }
    }

    /// Listens, and waits until the channel is confirmed.
    pub async fn listen(mut self, channel: &str) -> BareListener {
        let request = proto::ListenRequest {
            channel: Some(named(channel)),
            name: "cost".to_owned(),
            ..proto::ListenRequest::default()
        };
        let mut events = self.network.listen(request).await.unwrap().into_inner();
        loop {
            if let Some(Event::Subscription(subscription)) = next(&mut events).await
                && subscription.state() == proto::subscription::State::Confirmed
            {
                return BareListener { events };
            }
        }
    }
}

impl BareListener {
    pub async fn receive(mut self, meter: &mut Meter) {
        loop {
            let Some(Event::Broadcast(broadcast)) = next(&mut self.events).await else {
                panic!("a gap");
            };
            let Some(proto::payload::Form::Json(text)) = broadcast.payload.unwrap().form else {
                panic!("not JSON");
            };
            let order: Order = serde_json::from_str(&text).unwrap();
            if !meter.take(order.at) {
                return;
            }
        }
    }
}

async fn next(events: &mut Streaming<proto::ListenEvent>) -> Option<Event> {
    events.message().await.unwrap().unwrap().event
}

fn named(channel: &str) -> proto::Channel {
    proto::Channel {
        name: channel.to_owned(),
        ..proto::Channel::default()
    }
}
