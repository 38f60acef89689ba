//! Calls: what goes over the wire, and what is said of how they ended.

use std::collections::BTreeMap;
use std::future::ready;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use expd::config::BroadcastChannelForm;
use expd::upstream::transport::{AnswerBody, AnswerRoom, CallError, SendLatch, Unbounded};
use expd_domain::{ApiPath, BroadcastId, Channel, ChannelId, Fate, Payload};
use futures_util::future::BoxFuture;
use serde_json::json;
use tokio::task::JoinSet;

use crate::world::*;
use expd_test_support::cloud::{Cloud, Reply, Request, session};

const BROADCASTS: &str = "/api/networks/current/broadcasts";

/// A network that lets everybody in and answers calls as scripted.
async fn network(calls: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static) -> Cloud {
    Cloud::start(move |request, before| {
        if request.is_login() {
            session(&format!("t{}", before + 1), HOUR)
        } else {
            calls(request, before)
        }
    })
    .await
}

fn connect(cloud: &Cloud) -> Instance {
    Instance::start(&settings(&cloud.url, device("u", "s")))
}

fn payload(text: &str) -> Payload {
    Payload::parse(text).unwrap()
}

async fn broadcast(instance: &Instance, payload: &Payload) -> Result<Vec<Payload>, CallError> {
    let channel = Channel::new("menu");
    let wait = Duration::from_millis(100);
    instance
        .api
        .broadcast(
            &channel,
            "hi",
            payload,
            wait,
            &SendLatch::default(),
            &Unbounded,
        )
        .await
}

#[tokio::test]
async fn payloads_go_out_and_come_back_to_the_letter() {
    for text in [
        "123456789012345678901234567890",
        "1e400",
        "0.10",
        "-0",
        r#"{"z":1,"a":{"y":[],"b":null}}"#,
        "{ \"spaced\" : [ 1 , 2 ] }",
        r#""\u00e9\n\ud83c\udf7d é \u2028""#,
        "null",
        r#"{"$serde_json::private::RawValue":"1"}"#,
    ] {
        let cloud = network(move |_, _| Reply::new(200, format!("[{text} , {text}]"))).await;
        let instance = connect(&cloud);
        let responses = broadcast(&instance, &payload(text)).await.unwrap();
        assert_eq!(responses, [payload(text), payload(text)]);
        let call = cloud.calls().remove(0);
        assert_eq!(
            (call.method.as_str(), call.path.as_str()),
            ("POST", format!("{BROADCASTS}?timeout=100").as_str())
        );
        assert_eq!(call.headers["content-type"], "application/json");
        assert_eq!(call.bearer(), "t1");
        assert_eq!(
            call.body,
            format!(
                r#"{{"name":"hi","payload":{text},"channel":{{"name":"menu","consumer":false}}}}"#
            )
        );
    }
}

#[tokio::test]
async fn a_broadcast_names_its_channel_as_the_settings_say() {
    let cloud = network(|_, _| Reply::new(200, "[]")).await;
    let mut settings = settings(&cloud.url, device("u", "s"));
    settings.broadcast_channel = BroadcastChannelForm::Id;
    let instance = Instance::start(&settings);
    let channel = Channel::new("menu").consumer();
    // A rest of a millisecond is rounded up, never down.
    let wait = Duration::from_micros(1500);
    instance
        .api
        .broadcast(
            &channel,
            "hi",
            &Payload::null(),
            wait,
            &SendLatch::default(),
            &Unbounded,
        )
        .await
        .unwrap();
    let call = cloud.calls().remove(0);
    assert!(call.path.ends_with("?timeout=2"), "{}", call.path);
    // [“demo”,“menu”,0,1]
    assert_eq!(
        call.body,
        r#"{"name":"hi","payload":null,"channel":"WyJkZW1vIiwibWVudSIsMCwxXQ=="}"#
    );
}

