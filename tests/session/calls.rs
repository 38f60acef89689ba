//! Calls: what goes over the wire, and what comes back.

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
pub(super) async fn network(
    calls: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static,
) -> Cloud {
    Cloud::start(move |request, before| {
        if request.is_login() {
            session(&format!("t{}", before + 1), HOUR)
        } else {
            calls(request, before)
        }
    })
    .await
}

pub(super) fn connect(cloud: &Cloud) -> Instance {
    Instance::start(&settings(&cloud.url, device("u", "s")))
}

pub(super) fn payload(text: &str) -> Payload {
    Payload::parse(text).unwrap()
}

pub(super) async fn broadcast(
    instance: &Instance,
    payload: &Payload,
) -> Result<Vec<Payload>, CallError> {
    let wait = Duration::from_millis(100);
    broadcast_waiting(instance, &Channel::new("menu"), payload, wait).await
}

/// Broadcasts on a channel, and waits so long for responses.
pub(super) async fn broadcast_waiting(
    instance: &Instance,
    channel: &Channel,
    payload: &Payload,
    wait: Duration,
) -> Result<Vec<Payload>, CallError> {
    let latch = SendLatch::default();
    let api = &instance.api;
    api.broadcast(channel, "hi", payload, wait, &latch, &Unbounded)
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
    broadcast_waiting(&instance, &channel, &Payload::null(), wait)
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
