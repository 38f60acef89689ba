//! Streams outlive the network.

use expd_client::{GapReason, LinkState, Listen, SubscriptionState};
use expd_domain::Channel;

use expd_test_support::world::{Ear, World, device, json, menu};

async fn comes_back(ear: &mut Ear) {
    assert_eq!(ear.subscription().await, SubscriptionState::Pending);
    assert_eq!(ear.gap().await, GapReason::Offline);
    assert_eq!(ear.subscription().await, SubscriptionState::Confirmed);
}

#[tokio::test]
async fn every_stream_goes_pending_then_gap_then_confirmed_and_hears_again() {
    let mut world = World::new().await;
    let other = Channel::new("other");
    let mut ears = [
        world.ear(&Listen::to(menu())).await,
        world.ear(&Listen::to(other.clone())).await,
    ];
    world.network.stop().await;
    world.network.start_again().await;
    for ear in &mut ears {
        comes_back(ear).await;
    }

    let client = world.client().await;
    for channel in [menu(), other] {
        client
            .broadcast("", &channel, "hi", &json("1"), None)
            .await
            .unwrap();
    }
    for ear in &mut ears {
        assert_eq!(ear.broadcast().await.payload.as_str(), "1");
    }
    // The token outlives the restart: no login, one socket, and no flapping after that.
    let counters = world.counters().await;
    assert_eq!((counters.logins, counters.connections_total), (0, 1));
}

#[tokio::test]
async fn a_daemon_and_a_listener_from_before_the_network_are_confirmed_when_it_comes() {
    let mut world = World::dark(&[("default", device())], |_| {}).await;
    world.daemon.start_again();
    world.link("default", LinkState::Offline).await;
    let mut ear = world.deaf_ear(&Listen::to(menu())).await;
    assert_eq!(ear.subscription().await, SubscriptionState::Pending);
    world.network.start_again().await;
    // Nothing that it had a right to was missed: no Gap before the first confirmation.
    assert_eq!(ear.subscription().await, SubscriptionState::Confirmed);
    let client = world.client().await;
    client
        .broadcast("", &menu(), "hi", &json("1"), None)
        .await
        .unwrap();
    assert_eq!(ear.broadcast().await.name, "hi");
}
