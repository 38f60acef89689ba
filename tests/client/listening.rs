//! Listeners: where they go on, and when they end.

use std::time::Duration;

use expd_client::{
    ClientError, Code, Event, Exp, GapReason, Listen, ListenUpdate, Position, Received,
    ResumingListener, SubscriptionState,
};
use expd_domain::Channel;
use expd_proto as proto;
use expd_test_support::in_time;
use futures_util::{FutureExt as _, StreamExt as _};
use tonic::Status;

use crate::scripted::*;

async fn next(listener: &mut ResumingListener) -> Result<ListenUpdate, ClientError> {
    in_time("anything is heard", listener.next()).await
}

async fn next_event(listener: &mut ResumingListener) -> Event {
    match next(listener).await {
        Ok(ListenUpdate::Event(event)) => event.event,
        other => panic!("no event but {other:?}"),
    }
}

async fn heard_broadcast(listener: &mut ResumingListener, id: &str) {
    match next_event(listener).await {
        Event::Broadcast(broadcast) => assert_eq!(broadcast.id.as_str(), id),
        other => panic!("no broadcast but {other:?}"),
    }
}

async fn heard_subscription(listener: &mut ResumingListener) {
    match next_event(listener).await {
        Event::Subscription(subscription) => {
            assert_eq!(subscription.state, SubscriptionState::Confirmed);
        }
        other => panic!("no subscription but {other:?}"),
    }
}

#[tokio::test]
async fn a_listener_goes_on_where_it_was_when_the_daemon_says_it_stops() {
    let daemon = Daemon::start();
    let (first, second) = (daemon.scripted.stream(), daemon.scripted.stream());
    let listen = Listen::to(Channel::new("menu"));
    let mut listener = ResumingListener::new(daemon.client().await, listen);
    first.send(Ok(subscription("log", 4))).await.unwrap();
    first.send(Ok(broadcast("a", 5))).await.unwrap();
    first
        .send(Err(Status::unavailable("the daemon stops")))
        .await
        .unwrap();
    heard_subscription(&mut listener).await;
    heard_broadcast(&mut listener, "a").await;
    assert!(matches!(
        next(&mut listener).await,
        Ok(ListenUpdate::Disconnected { error: ClientError::Refused(_), pause }) if pause <= Duration::from_millis(100)
    ));
    assert!(matches!(
        next(&mut listener).await,
        Ok(ListenUpdate::Reconnected)
    ));
    second.send(Ok(subscription("log", 5))).await.unwrap();
    second.send(Ok(broadcast("b", 6))).await.unwrap();
    heard_subscription(&mut listener).await;
    heard_broadcast(&mut listener, "b").await;
    assert_eq!(
        daemon.scripted.resumes(),
        [None, Some(("log".to_owned(), 5))]
    );
}

#[tokio::test]
async fn a_listener_comes_back_to_a_daemon_that_was_killed_and_started_again() {
    let mut daemon = Daemon::start();
    let (first, second) = (daemon.scripted.stream(), daemon.scripted.stream());
    let listen = Listen::to(Channel::new("menu"));
    let mut listener = ResumingListener::new(daemon.client().await, listen);
    first.send(Ok(subscription("log", 0))).await.unwrap();
    heard_subscription(&mut listener).await;
    daemon.kill();
    assert!(matches!(
        next(&mut listener).await,
        Ok(ListenUpdate::Disconnected {
            error: ClientError::ConnectionLost { .. },
            ..
        })
    ));
    // Without a socket it stays silent and keeps trying.
    let early = listener.next().now_or_never();
    assert!(early.is_none(), "{early:?}");
    daemon.start_again();
    assert!(matches!(
        next(&mut listener).await,
        Ok(ListenUpdate::Reconnected)
    ));
    second.send(Ok(subscription("other", 0))).await.unwrap();
    second.send(Ok(restarted(0))).await.unwrap();
    second.send(Ok(broadcast("b", 1))).await.unwrap();
    heard_subscription(&mut listener).await;
    match next_event(&mut listener).await {
        Event::Gap(gap) => assert_eq!(gap.reason, GapReason::Restarted),
        other => panic!("no gap but {other:?}"),
    }
    heard_broadcast(&mut listener, "b").await;
    let position = listener.position().unwrap();
    assert_eq!((position.log_id.as_str(), position.after), ("other", 1));
}

