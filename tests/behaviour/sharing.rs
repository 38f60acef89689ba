//! One connection for everybody.

use expd_client::Listen;

use expd_test_support::world::{World, json, menu};

#[tokio::test]
async fn fifty_listeners_are_one_socket_and_one_subscription() {
    let world = World::new().await;
    let mut ears = Vec::new();
    for _ in 0..50 {
        ears.push(world.ear(&Listen::to(menu())).await);
    }
    let counters = world.counters().await;
    assert_eq!(counters.connections, 1, "{counters:?}");
    assert_eq!(counters.connections_total, 1, "{counters:?}");
    assert_eq!(counters.logins, 1, "{counters:?}");
    let listed = counters.channels.iter().filter(|it| it.name == "menu");
    assert_eq!(listed.map(|it| it.subscribers).sum::<u64>(), 1);

    let client = world.client().await;
    client
        .broadcast("", &menu(), "hi", &json("7"), None)
        .await
        .unwrap();
    for ear in &mut ears {
        assert_eq!(ear.broadcast().await.payload.as_str(), "7");
    }
}
