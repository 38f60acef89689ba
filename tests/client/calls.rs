//! Calls: payloads, refusals, and connections that break.

use std::collections::BTreeMap;
use std::time::Duration;

use expd_client::{ClientError, Code, Exp};
use expd_domain::{BroadcastId, Channel, ChannelId, Payload};
use expd_test_support::until;

use crate::scripted::*;

#[tokio::test]
async fn payloads_come_back_as_they_went() {
    let daemon = Daemon::start();
    let client = daemon.client().await;
    let channel = Channel::new("menu").consumer();
    let large = format!("\"{}\"", "x".repeat(15_999_998));
    for text in ["1e400", r#"{"z": 0.10, "a": [1, 2]}"#, "null", &large] {
        let payload = Payload::parse(text).unwrap();
        let timeout = Some(Duration::from_millis(1500));
        let sent = client.broadcast("", &channel, "echo", &payload, timeout);
        if text.len() > 1000 {
            // Two of the largest are past what a client takes; said, not cut.
            let error = sent.await.unwrap_err();
            assert!(error.to_string().contains("too large"), "{error}");
            continue;
        }
        assert_eq!(sent.await.unwrap(), [payload.clone(), payload]);
    }
    let asked = daemon.scripted.broadcasts.lock().unwrap();
    let timeout = asked[0].timeout.unwrap();
    assert_eq!((timeout.seconds, timeout.nanos), (1, 500_000_000));
    assert!(asked[0].channel.as_ref().unwrap().consumer);
}

#[tokio::test]
async fn a_refusal_keeps_its_code_exps_words_and_the_hint() {
    let daemon = Daemon::start();
    let client = daemon.client().await;
    let channel = Channel::new("menu");
    let null = Payload::null();
    let refused = client.broadcast("", &channel, "hi", &null, None);
    let ClientError::Refused(refusal) = refused.await.unwrap_err() else {
        panic!("not taken as the daemon's answer");
    };
    assert_eq!(refusal.code, Code::PermissionDenied);
    assert_eq!(
        refusal.exp.as_ref().unwrap().code,
        "network.channel.forbidden"
    );
    assert_eq!(refusal.exp.as_ref().unwrap().message, "Not yours.");
    assert_eq!(refusal.retry_after, Some(Duration::from_secs(3)));
    let late = client
        .respond(
            "",
            &BroadcastId::new("b"),
            &ChannelId::from_wire("c"),
            &Payload::null(),
        )
        .await;
    assert_eq!(late.unwrap_err().to_string(), "the response came too late");
}

#[tokio::test]
async fn a_connection_that_breaks_in_mid_call_is_told_from_a_daemon_that_is_not_there() {
    let mut daemon = Daemon::start();
    let client = daemon.client().await;
    let channel = Channel::new("menu");
    let null = Payload::null();
    {
        let mut hanging = Box::pin(client.broadcast("", &channel, "hang", &null, None));
        let broadcasts = &daemon.scripted.broadcasts;
        tokio::select! {
            early = &mut hanging => panic!("{early:?}"),
            () = until("the call arrives", || !broadcasts.lock().unwrap().is_empty()) => {}
        }
        daemon.kill();
        let error = hanging.await.unwrap_err();
        assert!(
            matches!(error, ClientError::ConnectionLost { .. }),
            "{error:?}"
        );
    }
    let error = client
        .broadcast("", &channel, "echo", &null, None)
        .await
        .unwrap_err();
    assert!(
        matches!(error, ClientError::NotReachable { .. }),
        "{error:?}"
    );
    // The same client finds the next daemon.
    daemon.start_again();
    let answer = client.broadcast("", &channel, "echo", &null, None).await;
    assert_eq!(answer.unwrap().len(), 2);
}

#[tokio::test]
async fn a_call_that_an_older_daemon_does_not_know_is_named_with_the_remedy() {
    // The scripted daemon has the service `Network` and no other, as an older one lacks a call.
    let daemon = Daemon::start();
    let client = daemon.client().await;
    let request = client.request("", "GET", "/api/devices", BTreeMap::new(), None);
    let error = request.await.unwrap_err();
    let is_named = matches!(
        &error,
        ClientError::Unimplemented { call, .. } if *call == "Api.Request"
    );
    assert!(is_named, "{error:?}");
    let words = error.to_string();
    assert!(
        words.contains("Api.Request") && words.contains("update expd"),
        "{words}"
    );
    assert!(!error.is_transient());
    // So is one of the guide's, at its start.
    let own = Exp::options()
        .socket(client.path())
        .device("screen", "secret");
    let error = own.start().await.unwrap_err();
    assert!(error.to_string().contains("Daemon.RunInstance"), "{error}");
}
