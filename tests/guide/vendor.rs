//! Channels, listeners and identities, as the vendor's tests have them.

use std::time::Duration;

use expd_client::{
    ClientError, Exp, GapReason, InstanceEvent, InstanceEvents, Listener, Payload, Received, json,
};
use expd_test_support::world::{World, device};
use expd_test_support::{eventually, in_time};
use tokio::task::JoinSet;

use crate::{WAIT, ada, at, heard, next_event, screen, start};

/// Answers the next broadcast.
fn responding(set: &mut JoinSet<()>, mut listener: Listener, answer: u64) {
    set.spawn(async move {
        while let Some(received) = listener.next().await.unwrap() {
            if let Received::Broadcast(hi) = received {
                hi.respond(json!(answer)).await.unwrap();
            }
        }
    });
}

/// Everything until the end.
async fn drained(mut events: InstanceEvents) -> Vec<InstanceEvent> {
    let mut all = Vec::new();
    while let Some(event) = in_time("the end", events.next()).await.unwrap() {
        all.push(event);
    }
    all
}

fn numbers(mut responses: Vec<Payload>) -> Vec<u64> {
    responses.sort_by(|a, b| a.as_str().cmp(b.as_str()));
    responses.iter().map(|it| it.decode().unwrap()).collect()
}

#[tokio::test]
async fn listening_right_after_starting_before_anything_is_connected_resolves() {
    let mut world = World::dark(&[("default", device())], |_| {}).await;
    world.daemon.start_again();
    let exp = start(&world).await;
    let menu = exp.channel("menu");
    let listen = async { menu.listen("hi").timeout(Duration::from_secs(30)).await };
    let (listener, ()) = tokio::join!(listen, world.network.start_again());
    let mut listener = listener.unwrap();
    menu.broadcast("hi", json!(1)).await.unwrap();
    assert_eq!(heard(&mut listener).await.payload.as_str(), "1");
}

#[tokio::test]
async fn listening_that_the_network_does_not_confirm_in_time_fails() {
    let mut world = World::dark(&[("default", device())], |_| {}).await;
    world.daemon.start_again();
    let exp = start(&world).await;
    let listened = exp
        .channel("menu")
        .listen("hi")
        .timeout(Duration::from_millis(50))
        .await;
    let error = listened.unwrap_err();
    assert!(matches!(error, ClientError::NotConfirmed { .. }), "{error}");
}

#[tokio::test]
async fn three_listeners_three_responses_all_arrive() {
    let world = World::new().await;
    let exp = start(&world).await;
    let menu = exp.channel("menu");
    let mut responders = JoinSet::new();
    for answer in [1, 2, 3] {
        responding(&mut responders, menu.listen("hi").await.unwrap(), answer);
    }
    let responses = menu
        .broadcast("hi", json!("?"))
        .timeout(WAIT)
        .await
        .unwrap();
    assert_eq!(numbers(responses), [1, 2, 3]);
}

#[tokio::test]
async fn a_cancelled_listener_hears_nothing_more_and_the_others_go_on() {
    let world = World::new().await;
    let exp = start(&world).await;
    let menu = exp.channel("menu");
    let mut responders = JoinSet::new();
    responding(&mut responders, menu.listen("hi").await.unwrap(), 1);
    let cancelled = menu.listen("hi").await.unwrap();
    cancelled.cancel();
    eventually("the daemon has one listener", async || {
        let listeners = world.daemon.status().await.instances[0].listeners.len();
        (listeners == 1).then_some(()).ok_or(listeners.to_string())
    })
    .await;
    let responses = menu
        .broadcast("hi", json!("?"))
        .timeout(WAIT)
        .await
        .unwrap();
    assert_eq!(numbers(responses), [1]);
}

