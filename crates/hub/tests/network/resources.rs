//! Resources and data documents, and the `update` that follows each change.

use expd_domain::payload::MAX_BYTES;
use expd_domain::{Alphabet, Channel};
use reqwest::Method;
use serde_json::{Value, json};

use crate::world::*;

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
    let world = World::start().await;
    let user = world.user().await;
    for path in [
        "/api/things",
        "/api/experiences",
        "/api/locations",
        "/api/connectors/feeds",
        "/api/content",
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
    let world = World::start().await;
    let user = world.user().await;
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
    let world = World::start().await;
    let app = world.consumer_app().await;
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
    let world = World::start().await;
    let user = world.user().await;
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
