//! Refreshing a token, and tokens that are refused.

use std::time::Duration;

use expd::upstream::session::{SessionState, SessionTimings};
use expd::upstream::transport::SendLatch;
use expd::upstream::transport::{CallError, Unbounded};
use expd_domain::{Channel, Payload};
use expd_test_support::in_time;
use expd_test_support::network::http_client;
use tokio::task::JoinSet;

use crate::world::*;
use expd_test_support::cloud::{Cloud, Reply, Request, now_millis, session, session_at};

#[tokio::test]
async fn a_token_is_refreshed_before_it_ends() {
    let cloud = Cloud::start(numbered(Duration::from_secs(2))).await;
    let instance = Instance::start(&settings(&cloud.url, device("u", "s")));
    let began = tokio::time::Instant::now();
    let mut states = instance.session.watch();
    // At every moment there is a token that holds.
    let mut serial = instance.logs_in().await.serial;
    while serial < 4 {
        in_time("another token", states.changed()).await.unwrap();
        let state = states.borrow_and_update().clone();
        let session = state.session().unwrap_or_else(|| panic!("{state:?}"));
        assert!(session.ends_at.left() > Duration::ZERO);
        serial = session.serial;
    }
    assert!(
        began.elapsed() > Duration::from_secs(3),
        "{:?}",
        began.elapsed()
    );
    assert_eq!((cloud.logins(), cloud.refreshes()), (1, 3));
    let refresh = cloud
        .requests()
        .into_iter()
        .find(Request::is_refresh)
        .unwrap();
    assert_eq!((refresh.bearer(), refresh.body.as_str()), ("t1", ""));
    assert_eq!(
        (
            instance.counters.logins.get(),
            instance.counters.refreshes.get()
        ),
        (1, 3)
    );
}

/// Lets the runtime turn, and with it the session: so many round trips take more turns than a
/// request of the session's takes.
async fn goes_on_for_a_while(cloud: &Cloud) {
    let http = http_client();
    for _ in 0..50 {
        let url = format!("{}/elsewhere", cloud.url);
        in_time("an answer", http.get(url).send()).await.unwrap();
    }
}

#[tokio::test]
async fn a_token_of_thirty_days_is_kept_for_its_time() {
    let month = Duration::from_secs(30 * 86_400);
    let cloud = Cloud::start(numbered(month)).await;
    let instance = Instance::start(&settings(&cloud.url, device("u", "s")));
    let logged_in = instance.logs_in().await;
    let left = logged_in.ends_at.left();
    assert!(left + DEADLINE > month, "{left:?}");
    goes_on_for_a_while(&cloud).await;
    assert_eq!(cloud.logins() + cloud.refreshes(), 1);
}

#[tokio::test]
async fn a_nonsensical_expiration_leads_to_no_flood() {
    let mut devices = Vec::new();
    for expiration in [0, -1, i64::MAX, i64::MIN, now_millis() - 1000] {
        let cloud = Cloud::start(move |_, _| session_at("t", expiration)).await;
        let instance = Instance::start(&settings(&cloud.url, device("u", "s")));
        instance.logs_in().await;
        devices.push((expiration, cloud, instance));
    }
    for (expiration, cloud, _) in &devices {
        goes_on_for_a_while(cloud).await;
        assert_eq!(cloud.logins() + cloud.refreshes(), 1, "{expiration}");
    }
}

#[tokio::test]
async fn a_hundred_callers_with_a_refused_token_cost_one_login_and_one_retry_each() {
    let cloud = Cloud::start(|request, before| match request.path.as_str() {
        // Slow, so that all of them wait at the same time.
        "/api/auth/login" => session(&format!("t{}", before + 1), HOUR)
            .after(Duration::from_millis(if before == 0 { 0 } else { 300 })),
        _ if request.bearer() == "t1" => Reply::refused("the token was revoked"),
        _ => Reply::new(200, "[1]"),
    })
    .await;
    let instance = Instance::start(&settings(&cloud.url, device("u", "s")));
    instance.logs_in().await;
    let mut callers = JoinSet::new();
    for _ in 0..100 {
        let api = instance.api.clone();
        callers.spawn(async move {
            let channel = Channel::new("menu");
            api.broadcast(
                &channel,
                "hi",
                &Payload::null(),
                Duration::ZERO,
                &SendLatch::default(),
                &Unbounded,
            )
            .await
        });
    }
    while let Some(answer) = callers.join_next().await {
        assert_eq!(answer.unwrap().unwrap()[0].as_str(), "1");
    }
    assert_eq!((cloud.logins(), cloud.refreshes()), (2, 0));
    let calls = cloud.calls();
    let with = |token: &str| calls.iter().filter(|call| call.bearer() == token).count();
    assert_eq!(with("t2"), 100, "each call was carried out once");
    assert!(with("t1") <= 100, "and refused at most once");
}

#[tokio::test]
async fn callers_wait_for_the_refresh_that_is_under_way() {
    // The old token is refused from the moment its refresh began: callers get the fresh one,
    // without a login.
    let cloud = Cloud::start(|request, _| match request.path.as_str() {
        "/api/auth/login" => session("t1", Duration::from_secs(1)),
        "/api/auth/token" => session("t2", HOUR).after(Duration::from_millis(300)),
        _ if request.bearer() == "t1" => Reply::refused("old"),
        _ => Reply::new(200, "[]"),
    })
    .await;
    let instance = Instance::start(&settings(&cloud.url, device("u", "s")));
    instance.logs_in().await;
    until("a refresh begins", || cloud.refreshes() == 1).await;
    let mut callers = JoinSet::new();
    for _ in 0..100 {
        let api = instance.api.clone();
        callers.spawn(async move {
            api.request("GET", api_path("/api/devices"), [].into(), None, &Unbounded)
                .await
                .unwrap()
        });
    }
    while let Some(answer) = callers.join_next().await {
        assert_eq!(answer.unwrap().status, 200);
    }
    assert_eq!((cloud.logins(), cloud.refreshes()), (1, 1));
}

