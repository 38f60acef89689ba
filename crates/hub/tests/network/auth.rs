//! Logging in and staying logged in.

mod client_logins;

use std::time::Duration;

use expd_domain::identity::Authentication;
use expd_domain::login::Claims;
use expd_domain::{Alphabet, Channel, ChannelId, IdentityKind, Secret};
use expd_hub::{Hub, HubError, HubUser, hash_password};
use expd_test_support::eventually;
use reqwest::Method;
use serde_json::{Value, json};

use crate::running_hub::*;

#[tokio::test]
async fn all_three_kinds_log_in_and_are_who_they_say() {
    let hub = RunningHub::start().await;
    for (client, kind, uuid) in [
        (hub.user().await, IdentityKind::User, "joe@example.com"),
        (hub.device().await, IdentityKind::Device, "device-1"),
        (hub.consumer_app().await, IdentityKind::ConsumerApp, "app-1"),
    ] {
        let identity = &client.auth.identity;
        assert_eq!((identity.kind, identity.uuid.as_str()), (kind, uuid));
        assert_eq!(identity.organization, ORGANIZATION);
        assert_eq!(identity.pairing_code, None);
        assert_eq!(client.auth.network.host.as_ref(), Some(&hub.url));
        let left = client.auth.expiration / 1000 - now();
        assert!((3595..=3600).contains(&left), "{left}");
    }
    assert_eq!(hub.counters().await.logins, 3);
}

#[tokio::test]
async fn behind_what_ends_tls_the_socket_goes_the_same_way() {
    let mut settings = settings();
    settings.hosts = vec!["network.example".into()];
    let hub = RunningHub::with(settings).await;
    let url = format!("{}/api/auth/login", hub.url);
    let login = hub
        .http
        .post(url)
        .header("x-forwarded-proto", "https")
        .header("host", "network.example")
        .json(&device_login("device-1", "device secret", false));
    let auth: Authentication = login.send().await.unwrap().json().await.unwrap();
    assert_eq!(
        auth.network.host.as_deref(),
        Some("https://network.example")
    );
}

#[tokio::test]
async fn wrong_credentials_are_refused() {
    let hub = RunningHub::start().await;
    let app = |uuid: &str, exp| Claims::ConsumerApp {
        uuid: uuid.into(),
        iat: now(),
        exp: Some(exp),
    };
    for body in [
        user_login("joe@example.com", "wrong", ORGANIZATION),
        user_login("joe@example.com", "correct horse", "another"),
        user_login("nobody", "correct horse", ORGANIZATION),
        device_login("device-1", "wrong", false),
        device_login("nobody", "device secret", false),
        device_login("_", "_", false),
        token_login(&app("app-1", now() + 60), "wrong"),
        token_login(&app("nobody", now() + 60), "api key"),
        token_login(&app("app-1", now() - 1), "api key"),
        token_login(&app("app-1", (now() - 1) * 1000), "api key"),
        json!({"token": "no token"}),
    ] {
        assert_eq!(
            refusal(hub.login(&body).await).await,
            (401, "authentication.refused".into())
        );
    }
    assert_eq!(hub.counters().await.logins_refused, 11);
    for body in [json!({}), json!([]), json!({"type": "robot"})] {
        assert_eq!(
            refusal(hub.login(&body).await).await,
            (400, "request.body.malformed".into())
        );
    }
}

#[tokio::test]
async fn a_network_with_a_url_of_its_own_announces_it_and_answers_to_it() {
    let mut settings = settings();
    settings.url = Some("https://exp.example:8443".into());
    let hub = RunningHub::with(settings).await;
    let login = device_login("device-1", "device secret", false);
    let called = hub.http.post(format!("{}/api/auth/login", hub.url));
    let answer = called.header("host", "exp.example:8443").json(&login);
    let answer: Value = answer.send().await.unwrap().json().await.unwrap();
    for host in ["api", "network"] {
        assert_eq!(answer[host]["host"], "https://exp.example:8443");
    }
}

#[tokio::test]
async fn a_socket_opens_with_the_first_token_while_a_refreshed_one_holds() {
    let mut settings = settings();
    settings.token_ttl = Duration::from_secs(2);
    let hub = RunningHub::with(settings).await;
    let first = hub.device().await;
    let mut latest = first.auth.clone();
    // Refreshes of refreshes belong to the same login.
    eventually("the first token expires", async || {
        let client = Client {
            hub: &hub,
            auth: latest.clone(),
        };
        let refreshed = client.post("/api/auth/token", "").await;
        latest = refreshed.json().await.unwrap();
        let things = first.request(Method::GET, "/api/things");
        let status = things.send().await.unwrap().status();
        let is_expired = status == 401;
        is_expired.then_some(()).ok_or_else(|| status.to_string())
    })
    .await;
    let menu = channel_id(&Channel::new("menu"), Alphabet::Standard);
    first.socket(3).await.subscribed(&[&menu]).await;
    let refused = first.post("/api/auth/token", "").await;
    assert_eq!(
        refusal(refused).await,
        (401, "authentication.token.expired".into())
    );
}

