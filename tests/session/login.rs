//! Logging in, and being refused.

use std::time::Duration;

use expd::config::{Credentials, HostsChoice};
use expd::upstream::session::{SessionState, SessionTimings};
use expd::upstream::transport::SendLatch;
use expd::upstream::transport::{CallError, Unbounded};
use expd_domain::login::{self, Claims};
use expd_domain::{Channel, Payload, Secret};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::world::*;
use expd_test_support::cloud::{Cloud, Reply, now_millis, session};

#[tokio::test]
async fn a_device_signs_its_login_with_its_secret_for_a_day() {
    let cloud = Cloud::start(numbered(HOUR)).await;
    let instance = Instance::start(&settings(&cloud.url, device("device-1", "s3cret")));
    let logged_in = instance.logs_in().await;
    assert_eq!(logged_in.serial, 1);
    assert_eq!(logged_in.socket_url, "http://network.example");
    assert_eq!(logged_in.socket_token.expose(), "t1");

    let request = &cloud.requests()[0];
    assert_eq!(
        (request.method.as_str(), request.is_login()),
        ("POST", true)
    );
    assert!(request.headers["user-agent"].starts_with("expd/"));
    let body: Value = serde_json::from_str(&request.body).unwrap();
    assert_eq!(body.as_object().unwrap().len(), 1);
    let token = Secret::new(body["token"].as_str().unwrap());
    let Claims::Device {
        uuid,
        allow_pairing,
        iat,
        exp,
    } = login::verify(&token, &Secret::new("s3cret")).unwrap()
    else {
        panic!("not a device");
    };
    assert_eq!((uuid.as_str(), allow_pairing), ("device-1", false));
    assert!((iat - now_millis() / 1000).abs() < 5);
    assert_eq!(exp, Some(iat + 86_400));
    let left = logged_in.ends_at.left();
    assert!(
        left + DEADLINE > HOUR && left <= HOUR + DEADLINE,
        "{left:?}"
    );
    instance.stop().await;
}

#[tokio::test]
async fn users_and_consumer_apps_log_in_their_own_way() {
    let cloud = Cloud::start(numbered(HOUR)).await;
    let user = Credentials::User {
        username: "joe".into(),
        password: Secret::new("pass\"word"),
        organization: "demo".into(),
    };
    Instance::start(&settings(&cloud.url, user)).logs_in().await;
    let body: Value = serde_json::from_str(&cloud.requests()[0].body).unwrap();
    assert_eq!(
        body,
        json!({"type": "user", "username": "joe", "password": "pass\"word", "organization": "demo"})
    );
    let app = Credentials::ConsumerApp {
        uuid: "app-1".into(),
        api_key: Secret::new("key"),
    };
    Instance::start(&settings(&cloud.url, app)).logs_in().await;
    let claims = cloud.requests()[1].claims();
    assert!(matches!(claims, Claims::ConsumerApp { uuid, .. } if uuid == "app-1"));
}

#[tokio::test]
async fn a_token_of_the_network_opens_the_socket() {
    let cloud = Cloud::start(|_, _| {
        Reply::json(
            200,
            &json!({
                "token": "t", "expiration": now_millis() + 60_000, "new": {"field": 1},
                "identity": {"uuid": "u", "type": "device", "organization": "o", "more": []},
                "network": {"token": "socket token"},
            }),
        )
    })
    .await;
    let instance = Instance::start(&settings(&cloud.url, device("u", "s")));
    let logged_in = instance.logs_in().await;
    assert_eq!(logged_in.socket_token.expose(), "socket token");
    assert_eq!(
        logged_in.socket_url, cloud.url,
        "no network.host: the API's"
    );
}

#[tokio::test]
async fn wrong_credentials_are_told_as_such_and_tried_rarely() {
    let cloud = Cloud::start(|_, _| Reply::refused("the secret is wrong")).await;
    let instance = Instance::start(&settings(&cloud.url, device("u", "wrong")));
    let state = instance.becomes(is_refused).await;
    let SessionState::Refused { reason, next_try } = state else {
        unreachable!();
    };
    assert_eq!(reason, "the secret is wrong");
    assert!(next_try.left() > Duration::ZERO);
    let error = instance
        .api
        .request("GET", api_path("/api/devices"), [].into(), None, &Unbounded)
        .await;
    assert!(
        matches!(error, Err(CallError::Unauthenticated { ref reason }) if reason.contains("secret")),
        "{error:?}"
    );
    assert_eq!(cloud.requests().len(), 1, "callers do not make it try");
}

