//! Fates: what is said of a call that the network did not carry out, or did not answer.

use std::collections::BTreeMap;
use std::time::Duration;

use expd::upstream::transport::{CallError, Unbounded};
use expd_domain::{BroadcastId, Channel, ChannelId, Payload};
use expd_test_support::cloud::{Cloud, Reply, session};
use serde_json::json;

use super::calls::{broadcast, broadcast_waiting, connect, network, payload};
use crate::world::*;

#[tokio::test]
async fn a_broadcast_that_arrived_and_got_no_answer_is_unknown_and_sent_once() {
    for reply in [
        Reply::Close,
        Reply::Raw("HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n[1,2".to_owned()),
        Reply::Raw("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n".to_owned()),
        Reply::Raw("garbage\r\n\r\n".to_owned()),
        Reply::new(200, "[1,"),
        Reply::new(200, "<html>log in</html>"),
    ] {
        let scripted = reply.clone();
        let cloud = network(move |_, _| scripted.clone()).await;
        let instance = connect(&cloud);
        let error = broadcast(&instance, &Payload::null()).await.unwrap_err();
        assert!(
            matches!(error, CallError::Unknown { .. }),
            "{reply:?}: {error:?}"
        );
        assert_eq!(cloud.calls().len(), 1, "{reply:?}");
    }
}

#[tokio::test]
async fn a_kept_connection_that_closes_on_the_next_request_leaves_it_unknown() {
    // The connection of the login and of the first call is kept; on the third request the server
    // reads it and hangs up. A library that takes this for a stale connection would send the
    // broadcast twice.
    let cloud = network(|_, before| match before {
        0 => Reply::new(200, "[]"),
        _ => Reply::Close,
    })
    .await;
    let instance = connect(&cloud);
    broadcast(&instance, &Payload::null()).await.unwrap();
    for sent in [2, 3, 4] {
        let error = broadcast(&instance, &payload("\"once\""))
            .await
            .unwrap_err();
        assert!(matches!(error, CallError::Unknown { .. }), "{error:?}");
        assert_eq!(cloud.calls().len(), sent);
    }
    let connections: Vec<usize> = cloud.calls().iter().map(|call| call.connection).collect();
    assert_eq!(connections[0], connections[1], "the connection was kept");
}

#[tokio::test]
async fn a_connection_that_went_stale_unused_is_replaced_without_a_word() {
    let cloud = network(|_, _| Reply::new(200, "[]")).await;
    let port = cloud.address;
    let instance = connect(&cloud);
    broadcast(&instance, &Payload::null()).await.unwrap();
    // The network restarts while nothing is under way.
    cloud.stop().await;
    let cloud = Cloud::serve(port, None, |_, _| Reply::new(200, "[]")).await;
    broadcast(&instance, &Payload::null()).await.unwrap();
    assert_eq!(cloud.calls().len(), 1);
}

#[tokio::test]
async fn where_nothing_listens_nothing_was_sent() {
    let cloud = network(|_, _| Reply::new(200, "[]")).await;
    let url = cloud.url.clone();
    let instance = connect(&cloud);
    instance.logs_in().await;
    cloud.stop().await;
    let error = broadcast(&instance, &Payload::null()).await.unwrap_err();
    let CallError::Offline { reason, .. } = &error else {
        panic!("{error:?}");
    };
    assert!(
        reason.contains(&url) && reason.contains("refuses connections"),
        "{reason}"
    );
    assert!(error.to_string().contains("nothing was sent"), "{error}");
    // Before the first login it is the login's trouble that is told, with the next try.
    let early = Instance::start(&settings(&url, device("u", "s")));
    early.becomes(is_failed).await;
    let error = broadcast(&early, &Payload::null()).await.unwrap_err();
    assert!(
        matches!(
            &error,
            CallError::Offline {
                retry_in: Some(_),
                ..
            }
        ),
        "{error:?}"
    );
    assert!(error.to_string().contains("refuses connections"), "{error}");
}