#[tokio::test]
async fn rules_are_403_and_never_401() {
    let hub = RunningHub::start().await;
    let (app, device) = (hub.consumer_app().await, hub.device().await);
    let waiting = hub.session(&device_login("_", "_", true)).await;
    let menu = json!({"name": "menu"});
    let system = json!({"name": "menu", "system": true});
    let foreign = json!(ChannelId::encode(
        "another",
        &Channel::new("menu"),
        Alphabet::Standard
    ));
    for refused in [
        app.broadcast(&menu, "hi", "1", 0).await,
        app.respond("1", &menu, "1").await,
        app.post("/api/things", "{}").await,
        app.request(Method::PUT, "/api/data/a/b")
            .body("1")
            .send()
            .await
            .unwrap(),
        device.broadcast(&system, "hi", "1", 0).await,
        device.broadcast(&foreign, "hi", "1", 0).await,
        waiting.broadcast(&menu, "hi", "1", 0).await,
        waiting
            .request(Method::GET, "/api/things")
            .send()
            .await
            .unwrap(),
        waiting
            .request(Method::GET, "/api/users/current")
            .send()
            .await
            .unwrap(),
        waiting
            .request(Method::GET, "/api/data")
            .send()
            .await
            .unwrap(),
        waiting.post("/api/logs", "[]").await,
    ] {
        assert_eq!(refusal(refused).await.0, 403);
    }
}

#[tokio::test]
async fn a_password_hashed_by_hash_password_logs_in() {
    let mut settings = settings();
    settings.users.push(HubUser {
        username: "ann".into(),
        password_hash: hash_password(&Secret::new("pässword")).unwrap(),
        role: expd_hub::DEFAULT_ROLE.into(),
    });
    let hub = RunningHub::with(settings).await;
    hub.session(&user_login("ann", "pässword", ORGANIZATION))
        .await;
}

#[tokio::test]
async fn what_is_no_hash_is_refused_before_anything_is_bound() {
    let mut settings = settings();
    settings.users[0].password_hash = "plain text".into();
    let error = Hub::bind(&settings).await.err().unwrap();
    assert!(matches!(error, HubError::PasswordHash { .. }), "{error}");
    assert!(error.to_string().contains("joe@example.com"), "{error}");
}

#[tokio::test]
async fn a_token_is_refreshed_until_it_has_expired() {
    let mut settings = settings();
    settings.token_ttl = Duration::from_secs(2);
    let hub = RunningHub::with(settings).await;
    let device = hub.device().await;
    let response = device.post("/api/auth/token", "").await;
    let fresh: Authentication = response.json().await.unwrap();
    assert_ne!(fresh.token, device.auth.token);
    assert_eq!(fresh.identity, device.auth.identity);
    assert!(fresh.expiration >= device.auth.expiration);
    hub.counters_become(|c| c.refreshes == 1).await;

    let refused = eventually("the token expires", async || {
        let response = device.post("/api/auth/token", "").await;
        let status = response.status();
        let is_expired = status == 401;
        is_expired
            .then_some(response)
            .ok_or_else(|| status.to_string())
    })
    .await;
    let refused = refusal(refused).await;
    assert_eq!(refused, (401, "authentication.token.expired".into()));
    let path = "/api/networks/current/broadcasts";
    assert_eq!(refusal(device.post(path, "{}").await).await.0, 401);
}

#[tokio::test]
async fn a_token_of_another_network_or_none_at_all_is_refused() {
    let (mut other_key, mut other_organization) = (settings(), settings());
    other_key.token_key = Some(Secret::new("another key"));
    other_organization.organization = "other".to_owned();
    let here = RunningHub::start().await;
    for (there, code) in [
        (other_key, "authentication.token.invalid"),
        (other_organization, "authentication.token.revoked"),
    ] {
        let there = RunningHub::with(there).await;
        let mut stranger = there.device().await;
        stranger.hub = &here;
        assert_eq!(
            refusal(stranger.post("/api/auth/token", "").await).await,
            (401, code.into())
        );
    }
    let url = format!("{}/api/things", here.url);
    assert_eq!(
        refusal(here.http.get(url).send().await.unwrap()).await,
        (401, "authentication.token.missing".into())
    );
}

#[tokio::test]
async fn every_error_is_json() {
    let hub = RunningHub::start().await;
    let device = hub.device().await;
    let broadcasts = "/api/networks/current/broadcasts";
    for (response, expected) in [
        (
            device.post("/nowhere", "").await,
            (404, "request.path.unknown"),
        ),
        (
            device
                .request(Method::GET, broadcasts)
                .send()
                .await
                .unwrap(),
            (405, "request.method"),
        ),
        (
            device.post(broadcasts, "{").await,
            (400, "request.body.malformed"),
        ),
        (
            device.post(broadcasts, r#"{"name":"a","channel":7}"#).await,
            (400, "request.body.malformed"),
        ),
        (
            device
                .post(
                    "/api/things",
                    "\"".to_owned() + &"x".repeat(2_000_000) + "\"",
                )
                .await,
            (413, "request.body.tooLarge"),
        ),
        (
            device
                .request(Method::GET, "/api/things/%FF")
                .send()
                .await
                .unwrap(),
            (400, "request.path.malformed"),
        ),
        (
            device
                .request(Method::GET, "/api/things?limit=x")
                .send()
                .await
                .unwrap(),
            (400, "request.query.malformed"),
        ),
    ] {
        assert_eq!(refusal(response).await, (expected.0, expected.1.to_owned()));
    }
}

#[tokio::test]
async fn a_busy_port_is_named_with_what_to_do() {
    let hub = RunningHub::start().await;
    let mut settings = settings();
    settings.listen = hub.url.strip_prefix("http://").unwrap().parse().unwrap();
    let error = Hub::bind(&settings).await.err().unwrap();
    assert!(matches!(error, HubError::Busy { .. }), "{error}");
    assert!(
        error.to_string().contains(&settings.listen.to_string()),
        "{error}"
    );
}
