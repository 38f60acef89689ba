//! The daemon's status, read once and watched.

use expd_client::{LinkState, Listen};
use futures_util::StreamExt as _;

use expd_test_support::world::{World, json, menu};

#[tokio::test]
async fn the_status_tells_the_four_truths_of_a_channel() {
    let world = World::new().await;
    let mut ear = world.ear(&Listen::to(menu())).await;
    let client = world.client().await;
    client
        .broadcast("", &menu(), "hi", &json("1"), None)
        .await
        .unwrap();
    ear.broadcast().await;
    let status = client.status().await.unwrap();
    let instance = &status.instances[0];
    let found = instance.channels.iter().find(|it| it.channel == menu());
    let channel = found.unwrap();
    assert!(channel.wanted_since <= channel.asked_at, "{channel:?}");
    assert!(channel.asked_at <= channel.confirmed_at, "{channel:?}");
    assert!(
        channel.confirmed_at <= channel.last_broadcast_at,
        "{channel:?}"
    );
    assert!(channel.wanted_since.is_some(), "{channel:?}");
    assert_eq!(channel.listeners, 1);
    let listener = &instance.listeners[0];
    assert_eq!(listener.pid, std::process::id());
    assert_eq!(listener.delivered, 1, "{listener:?}");
}

#[tokio::test]
async fn a_watcher_sees_the_link_go_and_come_back() {
    let mut world = World::new().await;
    world.link("default", LinkState::Online).await;
    let events = world.client().await.watch_status().await.unwrap();
    let mut states = events.map(|event| event.unwrap().state);
    assert_eq!(states.next().await, Some(LinkState::Online));
    world.network.stop().await;
    assert_ne!(states.next().await, Some(LinkState::Online));
    world.network.start_again().await;
    while states.next().await != Some(LinkState::Online) {}
}