#[tokio::test(flavor = "current_thread")]
async fn a_silent_network_is_given_up_in_stated_time_and_the_call_is_unknown() {
    let cloud = network(|_, _| Reply::Silence).await;
    let instance = connect(&cloud);
    instance.logs_in().await;
    let began = tokio::time::Instant::now();
    let call = async { broadcast(&instance, &Payload::null()).await };
    let skip = async {
        until("the call arrives", || !cloud.calls().is_empty()).await;
        // From here on nothing but the deadline can happen.
        tokio::time::pause();
    };
    let (answer, ()) = tokio::join!(call, skip);
    let error = answer.unwrap_err();
    assert!(
        matches!(&error, CallError::Unknown { reason } if reason.contains("30s")),
        "{error:?}"
    );
    let took = began.elapsed();
    assert!(
        took >= Duration::from_secs(30) && took < Duration::from_secs(40),
        "{took:?}"
    );
}

#[tokio::test]
async fn a_broadcast_may_wait_for_its_responses_longer_than_any_other_answer() {
    let cloud = network(|_, _| Reply::new(200, "[1]").after(Duration::from_millis(1500))).await;
    let instance = connect(&cloud);
    let channel = Channel::new("menu");
    let wait = Duration::from_millis(1500);
    let answer = broadcast_waiting(&instance, &channel, &Payload::null(), wait).await;
    assert_eq!(answer.unwrap().len(), 1);
}

#[tokio::test(flavor = "current_thread")]
async fn a_large_payload_has_the_time_that_a_slow_line_needs() {
    // Six minutes from the first byte to the answer.
    let cloud = network(|_, _| Reply::new(200, "[]").after(Duration::from_secs(360))).await;
    let instance = connect(&cloud);
    instance.logs_in().await;
    let large = payload(&format!("\"{}\"", "x".repeat(15_000_000)));
    let call = async { broadcast(&instance, &large).await };
    let skip = async {
        until("the call arrives", || !cloud.calls().is_empty()).await;
        tokio::time::pause();
    };
    let (answer, ()) = tokio::join!(call, skip);
    answer.unwrap();
}

#[tokio::test]
async fn a_refused_token_in_the_middle_costs_one_login_and_one_retry() {
    let cloud = network(|request, _| match request.bearer() {
        "t1" => Reply::refused("ended early"),
        _ => Reply::new(200, "[\"heard\"]"),
    })
    .await;
    let instance = connect(&cloud);
    let responses = broadcast(&instance, &payload("1.0")).await.unwrap();
    assert_eq!(responses[0].as_str(), "\"heard\"");
    assert_eq!((cloud.logins(), cloud.refreshes()), (2, 0));
    let calls = cloud.calls();
    assert_eq!(calls.len(), 2);
    assert_eq!(calls[0].body, calls[1].body);
}

#[tokio::test]
async fn a_call_whose_fresh_login_is_refused_says_so() {
    let cloud = Cloud::start(|request, before| match request.path.as_str() {
        "/api/auth/login" if before == 0 => session("t1", HOUR),
        _ => Reply::refused("the device was removed"),
    })
    .await;
    let instance = connect(&cloud);
    let error = broadcast(&instance, &Payload::null()).await.unwrap_err();
    assert!(
        matches!(&error, CallError::Unauthenticated { reason } if reason == "the device was removed"),
        "{error:?}"
    );
    assert_eq!((cloud.logins(), cloud.calls().len()), (2, 1));
}

#[tokio::test]
async fn a_broadcast_that_was_taken_without_a_list_was_sent_and_has_no_responses() {
    for body in [
        "",
        " ",
        "null",
        "{}",
        "{\"not\":\"a list\"}",
        "true",
        "\"OK\"",
        "OK",
    ] {
        for status in [200, 201, 204] {
            let body = if status == 204 { "" } else { body };
            let cloud = network(move |_, _| Reply::new(status, body)).await;
            let instance = connect(&cloud);
            let responses = broadcast(&instance, &Payload::null()).await.unwrap();
            assert!(responses.is_empty(), "{status} {body:?}");
            assert_eq!(cloud.calls().len(), 1);
        }
    }
}

