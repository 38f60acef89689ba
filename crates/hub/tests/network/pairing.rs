//! Devices that wait to be paired, and their operator.

use expd_domain::{Alphabet, Channel, Secret};
use expd_hub as hub;
use expd_hub::operator::{self, OperatorError};
use reqwest::Method;
use serde_json::json;

use crate::running_hub::*;

fn pairing_id() -> String {
    channel_id(&Channel::new("pairing").system(), Alphabet::UrlSafe)
}

async fn waiting(hub: &RunningHub) -> Client<'_> {
    let waiting = hub.session(&device_login("_", "_", true)).await;
    assert_eq!(waiting.auth.identity.uuid, "");
    waiting
}

fn code<'a>(client: &'a Client<'_>) -> &'a str {
    client.auth.identity.pairing_code.as_deref().unwrap()
}

#[tokio::test]
async fn a_device_is_paired_and_its_secret_reaches_it_alone() {
    let hub = RunningHub::start().await;
    let (ours, other) = (waiting(&hub).await, waiting(&hub).await);
    assert_ne!(code(&ours), code(&other));
    let mut socket = ours.socket(4).await.subscribed(&[&pairing_id()]).await;
    let mut bystander = other.socket(4).await.subscribed(&[&pairing_id()]).await;

    let typed = format!("{}-{}", &code(&ours)[..3].to_uppercase(), &code(&ours)[3..]);
    let paired = operator::pair(&hub.url, Some(&operator_key()), &typed)
        .await
        .unwrap();
    let heard = socket.event("broadcast").await;
    assert_eq!(heard["name"], "credentials");
    assert_eq!(heard["payload"]["uuid"], paired.uuid);
    let secret = heard["payload"]["secret"].as_str().unwrap();
    let device = hub.session(&device_login(&paired.uuid, secret, true)).await;
    assert_eq!(device.auth.identity.pairing_code, None);
    assert_eq!(device.auth.identity.uuid, paired.uuid);
    let document = device.request(Method::GET, &format!("/api/devices/{}", paired.uuid));
    assert!(document.send().await.unwrap().status().is_success());
    // The other device has received nothing of it: its next message is the one sent for it.
    operator::pair(&hub.url, Some(&operator_key()), code(&other))
        .await
        .unwrap();
    let heard = bystander.event("broadcast").await;
    assert_ne!(heard["payload"]["uuid"], paired.uuid);

    for (code, expected) in [(code(&ours), 409), ("zzzzzz", 404)] {
        let error = operator::pair(&hub.url, Some(&operator_key()), code)
            .await
            .unwrap_err();
        assert!(
            matches!(error, OperatorError::Refused { status, .. } if status == expected),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_device_that_was_away_hears_of_its_pairing_when_it_comes_back() {
    let hub = RunningHub::start().await;
    let device = waiting(&hub).await;
    let paired = operator::pair(&hub.url, Some(&operator_key()), code(&device))
        .await
        .unwrap();
    let mut socket = device.socket(4).await.subscribed(&[&pairing_id()]).await;
    let heard = socket.event("broadcast").await;
    assert_eq!(heard["payload"]["uuid"], paired.uuid);
}

#[tokio::test]
async fn a_waiting_device_may_do_nothing_else_and_gets_a_new_code_by_a_new_login() {
    let hub = RunningHub::start().await;
    // Invalid credentials lead to pairing, too.
    let device = hub.session(&device_login("device-1", "wrong", true)).await;
    let menu = channel_id(&Channel::new("menu"), Alphabet::UrlSafe);
    let mut socket = device.socket(3).await.connected().await;
    socket.subscribe(&[&menu]).await;
    let refused = socket.event("subscribe_error").await;
    assert_eq!(refused[0]["code"], "pairing.restricted");
    let channel = json!({"name": "menu"});
    let broadcast = device.broadcast(&channel, "hi", "1", 0);
    let things = device.request(Method::GET, "/api/things").send();
    for refused in [broadcast.await, things.await.unwrap()] {
        assert_eq!(refusal(refused).await, (403, "pairing.restricted".into()));
    }
    let refused = refusal(device.post("/api/auth/token", "").await).await;
    assert_eq!(refused, (401, "authentication.pairing".into()));
    let again = waiting(&hub).await;
    assert_ne!(code(&again), code(&device));
}

#[tokio::test]
async fn a_waiting_device_may_know_no_organization() {
    let hub = RunningHub::start().await;
    for id in [
        "W251bGwsInBhaXJpbmciLDEsMF0=", // [null,"pairing",1,0]
        "WyIiLCJwYWlyaW5nIiwxLDBd",     // ["","pairing",1,0]
    ] {
        let device = waiting(&hub).await;
        let mut socket = device.socket(3).await.subscribed(&[id]).await;
        let paired = operator::pair(&hub.url, Some(&operator_key()), code(&device)).await;
        let heard = socket.event("broadcast").await;
        assert_eq!(heard["channel"], id);
        assert_eq!(heard["payload"]["uuid"], paired.unwrap().uuid);
    }
    // No other identity may.
    let user = hub.user().await;
    let mut socket = user.socket(4).await.connected().await;
    socket.subscribe(&["W251bGwsInBhaXJpbmciLDEsMF0="]).await;
    let refused = socket.event("subscribe_error").await;
    assert_eq!(refused[0]["code"], "network.channel.foreign");
}

#[tokio::test]
async fn an_unpaired_device_is_told_and_shut_out() {
    let hub = RunningHub::start().await;
    let device = hub.device().await;
    let own = channel_id(&Channel::new("device-1").system(), Alphabet::Standard);
    let mut socket = device.socket(4).await.subscribed(&[&own]).await;
    operator::unpair(&hub.url, Some(&operator_key()), "device-1")
        .await
        .unwrap();
    let heard = socket.event("broadcast").await;
    assert_eq!(
        (&heard["name"], &heard["channel"]),
        (&json!("unpair"), &json!(own))
    );
    assert_eq!(socket.next().await, "41");
    assert_eq!(
        refusal(device.post("/api/auth/token", "").await).await,
        (401, "authentication.token.revoked".into())
    );
    let login = device_login("device-1", "device secret", false);
    assert_eq!(refusal(hub.login(&login).await).await.0, 401);
    let error = operator::unpair(&hub.url, Some(&operator_key()), "device-1").await;
    assert!(
        error
            .unwrap_err()
            .to_string()
            .contains("pairing.device.unknown")
    );
}

#[tokio::test]
async fn the_operators_key_is_asked_for() {
    let hub = RunningHub::start().await;
    let counters = operator::counters(&hub.url, Some(&operator_key())).await;
    assert!(counters.is_ok());
    for wrong in [None, Some(&Secret::new("wrong"))] {
        let error = operator::counters(&hub.url, wrong).await.unwrap_err();
        assert!(
            matches!(error, OperatorError::Refused { status: 401, .. }),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_network_without_settings_for_its_keys_makes_them_and_keeps_them() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings();
    (settings.token_key, settings.operator_key) = (None, None);
    settings.state_dir = Some(folder.path().join("hub"));
    let hub = RunningHub::with(settings.clone()).await;
    let auth = hub.device().await.auth;
    let key = hub::read_key(&hub::operator_key_file(&folder.path().join("hub")));
    let key = key.unwrap().unwrap();
    assert!(operator::counters(&hub.url, Some(&key)).await.is_ok());
    hub.stop().await;
    let again = RunningHub::with(settings).await;
    assert!(operator::counters(&again.url, Some(&key)).await.is_ok());
    let before = Client { hub: &again, auth };
    let answer = before.post("/api/auth/token", "").await;
    assert_eq!(answer.status(), 200, "the token outlives the restart");
}

#[tokio::test]
async fn an_operator_is_told_what_is_wrong_with_the_address() {
    let nowhere = "http://127.0.0.1:1";
    let error = operator::pair(nowhere, Some(&operator_key()), "abcdef")
        .await
        .unwrap_err();
    assert!(
        matches!(error, OperatorError::Unreachable { .. }),
        "{error}"
    );
}
