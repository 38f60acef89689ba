//! Resources, as the vendor's tests have them.

use expd_client::{Channel, ClientError, DEFAULT_GROUP, Query, json};
use expd_test_support::eventually;
use expd_test_support::world::World;

use crate::{ada, app, at, heard, start};

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
