//! Broadcasts, responses, and the rules.

use std::time::{Duration, Instant};

use expd_domain::payload::MAX_BYTES;
use expd_domain::{Alphabet, Channel, ChannelId};
use serde_json::{Value, json};

use expd_test_support::DEADLINE;

use crate::running_hub::*;

fn menu() -> Channel {
    Channel::new("menu")
}

fn menu_id() -> String {
    channel_id(&menu(), Alphabet::UrlSafe)
}

#[tokio::test]
async fn a_broadcast_gathers_the_responses_of_its_listeners() {
    let hub = RunningHub::start().await;
    let device = hub.device().await;
    let mut socket = device.socket(4).await.subscribed(&[&menu_id()]).await;
    let channel = json!({"name": "menu"});
    let (broadcast, ()) = tokio::join!(device.broadcast(&channel, "hi", "[1]", 700), async {
        let heard = socket.event("broadcast").await;
        assert_eq!(heard["name"], "hi");
        assert_eq!(heard["channel"], menu_id());
        let id = heard["id"].as_str().unwrap();
        let exact = "{ \"b\": 1, \"a\": 0.10 }";
        for answer in [exact, "1e400", "null"] {
            let response = device.respond(id, &heard["channel"], answer).await;
            assert!(response.status().is_success());
        }
        let wrong = device.respond(id, &json!({"name": "other"}), "1").await;
        assert_eq!(
            refusal(wrong).await,
            (400, "network.response.channel".into())
        );
        let unknown = device.respond("no such id", &heard["channel"], "1").await;
        assert_eq!(
            refusal(unknown).await,
            (404, "network.broadcast.unknown".into())
        );
        assert_eq!(hub.counters().await.pending_broadcasts, 1);
    });
    assert_eq!(
        broadcast.text().await.unwrap(),
        "[{ \"b\": 1, \"a\": 0.10 },1e400,null]"
    );

    let late = device.broadcast(&channel, "hi", "1", 0).await;
    assert_eq!(late.text().await.unwrap(), "[]");
    let heard = socket.event("broadcast").await;
    let late = device
        .respond(heard["id"].as_str().unwrap(), &heard["channel"], "1")
        .await;
    assert_eq!(
        refusal(late).await,
        (410, "network.broadcast.finished".into())
    );
    let counters = hub.counters().await;
    assert_eq!((counters.broadcasts, counters.deliveries), (2, 2));
    assert_eq!((counters.responses, counters.pending_broadcasts), (3, 0));
}

#[tokio::test]
async fn a_broadcast_is_held_open_for_its_timeout() {
    let hub = RunningHub::start().await;
    let device = hub.device().await;
    for timeout in [0, 300] {
        let began = Instant::now();
        let response = device
            .broadcast(&json!({"name": "menu"}), "hi", "1", timeout)
            .await;
        assert_eq!(response.text().await.unwrap(), "[]");
        let took = began.elapsed();
        assert!(took >= Duration::from_millis(timeout), "{took:?}");
        // Far below the maximum timeout, which is an hour.
        assert!(took < DEADLINE, "{took:?}");
    }
}

#[tokio::test]
async fn a_broadcaster_that_goes_away_is_waited_for_no_more() {
    let hub = RunningHub::start().await;
    let device = hub.device().await;
    let channel = json!({"name": "menu"});
    tokio::select! {
        _ = device.broadcast(&channel, "hi", "1", 60_000) => panic!("it is not held open"),
        () = hub.counters_become(|c| c.pending_broadcasts == 1) => {}
    }
    hub.counters_become(|c| c.pending_broadcasts == 0).await;
}