#[tokio::test]
async fn credentials_that_worked_before_are_tried_again_soon() {
    let cloud = Cloud::start(|request, before| {
        if request.is_login() && before == 1 {
            Reply::refused("the directory is being restarted")
        } else {
            session(&format!("t{before}"), HOUR)
        }
    })
    .await;
    let timing = SessionTimings {
        accepted_before: Duration::from_millis(200),
        ..SessionTimings::default()
    };
    let instance = Instance::with(&settings(&cloud.url, device("u", "s")), None, timing);
    let first = instance.logs_in().await;
    instance.session.reject(first.serial);
    instance.becomes(is_refused).await;
    // And not after the minute that credentials wait which never worked.
    instance.newer_than(first.serial).await;
    assert_eq!(cloud.logins(), 3);
}

/// Time stands still but where the test moves it on: a blocking task keeps the runtime from
/// skipping over the waits for the network, which passes in real time.
#[tokio::test]
async fn a_refused_credential_is_not_hammered_over_a_day() {
    let cloud = Cloud::start(|_, _| Reply::refused("no")).await;
    let settings = settings(&cloud.url, device("u", "wrong"));
    let instance = Instance::with(&settings, None, SessionTimings::default());
    let (held, let_go) = std::sync::mpsc::channel::<()>();
    let still = tokio::task::spawn_blocking(move || let_go.recv());
    instance.becomes(is_refused).await;
    tokio::time::pause();
    let began = tokio::time::Instant::now();
    let mut states = instance.session.watch();
    let mut waits = Vec::new();
    while began.elapsed() < Duration::from_secs(86_400) {
        let SessionState::Refused { next_try, .. } = instance.session.state() else {
            panic!("{:?}", instance.session.state());
        };
        // The next try comes by the clock that this test moves.
        let wait = next_try.left();
        waits.push(wait);
        states.mark_unchanged();
        tokio::time::advance(wait + Duration::from_secs(1)).await;
        states.changed().await.unwrap();
        states.wait_for(is_refused).await.unwrap();
    }
    tokio::time::resume();
    drop(held);
    still.await.unwrap().ok();
    assert!(
        waits.iter().all(|wait| *wait >= Duration::from_secs(59)),
        "{waits:?}"
    );
    let logins = cloud.logins();
    assert!((120..300).contains(&logins), "{logins} logins in a day");
}

#[tokio::test]
async fn a_login_is_tried_until_it_succeeds() {
    let cloud = Cloud::start(|_, before| match before {
        0 => Reply::new(500, "<html>"),
        1 => Reply::Close,
        2 => Reply::new(200, "{\"token\":1}"),
        3 => Reply::new(302, "").with("location", "https://elsewhere.example"),
        4 => Reply::new(200, "x".repeat(2 << 20)),
        5 => Reply::Raw("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{".to_owned()),
        6 => Reply::Raw("SSH-2.0-OpenSSH_9.2\r\n".to_owned()),
        7 => Reply::Silence,
        // Without a length.
        8 => Reply::Raw(format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(2 << 20))),
        _ => session("t", HOUR),
    })
    .await;
    let timing = SessionTimings {
        answer: Duration::from_millis(300),
        ..hurried()
    };
    let instance = Instance::with(&settings(&cloud.url, device("u", "s")), None, timing);
    let mut states = instance.session.watch();
    let mut reasons: Vec<String> = Vec::new();
    let end = tokio::time::timeout(DEADLINE, async {
        loop {
            match states.borrow_and_update().clone() {
                SessionState::Failed {
                    reason, attempt, ..
                } if usize::try_from(attempt).unwrap() > reasons.len() => reasons.push(reason),
                SessionState::LoggedIn(_) => return,
                _ => {}
            }
            states.changed().await.unwrap();
        }
    });
    end.await.unwrap_or_else(|_| panic!("{reasons:#?}"));
    assert_eq!(cloud.logins(), 10);
    assert!(
        reasons.iter().all(|reason| reason.contains(&cloud.url)),
        "{reasons:#?}"
    );
    let expected = [
        "500",
        "closed the connection",
        "other than an authentication payload",
        "check the host setting",
        "exceeds",
        "broke off",
        "",
        "did not answer",
        "exceeds",
    ];
    for (reason, expected) in reasons.iter().zip(expected) {
        assert!(
            reason.contains(expected),
            "{expected:?} is not in {reason:?}"
        );
    }
}

