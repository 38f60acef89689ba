//! The client's side of the tests: opening, and waiting for events.

use std::collections::VecDeque;
use std::time::Duration;

use expd_domain::{Broadcast, ChannelId, Secret};
use expd_wire::socket::{Detected, Endpoint, Socket, SocketError, SocketEvent, open};
use expd_wire::{ProtocolChoice, SocketLibrary, TransportChoice};
use futures_util::FutureExt as _;
use tokio::time::timeout;

use expd_test_support::DEADLINE;

pub fn endpoint(url: &str) -> Endpoint {
    Endpoint {
        path: expd_wire::PathRecord::default(),
        url: url.to_owned(),
        token: Secret::new("token & more"),
        proxy: None,
        ca_file: None,
        library: SocketLibrary::Own,
        timeout: Duration::from_secs(10),
        max_message: usize::MAX,
    }
}

/// An open socket with what arrived on it.
pub struct Client {
    socket: Box<dyn Socket>,
    events: VecDeque<SocketEvent>,
}

impl Client {
    pub async fn open(url: &str, transport: TransportChoice) -> Self {
        Self::open_at(&endpoint(url), transport, &mut None)
            .await
            .unwrap()
    }

    pub async fn open_at(
        endpoint: &Endpoint,
        transport: TransportChoice,
        memory: &mut Option<Detected>,
    ) -> Result<Self, SocketError> {
        Self::open_in(endpoint, transport, ProtocolChoice::Auto, memory).await
    }

    pub async fn open_in(
        endpoint: &Endpoint,
        transport: TransportChoice,
        protocol: ProtocolChoice,
        memory: &mut Option<Detected>,
    ) -> Result<Self, SocketError> {
        Ok(Self {
            socket: open(endpoint, transport, protocol, memory).await?,
            events: VecDeque::new(),
        })
    }

    pub fn generation(&self) -> u32 {
        self.socket.generation().number()
    }

    pub async fn subscribe(&mut self, channels: &[&str]) {
        let channels: Vec<_> = channels
            .iter()
            .map(|id| ChannelId::from_wire(*id))
            .collect();
        timeout(DEADLINE, self.socket.subscribe(channels.clone()))
            .await
            .expect("the request leaves")
            .unwrap();
        match self.event().await {
            SocketEvent::Subscribed(confirmed) => assert_eq!(confirmed, channels),
            other => panic!("no confirmation, but {other:?}"),
        }
    }

    /// Asks for subscriptions without waiting for the confirmation.
    pub async fn ask(&mut self, channels: &[String]) {
        let channels = channels.iter().map(ChannelId::from_wire).collect();
        timeout(DEADLINE, self.socket.subscribe(channels))
            .await
            .expect("the request leaves")
            .unwrap();
    }

    /// The channels of the next confirmation.
    pub async fn confirmed(&mut self) -> Vec<ChannelId> {
        match self.event().await {
            SocketEvent::Subscribed(confirmed) => confirmed,
            other => panic!("no confirmation, but {other:?}"),
        }
    }

    pub async fn event(&mut self) -> SocketEvent {
        timeout(DEADLINE, self.next())
            .await
            .expect("an event comes")
    }

    async fn next(&mut self) -> SocketEvent {
        loop {
            if let Some(event) = self.events.pop_front() {
                return event;
            }
            let mut events = Vec::new();
            self.socket.next_events(&mut events).await;
            assert!(!events.is_empty());
            self.events.extend(events);
        }
    }

    pub async fn broadcast(&mut self) -> Broadcast {
        match self.event().await {
            SocketEvent::Broadcast(broadcast) => broadcast,
            other => panic!("no broadcast, but {other:?}"),
        }
    }

    pub async fn unexpected(&mut self) -> String {
        match self.event().await {
            SocketEvent::Unexpected(what) => what,
            other => panic!("not unexpected, but {other:?}"),
        }
    }

    /// The reason of the `Closed` event, after which no event follows.
    pub async fn closed(&mut self) -> String {
        match self.event().await {
            SocketEvent::Closed(reason) => {
                for _ in 0..100 {
                    tokio::task::yield_now().await;
                    let more = self.next().now_or_never();
                    assert!(more.is_none(), "{more:?} after {reason}");
                }
                reason
            }
            other => panic!("not closed, but {other:?}"),
        }
    }

    pub async fn close(self) {
        timeout(DEADLINE, self.socket.close())
            .await
            .expect("closing ends");
    }
}