#[tokio::test]
async fn a_portal_in_the_networks_place_is_said_to_be_one_and_a_redirect_names_where_to() {
    let cloud = network(|request, _| match request.path.as_str() {
        "/api/devices" | "/api/delivery/index.html" => {
            Reply::new(200, "<!doctype html><p>Welcome</p>")
        }
        _ => Reply::new(302, "").with("location", "https://portal.example/login"),
    })
    .await;
    let instance = connect(&cloud);
    let get = async |path: &str| {
        let path = api_path(path);
        let api = &instance.api;
        api.request("GET", path, BTreeMap::new(), None, &Unbounded)
            .await
    };
    let error = get("/api/devices").await.unwrap_err();
    assert_eq!(error.fate(), expd_domain::Fate::Unknown, "{error}");
    assert!(error.to_string().contains("captive portal"), "{error}");
    assert_eq!(get("/api/delivery/index.html").await.unwrap().status, 200);
    let (id, channel) = (BroadcastId::new("b-1"), ChannelId::from_wire("abc="));
    let answer = payload("1");
    let respond = instance.api.respond(&id, &channel, &answer, &Unbounded);
    for error in [
        get("/api/things").await.unwrap_err(),
        respond.await.unwrap_err(),
        broadcast(&instance, &Payload::null()).await.unwrap_err(),
    ] {
        assert_eq!(error.fate(), expd_domain::Fate::Refused, "{error}");
        assert!(
            error.to_string().contains("https://portal.example/login"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_response_is_sent_only_where_the_answer_may_be_the_networks() {
    let answers = [
        (Reply::new(200, "<html>log in</html>"), false),
        (Reply::new(201, "created, see the attached page"), false),
        (
            Reply::json(200, &json!({})).with("content-encoding", "gzip"),
            false,
        ),
        (Reply::json(200, &json!({"ok": true})), true),
        (Reply::new(200, "OK"), true),
        (Reply::new(201, ""), true),
        (Reply::new(204, ""), true),
    ];
    for (reply, good) in answers {
        let scripted = reply.clone();
        let cloud = network(move |_, _| scripted.clone()).await;
        let instance = connect(&cloud);
        let (id, channel) = (BroadcastId::new("b-1"), ChannelId::from_wire("abc="));
        let responded = instance
            .api
            .respond(&id, &channel, &payload("1"), &Unbounded)
            .await;
        match responded {
            Ok(()) => assert!(good, "{reply:?}"),
            Err(error) => {
                assert!(!good, "{reply:?}: {error}");
                assert!(matches!(error, CallError::Unknown { .. }), "{error:?}");
            }
        }
        assert_eq!(cloud.calls().len(), 1, "{reply:?}");
    }
}

#[tokio::test]
async fn the_status_of_an_answer_that_cannot_be_read_still_counts() {
    let cloud = network(|request, _| {
        let status = request.path.rsplit('/').next().unwrap().parse().unwrap();
        Reply::new(status, "\u{1f}\u{8b}").with("content-encoding", "gzip")
    })
    .await;
    let instance = connect(&cloud);
    for (status, unknown) in [(200, true), (404, false), (500, true), (503, false)] {
        let path = format!("/api/status/{status}");
        let request =
            instance
                .api
                .request("GET", api_path(&path), BTreeMap::new(), None, &Unbounded);
        let error = request.await.unwrap_err();
        assert_eq!(
            error.fate() == expd_domain::Fate::Unknown,
            unknown,
            "{error:?}"
        );
        if status < 500 {
            assert!(error.to_string().contains("gzip data"), "{error}");
        }
    }
}
