//! The other implementation of Socket.IO, for those who choose it: the same stream, through a
//! restart of the network.

use expd::config::SocketLibrary;
use expd_client::{Listen, SubscriptionState};

use expd_test_support::world::{World, device, json, menu};

#[tokio::test]
async fn rust_socketio_carries_a_stream_through_a_restart() {
    let mut world = World::dark(&[("default", device())], |_| {}).await;
    for instance in world.daemon.settings.instances.values_mut() {
        instance.socket_library = SocketLibrary::RustSocketio;
    }
    world.network.start_again().await;
    world.daemon.start_again();
    let mut ear = world.ear(&Listen::to(menu())).await;
    let client = world.client().await;
    let payload = json(r#"{"z":1,"a":0.10,"n":123456789012345678901234567890}"#);
    client
        .broadcast("", &menu(), "hi", &payload, None)
        .await
        .unwrap();
    assert_eq!(ear.broadcast().await.payload, payload);

    world.network.stop().await;
    world.network.start_again().await;
    assert_eq!(ear.subscription().await, SubscriptionState::Pending);
    ear.gap().await;
    assert_eq!(ear.subscription().await, SubscriptionState::Confirmed);
    client
        .broadcast("", &menu(), "hi", &payload, None)
        .await
        .unwrap();
    assert_eq!(ear.broadcast().await.payload, payload);
}
