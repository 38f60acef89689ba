//! Resources and data documents, and the `update` that follows each change.

use expd_domain::payload::MAX_BYTES;
use expd_domain::{Alphabet, Channel};
use reqwest::Method;
use serde_json::{Value, json};

use crate::running_hub::*;

async fn call(client: &Client<'_>, method: Method, path: &str, body: &str) -> (u16, String) {
    let response = client.request(method, path).body(body.to_owned());
    let response = response.send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[tokio::test]
async fn a_resource_is_created_changed_listed_and_deleted() {
    let hub = RunningHub::start().await;
    let user = hub.user().await;
    for path in [
        "/api/things",
        "/api/experiences",
        "/api/locations",
        "/api/connectors/feeds",
    ] {
        let (status, text) = call(
            &user,
            Method::POST,
            path,
            r#"{"name":"a","size":0.10,"big":123456789012345678901234567890}"#,
        )
        .await;
        assert_eq!(status, 201, "{text}");
        assert!(
            text.contains(r#""size":0.10,"big":123456789012345678901234567890"#),
            "{text}"
        );
        let created = parse(&text);
        let uuid = created["uuid"].as_str().unwrap();
        let own = format!("{path}/{uuid}");
        assert_eq!(
            call(&user, Method::GET, &own, "").await,
            (200, text.clone())
        );

        let id = channel_id(&Channel::new(uuid).system(), Alphabet::UrlSafe);
        let mut socket = user.socket(4).await.subscribed(&[&id]).await;
        let (status, text) = call(&user, Method::PATCH, &own, r#"{"name":"b","uuid":"x"}"#).await;
        assert_eq!(status, 200, "{text}");
        let changed = parse(&text);
        assert_eq!(
            (&changed["name"], &changed["uuid"]),
            (&json!("b"), &created["uuid"])
        );
        let heard = socket.event("broadcast").await;
        assert_eq!(
            (&heard["name"], &heard["payload"]),
            (&json!("update"), &changed)
        );

        let (_, text) = call(&user, Method::PUT, &own, r#"{"name":"c"}"#).await;
        assert_eq!(parse(&text), json!({"name": "c", "uuid": uuid}));
        let (_, text) = call(&user, Method::GET, path, "").await;
        assert_eq!(
            parse(&text),
            json!({"total": 1, "results": [{"name": "c", "uuid": uuid}]})
        );
        let (_, text) = call(&user, Method::GET, &format!("{path}?skip=1&limit=5"), "").await;
        assert_eq!(parse(&text), json!({"total": 1, "results": []}));

        assert_eq!(call(&user, Method::DELETE, &own, "").await.0, 204);
        for method in [Method::GET, Method::DELETE, Method::PATCH] {
            let (status, text) = call(&user, method, &own, "{}").await;
            assert_eq!(
                (status, &parse(&text)["code"]),
                (404, &json!("resource.unknown"))
            );
        }
    }
}

#[tokio::test]
async fn devices_that_may_log_in_are_listed_and_cannot_be_deleted() {
    let hub = RunningHub::start().await;
    let user = hub.user().await;
    let (_, text) = call(&user, Method::GET, "/api/devices", "").await;
    let devices = parse(&text);
    assert_eq!(devices["total"], 2);
    assert_eq!(
        devices["results"][0],
        json!({"uuid": "device-1", "name": "device-1"})
    );
    let (status, text) = call(&user, Method::DELETE, "/api/devices/device-1", "").await;
    assert_eq!(
        (status, &parse(&text)["code"]),
        (409, &json!("resource.inUse"))
    );
    let (_, text) = call(&user, Method::GET, "/api/organizations/current", "").await;
    assert_eq!(parse(&text)["name"], ORGANIZATION);
}

#[tokio::test]
async fn a_consumer_app_reads_and_does_not_write() {
    let hub = RunningHub::start().await;
    let app = hub.consumer_app().await;
    assert_eq!(call(&app, Method::GET, "/api/things", "").await.0, 200);
    for (method, path) in [
        (Method::POST, "/api/things"),
        (Method::PUT, "/api/data/a/b"),
        (Method::DELETE, "/api/data/a/b"),
    ] {
        let (status, text) = call(&app, method, path, "{}").await;
        assert_eq!(
            (status, &parse(&text)["code"]),
            (403, &json!("resource.readOnly"))
        );
    }
}

#[tokio::test]
async fn a_data_document_is_kept_to_the_letter() {
    let hub = RunningHub::start().await;
    let user = hub.user().await;
    let id = channel_id(
        &Channel::new("data:cats:fl/uffy").system(),
        Alphabet::Standard,
    );
    let mut socket = user.socket(4).await.subscribed(&[&id]).await;
    let path = "/api/data/cats/fl%2Fuffy";
    let value = r#"{ "b": 1, "a": 0.10, "n": 123456789012345678901234567890, "e": 1e400 }"#;
    let document = format!(r#"{{"group":"cats","key":"fl/uffy","value":{value}}}"#);
    assert_eq!(call(&user, Method::GET, path, "").await.0, 404);
    assert_eq!(
        call(&user, Method::PUT, path, value).await,
        (200, document.clone())
    );
    assert_eq!(
        call(&user, Method::GET, path, "").await,
        (200, document.clone())
    );
    let heard = socket.next().await;
    assert!(
        heard.ends_with(&format!("\"payload\":{document}}}]")),
        "{heard}"
    );
    assert_eq!(call(&user, Method::DELETE, path, "").await.0, 204);
    assert_eq!(call(&user, Method::GET, path, "").await.0, 404);
    assert_eq!(socket.event("broadcast").await["payload"], Value::Null);

    let large = format!("\"{}\"", "x".repeat(MAX_BYTES - 100));
    assert_eq!(call(&user, Method::PUT, path, &large).await.0, 200);
    let too_large = format!("\"{}\"", "x".repeat(MAX_BYTES - 2));
    assert_eq!(call(&user, Method::PUT, path, &too_large).await.0, 413);
}

/// Creates a resource and returns its document.
async fn create(client: &Client<'_>, path: &str, document: &Value) -> Value {
    let (status, text) = call(client, Method::POST, path, &document.to_string()).await;
    assert_eq!(status, 201, "{text}");
    parse(&text)
}

async fn get(client: &Client<'_>, path: &str) -> Value {
    let (status, text) = call(client, Method::GET, path, "").await;
    assert_eq!(status, 200, "{path}: {text}");
    parse(&text)
}

#[tokio::test]
async fn a_collection_is_filtered_sorted_and_paged() {
    let hub = RunningHub::start().await;
    let user = hub.user().await;
    for (name, location) in [
        (
            "b",
            json!({"uuid": "x", "zones": [{"key": "1"}, {"key": "2"}]}),
        ),
        ("a", json!({"uuid": "x", "zones": [{"key": "3"}]})),
        ("c", json!({"uuid": null})),
    ] {
        create(
            &user,
            "/api/things",
            &json!({"name": name, "location": location}),
        )
        .await;
    }
    for (query, total, names) in [
        ("", 3, vec!["b", "a", "c"]),
        ("?name=nobody", 0, vec![]),
        ("?location.uuid=x&sort=name", 2, vec!["a", "b"]),
        ("?location.uuid=x&location.zones.key=2", 1, vec!["b"]),
        ("?sort=-name&limit=1", 3, vec!["c"]),
        ("?sort=name&skip=1&limit=1", 3, vec!["b"]),
        ("?limit=0", 3, vec![]),
        ("?limit=undefined&name=c", 1, vec!["c"]),
    ] {
        let found = get(&user, &format!("/api/things{query}")).await;
        let results = found["results"].as_array().unwrap();
        let found_names: Vec<_> = results
            .iter()
            .map(|one| one["name"].as_str().unwrap())
            .collect();
        assert_eq!(
            (&found["total"], found_names),
            (&json!(total), names),
            "{query}"
        );
    }
}

#[tokio::test]
async fn a_resource_without_a_body_has_a_name_and_a_location_zones() {
    let hub = RunningHub::start().await;
    let device = hub.device().await;
    for (path, zones) in [
        ("/api/devices", Value::Null),
        ("/api/things", Value::Null),
        ("/api/experiences", Value::Null),
        ("/api/locations", json!([])),
        ("/api/connectors/feeds", Value::Null),
    ] {
        let (status, text) = call(&device, Method::POST, path, "").await;
        assert_eq!(status, 201, "{path}: {text}");
        let created = parse(&text);
        assert!(
            created["name"].as_str().is_some_and(|n| !n.is_empty()),
            "{created}"
        );
        assert_eq!(created["zones"], zones, "{path}");
        let own = format!("{path}/{}", created["uuid"].as_str().unwrap());
        let (status, text) = call(&device, Method::PATCH, &own, "").await;
        assert_eq!((status, &parse(&text)["name"]), (200, &created["name"]));
    }
}

#[tokio::test]
async fn a_created_device_logs_in_with_its_secret_until_it_is_deleted() {
    let hub = RunningHub::start().await;
    let user = hub.user().await;
    let id = channel_id(&Channel::new("menu"), Alphabet::Standard);
    for chosen in [
        json!({"subtype": "scala:device:player"}),
        json!({"secret": "ours"}),
    ] {
        let created = create(&user, "/api/devices", &chosen).await;
        let uuid = created["uuid"].as_str().unwrap();
        let secret = created["secret"].as_str().unwrap();
        match chosen["secret"].as_str() {
            Some(chosen) => assert_eq!(secret, chosen),
            None => assert!(secret.len() == 64 && secret.bytes().all(|b| b.is_ascii_hexdigit())),
        }
        // Nobody else can read it, and the SDKs' save, which sends it back, changes nothing.
        let own = format!("/api/devices/{uuid}");
        assert_eq!(get(&user, &own).await["secret"], Value::Null);
        let (_, saved) = call(&user, Method::PATCH, &own, &created.to_string()).await;
        assert_eq!(parse(&saved)["secret"], Value::Null);

        let device = hub.session(&device_login(uuid, secret, false)).await;
        let current = format!("/api/devices/{}", device.auth.identity.uuid);
        assert_eq!(get(&device, &current).await["uuid"], uuid);
        let mut socket = device.socket(4).await.subscribed(&[&id]).await;
        assert_eq!(call(&user, Method::DELETE, &own, "").await.0, 204);
        assert_eq!(socket.next().await, "41");
        let refused = call(&device, Method::GET, "/api/things", "").await;
        assert_eq!(refused.0, 401, "{}", refused.1);
        let login = device_login(uuid, secret, false);
        assert_eq!(refusal(hub.login(&login).await).await.0, 401);
    }
    for bad in [
        json!({"secret": ""}),
        json!({"secret": 7}),
        json!({"secret": "x".repeat(300)}),
    ] {
        let (status, text) = call(&user, Method::POST, "/api/devices", &bad.to_string()).await;
        assert_eq!(
            (status, &parse(&text)["code"]),
            (400, &json!("resource.secret.invalid"))
        );
    }
    assert_eq!(get(&user, "/api/devices").await["total"], 2);
}

#[tokio::test]
async fn data_is_found_over_all_groups_and_heard_under_every_name() {
    let hub = RunningHub::start().await;
    let device = hub.device().await;
    let names = ["data:fluffy:cats", "data:cats:fluffy", "data:fluffycats"];
    let ids = names.map(|name| channel_id(&Channel::new(name).system(), Alphabet::Standard));
    let ids = ids.each_ref().map(String::as_str);
    let mut socket = device.socket(3).await.subscribed(&ids).await;
    for (path, value) in [
        ("/api/data/dogs/rex", r#"{"a":1}"#),
        ("/api/data/cats/fluffy", r#"{"a":2}"#),
        ("/api/data/cats/none", ""),
    ] {
        assert_eq!(call(&device, Method::PUT, path, value).await.0, 200);
    }
    let mut heard = Vec::new();
    for _ in names {
        let event = socket.event("broadcast").await;
        assert_eq!(
            event["payload"],
            json!({"group": "cats", "key": "fluffy", "value": {"a": 2}})
        );
        heard.push(event["channel"].as_str().unwrap().to_owned());
    }
    heard.sort();
    let mut expected = ids;
    expected.sort_unstable();
    assert_eq!(heard, expected);

    let all = get(&device, "/api/data?sort=-key").await;
    assert_eq!(
        (&all["total"], &all["results"][0]["key"]),
        (&json!(3), &json!("rex"))
    );
    let cats = get(&device, "/api/data?group=cats").await;
    assert_eq!(cats["total"], 2);
    assert_eq!(
        cats["results"][1],
        json!({"group": "cats", "key": "none", "value": null})
    );
    assert_eq!(get(&device, "/api/data?value.a=1").await["total"], 1);
    let unquoted = call(&device, Method::PUT, "/api/data/cats/fluffy", "meow").await;
    assert_eq!(unquoted.0, 400);
}

#[tokio::test]
async fn a_feed_has_data() {
    let hub = RunningHub::start().await;
    let device = hub.device().await;
    let stored = json!({"search": {"search": "19713"}, "details": {}, "items": [{"text": "rain"}]});
    let feed = json!({"subtype": "scala:feed:weather", "dataType": "static", "searchValue": "19713", "data": stored});
    let feed = create(&device, "/api/connectors/feeds", &feed).await;
    let path = format!(
        "/api/connectors/feeds/{}/data",
        feed["uuid"].as_str().unwrap()
    );
    assert_eq!(get(&device, &path).await, stored);
    let feed = json!({"subtype": "scala:feed:weather", "dataType": "dynamic", "searchValue": ""});
    let feed = create(&device, "/api/connectors/feeds", &feed).await;
    let path = format!(
        "/api/connectors/feeds/{}/data?searchValue=19713",
        feed["uuid"].as_str().unwrap()
    );
    assert_eq!(get(&device, &path).await["search"]["search"], "19713");
    let unknown = call(
        &device,
        Method::GET,
        "/api/connectors/feeds/nobody/data",
        "",
    )
    .await;
    assert_eq!(unknown.0, 404);
}

#[tokio::test]
async fn the_caller_has_an_organization_a_log_and_perhaps_a_user() {
    let hub = RunningHub::start().await;
    let (user, device, app) = (
        hub.user().await,
        hub.device().await,
        hub.consumer_app().await,
    );
    let current = get(&user, "/api/users/current").await;
    assert_eq!(
        (&current["username"], &current["role"]),
        (&json!("joe@example.com"), &json!("owner"))
    );
    for nobody in [&device, &app] {
        assert_eq!(
            call(nobody, Method::GET, "/api/users/current", "").await.0,
            404
        );
    }
    for client in [&user, &device, &app] {
        let organization = get(client, "/api/organizations/current").await;
        assert_eq!(organization["name"], ORGANIZATION);
        let logged = call(client, Method::POST, "/api/logs", r#"[{"message":"x"}]"#).await;
        assert_eq!(logged, (204, String::new()));
    }
}

#[tokio::test]
async fn devices_are_hidden_from_consumer_apps() {
    let hub = RunningHub::start().await;
    let app = hub.consumer_app().await;
    for (method, path) in [
        (Method::GET, "/api/devices"),
        (Method::GET, "/api/devices/device-1"),
        (Method::PATCH, "/api/devices/device-1"),
        (Method::DELETE, "/api/devices/device-1"),
    ] {
        let (status, text) = call(&app, method, path, "{}").await;
        assert_eq!(
            (status, &parse(&text)["code"]),
            (404, &json!("resource.unknown"))
        );
    }
}