#[tokio::test]
async fn payloads_reach_the_wire_to_the_letter() {
    let hub = RunningHub::start().await;
    let device = hub.device().await;
    for generation in [3, 4] {
        let mut socket = device
            .socket(generation)
            .await
            .subscribed(&[&menu_id()])
            .await;
        for payload in [
            r#"{ "b": 1, "a": 0.10, "n": 123456789012345678901234567890, "e": 1e400 }"#,
            "-0.0",
            "1E+2",
            "null",
            r#""\u00e9 é \ud83c\udf7d \/""#,
            r#"{"$serde_json::private::RawValue":"1"}"#,
            r#"{"_placeholder":true,"num":0}"#,
            "[\n\t1 ,\r\n 2 ]",
            "\"🍽🍽\"",
            &("[".repeat(100) + &"]".repeat(100)),
        ] {
            let name = "a \"name\" é";
            device
                .broadcast(&json!({"name": "menu"}), name, payload, 0)
                .await;
            let packet = socket.next().await;
            let expected = format!(
                r#","name":"a \"name\" é","channel":"{}","payload":{payload}}}]"#,
                menu_id()
            );
            assert!(
                packet.starts_with(r#"42["broadcast",{"id":""#) && packet.ends_with(&expected),
                "{packet}"
            );
        }
        let path = "/api/networks/current/broadcasts?timeout=0";
        let without = format!(r#"{{"name":"hi","channel":"{}"}}"#, menu_id());
        device.post(path, without).await;
        assert!(socket.next().await.ends_with(r#""payload":null}]"#));
    }
}

#[tokio::test]
async fn the_largest_payload_passes_and_a_larger_one_is_refused() {
    let hub = RunningHub::start().await;
    let device = hub.device().await;
    let mut socket = device.socket(4).await.subscribed(&[&menu_id()]).await;
    let largest = format!("\"{}\"", "x".repeat(MAX_BYTES - 2));
    let channel = json!({"name": "menu"});
    let (response, ()) = tokio::join!(device.broadcast(&channel, "hi", &largest, 10_000), async {
        let packet = socket.next().await;
        assert!(packet.ends_with(&format!("\"payload\":{largest}}}]")));
        let heard: Value = serde_json::from_str(&packet[2..]).unwrap();
        let id = heard[1]["id"].as_str().unwrap();
        let answer = device.respond(id, &channel, &largest).await;
        assert!(answer.status().is_success());
    });
    assert_eq!(response.text().await.unwrap(), format!("[{largest}]"));

    for too_large in [MAX_BYTES - 1, 2 * MAX_BYTES] {
        let too_large = format!("\"{}\"", "x".repeat(too_large));
        let refused = device.broadcast(&channel, "hi", &too_large, 0).await;
        assert_eq!(
            refusal(refused).await,
            (413, "request.body.tooLarge".into())
        );
    }
    let deep = "[".repeat(101) + &"]".repeat(101);
    let refused = device.broadcast(&channel, "hi", &deep, 0).await;
    assert_eq!(refusal(refused).await, (400, "payload.invalid".into()));
}

#[tokio::test]
async fn one_channel_has_many_spellings_and_is_heard_once() {
    let hub = RunningHub::start().await;
    let device = hub.device().await;
    // Its Base64 differs between the alphabets.
    let channel = Channel::new("é>>>???~~~");
    let [urlsafe, standard] =
        [Alphabet::UrlSafe, Alphabet::Standard].map(|alphabet| channel_id(&channel, alphabet));
    assert_ne!(urlsafe, standard);
    let mut both = device.socket(4).await;
    both = both.subscribed(&[&urlsafe, &standard]).await;
    let one = device.socket(4).await;
    let mut one = one.subscribed(&[&urlsafe]).await;
    assert_eq!(hub.counters().await.subscriptions, 2);

    for spelled in [
        json!({"name": channel.name, "system": false, "consumer": null}),
        json!(urlsafe),
        json!(standard),
    ] {
        device.broadcast(&spelled, "hi", "1", 0).await;
        assert_eq!(both.event("broadcast").await["channel"], standard);
        assert_eq!(one.event("broadcast").await["channel"], urlsafe);
    }
    device.broadcast(&json!(urlsafe), "last", "1", 0).await;
    assert_eq!(both.event("broadcast").await["name"], "last", "heard twice");
    // A later subscribe changes the spelling that is delivered, and nothing else.
    one.subscribe(&[&standard]).await;
    one.event("broadcast").await;
    one.event("subscribed").await;
    device.broadcast(&json!(urlsafe), "hi", "1", 0).await;
    assert_eq!(one.event("broadcast").await["channel"], standard);
    assert_eq!(hub.counters().await.subscriptions, 2);
}

#[tokio::test]
async fn channels_with_one_name_and_other_flags_do_not_mix() {
    let hub = RunningHub::start().await;
    let device = hub.device().await;
    let ids = [menu(), menu().consumer(), menu().system()]
        .map(|channel| channel_id(&channel, Alphabet::UrlSafe));
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let mut socket = device.socket(4).await.subscribed(&ids).await;
    for (channel, id) in [
        (json!({"name": "menu", "consumer": true}), ids[1]),
        (json!({"name": "menu"}), ids[0]),
    ] {
        device.broadcast(&channel, "hi", "1", 0).await;
        assert_eq!(socket.event("broadcast").await["channel"], id);
    }
    assert_eq!(hub.counters().await.deliveries, 2);
}

#[tokio::test]
async fn messages_come_in_the_order_in_which_they_were_accepted() {
    let hub = RunningHub::start().await;
    let device = hub.device().await;
    let mut sockets = [
        device.socket(3).await.subscribed(&[&menu_id()]).await,
        device.socket(4).await.subscribed(&[&menu_id()]).await,
    ];
    let channel = json!({"name": "menu"});
    let sends = (0..50).map(|_| device.broadcast(&channel, "hi", "1", 0));
    futures_util::future::join_all(sends).await;
    let mut heard = Vec::new();
    for socket in &mut sockets {
        let mut ids = Vec::new();
        for _ in 0..50 {
            ids.push(socket.event("broadcast").await["id"].clone());
        }
        heard.push(ids);
    }
    assert_eq!(heard[0], heard[1]);
}

#[tokio::test]
async fn the_rules_hold_for_every_client() {
    let hub = RunningHub::start().await;
    let device = hub.device().await;
    let app = hub.consumer_app().await;
    let foreign = ChannelId::encode("another", &menu(), Alphabet::Standard);
    let foreign = json!(foreign.as_str());
    let (system, plain) = (
        json!({"name": "menu", "system": true}),
        json!({"name": "menu"}),
    );
    for (client, channel, expected) in [
        (&device, &foreign, (403, "network.channel.foreign")),
        (&device, &system, (403, "network.channel.system")),
        (&app, &system, (403, "network.channel.system")),
        (&app, &plain, (403, "network.channel.consumerOnly")),
        (&device, &json!("!"), (400, "network.channel.invalid")),
    ] {
        let refused = client.broadcast(channel, "hi", "1", 0).await;
        let expected = (expected.0, expected.1.to_owned());
        assert_eq!(refusal(refused).await, expected, "{channel}");
    }
    let nameless = device.broadcast(&plain, "", "1", 0).await;
    assert_eq!(
        refusal(nameless).await,
        (400, "network.name.invalid".into())
    );
    let timeless = "/api/networks/current/broadcasts?timeout=soon";
    let timeless = device.post(timeless, r#"{"name":"a","channel":{"name":"b"}}"#);
    assert_eq!(
        refusal(timeless.await).await,
        (400, "network.timeout.invalid".into())
    );
    for (client, channel, expected) in [
        (&device, &foreign, "network.channel.foreign"),
        (&app, &plain, "network.channel.consumerOnly"),
    ] {
        let refused = client.respond("id", channel, "1").await;
        assert_eq!(refusal(refused).await, (403, expected.to_owned()));
    }
    let empty = device.broadcast(&json!({"name": ""}), "hi", "1", 0).await;
    assert_eq!(empty.status(), 200, "a channel's name may be any text");
    let allowed = json!({"name": "menu", "consumer": true});
    let allowed = app.broadcast(&allowed, "hi", "1", 0).await;
    assert!(allowed.status().is_success());
    assert_eq!(hub.counters().await.broadcasts, 2);
}

#[tokio::test]
async fn what_may_not_be_listened_to_is_refused_one_by_one() {
    let hub = RunningHub::start().await;
    let app = hub.consumer_app().await;
    let mut socket = app.socket(4).await.connected().await;
    let consumer = channel_id(&menu().consumer(), Alphabet::Standard);
    let foreign = ChannelId::encode("another", &menu().consumer(), Alphabet::Standard);
    socket
        .subscribe(&[&menu_id(), &consumer, foreign.as_str(), "!"])
        .await;
    assert_eq!(socket.event("subscribed").await, json!([consumer]));
    let refused = socket.event("subscribe_error").await;
    let codes: Vec<_> = refused
        .as_array()
        .unwrap()
        .iter()
        .map(|r| &r["code"])
        .collect();
    assert_eq!(
        codes,
        [
            "network.channel.consumerOnly",
            "network.channel.foreign",
            "network.channel.invalid"
        ]
    );
    assert_eq!(refused[0]["channel"], menu_id());
    socket.send(r#"42["subscribe",7]"#).await;
    let refused = socket.event("subscribe_error").await;
    assert_eq!(refused[0]["code"], "network.subscribe.malformed");
    assert_eq!(hub.counters().await.subscriptions, 1);
}
