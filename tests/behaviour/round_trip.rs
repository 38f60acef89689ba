//! One program broadcasts, others hear and respond.

use std::time::Duration;

use expd_client::{Code, Listen};
use expd_domain::Channel;
use futures_util::FutureExt as _;

use expd_test_support::world::{World, json, menu, refusal, responder};

const LONG: Option<Duration> = Some(Duration::from_secs(2));
const SHORT: Option<Duration> = Some(Duration::from_millis(50));

#[tokio::test]
async fn a_broadcaster_gets_what_every_listener_responds() {
    let world = World::new().await;
    let client = world.client().await;
    let one = responder(world.ear(&Listen::to(menu())).await, client.clone(), "1");
    let two = responder(
        world.ear(&Listen::to(menu())).await,
        client.clone(),
        "\"two\"",
    );
    let responses = client
        .broadcast("", &menu(), "hi", &json("{}"), LONG)
        .await
        .unwrap();
    let mut responses: Vec<&str> = responses.iter().map(expd_domain::Payload::as_str).collect();
    responses.sort_unstable();
    assert_eq!(responses, ["\"two\"", "1"]);
    one.join_all().await;
    two.join_all().await;
}

#[tokio::test]
async fn nobody_responding_is_an_empty_list_and_a_late_responder_is_told() {
    let world = World::new().await;
    let client = world.client().await;
    let mut ear = world.ear(&Listen::to(menu())).await;
    assert_eq!(
        client
            .broadcast("", &menu(), "hi", &json("1"), SHORT)
            .await
            .unwrap(),
        []
    );
    let heard = ear.broadcast().await;
    let refused = refusal(
        client
            .respond("", &heard.id, &heard.channel_id, &json("2"))
            .await,
    );
    assert_eq!(refused.code, Code::FailedPrecondition, "{refused}");
}

#[tokio::test]
async fn a_listener_hears_one_name_or_all_of_them() {
    let world = World::new().await;
    let client = world.client().await;
    let mut all = world.ear(&Listen::to(menu())).await;
    let named = Listen {
        name: "hi".to_owned(),
        ..Listen::to(menu())
    };
    let mut hi = world.ear(&named).await;
    for name in ["other", "hi"] {
        client
            .broadcast("", &menu(), name, &json("1"), Some(Duration::ZERO))
            .await
            .unwrap();
    }
    assert_eq!(all.broadcast().await.name, "other");
    assert_eq!(all.broadcast().await.name, "hi");
    assert_eq!(hi.broadcast().await.name, "hi");
}

#[tokio::test]
async fn variants_of_one_name_never_mix() {
    let world = World::new().await;
    let client = world.client().await;
    let consumer = Channel::new("menu").consumer();
    let mut plain = world.ear(&Listen::to(menu())).await;
    let mut open = world.ear(&Listen::to(consumer.clone())).await;
    let mut system = world.ear(&Listen::to(menu().system())).await;
    for (channel, text) in [(&consumer, "\"open\""), (&menu(), "\"plain\"")] {
        client
            .broadcast("", channel, "hi", &json(text), Some(Duration::ZERO))
            .await
            .unwrap();
    }
    assert_eq!(plain.broadcast().await.payload.as_str(), "\"plain\"");
    assert_eq!(open.broadcast().await.payload.as_str(), "\"open\"");
    // What comes later on one connection is delivered later: the first two would be there by now.
    client
        .broadcast("", &menu(), "hi", &json("\"last\""), Some(Duration::ZERO))
        .await
        .unwrap();
    assert_eq!(plain.broadcast().await.payload.as_str(), "\"last\"");
    let more = system.event().now_or_never();
    assert!(more.is_none(), "the system channel heard {more:?}");
    let status = client.status().await.unwrap();
    let listeners = &status.instances[0].listeners;
    let delivered = |system: bool| -> u64 {
        let of_kind = listeners.iter().filter(|it| it.channel.system == system);
        of_kind.map(|it| it.delivered).sum()
    };
    assert_eq!((delivered(true), delivered(false)), (0, 3));
}
