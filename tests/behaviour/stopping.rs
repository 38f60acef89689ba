//! Shutdown of the daemon as its clients see it; and calls that get in each other's way.

use std::time::Duration;

use expd_client::{Code, Listen};
use tokio::task::JoinSet;

use expd_test_support::world::{World, device, json, menu, refusal};
use expd_test_support::{DEADLINE, eventually};

#[tokio::test]
async fn a_stopping_daemon_says_so_to_its_streams_and_waits_for_none() {
    let mut world = World::dark(&[("default", device())], |_| {}).await;
    // For as long, it would wait for calls.
    world.daemon.settings.daemon.drain_timeout = DEADLINE * 20;
    world.network.start_again().await;
    world.daemon.start_again();
    let mut ear = world.ear(&Listen::to(menu())).await;
    world.daemon.stop().await;
    let ended = refusal(ear.event().await);
    assert_eq!(ended.code, Code::Unavailable, "{ended:?}");
    assert!(ended.message.contains("stopping"), "{ended:?}");
    assert!(!world.socket().exists());
}

#[tokio::test]
async fn a_call_under_way_finishes_while_the_daemon_stops() {
    let mut world = World::new().await;
    world.ear(&Listen::to(menu())).await;
    let client = world.client().await;
    let mut calls = JoinSet::new();
    calls.spawn(async move {
        let wait = Some(Duration::from_millis(300));
        client.broadcast("", &menu(), "hi", &json("1"), wait).await
    });
    eventually("the broadcast under way", async || {
        let pending = world.counters().await.pending_broadcasts;
        (pending == 1)
            .then_some(())
            .ok_or(format!("{pending} pending"))
    })
    .await;
    world.daemon.stop().await;
    let answer = calls.join_next().await.unwrap().unwrap();
    assert_eq!(answer.unwrap().len(), 0);
}

#[tokio::test]
async fn two_calls_for_one_pulled_listener_get_in_each_others_way_and_are_told() {
    let world = World::new().await;
    let client = world.client().await;
    let id = client.open(&Listen::to(menu())).await.unwrap();
    // What is there already: the subscription, as it stands and as it becomes.
    while client
        .next(&id, Duration::from_millis(100))
        .await
        .unwrap()
        .is_some()
    {}
    let mut calls = JoinSet::new();
    for _ in 0..2 {
        let (client, id) = (client.clone(), id.clone());
        calls.spawn(async move { client.next(&id, Duration::from_secs(20)).await });
    }
    let refused = refusal(calls.join_next().await.unwrap().unwrap());
    assert_eq!(refused.code, Code::FailedPrecondition, "{refused:?}");
    client
        .broadcast("", &menu(), "hi", &json("1"), None)
        .await
        .unwrap();
    let heard = calls.join_next().await.unwrap().unwrap().unwrap();
    assert!(heard.is_some());
}
