//! A real client of the present generation: the `rust_socketio` crate.

use std::time::Duration;

use expd_domain::{Alphabet, Channel};
use futures_util::FutureExt as _;
use rust_socketio::asynchronous::ClientBuilder;
use rust_socketio::{Event, Payload, TransportType};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::world::*;

type Heard = mpsc::Receiver<(Event, Value)>;

/// Opens a real Socket.IO client and hands over its events as they come, once it is connected.
async fn real_client(
    world: &World,
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
    let client = ClientBuilder::new(format!("{}/?token={token}", world.url))
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
    tokio::time::timeout(Duration::from_secs(10), async {
        loop {
            let (event, value) = heard.recv().await.expect("the client ended");
            if event == wanted {
                return value;
            }
        }
    })
    .await
    .unwrap_or_else(|_| panic!("{wanted:?} did not come"))
}

#[tokio::test]
async fn a_real_client_listens_over_each_transport() {
    let world = World::start().await;
    let device = world.device().await;
    for transport in [
        TransportType::Polling,
        TransportType::Websocket,
        TransportType::WebsocketUpgrade,
    ] {
        let token = device.auth.token.expose();
        let (client, mut heard) = real_client(&world, token, transport).await;
        let ids = json!([channel_id(&Channel::new("menu"), Alphabet::UrlSafe)]);
        client.emit("subscribe", ids.clone()).await.unwrap();
        assert_eq!(expect(&mut heard, "subscribed").await, json!([ids]));
        device
            .broadcast(&json!({"name": "menu"}), "hi", r#"{"a":1}"#, 0)
            .await;
        let broadcast = expect(&mut heard, "broadcast").await;
        assert_eq!(broadcast[0]["payload"], json!({"a": 1}));
        assert_eq!(world.counters().await.connections, 1);
        client.disconnect().await.unwrap();
        world.counters_become(|c| c.connections == 0).await;
        assert_eq!(world.counters().await.subscriptions, 0);
    }
    assert_eq!(world.counters().await.connections_total, 3);
}
