//! Logins as every client sends them, and the refusals of what does not fit.

use expd_hub::HubConsumerApp;

use super::*;

#[tokio::test]
async fn the_python_sdks_milliseconds_are_understood() {
    let hub = RunningHub::start().await;
    let claims = Claims::Device {
        uuid: "device-1".into(),
        allow_pairing: false,
        iat: now() * 1000,
        exp: Some((now() + 30) * 1000),
    };
    hub.session(&token_login(&claims, "device secret")).await;
}

/// Body of a login as a client sends it: the claims, the secret, and the members beside the token.
fn signed(claims: &Value, secret: &str, beside: &Value) -> Value {
    let mut body = beside.clone();
    let token = expd_domain::login::sign(claims, &Secret::new(secret));
    body["token"] = json!(token.expose());
    body
}

/// A login, and the kind and the uuid that it results in.
struct Attempt {
    client: &'static str,
    body: Value,
    kind: &'static str,
    uuid: &'static str,
}

const USER: &str = "joe@example.com";

const DEVICE: &str = "device-1";

fn attempt(client: &'static str, kind: &'static str, uuid: &'static str, body: Value) -> Attempt {
    Attempt {
        client,
        body,
        kind,
        uuid,
    }
}

fn user_attempts() -> Vec<Attempt> {
    let body = |more: Value| {
        let mut body = json!({"username": USER, "password": "correct horse"});
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        body
    };
    let of = |client, more| attempt(client, "user", USER, body(more));
    vec![
        of(
            "JS, user",
            json!({"type": "user", "organization": ORGANIZATION}),
        ),
        of("Python, user", json!({"organization": ORGANIZATION})),
        of(
            "Android, user",
            json!({"organization": ORGANIZATION, "host": "http://x", "enableEvents": true}),
        ),
        of("documented, user", json!({})),
    ]
}

fn device_attempts() -> Vec<Attempt> {
    let millis = (now() + 30) * 1000;
    let none = json!({});
    let of = |client, claims: Value, beside: &Value| {
        let body = signed(&claims, "device secret", beside);
        attempt(client, "device", DEVICE, body)
    };
    let pairing =
        |client, claims: Value| attempt(client, "device", "", signed(&claims, "_", &none));
    vec![
        of(
            "JS, device",
            json!({"type": "device", "uuid": DEVICE, "iat": now(), "exp": now() + 86_400}),
            &none,
        ),
        of(
            "Python, device",
            json!({"type": "device", "uuid": DEVICE, "allowPairing": null, "exp": millis}),
            &none,
        ),
        of(
            "Android, device",
            json!({"uuid": DEVICE, "type": "device"}),
            &none,
        ),
        of(
            "documented, device",
            json!({"uuid": DEVICE}),
            &json!({"type": "device"}),
        ),
        pairing(
            "JS, pairing",
            json!({"type": "device", "allowPairing": true, "iat": now(), "exp": now() + 86_400}),
        ),
        pairing(
            "Python, pairing",
            json!({"type": "device", "uuid": "_", "allowPairing": true, "exp": millis}),
        ),
    ]
}

/// Logins of a consumer app with the uuid of a device.
fn app_attempts() -> Vec<Attempt> {
    let none = json!({});
    let of = |client, claims: Value, beside: &Value| {
        let body = signed(&claims, "another key", beside);
        attempt(client, "consumerApp", DEVICE, body)
    };
    let typed = json!({"type": "consumerApp", "uuid": DEVICE});
    let with = |name: &str, value: i64| {
        let mut claims = typed.clone();
        claims[name] = json!(value);
        claims
    };
    vec![
        of("JS, app", with("exp", now() + 86_400), &none),
        of("Python, app", with("exp", (now() + 30) * 1000), &none),
        of("Android, app", typed.clone(), &none),
        of(
            "documented, app",
            json!({"uuid": DEVICE}),
            &json!({"type": "consumerApp"}),
        ),
        of("an app that names no kind", json!({"uuid": DEVICE}), &none),
    ]
}

#[tokio::test]
async fn every_clients_login_is_taken() {
    let mut settings = settings();
    // One uuid of two kinds, with two secrets.
    settings.consumer_apps.push(HubConsumerApp {
        uuid: DEVICE.into(),
        api_key: Secret::new("another key"),
    });
    let hub = RunningHub::with(settings).await;
    let attempts = [user_attempts(), device_attempts(), app_attempts()];
    for Attempt {
        client,
        body,
        kind,
        uuid,
    } in attempts.into_iter().flatten()
    {
        let answer = hub.login(&body).await;
        assert_eq!(answer.status(), 200, "{client}");
        let answer: Value = answer.json().await.unwrap();
        let identity = &answer["identity"];
        assert_eq!(
            (&identity["type"], &identity["uuid"]),
            (&json!(kind), &json!(uuid)),
            "{client}"
        );
        assert_eq!(identity["organization"], ORGANIZATION, "{client}");
        for host in ["api", "network"] {
            assert_eq!(answer[host]["host"], hub.url, "{client}");
        }
        for token in ["token", "restrictedToken"] {
            let token = answer[token].as_str().unwrap();
            assert!(!token.is_empty(), "{client}");
        }
        assert!(answer["expiration"].is_i64(), "{client}");
        let pairs = client.ends_with("pairing");
        assert_eq!(identity["isPairing"] == true, pairs, "{client}");
        assert_eq!(identity["pairingCode"].is_string(), pairs, "{client}");
        let user = (kind == "user").then_some((USER, "owner"));
        let named = identity["username"].as_str();
        assert_eq!(named.zip(identity["role"].as_str()), user, "{client}");
        assert_eq!(identity["connectionId"].is_string(), user.is_some());
    }
}

#[tokio::test]
async fn a_secret_fits_its_own_kind_alone() {
    let hub = RunningHub::start().await;
    let none = json!({});
    for body in [
        signed(
            &json!({"uuid": DEVICE, "type": "consumerApp"}),
            "device secret",
            &none,
        ),
        signed(
            &json!({"uuid": DEVICE}),
            "device secret",
            &json!({"type": "consumerApp"}),
        ),
        signed(
            &json!({"uuid": "app-1", "type": "device"}),
            "api key",
            &none,
        ),
        signed(&json!({"type": "device", "allowPairing": null}), "_", &none),
        signed(
            &json!({"type": "robot", "uuid": DEVICE}),
            "device secret",
            &none,
        ),
    ] {
        assert_eq!(refusal(hub.login(&body).await).await.0, 401);
    }
}
