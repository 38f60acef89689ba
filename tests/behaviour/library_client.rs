//! A client of a library on the embedded network: the `rust_socketio` crate.

use std::time::Duration;

use expd_domain::{Alphabet, Channel, ChannelId};
use expd_test_support::network::Network;
use expd_test_support::{eventually, in_time};
use futures_util::FutureExt as _;
use rust_socketio::asynchronous::ClientBuilder;
use rust_socketio::{Event, Payload, TransportType};
use serde_json::{Value, json};
use tokio::sync::mpsc;

type Heard = mpsc::Receiver<(Event, Value)>;

/// Opens a real Socket.IO client and hands over its events as they come, once it is connected.
async fn real_client(
    network: &Network,
    token: &str,
    transport: TransportType,
) -> (rust_socketio::asynchronous::Client, Heard) {
    let (events, mut heard) = mpsc::channel(100);
    let hand_over = move |event: Event, payload: Payload| {
        let events = events.clone();
        async move {
            let value = match payload {
                Payload::Text(values) => Value::from(values),
                _ => Value::Null,
            };
            events.send((event, value)).await.unwrap();
        }
        .boxed()
    };
    let connected = hand_over.clone();
    let client = ClientBuilder::new(format!("{}/?token={token}", network.url()))
        .transport_type(transport)
        .reconnect(false)
        .on(Event::Connect, move |payload, _| {
            connected(Event::Connect, payload)
        })
        .on_any(move |event, payload, _| hand_over(event, payload))
        .connect()
        .await
        .unwrap();
    expect(&mut heard, Event::Connect).await;
    (client, heard)
}

async fn expect(heard: &mut Heard, wanted: impl Into<Event>) -> Value {
    let wanted = wanted.into();
    let found = async {
        loop {
            let (event, value) = heard.recv().await.expect("the client ended");
            if event == wanted {
                return value;
            }
        }
    };
    in_time(&format!("{wanted:?}"), found).await
}

#[tokio::test]
async fn a_real_client_listens_over_each_transport() {
    let network = Network::start(Duration::from_secs(3600)).await;
    let sender = network.sender();
    let menu = Channel::new("menu");
    for transport in [
        TransportType::Polling,
        TransportType::Websocket,
        TransportType::WebsocketUpgrade,
    ] {
        let token = sender.token().await.unwrap();
        let (client, mut heard) = real_client(&network, &token, transport).await;
        let organization = &network.settings.organization;
        let id = ChannelId::encode(organization, &menu, Alphabet::UrlSafe);
        let ids = json!([id.as_str()]);
        client.emit("subscribe", ids.clone()).await.unwrap();
        assert_eq!(expect(&mut heard, "subscribed").await, json!([ids]));
        sender.send_json(&menu, "hi", r#"{"a":1}"#).await;
        let broadcast = expect(&mut heard, "broadcast").await;
        assert_eq!(broadcast[0]["payload"], json!({"a": 1}));
        assert_eq!(network.counters().await.connections, 1);
        client.disconnect().await.unwrap();
        eventually("the connection is gone", async || {
            let counters = network.counters().await;
            (counters.connections == 0)
                .then_some(())
                .ok_or(format!("{counters:?}"))
        })
        .await;
        assert_eq!(network.counters().await.subscriptions, 0);
    }
    assert_eq!(network.counters().await.connections_total, 3);
}