#[tokio::test]
async fn a_gap_that_did_not_arrive_is_asked_for_again() {
    let daemon = Daemon::start();
    let (first, second) = (daemon.scripted.stream(), daemon.scripted.stream());
    let mut listen = Listen::to(Channel::new("menu"));
    listen.resume = Some(Position {
        log_id: "old".to_owned(),
        after: 9,
    });
    let mut listener = ResumingListener::new(daemon.client().await, listen);
    first.send(Ok(subscription("new", 0))).await.unwrap();
    drop(first); // before the gap
    heard_subscription(&mut listener).await;
    assert!(matches!(
        next(&mut listener).await,
        Ok(ListenUpdate::Disconnected { .. })
    ));
    assert!(matches!(
        next(&mut listener).await,
        Ok(ListenUpdate::Reconnected)
    ));
    second.send(Ok(subscription("new", 0))).await.unwrap();
    heard_subscription(&mut listener).await;
    let old = Some(("old".to_owned(), 9));
    assert_eq!(daemon.scripted.resumes(), [old.clone(), old]);
}

#[tokio::test]
async fn a_listener_ends_when_coming_back_would_not_help() {
    let daemon = Daemon::start();
    let first = daemon.scripted.stream();
    let client = daemon.client().await;
    let mut listener = ResumingListener::new(client.clone(), Listen::to(Channel::new("menu")));
    first
        .send(Err(Status::cancelled("the listener was cancelled")))
        .await
        .unwrap();
    match next(&mut listener).await {
        Err(ClientError::Refused(refusal)) => assert_eq!(refusal.code, Code::Cancelled),
        other => panic!("{other:?}"),
    }
    let mut refused = ResumingListener::new(client, Listen::to(Channel::new("menu")));
    match next(&mut refused).await {
        Err(ClientError::Refused(refusal)) => assert_eq!(refusal.code, Code::NotFound),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_pull_form_gives_the_same_events() {
    let daemon = Daemon::start();
    let client = daemon.client().await;
    let listen = Listen::to(Channel::new("menu"));
    assert_eq!(client.open(&listen).await.unwrap(), "opened");
    assert!(
        client
            .next("opened", Duration::ZERO)
            .await
            .unwrap()
            .is_none()
    );
    let event = client.next("opened", Duration::from_secs(1)).await.unwrap();
    assert!(matches!(event.unwrap().event, Event::Subscription(_)));
    client.cancel("opened").await.unwrap();
    assert_eq!(client.clear_context("tag").await.unwrap(), 4);
}

#[tokio::test]
async fn dropping_a_stream_ends_the_listener() {
    let daemon = Daemon::start();
    let events = daemon.scripted.stream();
    let client = daemon.client().await;
    let listen = Listen::to(Channel::new("menu"));
    let mut stream = client.listen(&listen).await.unwrap();
    events.send(Ok(subscription("log", 0))).await.unwrap();
    assert!(stream.next().await.unwrap().is_ok());
    drop(stream);
    in_time("the daemon lets go of the stream", events.closed()).await;
}

#[tokio::test]
async fn what_a_newer_daemon_adds_does_not_end_a_listener_and_its_gaps_are_told() {
    let daemon = Daemon::start();
    let stream = daemon.scripted.stream();
    let exp = Exp::options().socket(&daemon.socket).start().await.unwrap();
    let menu = exp.channel("menu");
    for event in [
        subscription("log", 1),
        // An event of another kind, and a gap for another reason.
        proto::ListenEvent {
            sequence: 2,
            event: None,
        },
        event(
            3,
            proto::listen_event::Event::Gap(proto::Gap {
                reason: 99,
                missed: 7,
                ..proto::Gap::default()
            }),
        ),
        broadcast("b", 4),
    ] {
        stream.send(Ok(event)).await.unwrap();
    }
    let mut listener = menu.listen_all().await.unwrap();
    let gap = in_time("a gap", listener.next()).await.unwrap();
    let Some(Received::Gap(gap)) = gap else {
        panic!("no gap but {gap:?}");
    };
    assert_eq!((gap.reason, gap.missed), (GapReason::Unknown, Some(7)));
    let broadcast = in_time("a broadcast", listener.next()).await.unwrap();
    assert!(matches!(broadcast, Some(Received::Broadcast(b)) if b.id.as_str() == "b"));
    assert_eq!(listener.position().unwrap().after, 4);
}
