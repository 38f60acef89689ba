use super::*;
use crate::engine::entry::Heartbeat;
use crate::engine::sessions::EngineSessions;
use crate::engine::timing::LEAVE_TIMEOUT;

/// A socket of long polling in the default namespace, and the channel for its client's requests.
struct Opened {
    socket: EngineSocket,
    requests: mpsc::Sender<Inbound>,
    _sessions: EngineSessions<()>,
}

impl Opened {
    async fn new(generation: Generation) -> Self {
        let sessions = EngineSessions::default();
        let terms = Arc::new(SocketTerms {
            heartbeat: Heartbeat {
                interval: Duration::from_secs(25),
                timeout: Duration::from_secs(20),
            },
            max_message: 1024,
            max_packets: 16,
            memory: None,
            refusal: None,
        });
        let mut socket = sessions.open((), generation, terms, &["websocket"]);
        socket.take_handshake();
        let requests = sessions.find(&socket.entry.sid).unwrap().inbound;
        let mut opened = Self {
            socket,
            requests,
            _sessions: sessions,
        };
        if generation == Generation::V4 {
            opened.post([ClientPacket::Connect]).await;
        }
        let event = opened.socket.next().await;
        assert!(matches!(event, SocketEvent::Connected), "{event:?}");
        opened
    }

    async fn post<const N: usize>(&mut self, packets: [ClientPacket; N]) {
        let body = Inbound::Packets(packets.into(), None);
        self.requests.send(body).await.ok().unwrap();
    }

    /// The next event, if it arrives before any timeout of the client.
    async fn event(&mut self) -> Option<SocketEvent> {
        timeout(LEAVE_TIMEOUT / 2, self.socket.next()).await.ok()
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_the_namespace_is_gone_unless_it_opens_it_again() {
    for generation in [Generation::V3, Generation::V4] {
        let mut left = Opened::new(generation).await;
        left.post([ClientPacket::Disconnect]).await;
        let start = Instant::now();
        let event = left.socket.next().await;
        assert!(
            matches!(event, SocketEvent::Closed(Closed::Left)),
            "{event:?}"
        );
        assert_eq!(start.elapsed(), LEAVE_TIMEOUT);

        let mut back = Opened::new(generation).await;
        back.post([ClientPacket::Disconnect]).await;
        assert!(back.event().await.is_none());
        back.post([ClientPacket::Connect]).await;
        let event = back.event().await;
        assert!(matches!(event, Some(SocketEvent::Reopened)), "{event:?}");
        let start = Instant::now();
        let event = back.socket.next().await;
        assert!(
            matches!(event, SocketEvent::Closed(Closed::Silent)),
            "{event:?}"
        );
        assert!(start.elapsed() > LEAVE_TIMEOUT);
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_has_left_the_namespace_takes_nothing_and_confirms_nothing() {
    let mut opened = Opened::new(Generation::V4).await;
    // The first poll gets the answer to the client's connect.
    let (poll, answer) = tokio::sync::oneshot::channel();
    opened
        .requests
        .send(Inbound::Poll(poll))
        .await
        .ok()
        .unwrap();
    opened.event().await;
    answer.await.unwrap();
    let (poll, answer) = tokio::sync::oneshot::channel();
    opened
        .requests
        .send(Inbound::Poll(poll))
        .await
        .ok()
        .unwrap();
    opened.event().await;
    assert!(opened.socket.is_writable());
    opened
        .socket
        .send(vec![Packet::from("42[\"a\"]").into()])
        .unwrap();
    answer.await.unwrap();
    opened.post([ClientPacket::Disconnect]).await;
    let (poll, _answer) = tokio::sync::oneshot::channel();
    opened
        .requests
        .send(Inbound::Poll(poll))
        .await
        .ok()
        .unwrap();
    while let Some(event) = opened.event().await {
        assert!(!matches!(event, SocketEvent::Received(_)), "{event:?}");
        assert!(!opened.socket.is_writable());
    }
}