#[tokio::test]
async fn a_login_waits_as_long_as_the_server_asks() {
    let cloud = Cloud::start(|_, before| match before {
        0 => Reply::new(429, "slow down").with("retry-after", 1),
        _ => session("t", HOUR),
    })
    .await;
    let began = tokio::time::Instant::now();
    Instance::start(&settings(&cloud.url, device("u", "s")))
        .logs_in()
        .await;
    assert!(
        began.elapsed() >= Duration::from_secs(1),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn an_absurd_retry_after_neither_kills_nor_silences_the_session() {
    let cloud = Cloud::start(|_, _| Reply::new(503, "").with("retry-after", u64::MAX)).await;
    let instance = Instance::start(&settings(&cloud.url, device("u", "s")));
    let SessionState::Failed { next_try, .. } = instance.becomes(is_failed).await else {
        unreachable!();
    };
    let wait = next_try.left();
    assert!(wait <= 2 * HOUR, "{wait:?}");
    instance.stop().await;
}

#[tokio::test]
async fn a_login_under_way_is_waited_for_and_ends_with_the_daemon() {
    let cloud = Cloud::start(|_, _| session("t", HOUR).after(Duration::from_millis(300))).await;
    let instance = Instance::start(&settings(&cloud.url, device("u", "s")));
    let session = instance.session.current().await.unwrap();
    assert_eq!(session.authentication.token.expose(), "t");

    let silent = Cloud::start(|_, _| Reply::Silence).await;
    let instance = Instance::start(&settings(&silent.url, device("u", "s")));
    until("a login arrives", || silent.logins() == 1).await;
    let session = instance.session.clone();
    let mut waiting = JoinSet::new();
    waiting.spawn(async move { session.current().await });
    instance.stop().await;
    let error = waiting.join_next().await.unwrap().unwrap().unwrap_err();
    assert!(error.to_string().contains("stopping"), "{error}");
}

/// Answers that are a login, however little the network tells; and the members that are unknown.
fn thin_answers() -> Vec<Value> {
    let hour = now_millis() + 3_600_000;
    let whole = json!({
        "token": "t", "expiration": hour,
        "identity": {"uuid": "u", "type": "device", "organization": "o"},
        "network": {}, "api": {},
    });
    let mut answers = vec![json!({"token": "t"})];
    for value in [Value::Null, json!(7), json!("word"), json!([]), json!({})] {
        let mut all = whole.clone();
        for member in [
            "identity",
            "network",
            "api",
            "expiration",
            "restrictedToken",
        ] {
            let mut answer = whole.clone();
            answer[member] = value.clone();
            all[member] = value.clone();
            answers.push(answer);
        }
        for member in ["uuid", "type", "organization", "pairingCode", "isPairing"] {
            let mut answer = whole.clone();
            answer["identity"][member] = value.clone();
            if member != "pairingCode" {
                answers.push(answer);
            }
        }
        answers.push(all);
    }
    let fractional: Value = serde_json::from_str(&format!("{hour}.5")).unwrap();
    for expiration in [fractional, json!(hour.to_string()), json!("tomorrow")] {
        let mut answer = whole.clone();
        answer["expiration"] = expiration;
        answers.push(answer);
    }
    answers
}

#[tokio::test]
async fn a_login_fails_for_lack_of_a_token_and_for_nothing_else() {
    for answer in thin_answers() {
        let reply = Reply::json(200, &answer);
        let cloud = Cloud::start(move |_, _| reply.clone()).await;
        let instance = Instance::start(&settings(&cloud.url, device("u", "s")));
        let logged_in = instance.logs_in().await;
        let left = logged_in.ends_at.left();
        assert!(left > Duration::from_secs(500), "{answer}: {left:?}");
        assert_eq!(cloud.logins(), 1, "{answer}");
        let identity = &logged_in.authentication.identity;
        assert_eq!(identity.kind, expd_domain::IdentityKind::Device, "{answer}");
    }
}

#[tokio::test]
async fn calls_and_the_socket_go_where_the_latest_login_says() {
    let (first, second) = (
        Cloud::start(|_, _| Reply::new(200, "[1]")).await,
        Cloud::start(|_, _| Reply::new(200, "[2]")).await,
    );
    let urls = [first.url.clone(), second.url.clone()];
    let cloud = Cloud::start(move |request, _| {
        let (number, life) = if request.is_login() {
            (0, 1)
        } else {
            (1, 3600)
        };
        Reply::json(
            200,
            &json!({
                "token": format!("t{number}"), "expiration": now_millis() + life * 1000,
                "identity": {"uuid": "u", "type": "device", "organization": "o"},
                "api": {"host": urls[number]}, "network": {"host": "https://net.example"},
            }),
        )
    })
    .await;
    let instance = Instance::start(&settings(&cloud.url, device("u", "s")));
    let logged_in = instance.logs_in().await;
    assert_eq!(logged_in.socket_url, "https://net.example");
    let broadcast = async || {
        let channel = Channel::new("menu");
        let latch = SendLatch::default();
        let (payload, wait) = (Payload::null(), Duration::ZERO);
        let api = &instance.api;
        let answer = api.broadcast(&channel, "hi", &payload, wait, &latch, &Unbounded);
        answer.await.unwrap()[0].as_str().to_owned()
    };
    assert_eq!(broadcast().await, "1");
    instance.newer_than(1).await;
    assert_eq!(broadcast().await, "2");
    let answer = instance
        .api
        .request("GET", api_path("/api/devices"), [].into(), None, &Unbounded)
        .await;
    assert_eq!(answer.unwrap().status, 200);
    assert_eq!(
        (cloud.logins(), cloud.refreshes()),
        (1, 1),
        "at the login's host"
    );
    assert!(cloud.calls().is_empty());
    let bearers = |cloud: &Cloud| {
        let calls = cloud.calls();
        calls
            .iter()
            .map(|c| c.bearer().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(bearers(&first), ["t0"]);
    assert_eq!(bearers(&second), ["t1", "t1"]);
}

#[tokio::test]
async fn a_host_that_is_refused_gets_no_token() {
    let elsewhere = Cloud::start(|_, _| Reply::new(200, "[]")).await;
    for (host, choice) in [
        (json!("ftp://elsewhere.example"), HostsChoice::Announced),
        (json!("nonsense"), HostsChoice::Announced),
        (json!(null), HostsChoice::Announced),
        (json!(elsewhere.url), HostsChoice::Configured),
    ] {
        let announced = host.clone();
        let cloud = Cloud::start(move |request, _| {
            if !request.is_login() {
                return Reply::new(200, "[]");
            }
            Reply::json(
                200,
                &json!({"token": "t", "api": {"host": announced}, "network": {"host": announced}}),
            )
        })
        .await;
        let mut settings = settings(&cloud.url, device("u", "s"));
        settings.hosts = choice;
        let instance = Instance::start(&settings);
        assert_eq!(instance.logs_in().await.socket_url, cloud.url, "{host}");
        let call =
            instance
                .api
                .request("GET", api_path("/api/devices"), [].into(), None, &Unbounded);
        assert_eq!(call.await.unwrap().status, 200);
        assert_eq!(cloud.calls().len(), 1, "{host}");
    }
    assert!(elsewhere.requests().is_empty());
}

#[tokio::test]
async fn a_login_says_that_a_captive_portal_answers_and_where_a_redirect_leads() {
    for (reply, said) in [
        (Reply::new(200, "<html>Welcome</html>"), "captive portal"),
        (
            Reply::new(302, "").with("location", "https://portal.example/"),
            "a redirect to https://portal.example/",
        ),
        (Reply::new(511, "<html>"), "captive portal"),
    ] {
        let scripted = reply.clone();
        let cloud = Cloud::start(move |_, _| scripted.clone()).await;
        let instance = Instance::start(&settings(&cloud.url, device("u", "s")));
        let SessionState::Failed { reason, .. } = instance.becomes(is_failed).await else {
            unreachable!();
        };
        assert!(reason.contains(said), "{reason}");
    }
}
