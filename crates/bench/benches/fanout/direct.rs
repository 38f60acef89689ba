//! A socket of the network itself, as a program without the daemon would use it.

#[cfg(feature = "rust-socketio")]
use std::sync::{Arc, Mutex};
use std::time::Duration;

use expd::config::{ProtocolChoice, SocketLibrary, TransportChoice};
use expd_bench::account::Account;
use expd_bench::load;
use expd_domain::{Alphabet, Channel, ChannelId, Secret};
use expd_wire::PathRecord;
use expd_wire::socket::{Endpoint, SocketEvent, open};
#[cfg(feature = "rust-socketio")]
use futures_util::FutureExt as _;
#[cfg(feature = "rust-socketio")]
use rust_socketio::asynchronous::{Client, ClientBuilder};
#[cfg(feature = "rust-socketio")]
use rust_socketio::{Payload as Arguments, TransportType};
#[cfg(feature = "rust-socketio")]
use serde_json::Value;
#[cfg(feature = "rust-socketio")]
use tokio::sync::Notify;

/// On the daemon's own wire, the fastest there is.
pub async fn own(port: u16, mut account: Account) -> Account {
    let endpoint = Endpoint {
        path: PathRecord::default(),
        url: url(port),
        token: Secret::new("t"),
        proxy: None,
        ca_file: None,
        library: SocketLibrary::Own,
        timeout: Duration::from_secs(10),
        max_message: usize::MAX,
    };
    let mut socket = open(
        &endpoint,
        TransportChoice::Websocket,
        ProtocolChoice::V3,
        &mut None,
    )
    .await
    .unwrap();
    socket.subscribe(vec![menu()]).await.unwrap();
    let mut events = Vec::new();
    while !account.ended {
        socket.next_events(&mut events).await;
        for event in events.drain(..) {
            match event {
                SocketEvent::Subscribed(_) => account.confirmed(),
                SocketEvent::Broadcast(broadcast) => {
                    let text = broadcast.payload.as_str();
                    if text == load::last().as_str() {
                        account.end();
                    } else {
                        let look = account.wants_to_look();
                        account.take(look.then(|| load::made_at(text.as_bytes())).flatten());
                    }
                }
                SocketEvent::Refused { reason: what, .. }
                | SocketEvent::Unexpected(what)
                | SocketEvent::Closed(what) => {
                    eprintln!("a direct socket: {what}");
                    account.ended = true;
                }
            }
        }
    }
    account
}

#[cfg(feature = "rust-socketio")]
/// With the Socket.IO library of Rust, as in a program that needs one channel: a callback for each
/// broadcast.
pub async fn library(port: u16, account: Account) -> Account {
    let account = Arc::new(Mutex::new(Some(account)));
    let over = Arc::new(Notify::new());
    let (confirming, counting, ending) = (account.clone(), account.clone(), over.clone());
    let client = ClientBuilder::new(url(port))
        .transport_type(TransportType::Websocket)
        .reconnect(false)
        .on("subscribed", move |_, _: Client| {
            confirming.lock().unwrap().as_ref().unwrap().confirmed();
            async {}.boxed()
        })
        .on("broadcast", move |arguments, _: Client| {
            let Arguments::Text(arguments) = arguments else {
                panic!("{arguments:?}");
            };
            if let Some(account) = counting.lock().unwrap().as_mut() {
                if let Value::Object(payload) = &arguments[0]["payload"] {
                    account.take(payload["t"].as_u64());
                } else {
                    account.end();
                    ending.notify_one();
                }
            }
            async {}.boxed()
        })
        .connect()
        .await
        .unwrap();
    let ids = Arguments::Text(vec![Value::from(vec![menu().as_str()])]);
    client.emit("subscribe", ids).await.unwrap();
    over.notified().await;
    client.disconnect().await.ok();
    account.lock().unwrap().take().unwrap()
}

fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

fn menu() -> ChannelId {
    ChannelId::encode("demo", &Channel::new("menu"), Alphabet::UrlSafe)
}
