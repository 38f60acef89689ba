//! Several identities, contexts, and listeners in pull form.

use std::time::Duration;

use expd_client::{Code, Event, LinkState, Listen, SubscriptionState};
use expd_domain::Channel;

use expd_test_support::DEADLINE;
use expd_test_support::world::{World, consumer_app, device, json, menu, refusal, user};

fn on(instance: &str) -> Listen {
    Listen {
        instance: instance.to_owned(),
        context: "page".to_owned(),
        ..Listen::to(Channel::new("menu").consumer())
    }
}

#[tokio::test]
async fn each_identity_has_its_connection_and_a_context_ends_over_all() {
    let world = World::with(&[("app", consumer_app()), ("default", device())]).await;
    let (mut one, mut two) = (world.ear(&on("")).await, world.ear(&on("app")).await);
    let kept = Listen {
        context: "other".to_owned(),
        ..on("app")
    };
    let mut kept = world.ear(&kept).await;
    assert_eq!(world.counters().await.connections, 2);
    let client = world.client().await;
    assert_eq!(client.clear_context("page").await.unwrap(), 2);
    for ear in [&mut one, &mut two] {
        let ended = refusal(ear.event().await);
        assert_eq!(ended.code, Code::Cancelled, "{ended}");
    }
    let open = Channel::new("menu").consumer();
    client
        .broadcast("app", &open, "hi", &json("1"), None)
        .await
        .unwrap();
    assert_eq!(kept.broadcast().await.name, "hi");
    let unknown = refusal(client.listen(&on("nobody")).await);
    assert_eq!(unknown.code, Code::NotFound, "{unknown}");
}

#[tokio::test]
async fn the_pull_form_waits_gives_what_is_there_and_ends() {
    let world = World::new().await;
    let _warm = world.ear(&Listen::to(menu())).await;
    let client = world.client().await;
    let id = client.open(&Listen::to(menu())).await.unwrap();
    // The first event is there at once.
    let first = client.next(&id, Duration::ZERO).await.unwrap();
    let first = first.expect("an event that is there").event;
    assert!(
        matches!(&first, Event::Subscription(it) if it.state == SubscriptionState::Confirmed),
        "{first:?}"
    );
    assert_eq!(client.next(&id, Duration::ZERO).await.unwrap(), None);
    let (channel, payload) = (menu(), json("1"));
    let (next, sent) = tokio::join!(
        client.next(&id, DEADLINE),
        client.broadcast("", &channel, "hi", &payload, None)
    );
    sent.unwrap();
    let next = next.unwrap().unwrap().event;
    assert!(
        matches!(&next, Event::Broadcast(it) if it.name == "hi"),
        "{next:?}"
    );
    client.cancel(&id).await.unwrap();
    for gone in [
        client.cancel(&id).await,
        client.next(&id, Duration::ZERO).await.map(|_| ()),
    ] {
        assert_eq!(refusal(gone).code, Code::NotFound);
    }
}

#[tokio::test]
async fn an_instance_without_a_live_socket_calls_and_broadcasts_and_cannot_listen() {
    let mut world = World::dark(&[("default", user()), ("other", device())], |_| {}).await;
    let quiet = world.daemon.settings.instances.get_mut("default").unwrap();
    quiet.network = false;
    world.network.start_again().await;
    world.daemon.start_again();
    world.link("default", LinkState::Online).await;
    world.link("other", LinkState::Online).await;
    let client = world.client().await;
    let other = Listen {
        instance: "other".to_owned(),
        ..Listen::to(menu())
    };
    let mut ear = world.ear(&other).await;
    let sent = client.broadcast("", &menu(), "hi", &json("1"), None).await;
    assert!(sent.unwrap().is_empty());
    assert_eq!(ear.broadcast().await.payload.as_str(), "1");
    let answer = client.request("", "GET", "/api/things", [].into(), None);
    assert_eq!(answer.await.unwrap().status, 200);
    assert_eq!(client.identity("").await.unwrap().uuid, "ada");
    let deaf = refusal(client.listen(&Listen::to(menu())).await);
    assert_eq!(deaf.code, Code::FailedPrecondition, "{deaf}");
    assert!(deaf.message.contains("network = false"), "{deaf}");
    let status = client.status().await.unwrap();
    let protocols = status.instances.iter().map(|it| it.link.protocol);
    assert_eq!(protocols.collect::<Vec<_>>(), [0, 4], "one has a socket");
}
