//! A machine whose clock is wrong, told by a network whose clock is elsewhere.

use std::time::{Duration, SystemTime};

use expd::config::Credentials;
use expd_domain::Secret;
use expd_domain::login::{self, Claims};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::world::*;
use expd_test_support::cloud::{Cloud, Reply, Request, now_millis, session_at};

const DAY: i64 = 86_400_000;

/// A network whose clock is `ahead` milliseconds ahead of this machine's. It takes logins by that
/// clock, from `iat` to `exp`, and its tokens live for `life`.
async fn network(ahead: i64, life: i64) -> Cloud {
    Cloud::start(move |request, before| {
        let now = now_millis() + ahead;
        let reply = if request.is_login() && !holds(request, now / 1000) {
            Reply::refused("the login token is not valid at this time")
        } else {
            session_at(&format!("t{before}"), now + life)
        };
        let date = SystemTime::UNIX_EPOCH + Duration::from_millis(now.try_into().unwrap());
        reply.with("date", httpdate::fmt_http_date(date))
    })
    .await
}

fn holds(request: &Request, now: i64) -> bool {
    let body: Value = serde_json::from_str(&request.body).unwrap();
    let token = Secret::new(body["token"].as_str().unwrap());
    let claims = login::verify(&token, &Secret::new("s")).unwrap();
    let Claims::Device { iat, exp, .. } = claims else {
        panic!("{claims:?}");
    };
    iat <= now + 30 && now < exp.unwrap()
}

#[tokio::test]
async fn a_device_whose_clock_is_days_off_logs_in_and_refreshes_in_time() {
    let mut devices = JoinSet::new();
    for ahead in [3 * DAY, -3 * DAY, 20 * 365 * DAY] {
        devices.spawn(async move {
            let cloud = network(ahead, 3000).await;
            let instance = Instance::start(&settings(&cloud.url, device("u", "s")));
            let session = instance.logs_in().await;
            // The first was refused and told the time.
            assert_eq!(cloud.logins(), 2, "{ahead}");
            let left = session.ends_at.left();
            assert!(left <= Duration::from_secs(3), "{left:?}");
            instance.newer_than(2).await;
            assert_eq!((cloud.logins(), cloud.refreshes()), (2, 2), "{ahead}");
        });
    }
    while let Some(passed) = devices.join_next().await {
        passed.unwrap();
    }
}

#[tokio::test]
async fn a_wrong_date_does_not_make_a_paired_device_wait_to_be_paired() {
    // This network takes credentials that do not hold, and be it for their date, for a wish to be
    // paired.
    let cloud = Cloud::start(|request, before| {
        let now = now_millis() + 3 * DAY;
        let date = SystemTime::UNIX_EPOCH + Duration::from_millis(now.try_into().unwrap());
        let reply = if holds(request, now / 1000) {
            session_at(&format!("t{before}"), now + 60_000)
        } else {
            Reply::json(
                200,
                &json!({
                    "token": "p", "expiration": now + 60_000,
                    "identity": {"type": "device", "pairingCode": "abcdef"},
                }),
            )
        };
        reply.with("date", httpdate::fmt_http_date(date))
    })
    .await;
    let home = tempfile::tempdir().unwrap();
    let credentials = Credentials::Device {
        uuid: Some("u".into()),
        secret: Some(Secret::new("s")),
        allow_pairing: true,
    };
    let settings = settings(&cloud.url, credentials);
    let instance = Instance::with(&settings, Some(home.path()), hurried());
    let session = instance.newer_than(1).await;
    assert_eq!(session.authentication.identity.uuid, "device-1");
    assert_eq!(cloud.logins(), 2);
}

#[tokio::test]
async fn wrong_credentials_are_refused_once_more_at_most_for_the_clocks_sake() {
    let cloud =
        Cloud::start(|_, _| Reply::refused("wrong").with("date", "Sun, 06 Nov 1994 08:49:37 GMT"))
            .await;
    let instance = Instance::start(&settings(&cloud.url, device("u", "s")));
    instance.becomes(is_refused).await;
    assert_eq!(cloud.logins(), 2);
}

#[tokio::test]
async fn a_clock_that_jumps_while_a_token_is_held_changes_nothing() {
    // Not this machine's clock, which a test must not touch, but the network's, which is the same
    // to a session.
    let cloud = Cloud::start(|request, before| {
        let ahead = if request.is_refresh() && before % 2 == 0 {
            DAY
        } else {
            0
        };
        let now = now_millis() + ahead;
        let date = SystemTime::UNIX_EPOCH + Duration::from_millis(now.try_into().unwrap());
        session_at("t", now + 2000).with("date", httpdate::fmt_http_date(date))
    })
    .await;
    let instance = Instance::start(&settings(&cloud.url, device("u", "s")));
    let began = tokio::time::Instant::now();
    instance.newer_than(3).await;
    let took = began.elapsed();
    assert!(took > Duration::from_secs(2), "{took:?}");
    assert_eq!(cloud.logins(), 1);
}