#[tokio::test]
async fn a_token_that_is_refused_although_fresh_ends_the_call_and_is_not_hammered() {
    let cloud = Cloud::start(|request, before| {
        if request.is_login() {
            session(&format!("t{}", before + 1), HOUR)
        } else {
            Reply::refused("not with any token")
        }
    })
    .await;
    let settings = settings(&cloud.url, device("u", "s"));
    let instance = Instance::with(&settings, None, SessionTimings::default());
    instance.logs_in().await;
    let call = || {
        instance
            .api
            .request("GET", api_path("/api/devices"), [].into(), None, &Unbounded)
    };
    let error = call().await.unwrap_err();
    assert!(
        matches!(&error, CallError::Unauthenticated { reason } if reason == "not with any token"),
        "{error:?}"
    );
    assert_eq!((cloud.logins(), cloud.calls().len()), (2, 2));
    // An app that asks again and again for what no token opens costs no login each time, and no new
    // socket.
    for _ in 0..50 {
        let error = call().await.unwrap_err();
        assert!(
            matches!(error, CallError::Unauthenticated { .. }),
            "{error:?}"
        );
    }
    assert_eq!((cloud.logins(), cloud.calls().len()), (2, 52));
}

#[tokio::test]
async fn a_link_whose_fresh_token_is_refused_gets_another_in_time() {
    let cloud = Cloud::start(numbered(HOUR)).await;
    let instance = Instance::start(&settings(&cloud.url, device("u", "s")));
    // The network restarts again and again, and each time the socket finds out and waits for
    // another token.
    for serial in 1..6 {
        instance.newer_than(serial - 1).await;
        instance.session.reject(serial);
        instance.session.reject(serial);
    }
    let last = instance.newer_than(5).await;
    // One that was refused long ago, to somebody who is late.
    instance.session.reject(3);
    assert_eq!(instance.session.renew(3).await.unwrap().serial, last.serial);
    assert_eq!((cloud.logins(), cloud.refreshes()), (6, 0));
}

#[tokio::test]
async fn a_refused_refresh_leads_to_a_login() {
    let cloud = Cloud::start(|request, before| match request.path.as_str() {
        "/api/auth/login" if before == 0 => session("t1", Duration::from_secs(1)),
        "/api/auth/login" => session("t2", HOUR),
        _ => Reply::refused("too old"),
    })
    .await;
    let instance = Instance::start(&settings(&cloud.url, device("u", "s")));
    assert_eq!(
        instance.newer_than(1).await.authentication.token.expose(),
        "t2"
    );
    assert_eq!((cloud.logins(), cloud.refreshes()), (2, 1));
}

#[tokio::test]
async fn the_old_token_serves_while_its_refresh_fails() {
    let cloud = Cloud::start(|request, before| match request.path.as_str() {
        "/api/auth/login" => session("t1", Duration::from_secs(3)),
        "/api/auth/token" if before < 3 => Reply::new(503, "busy"),
        "/api/auth/token" => session("t2", HOUR),
        _ => Reply::new(200, "[]"),
    })
    .await;
    let instance = Instance::start(&settings(&cloud.url, device("u", "s")));
    let failing = |state: &SessionState| matches!(state, SessionState::RefreshFailing { .. });
    let state = instance.becomes(failing).await;
    let SessionState::RefreshFailing {
        session, reason, ..
    } = &state
    else {
        unreachable!();
    };
    assert_eq!(session.authentication.token.expose(), "t1");
    assert!(
        reason.contains("503") && reason.contains(&cloud.url),
        "{reason}"
    );
    let answer = instance
        .api
        .request("GET", api_path("/api/devices"), [].into(), None, &Unbounded)
        .await;
    assert_eq!(answer.unwrap().status, 200);
    instance.newer_than(1).await;
    assert_eq!((cloud.logins(), cloud.refreshes()), (1, 4));
}

#[tokio::test]
async fn a_refresh_that_is_put_off_past_the_tokens_end_is_put_off_all_the_same() {
    let cloud = Cloud::start(|request, before| match request.path.as_str() {
        "/api/auth/login" if before == 0 => session("t1", Duration::from_secs(1)),
        "/api/auth/login" => session("t2", HOUR),
        _ => Reply::new(503, "later").with("retry-after", 2),
    })
    .await;
    let instance = Instance::start(&settings(&cloud.url, device("u", "s")));
    instance.logs_in().await;
    until("a refresh fails", || cloud.refreshes() == 1).await;
    let asked = tokio::time::Instant::now();
    let state = instance.becomes(is_failed).await;
    let SessionState::Failed { reason, .. } = state else {
        unreachable!();
    };
    assert!(reason.contains("503"), "{reason}");
    let error = instance.session.current().await.unwrap_err();
    let CallError::Offline { retry_in, .. } = error else {
        panic!("{error:?}");
    };
    assert!(retry_in.unwrap() <= Duration::from_secs(3));
    instance.newer_than(1).await;
    assert!(
        asked.elapsed() >= Duration::from_millis(1900),
        "{:?}",
        asked.elapsed()
    );
    assert_eq!((cloud.logins(), cloud.refreshes()), (2, 1));
}
