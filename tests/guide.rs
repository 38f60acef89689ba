//! The Rust client in the guide's form, against a real daemon on a real network: each thing that
//! the vendor's own tests assert of theirs, by its name, and what a restart adds.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::time::Duration;

use expd_client::{
    Channel, ClientError, DEFAULT_GROUP, Exp, GapReason, InstanceEvent, InstanceEvents, Listener,
    Payload, Query, Received, ReceivedBroadcast, StartOptions, json,
};
use expd_test_support::network::secret_of;
use expd_test_support::world::{World, device};
use expd_test_support::{eventually, in_time};
use tokio::task::JoinSet;

const WAIT: Duration = Duration::from_secs(2);

/// Options at the world's daemon.
fn at(world: &World) -> StartOptions {
    Exp::options().socket(world.socket())
}

async fn start(world: &World) -> Exp {
    at(world).start().await.unwrap()
}

fn screen(world: &World) -> StartOptions {
    at(world).device("screen", secret_of("screen").expose())
}

fn ada(world: &World) -> StartOptions {
    at(world).user("ada", "password", "demo")
}

fn app(world: &World) -> StartOptions {
    at(world).consumer_app("app", "app key")
}

async fn heard(listener: &mut Listener) -> ReceivedBroadcast {
    match in_time("a broadcast", listener.next()).await.unwrap() {
        Some(Received::Broadcast(broadcast)) => broadcast,
        other => panic!("not a broadcast: {other:?}"),
    }
}

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