#[tokio::test]
async fn a_response_names_the_broadcast_and_may_come_too_late() {
    let cloud = network(|_, before| match before {
        0 => Reply::new(204, ""),
        _ => Reply::json(
            410,
            &json!({"code": "network.broadcast.finished", "message": "too late"}),
        ),
    })
    .await;
    let instance = connect(&cloud);
    let (id, channel) = (BroadcastId::new("b-1"), ChannelId::from_wire("abc="));
    let respond = || async {
        instance
            .api
            .respond(&id, &channel, &payload("0.10"), &Unbounded)
            .await
    };
    respond().await.unwrap();
    let call = cloud.calls().remove(0);
    assert_eq!(call.path, "/api/networks/current/responses");
    assert_eq!(call.body, r#"{"id":"b-1","channel":"abc=","payload":0.10}"#);
    let error = respond().await.unwrap_err();
    assert!(
        matches!(&error, CallError::Exp { status: 410, code, message, .. }
            if code == "network.broadcast.finished" && message == "too late"),
        "{error:?}"
    );
}

#[tokio::test]
async fn resources_are_asked_for_as_given_and_answered_as_they_come() {
    let cloud = network(|request, _| match request.path.as_str() {
        "/api/missing" => Reply::json(404, &json!({"code": "no", "message": "none"})),
        "/api/empty" => Reply::new(204, ""),
        "/api/text" => Reply::new(200, "plain \"text\"").with("content-type", "text/plain"),
        "/api/broken" => Reply::json(500, &json!({"code": "bug", "message": "sorry"})),
        "/api/busy" => Reply::new(503, "").with("retry-after", 7),
        _ => Reply::new(200, "{\"b\":1.0,\"a\":[]}"),
    })
    .await;
    let instance = connect(&cloud);
    let get = |path: &'static str| {
        instance
            .api
            .request("get", api_path(path), BTreeMap::new(), None, &Unbounded)
    };
    let answer = get("/api/missing").await.unwrap();
    assert_eq!(answer.status, 404);
    let json = |text: &str| AnswerBody::Json(text.to_owned());
    assert_eq!(answer.body, json(r#"{"code":"no","message":"none"}"#));
    let answer = get("/api/empty").await.unwrap();
    assert_eq!((answer.status, answer.body), (204, AnswerBody::Empty));
    let answer = get("/api/text").await.unwrap();
    let text = AnswerBody::Raw {
        bytes: b"plain \"text\"".to_vec(),
        content_type: "text/plain".to_owned(),
    };
    assert_eq!(answer.body, text);
    let error = get("/api/broken").await.unwrap_err();
    assert!(matches!(&error, CallError::Exp { status: 500, code, .. } if code == "bug"));
    let error = get("/api/busy").await.unwrap_err();
    let seven = Some(Duration::from_secs(7));
    assert!(
        matches!(error, CallError::Exp { status: 503, retry_after, .. } if retry_after == seven)
    );

    let query = BTreeMap::from([("name".to_owned(), "a b&c=ü".to_owned())]);
    let body = payload("{ \"exact\" : 1.00 }");
    let answer = instance
        .api
        .request(
            "patch",
            api_path("/api/things/1?x=1"),
            query,
            Some(&body),
            &Unbounded,
        )
        .await;
    assert_eq!(answer.unwrap().body, json("{\"b\":1.0,\"a\":[]}"));
    let call = cloud.calls().pop().unwrap();
    assert_eq!(call.method, "PATCH");
    assert_eq!(call.path, "/api/things/1?x=1&name=a+b%26c%3D%C3%BC");
    assert_eq!(call.body, "{ \"exact\" : 1.00 }");
}

#[tokio::test]
async fn what_may_not_be_asked_never_leaves() {
    let cloud = network(|_, _| Reply::new(200, "{\"token\":\"a fresh one\"}")).await;
    let instance = connect(&cloud);
    instance.logs_in().await;
    for (method, path) in [
        ("POST", "/api/auth/token"),
        ("GET", "/api/../admin"),
        ("GET", "/socket.io/"),
        ("TRACE", "/api/devices"),
    ] {
        // A path that no request can hold is refused before there is one.
        let Ok(path) = ApiPath::parse(path) else {
            continue;
        };
        let answer = instance
            .api
            .request(method, path.clone(), BTreeMap::new(), None, &Unbounded)
            .await;
        assert!(
            matches!(answer, Err(CallError::Invalid { .. })),
            "{path}: {answer:?}"
        );
    }
    assert_eq!(cloud.requests().len(), 1);
}

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
    let answer = instance
        .api
        .broadcast(
            &channel,
            "hi",
            &Payload::null(),
            wait,
            &SendLatch::default(),
            &Unbounded,
        )
        .await;
    assert_eq!(answer.unwrap().len(), 1);
}

#[tokio::test]
async fn an_answer_without_end_is_not_taken_in() {
    let cloud = network(|_, _| Reply::new(200, format!("[\"{}\"]", "x".repeat(65 << 20)))).await;
    let instance = connect(&cloud);
    let error = broadcast(&instance, &Payload::null()).await.unwrap_err();
    assert!(matches!(error, CallError::TooLarge { .. }), "{error:?}");
    assert!(error.to_string().contains("67108864"), "{error}");
}

#[tokio::test]
async fn sixteen_megabytes_go_out_and_come_back() {
    let cloud = network(|request, _| {
        let (_, payload) = request.body.split_once("\"payload\":").unwrap();
        let (payload, _) = payload.rsplit_once(",\"channel\"").unwrap();
        Reply::new(200, format!("[{payload}]"))
    })
    .await;
    let instance = connect(&cloud);
    let large = payload(&format!("\"{}\"", "é".repeat((16_000_000 - 2) / 2)));
    let responses = broadcast(&instance, &large).await.unwrap();
    assert!(responses == [large], "what came back is not what went out");
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

/// Room for so many bytes.
struct Room(AtomicUsize);

impl AnswerRoom for Room {
    fn reserve_beside(&self, bytes: usize, _spare: usize) -> BoxFuture<'_, bool> {
        let left = self.0.load(Ordering::Relaxed).checked_sub(bytes);
        if let Some(left) = left {
            self.0.store(left, Ordering::Relaxed);
        }
        Box::pin(ready(left.is_some()))
    }

    fn release(&self, bytes: usize) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }
}