#[tokio::test]
async fn a_cleared_context_hears_nothing_more_in_any_instance_and_the_others_go_on() {
    let world = World::new().await;
    let (exp, other) = (start(&world).await, ada(&world).start().await.unwrap());
    let mut ended = Vec::new();
    for exp in [&exp, &other] {
        let cleared = exp.with_context("cleared").channel("menu");
        ended.push(cleared.listen("hi").await.unwrap());
    }
    let mut kept = exp
        .with_context("kept")
        .channel("menu")
        .listen("hi")
        .await
        .unwrap();
    exp.with_context("cleared").clear();
    for mut listener in ended {
        assert!(in_time("the end", listener.next()).await.unwrap().is_none());
        assert!(listener.is_ended());
    }
    exp.channel("menu").broadcast("hi", json!(1)).await.unwrap();
    assert_eq!(heard(&mut kept).await.payload.as_str(), "1");
    // The context can be used again.
    let again = exp.with_context("cleared").channel("menu");
    let mut again = again.listen("hi").await.unwrap();
    exp.channel("menu").broadcast("hi", json!(2)).await.unwrap();
    assert_eq!(heard(&mut again).await.payload.as_str(), "2");
}

#[tokio::test]
async fn a_nameless_listener_hears_every_event_with_its_name() {
    let world = World::new().await;
    let exp = start(&world).await;
    let menu = exp.channel("menu");
    let mut listener = menu.listen_all().await.unwrap();
    menu.broadcast("a", json!(1)).await.unwrap();
    menu.fling(json!({"app": "b"})).await.unwrap();
    menu.identify().await.unwrap();
    for (name, payload) in [
        ("a", "1"),
        ("fling", r#"{"app":"b"}"#),
        ("identify", "null"),
    ] {
        let broadcast = heard(&mut listener).await;
        assert_eq!(
            (&*broadcast.name, broadcast.payload.as_str()),
            (name, payload)
        );
    }
}

#[tokio::test]
async fn each_listener_gets_its_own_copy_of_a_payload() {
    let world = World::new().await;
    let exp = start(&world).await;
    let menu = exp.channel("menu");
    let (mut one, mut two) = (
        menu.listen("hi").await.unwrap(),
        menu.listen("hi").await.unwrap(),
    );
    menu.broadcast("hi", json!({"n": [1]})).await.unwrap();
    let mut changed = heard(&mut one).await.into_inner();
    changed.payload = Payload::null();
    let other: serde_json::Value = heard(&mut two).await.payload.decode().unwrap();
    assert_eq!(other, json!({"n": [1]}));
}

#[tokio::test]
async fn calls_after_stop_fail_at_once_in_clones_too_and_the_other_instance_goes_on() {
    let world = World::new().await;
    let (exp, other) = (screen(&world).start().await.unwrap(), start(&world).await);
    let (clone, in_context) = (exp.clone(), exp.with_context("page"));
    let mut listener = in_context.channel("menu").listen("hi").await.unwrap();
    clone.stop();
    let made_later = exp.clone();
    for exp in [&exp, &in_context, &made_later] {
        let error = exp
            .channel("menu")
            .broadcast("hi", json!(1))
            .await
            .unwrap_err();
        assert!(matches!(error, ClientError::Stopped), "{error}");
        let error = exp.channel("menu").listen("hi").await.unwrap_err();
        assert!(matches!(error, ClientError::Stopped), "{error}");
        assert!(matches!(exp.identity().await, Err(ClientError::Stopped)));
        assert!(matches!(
            exp.get("/api/things", ()).await,
            Err(ClientError::Stopped)
        ));
    }
    assert!(in_time("the end", listener.next()).await.unwrap().is_none());
    other
        .channel("menu")
        .broadcast("hi", json!(1))
        .await
        .unwrap();
    eventually("the daemon has let the identity go", async || {
        let names = world.daemon.status().await.instances.len();
        (names == 1).then_some(()).ok_or(names.to_string())
    })
    .await;
}

#[tokio::test]
async fn update_and_online_come_at_the_start_and_offline_at_the_stop() {
    let world = World::new().await;
    for options in [at(&world), screen(&world)] {
        let exp = options.start().await.unwrap();
        let mut events = exp.events();
        // A link that is not up yet may say so first.
        let mut first = next_event(&mut events).await;
        if let InstanceEvent::Offline(_) = first {
            first = next_event(&mut events).await;
        }
        let InstanceEvent::Update(identity) = first else {
            panic!("not an update: {first:?}");
        };
        assert_eq!(identity.uuid, "screen");
        assert_eq!(next_event(&mut events).await, InstanceEvent::Online);
        assert!(exp.is_connected().await.unwrap());
        exp.stop();
        let rest = drained(events).await;
        assert!(matches!(&*rest, [InstanceEvent::Offline(_)]), "{rest:?}");
    }
}

#[tokio::test]
async fn bad_credentials_are_an_error_and_never_an_update() {
    let world = World::new().await;
    let exp = at(&world).device("screen", "wrong").start().await.unwrap();
    let mut events = exp.events();
    let mut all = Vec::new();
    while !matches!(all.last(), Some(InstanceEvent::Error(_))) {
        all.push(next_event(&mut events).await);
    }
    exp.stop();
    all.extend(drained(events).await);
    let is_good =
        |event: &InstanceEvent| matches!(event, InstanceEvent::Update(_) | InstanceEvent::Online);
    assert!(!all.iter().any(is_good), "{all:?}");
}

#[tokio::test]
async fn with_the_network_off_there_is_an_update_and_never_online() {
    let world = World::new().await;
    let exp = screen(&world).network(false).start().await.unwrap();
    let mut events = exp.events();
    let first = next_event(&mut events).await;
    assert!(matches!(first, InstanceEvent::Update(_)), "{first:?}");
    exp.channel("menu").broadcast("hi", json!(1)).await.unwrap();
    assert!(!exp.is_connected().await.unwrap());
    let error = exp.channel("menu").listen("hi").await.unwrap_err();
    assert!(matches!(error, ClientError::Refused(_)), "{error}");
    exp.stop();
    assert_eq!(drained(events).await, []);
}

#[tokio::test]
async fn options_that_cannot_be_meant_are_refused_before_anything_is_sent() {
    // Nobody is there: a refusal cannot have come from a daemon.
    let nowhere = || Exp::options().socket("/nonexistent/expd.sock");
    for options in [
        nowhere().device("screen", ""),
        nowhere().device("", "secret"),
        nowhere().user("ada", "password", ""),
        nowhere().consumer_app("app", ""),
        nowhere().host("https://exp.example"),
    ] {
        let error = options.start().await.unwrap_err();
        assert!(matches!(error, ClientError::Request(_)), "{error}");
    }
    let error = nowhere().start().await.unwrap_err();
    assert!(matches!(error, ClientError::NotReachable { .. }), "{error}");
}

#[tokio::test]
async fn max_age_drops_what_is_older_and_keeps_the_rest_in_order() {
    const MAX_AGE: Duration = Duration::from_secs(4);
    let world = World::new().await;
    let exp = start(&world).await;
    let menu = exp.channel("menu");
    let mut listener = menu.listen("n").max_age(MAX_AGE).await.unwrap();
    for n in 1..=3 {
        menu.broadcast("n", json!(n)).await.unwrap();
    }
    eventually("all are on this side", async || {
        let delivered = world.daemon.status().await.instances[0].listeners[0].delivered;
        (delivered == 3).then_some(()).ok_or(delivered.to_string())
    })
    .await;
    tokio::time::sleep(MAX_AGE).await;
    for n in 4..=5 {
        menu.broadcast("n", json!(n)).await.unwrap();
    }
    let first = in_time("a gap", listener.next()).await.unwrap();
    let Some(Received::Gap(gap)) = first else {
        panic!("not a gap: {first:?}");
    };
    assert_eq!((gap.reason, gap.missed), (GapReason::Expired, Some(3)));
    for n in ["4", "5"] {
        assert_eq!(heard(&mut listener).await.payload.as_str(), n);
    }
    // Nothing comes between these and what is sent now.
    menu.broadcast("n", json!(6)).await.unwrap();
    assert_eq!(heard(&mut listener).await.payload.as_str(), "6");
    let nothing = listener.wait(Duration::from_millis(10)).await.unwrap();
    assert!(nothing.is_none() && !listener.is_ended());
}