async fn next_event(events: &mut InstanceEvents) -> InstanceEvent {
    in_time("an event", events.next()).await.unwrap().unwrap()
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
async fn a_limit_gives_so_many_and_the_whole_total() {
    let world = World::new().await;
    let exp = start(&world).await;
    for _ in 0..3 {
        exp.things().create(json!({"name": "lamp"})).await.unwrap();
    }
    for (limit, shown) in [(1, 1), (0, 0), (9, 3)] {
        let query = Query::new().filter("name", "lamp").limit(limit);
        let found = exp.things().find(query).await.unwrap();
        assert_eq!((found.len(), found.total), (shown, 3), "limit {limit}");
    }
}

#[tokio::test]
async fn a_find_that_matches_nothing_gives_an_empty_list() {
    let world = World::new().await;
    let exp = start(&world).await;
    let found = exp.devices().find([("name", "nobody's")]).await.unwrap();
    assert_eq!((found.len(), found.total), (0, 0));
    let found = exp.data().find([("group", "nobody's")]).await.unwrap();
    assert!(found.is_empty());
}

#[tokio::test]
async fn a_resource_that_is_gone_is_none() {
    let world = World::new().await;
    let exp = start(&world).await;
    let mut thing = exp.things().create(json!({})).await.unwrap();
    thing.delete().await.unwrap();
    assert!(exp.things().get(thing.uuid()).await.unwrap().is_none());
    assert!(exp.devices().get("").await.unwrap().is_none());
    assert!(
        exp.data()
            .get(DEFAULT_GROUP, "none")
            .await
            .unwrap()
            .is_none()
    );
    let error = thing.refresh().await.unwrap_err();
    assert!(
        matches!(&error, ClientError::Api(api) if api.status == 404),
        "{error}"
    );
    let error = exp.get("/api/things/none", ()).await.unwrap_err();
    assert!(
        matches!(&error, ClientError::Api(api) if !api.code.is_empty()),
        "{error}"
    );
}

#[tokio::test]
async fn a_device_made_without_secret_can_log_in_with_the_one_it_was_given() {
    let world = World::new().await;
    let exp = start(&world).await;
    let made = exp.devices().create(json!({"name": "new"})).await.unwrap();
    let secret = made.document["secret"].as_str().unwrap();
    let device = at(&world)
        .device(made.uuid(), secret)
        .start()
        .await
        .unwrap();
    let mut listener = device.channel("menu").listen("hi").await.unwrap();
    exp.channel("menu").broadcast("hi", json!(1)).await.unwrap();
    heard(&mut listener).await;
    let current = device.current_device().await.unwrap().unwrap();
    assert_eq!(current.name(), "new");
}

#[tokio::test]
async fn data_made_twice_is_replaced() {
    let world = World::new().await;
    let exp = start(&world).await;
    exp.data().create("soup", "price", json!(4)).await.unwrap();
    let mut price = exp.data().create("soup", "price", json!(5)).await.unwrap();
    assert_eq!(exp.data().find([("group", "soup")]).await.unwrap().total, 1);
    assert_eq!(
        (&price.value, price.key(), price.group()),
        (&json!(5), "price", "soup")
    );

    let mut listener = exp.channel(Channel::new("data:price:soup").system());
    let mut updates = listener.listen("update").await.unwrap();
    price.value = json!({"euro": 6});
    price.save().await.unwrap();
    heard(&mut updates).await;
    listener = price.channel();
    assert_eq!(listener.channel().name, "data:price:soup");
    let again = exp.data().get("soup", "price").await.unwrap().unwrap();
    assert_eq!(again.value, json!({"euro": 6}));
    exp.data().delete("soup", "price").await.unwrap();
    assert!(exp.data().get("soup", "price").await.unwrap().is_none());
}

#[tokio::test]
async fn current_resources_are_none_for_users_and_consumer_apps() {
    let world = World::new().await;
    for (options, is_user) in [(ada(&world), true), (app(&world), false)] {
        let exp = options.start().await.unwrap();
        // It is logged in once it has an identity.
        eventually("it is logged in", async || {
            exp.identity()
                .await
                .map(drop)
                .map_err(|error| error.to_string())
        })
        .await;
        assert!(exp.current_device().await.unwrap().is_none());
        assert!(exp.current_experience().await.unwrap().is_none());
        assert!(exp.current_location().await.unwrap().is_none());
        assert!(exp.current_zones().await.unwrap().is_empty());
        let user = exp.current_user().await.unwrap();
        assert_eq!(user.is_some(), is_user);
    }
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
    let nothing = listener.wait(Duration::from_millis(10)).await.unwrap();
    assert!(nothing.is_none() && !listener.is_ended());
}

#[tokio::test]
async fn a_restart_of_the_daemon_is_a_gap_and_an_own_identity_comes_back_by_itself() {
    let mut world = World::new().await;
    let exp = screen(&world).start().await.unwrap();
    let menu = exp.channel("menu");
    let mut listener = menu.listen("hi").await.unwrap();
    let mut events = exp.events();
    while next_event(&mut events).await != InstanceEvent::Online {}
    world.daemon.stop().await;
    world.daemon.start_again();
    let received = in_time("a gap", listener.next()).await.unwrap();
    let Some(Received::Gap(gap)) = received else {
        panic!("not a gap: {received:?}");
    };
    assert_eq!(gap.reason, GapReason::Restarted);
    let event = next_event(&mut events).await;
    assert!(matches!(event, InstanceEvent::Offline(_)), "{event:?}");
    while next_event(&mut events).await != InstanceEvent::Online {}
    let payload = eventually("a broadcast arrives", async || {
        let sent = menu.broadcast("hi", json!(7)).when_connected(WAIT).await;
        sent.map_err(|error| error.to_string())?;
        match listener.wait(WAIT).await.unwrap() {
            Some(Received::Broadcast(hi)) => Ok(hi.payload.clone()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    assert_eq!(payload.as_str(), "7");
}

#[tokio::test]
async fn what_a_slow_program_has_not_taken_waits_in_the_daemon() {
    const COUNT: u64 = 3000;
    let mut world = World::dark(&[("default", device())], |_| {}).await;
    world.daemon.settings.daemon.limits.log_events = 20_000;
    world.network.start_again().await;
    world.daemon.start_again();
    let exp = start(&world).await;
    let mut slow = exp.channel("menu").listen("n").await.unwrap();
    let sender = world.network.sender();
    let filler = format!(r#"["{}"]"#, "x".repeat(400));
    for _ in 0..COUNT {
        sender.send_json(&Channel::new("menu"), "n", &filler).await;
    }
    let behind = eventually("the stream stands still", async || {
        let listener = world.daemon.status().await.instances[0].listeners.remove(0);
        let all = listener.delivered + listener.behind;
        (all == COUNT)
            .then_some(listener.behind)
            .ok_or(format!("{listener:?}"))
    })
    .await;
    // 128 KiB are on this side, and what the socket between holds.
    assert!(behind > COUNT / 2, "only {behind} wait in the daemon");
    for _ in 0..COUNT {
        heard(&mut slow).await;
    }
}

#[tokio::test]
async fn a_resource_tells_its_changes_and_where_it_is() {
    let world = World::new().await;
    let exp = start(&world).await;
    let zones = json!([{"key": "bar", "name": "Bar"}, {"key": "door"}]);
    let hall = json!({"name": "hall", "zones": zones});
    let hall = exp.locations().create(hall).await.unwrap();
    let menu = exp
        .experiences()
        .create(json!({"name": "menu"}))
        .await
        .unwrap();
    let place = json!({"uuid": hall.uuid(), "zones": [{"key": "bar"}]});
    let document = json!({"name": "tv", "location": place, "experience": {"uuid": menu.uuid()}});
    let mut tv = exp.devices().create(document).await.unwrap();

    let mut updates = tv.system_channel().listen("update").await.unwrap();
    tv.set_name("television");
    tv.save().await.unwrap();
    heard(&mut updates).await;
    let again = exp.devices().get(tv.uuid()).await.unwrap().unwrap();
    assert_eq!(again.name(), "television");
    assert_eq!(tv.channel().channel().name, tv.uuid());

    assert_eq!(tv.location().await.unwrap().unwrap().uuid(), hall.uuid());
    assert_eq!(tv.experience().await.unwrap().unwrap().uuid(), menu.uuid());
    assert_eq!(menu.devices(()).await.unwrap().total, 1);
    assert_eq!(hall.devices(()).await.unwrap()[0].uuid(), tv.uuid());
    let [mut bar] = <[_; 1]>::try_from(tv.zones().await.unwrap()).unwrap();
    assert_eq!((bar.key(), bar.name()), ("bar", "Bar"));
    assert_eq!(bar.devices(()).await.unwrap().total, 1);
    assert_eq!(bar.things(()).await.unwrap().total, 0);
    assert_eq!(
        bar.channel().channel().name,
        format!("{}:zone:bar", hall.uuid())
    );
    bar.set_name("Counter");
    bar.save().await.unwrap();
    let hall = exp.locations().get(hall.uuid()).await.unwrap().unwrap();
    let names: Vec<_> = hall.zones().iter().map(|it| it.name().to_owned()).collect();
    assert_eq!(names, ["Counter", ""]);

    let root = exp.content().get("root").await.unwrap().unwrap();
    let made = json!({"name": "menus", "subtype": "scala:content:folder", "parent": "root"});
    let folder = exp.content().create(made).await.unwrap();
    let children = root.children(()).await.unwrap();
    assert!(children.iter().any(|it| it.uuid() == folder.uuid()));
    assert!(!folder.has_variant("small"));
}