async fn get(instance: &Instance, room: &Room) -> Result<(), CallError> {
    let call = instance
        .api
        .request("GET", api_path("/api/x"), BTreeMap::new(), None, room);
    let ended = tokio::time::timeout(Duration::from_secs(20), call).await;
    ended.expect("the call waits").map(drop)
}

#[tokio::test]
async fn an_answer_is_counted_as_it_is_announced_before_it_is_read() {
    const LENGTH: usize = 10_000_000;
    // None of it comes, so that whoever waited for it would wait.
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {LENGTH}\r\n\r\n");
    let cloud = network(move |_, _| Reply::Raw(head.clone())).await;
    let instance = connect(&cloud);
    instance.logs_in().await;
    let error = get(&instance, &Room(LENGTH.into())).await.unwrap_err();
    assert!(matches!(error, CallError::NoRoom), "{error:?}");
    assert_eq!(error.fate(), Fate::Sent);
    let room = Room((3 * LENGTH).into());
    let error = get(&instance, &room).await.unwrap_err();
    assert!(matches!(error, CallError::Unknown { .. }), "{error:?}");
    assert!(room.0.into_inner() <= LENGTH);
}

#[tokio::test]
async fn an_answer_without_a_length_is_counted_as_it_grows() {
    const LENGTH: usize = 1_000_000;
    let body = format!("\"{}\"", "x".repeat(LENGTH - 2));
    let answer = format!(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{LENGTH:x}\r\n{body}\r\n0\r\n\r\n"
    );
    let cloud = network(move |_, _| Reply::Raw(answer.clone())).await;
    let instance = connect(&cloud);
    instance.logs_in().await;
    let error = get(&instance, &Room((LENGTH / 2).into()))
        .await
        .unwrap_err();
    assert!(matches!(error, CallError::NoRoom), "{error:?}");
    let room = Room((8 * LENGTH).into());
    get(&instance, &room).await.unwrap();
    assert!(room.0.into_inner() <= 6 * LENGTH);
}

#[tokio::test]
async fn a_rush_of_calls_leaves_few_connections_behind() {
    const RUSH: usize = 200;
    // And the login's.
    const LEFT: usize = 32 + 1;
    let cloud = network(|_, _| Reply::new(200, "[]").after(Duration::from_secs(5))).await;
    let instance = connect(&cloud);
    instance.logs_in().await;
    let mut calls = JoinSet::new();
    for _ in 0..RUSH {
        let api = instance.api.clone();
        calls.spawn(async move {
            api.request("GET", api_path("/api/x"), BTreeMap::new(), None, &Unbounded)
                .await
        });
    }
    until("all are under way", || cloud.connections() >= RUSH).await;
    for call in calls.join_all().await {
        assert_eq!(call.unwrap().status, 200);
    }
    until("few are kept", || cloud.connections() <= LEFT).await;
    // And those are used.
    instance
        .api
        .request("GET", api_path("/api/x"), BTreeMap::new(), None, &Unbounded)
        .await
        .unwrap();
    assert!(cloud.connections() <= LEFT);
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
