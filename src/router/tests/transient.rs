//! Tests of transient instances.

use super::*;
use crate::router::instances::TRANSIENT_LOG_BYTES;

impl RouterFixture {
    async fn add_transient(&self) -> AddedInstance {
        let added = self.router.add_instance("run", InstanceKind::Transient);
        added.await.unwrap()
    }
}

#[tokio::test]
async fn a_transient_instance_ends_with_its_listeners_and_leaves_nothing() {
    let fixture = fixture(Limits::default());
    let mut here = fixture.listen(spec(None)).await;
    let added = fixture.add_transient().await;
    let id = added.id;
    let mut there = fixture.router.open(id, spec(None)).await.unwrap();
    assert_eq!(added.wanted.borrow().len(), 1);
    fixture.broadcast_on(id, "menu", &["a"]).await;
    assert_eq!(heard(&mut there), ["Pending", "a@1"]);
    assert_eq!(fixture.router.totals().await.unwrap()[&id].deliveries, 1);
    fixture
        .router
        .remove_instance(id, Ended::Instance)
        .await
        .unwrap();
    assert_eq!(heard(&mut there), ["Instance"]);
    assert_eq!(heard(&mut here), ["Pending"]);
    let again = fixture.router.open(id, spec(None)).await;
    assert_eq!(again.unwrap_err(), RouterError::InstanceEnded);
    // A late report reaches nobody, and no later instance either.
    fixture.broadcast_on(id, "menu", &["b"]).await;
    assert!(!fixture.router.totals().await.unwrap().contains_key(&id));
    let next = fixture.add_transient().await;
    assert_ne!(next.id, id);
    assert!(next.wanted.borrow().is_empty());
}

#[tokio::test]
async fn the_logs_of_a_transient_instance_have_a_bound_of_their_own() {
    let fixture = fixture(Limits {
        total_log_bytes: 4000,
        ..Limits::default()
    });
    let mut here = fixture.listen(spec(None)).await;
    fixture.broadcast(&["a"; 10]).await;
    let added = fixture.add_transient().await;
    let mut there = Vec::new();
    let large = "x".repeat(TRANSIENT_LOG_BYTES / 3);
    let payload = Payload::parse(format!("\"{large}\"")).unwrap();
    for name in ["one", "two", "three", "four"] {
        let spec = ListenSpec {
            channel: Channel::new(name),
            ..spec(None)
        };
        there.push(fixture.router.open(added.id, spec).await.unwrap());
        // The newest event of each channel.
        let incoming = Incoming {
            channel: Arc::new(Channel::new(name)),
            broadcast: Broadcast {
                id: BroadcastId::new("id"),
                name: "e".to_owned(),
                channel: ChannelId::from_wire("c"),
                payload: payload.clone(),
            },
            received: Moment::now(),
            received_at: SystemTime::now(),
        };
        let report = Report::Broadcasts(vec![incoming]);
        fixture.router.report(added.id, report).await;
    }
    let slice = Slice {
        instance: added.id,
        after: 0,
        most: 10,
    };
    let channels = fixture.router.channels(slice).await.unwrap();
    let total: usize = channels.iter().map(|channel| channel.log_bytes).sum();
    assert!(total <= TRANSIENT_LOG_BYTES, "{total}");
    // It was never read, and the listener is told so.
    assert_eq!(heard(&mut there[0]), ["Pending", "Overflow 1"]);
    assert_eq!(heard(&mut here).len(), 11);
}

#[tokio::test(start_paused = true)]
async fn a_transient_instance_whose_owner_is_gone_is_removed() {
    let fixture = fixture(Limits::default());
    let added = fixture.add_transient().await;
    let id = added.id;
    let mut listener = fixture.router.open(id, spec(None)).await.unwrap();
    assert_eq!(heard(&mut listener), ["Pending"]);
    drop(added);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(heard(&mut listener), ["Instance"]);
    assert!(!fixture.router.totals().await.unwrap().contains_key(&id));
}
