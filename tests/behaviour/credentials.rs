//! Logins: by whom, how often, and after the network has refused one.

use std::collections::BTreeMap;
use std::time::Duration;

use expd::config::Credentials;
use expd_client::{LinkState, Listen};
use expd_domain::Secret;
use tokio::task::JoinSet;
use tokio::time::Instant;

use expd_test_support::world::{World, consumer_app, device, json, menu, user};

#[tokio::test]
async fn all_three_kinds_log_in() {
    let all = [
        ("app", consumer_app()),
        ("default", device()),
        ("person", user()),
    ];
    let world = World::with(&all).await;
    for (name, kind) in [
        ("app", "ConsumerApp"),
        ("default", "Device"),
        ("person", "User"),
    ] {
        world.link(name, LinkState::Online).await;
        let identity = world.client().await.identity(name).await.unwrap();
        assert_eq!(format!("{:?}", identity.kind), kind);
        assert!(identity.paired);
    }
}

#[tokio::test]
async fn refused_credentials_are_told_and_not_hammered() {
    let wrong = Credentials::Device {
        uuid: Some("screen".to_owned()),
        secret: Some(Secret::new("another secret")),
        allow_pairing: false,
    };
    let world = World::with(&[("default", wrong)]).await;
    world.link("default", LinkState::Refused).await;
    let status = world.client().await.status().await.unwrap();
    let link = &status.instances[0].link;
    assert!(
        !link.last_error.is_empty() && link.next_try.is_some(),
        "{link:?}"
    );
    // Later than the first steps of the ordinary backoff together would be.
    let refused = world.counters().await.logins_refused;
    assert!((1..=2).contains(&refused), "{refused} logins");
    let next = link.next_try.unwrap().0;
    let soonest = link.since.unwrap().0 + Duration::from_secs(3);
    assert!(next >= soonest, "{link:?}");
}

#[tokio::test]
async fn tokens_change_without_a_gap_while_broadcasts_flow() {
    let brief = Duration::from_secs(3);
    let world = World::tuned(&[("default", device())], |hub| hub.token_ttl = brief).await;
    let mut ear = world.ear(&Listen::to(menu())).await;
    let client = world.client().await;
    let end = Instant::now() + 3 * brief;
    let mut number = 0;
    while Instant::now() < end {
        number += 1;
        let text = number.to_string();
        client
            .broadcast(
                "",
                &menu(),
                "n",
                &json(&text),
                Some(Duration::from_millis(20)),
            )
            .await
            .unwrap();
        // Neither a Gap, nor PENDING, nor anything lost or twice.
        assert_eq!(ear.broadcast().await.payload.as_str(), text);
    }
    let counters = world.counters().await;
    assert!(counters.refreshes >= 2, "{counters:?}");
    assert_eq!(counters.logins, 1, "{counters:?}");
}

#[tokio::test]
async fn a_hundred_calls_after_a_401_are_one_login() {
    let mut world = World::new().await;
    world.link("default", LinkState::Online).await;
    world.network.stop().await;
    world.network.forget_tokens();
    world.network.start_again().await;
    let mut calls = JoinSet::new();
    for _ in 0..100 {
        let client = world.client().await;
        calls.spawn(async move {
            client
                .request("", "GET", "/api/devices", BTreeMap::new(), None)
                .await
        });
    }
    while let Some(answer) = calls.join_next().await {
        assert_eq!(answer.unwrap().unwrap().status, 200);
    }
    let counters = world.counters().await;
    assert_eq!(counters.logins, 1, "{counters:?}");
}
