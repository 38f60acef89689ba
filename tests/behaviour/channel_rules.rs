//! The specification's rules, refused here before any request.

use expd_client::{Code, LinkState, Listen};
use expd_domain::Channel;

use expd_test_support::world::{World, consumer_app, json, menu, refusal};

#[tokio::test]
async fn what_breaks_a_rule_is_refused_without_a_request() {
    let world = World::with(&[("default", consumer_app())]).await;
    world.link("default", LinkState::Online).await;
    let client = world.client().await;
    let open = Channel::new("menu").consumer();
    let before = world.counters().await.http_requests;
    for (channel, name, code, word) in [
        (
            open.clone().system(),
            "hi",
            Code::InvalidArgument,
            "system channel",
        ),
        (menu(), "hi", Code::PermissionDenied, "consumer app"),
        (open.clone(), "", Code::InvalidArgument, "name is empty"),
    ] {
        let refused = refusal(client.broadcast("", &channel, name, &json("1"), None).await);
        assert_eq!(refused.code, code, "{refused}");
        assert!(refused.message.contains(word), "{refused}");
    }
    let deaf = refusal(client.listen(&Listen::to(menu())).await);
    assert_eq!(deaf.code, Code::PermissionDenied, "{deaf}");
    // Reading the counters is a request, too.
    assert_eq!(world.counters().await.http_requests, before + 1);
    client
        .broadcast("", &open, "hi", &json("1"), None)
        .await
        .unwrap();
}
