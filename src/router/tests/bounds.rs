//! Tests of the bounds on logs, listeners and channels.

use super::*;

#[tokio::test]
async fn all_logs_together_keep_their_bound_the_oldest_going_first() {
    let fixture = fixture(Limits {
        total_log_bytes: 4000,
        ..Limits::default()
    });
    let mut old = fixture.listen(spec(None)).await;
    fixture.confirm().await;
    heard(&mut old);
    for _ in 0..40 {
        fixture.broadcast(&["a"]).await;
    }
    let channels = fixture
        .router
        .snapshot()
        .await
        .unwrap()
        .remove(&HOME)
        .unwrap()
        .channels;
    assert!(channels[0].log_bytes <= 4000, "{channels:?}");
    let words = heard(&mut old);
    assert!(
        words[0].starts_with("Overflow ") && words[1].starts_with("a@"),
        "{words:?}"
    );
}

#[tokio::test]
async fn one_bound_holds_over_the_logs_of_all_channels_and_instances() {
    const BOUND: usize = 4000;
    const EACH: usize = 10;
    let fixture = fixture(Limits {
        total_log_bytes: BOUND,
        ..Limits::default()
    });
    // Two logs fit into the bound, and three do not.
    let logs = [
        (HOME, "oldest"),
        (InstanceId(1), "middle"),
        (HOME, "newest"),
    ];
    let mut listeners = Vec::new();
    for (instance, channel) in logs {
        let spec = ListenSpec {
            channel: Channel::new(channel),
            ..spec(None)
        };
        listeners.push(fixture.router.open(instance, spec).await.unwrap());
        fixture.broadcast_on(instance, channel, &["a"; EACH]).await;
    }
    let snapshots = fixture.router.snapshot().await.unwrap();
    let channels: Vec<_> = snapshots.values().flat_map(|one| &one.channels).collect();
    let total: usize = channels.iter().map(|channel| channel.log_bytes).sum();
    assert!(total <= BOUND, "{total} bytes in {channels:?}");
    let events = |name: &str| {
        let channel = channels.iter().find(|one| one.channel.name == name);
        channel.unwrap().log_events
    };
    // The newest event of each log stays, however old it is.
    assert_eq!(events("oldest"), 1);
    assert!((1..EACH).contains(&events("middle")), "{channels:?}");
    assert_eq!(events("newest"), EACH);
    // Each listener learns the number of its own events that were evicted.
    assert_eq!(heard(&mut listeners[0]), ["Pending", "Overflow 9", "a@10"]);
    let evicted = EACH - events("middle");
    let middle = heard(&mut listeners[1]);
    assert_eq!(middle[1], format!("Overflow {evicted}"), "{middle:?}");
    assert_eq!(middle.len(), 2 + events("middle"));
    assert_eq!(heard(&mut listeners[2]).len(), 1 + EACH);
}

#[tokio::test]
async fn bounds_on_listeners_and_channels_are_kept_and_freed() {
    let fixture = fixture(Limits {
        max_listeners: 2,
        max_channels: 1,
        ..Limits::default()
    });
    // Root may use the whole limit.
    let spec = |name| ListenSpec {
        peer: Some(Program { pid: 1, uid: 0 }),
        page: None,
        ..spec(name)
    };
    let first = fixture.listen(spec(None)).await;
    let other_channel = ListenSpec {
        channel: Channel::new("other"),
        ..spec(None)
    };
    assert!(matches!(
        fixture.router.open(HOME, other_channel).await,
        Err(RouterError::TooManyChannels { most: 1, .. })
    ));
    let _second = fixture.listen(spec(None)).await;
    assert!(matches!(
        fixture.router.open(HOME, spec(None)).await,
        Err(RouterError::TooManyListeners { most: 2, .. })
    ));
    drop(first);
    fixture.listen(spec(None)).await;
}
