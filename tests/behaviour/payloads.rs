//! Payloads are not ours: what went in comes out.

use std::time::Duration;

use expd_client::{Code, Listen};
use expd_domain::payload::{MAX_BYTES, MAX_DEPTH};
use expd_proto as proto;
use expd_proto::network_client::NetworkClient;

use expd_test_support::http2::channel;
use expd_test_support::world::{World, json, menu, refusal, responder};

fn nested(levels: usize) -> String {
    format!("{}{}", "[".repeat(levels), "]".repeat(levels))
}

#[tokio::test]
async fn every_text_comes_through_to_the_letter_and_back() {
    let world = World::new().await;
    let client = world.client().await;
    let mut ear = world.ear(&Listen::to(menu())).await;
    let texts = [
        "null".to_owned(),
        "true".to_owned(),
        "\"text\"".to_owned(),
        "123456789012345678901234567890".to_owned(),
        "-0.10".to_owned(),
        "1e400".to_owned(),
        r#"{"z":1,"a":{"y":0.10,"b":[]},"z2":1E+2}"#.to_owned(),
        r#""\u0000\u001f\"\\\/é\u00e9""#.to_owned(),
        "\"\u{1f600}\u{10ffff}\u{2028}\u{2029}\u{feff}\u{fffe}\u{e9}e\u{301}\"".to_owned(),
        r#""\ud83d\ude00""#.to_owned(),
        nested(MAX_DEPTH),
    ];
    for text in texts {
        let answers = async {
            let heard = ear.broadcast().await;
            assert_eq!(heard.payload.as_str(), text);
            client
                .respond("", &heard.id, &heard.channel_id, &heard.payload)
                .await
                .unwrap();
        };
        let payload = json(&text);
        let (channel, wait) = (menu(), Some(Duration::from_millis(300)));
        let sent = client.broadcast("", &channel, "hi", &payload, wait);
        // One responder is there; the broadcast is held open for its timeout all the same.
        let (responses, ()) = tokio::join!(sent, answers);
        let responses = responses.unwrap();
        assert_eq!(responses.len(), 1, "{text}");
        assert_eq!(responses[0].as_str(), text);
    }
}

#[tokio::test]
async fn white_space_around_a_payload_is_no_part_of_it() {
    let world = World::new().await;
    let mut ear = world.ear(&Listen::to(menu())).await;
    let padded = "\n\t { \"a\" : [ 1 ,\n2 ] } \r\n".to_owned();
    send_raw(&world, proto::payload::Form::Json(padded))
        .await
        .unwrap();
    let heard = ear.broadcast().await;
    assert_eq!(heard.payload.as_str(), "{ \"a\" : [ 1 ,\n2 ] }");
}

/// As a program of another language would send it, unchecked.
async fn send_raw(world: &World, form: proto::payload::Form) -> Result<(), tonic::Status> {
    let transport = channel(&world.socket()).await;
    let request = proto::BroadcastRequest {
        channel: Some(proto::Channel {
            name: "menu".to_owned(),
            ..proto::Channel::default()
        }),
        name: "hi".to_owned(),
        payload: Some(proto::Payload { form: Some(form) }),
        ..proto::BroadcastRequest::default()
    };
    let mut network = NetworkClient::new(transport).max_encoding_message_size(usize::MAX);
    network.broadcast(request).await.map(|_| ())
}

#[tokio::test]
async fn what_nests_too_deep_or_is_no_json_is_refused_in_words() {
    let world = World::new().await;
    let _ear = world.ear(&Listen::to(menu())).await;
    for (text, word) in [
        (nested(MAX_DEPTH + 1), "100 levels"),
        ("{".to_owned(), "not JSON"),
        ("1 2".to_owned(), "not JSON"),
        (r#""\ud800""#.to_owned(), "surrogate"),
    ] {
        let refused = send_raw(&world, proto::payload::Form::Json(text)).await;
        let status = refused.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
        assert!(status.message().contains(word), "{status}");
    }
}

#[tokio::test]
async fn sixteen_megabytes_pass_both_ways_and_one_byte_more_is_refused() {
    let world = World::new().await;
    let client = world.client().await;
    let ear = world.ear(&Listen::to(menu())).await;
    let largest = format!("\"{}\"", "x".repeat(MAX_BYTES - 2));
    let text: &'static str = Box::leak(largest.clone().into_boxed_str());
    let echo = responder(ear, client.clone(), text);
    let payload = json(&largest);
    let responses = client
        .broadcast("", &menu(), "hi", &payload, Some(Duration::from_secs(10)))
        .await
        .unwrap();
    assert_eq!(responses.len(), 1);
    assert!(responses[0].as_str() == largest);
    echo.join_all().await;

    let more = format!("\"{}\"", "x".repeat(MAX_BYTES - 1));
    let refused = send_raw(&world, proto::payload::Form::Json(more)).await;
    let status = refused.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    assert!(status.message().contains("16000000"), "{status}");
}

#[tokio::test]
async fn a_structured_value_is_heard_as_json() {
    let world = World::new().await;
    let mut ear = world.ear(&Listen::to(menu())).await;
    let value = prost_types::Value {
        kind: Some(prost_types::value::Kind::BoolValue(true)),
    };
    let sent = send_raw(&world, proto::payload::Form::Value(value)).await;
    sent.unwrap();
    assert_eq!(ear.broadcast().await.payload.as_str(), "true");
}

#[tokio::test]
async fn an_unknown_broadcast_cannot_be_responded_to() {
    let world = World::new().await;
    let client = world.client().await;
    let mut ear = world.ear(&Listen::to(menu())).await;
    client
        .broadcast("", &menu(), "hi", &json("1"), Some(Duration::ZERO))
        .await
        .unwrap();
    let channel_id = ear.broadcast().await.channel_id;
    let unknown = expd_domain::BroadcastId::new("no-such-broadcast");
    let refused = refusal(client.respond("", &unknown, &channel_id, &json("1")).await);
    assert!(refused.exp.is_some(), "{refused:?}");
}
