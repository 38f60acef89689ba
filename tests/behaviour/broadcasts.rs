//! The outcome of a broadcast as its caller is told it: sent, refused or unknown; and that no
//! broadcast is sent twice.

use std::time::Duration;

use expd_client::{Client, ClientError, Code, Event, Fate, LinkState, Listen};
use expd_domain::Payload;
use futures_util::future::join_all;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::gate::Gate;
use expd_test_support::world::{Ear, World, device, json, menu, refusal, user};
use expd_test_support::{DEADLINE, eventually, in_time};

/// The daemon's instance that the gate is before.
const FAR: &str = "far";

/// A network with a daemon whose second instance is cut off from it.
async fn parted() -> (World, Gate) {
    let mut world = World::dark(&[("default", device()), (FAR, user())], |_| {}).await;
    let gate = Gate::before(world.network.settings.listen);
    world.daemon.settings.instances.get_mut(FAR).unwrap().host = gate.url();
    world.network.start_again().await;
    (world, gate)
}

type Answer = Result<Vec<Payload>, ClientError>;

async fn now(client: &Client) -> Answer {
    client.broadcast(FAR, &menu(), "hi", &json("1"), None).await
}

async fn when_connected(client: &Client, payload: &str, wait: Duration) -> Answer {
    let payload = json(payload);
    client
        .broadcast_when_connected(FAR, &menu(), "hi", &payload, None, wait)
        .await
}

async fn is_offline(world: &World) {
    world.link(FAR, LinkState::Offline).await;
}

/// Waits until so many broadcasts wait for the connection.
async fn waiting(client: &Client, wanted: u32) {
    let what = format!("{wanted} waiting broadcasts");
    eventually(&what, async || {
        let status = client.status().await.unwrap();
        let far = status.instances.iter().find(|it| it.instance == FAR);
        let seen = far.unwrap().waiting_broadcasts;
        (seen == wanted).then_some(()).ok_or(seen.to_string())
    })
    .await;
}

/// Collects the payloads of broadcasts up to the one named `last`.
async fn heard(ear: &mut Ear) -> Vec<String> {
    let mut heard = Vec::new();
    loop {
        if let Event::Broadcast(broadcast) = ear.event().await.unwrap() {
            if broadcast.name == "last" {
                return heard;
            }
            heard.push(broadcast.payload.as_str().to_owned());
        }
    }
}

async fn last_word(client: &Client) {
    let (menu, null) = (menu(), Payload::null());
    let last = client.broadcast("", &menu, "last", &null, None);
    last.await.unwrap();
}

#[tokio::test]
async fn while_offline_a_broadcast_is_refused_at_once_with_what_is_known() {
    let (mut world, gate) = parted().await;
    world.daemon.start_again();
    is_offline(&world).await;
    let client = world.client().await;
    let error = in_time("the refusal", now(&client)).await.unwrap_err();
    assert_eq!(error.fate(), Fate::Refused);
    let refusal = refusal(Answer::Err(error));
    assert_eq!(refusal.code, Code::Unavailable);
    assert!(refusal.retry_after.is_some(), "{refusal:?}");
    for words in ["nothing was sent", "refuses connections", &gate.url()] {
        assert!(refusal.message.contains(words), "{refusal:?}");
    }
    assert_eq!(refusal.exp, None, "these are not EXP's words");
    assert_eq!(world.counters().await.broadcasts, 0);
}

#[tokio::test]
async fn the_details_of_a_refusal_are_those_of_the_contract() {
    let (mut world, _gate) = parted().await;
    world.daemon.start_again();
    is_offline(&world).await;
    let channel = expd_test_support::http2::channel(&world.socket()).await;
    let mut client = expd_proto::network_client::NetworkClient::new(channel);
    let request = expd_proto::BroadcastRequest {
        instance: FAR.to_owned(),
        channel: Some(expd_proto::Channel {
            name: "menu".to_owned(),
            ..Default::default()
        }),
        name: "hi".to_owned(),
        ..Default::default()
    };
    let status = client.broadcast(request).await.unwrap_err();
    let details = tonic_types::StatusExt::get_error_details(&status);
    let info = details.error_info().unwrap();
    assert_eq!(
        (&*info.reason, &*info.domain, &*info.metadata["fate"]),
        ("OFFLINE", "expd", "refused")
    );
    let retry = details.retry_info().unwrap().retry_delay.unwrap();
    assert!(retry < Duration::from_secs(120), "{retry:?}");
}

#[tokio::test]
async fn before_its_deadline_a_call_hears_that_nothing_has_left() {
    let (mut world, _gate) = parted().await;
    // Takes connections, and never says a word of TLS.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = format!("https://{}", silent.local_addr().unwrap());
    world.daemon.settings.instances.get_mut(FAR).unwrap().host = host;
    world.daemon.start_again();
    let channel = expd_test_support::http2::channel(&world.socket()).await;
    let mut client = expd_proto::network_client::NetworkClient::new(channel);
    for wait_for_connection in [false, true] {
        let mut request = tonic::Request::new(expd_proto::BroadcastRequest {
            instance: FAR.to_owned(),
            channel: Some(expd_proto::Channel {
                name: "menu".to_owned(),
                ..Default::default()
            }),
            name: "hi".to_owned(),
            wait_for_connection,
            ..Default::default()
        });
        request.set_timeout(Duration::from_secs(3));
        let begun = Instant::now();
        let status = client.broadcast(request).await.unwrap_err();
        let took = begun.elapsed();
        assert_eq!(status.code(), Code::Unavailable, "{status:?}");
        assert!(status.message().contains("nothing was sent"), "{status:?}");
        let details = tonic_types::StatusExt::get_error_details(&status);
        assert_eq!(details.error_info().unwrap().metadata["fate"], "refused");
        // The client's own timer, which ends later, would have made another error.
        assert!(took > Duration::from_millis(1400), "{took:?}");
    }
}

#[tokio::test]
async fn a_broadcast_that_waits_is_sent_once_when_there_is_a_connection() {
    let (mut world, mut gate) = parted().await;
    world.daemon.start_again();
    let client = world.client().await;
    let mut ear = world.ear(&Listen::to(menu())).await;
    is_offline(&world).await;
    let calls = [
        when_connected(&client, "1", DEADLINE),
        when_connected(&client, "2", DEADLINE),
        when_connected(&client, "3", DEADLINE),
    ];
    let opening = async {
        // Until one of them was refused a try.
        eventually("another try to connect", async || {
            let status = client.status().await.unwrap();
            let link = &status.instances.iter().find(|it| it.instance == FAR);
            let attempt = link.unwrap().link.attempt;
            (attempt >= 2).then_some(()).ok_or(format!("{attempt}"))
        })
        .await;
        gate.open();
    };
    let (answers, ()) = tokio::join!(join_all(calls), opening);
    for answer in answers {
        assert_eq!(answer.unwrap(), []);
    }
    last_word(&client).await;
    let mut heard = heard(&mut ear).await;
    heard.sort();
    assert_eq!(heard, ["1", "2", "3"]);
    assert_eq!(gate.broadcasts(), 3);
}

#[tokio::test]
async fn the_waiting_broadcasts_of_one_program_leave_in_their_order() {
    let (mut world, mut gate) = parted().await;
    world.daemon.start_again();
    let client = world.client().await;
    let mut ear = world.ear(&Listen::to(menu())).await;
    is_offline(&world).await;
    let mut calls = JoinSet::new();
    for number in 0..50 {
        let sender = client.clone();
        calls.spawn(async move {
            let answer = when_connected(&sender, &number.to_string(), DEADLINE).await;
            answer.unwrap();
        });
        waiting(&client, number + 1).await;
    }
    gate.open();
    while let Some(sent) = calls.join_next().await {
        sent.unwrap();
    }
    last_word(&client).await;
    let heard = heard(&mut ear).await;
    assert_eq!(heard.len(), 50);
    // Several connections race over the last stretch: neighbours may change places.
    let displaced: Vec<_> = heard
        .iter()
        .enumerate()
        .filter(|(place, number)| number.parse::<usize>().unwrap().abs_diff(*place) > 5)
        .collect();
    assert!(displaced.is_empty(), "{heard:?}");
}

#[tokio::test]
async fn a_wait_ends_in_time_and_says_that_nothing_was_sent() {
    let (mut world, gate) = parted().await;
    world.daemon.start_again();
    is_offline(&world).await;
    let client = world.client().await;
    let begun = Instant::now();
    let wait = Duration::from_secs(2);
    let error = when_connected(&client, "1", wait).await.unwrap_err();
    let took = begun.elapsed();
    assert_eq!(error.fate(), Fate::Refused, "{error}");
    let refusal = refusal(Answer::Err(error));
    assert_eq!(refusal.code, Code::Unavailable, "{refusal:?}");
    assert!(refusal.message.contains("time is over"), "{refusal:?}");
    assert!(refusal.message.contains("nothing was sent"), "{refusal:?}");
    assert!(took >= wait, "{took:?}");
    assert_eq!(gate.broadcasts(), 0);
}

#[tokio::test]
async fn who_goes_away_takes_its_waiting_broadcast_along_and_one_killed_in_the_queue_stops_nobody()
{
    let (mut world, mut gate) = parted().await;
    world.daemon.start_again();
    let client = world.client().await;
    let mut ear = world.ear(&Listen::to(menu())).await;
    is_offline(&world).await;
    let mut leaving = JoinSet::new();
    for _ in 0..3 {
        let client = client.clone();
        leaving.spawn(async move { when_connected(&client, "\"gone\"", DEADLINE).await });
    }
    let mut staying = JoinSet::new();
    {
        let client = client.clone();
        staying.spawn(async move { when_connected(&client, "\"here\"", DEADLINE).await });
    }
    waiting(&client, 4).await;
    leaving.shutdown().await;
    waiting(&client, 1).await;
    gate.open();
    staying.join_next().await.unwrap().unwrap().unwrap();
    last_word(&client).await;
    assert_eq!(heard(&mut ear).await, ["\"here\""]);
}

#[tokio::test]
async fn only_so_many_broadcasts_wait_and_a_free_seat_is_taken_again() {
    let (mut world, _gate) = parted().await;
    let limits = &mut world.daemon.settings.daemon.limits;
    // All callers here are the daemon's own user, which may have all of the room.
    (limits.max_waiting, limits.max_waiting_bytes) = (3, 100_000);
    world.daemon.start_again();
    is_offline(&world).await;
    let client = world.client().await;
    let large = format!("\"{}\"", "x".repeat(100_000));
    let refused = refusal(when_connected(&client, &large, DEADLINE).await);
    assert_eq!(refused.code, Code::ResourceExhausted, "{refused:?}");
    assert!(refused.message.contains("max_waiting_bytes"), "{refused:?}");
    assert_eq!(refused.fate, Some(Fate::Refused));

    let mut calls = JoinSet::new();
    for _ in 0..4 {
        let client = client.clone();
        calls.spawn(async move { when_connected(&client, "1", DEADLINE).await });
    }
    let refused = refusal(calls.join_next().await.unwrap().unwrap());
    assert_eq!(refused.code, Code::ResourceExhausted, "{refused:?}");
    assert!(refused.message.contains("max_waiting"), "{refused:?}");
    waiting(&client, 3).await;
    calls.shutdown().await;
    waiting(&client, 0).await;
    let refused = refusal(when_connected(&client, "1", Duration::from_millis(50)).await);
    assert_eq!(refused.code, Code::Unavailable, "{refused:?}");
}

#[tokio::test]
async fn a_stopping_daemon_ends_the_waits_at_once() {
    let (mut world, _gate) = parted().await;
    // Far longer than the stop may take.
    let long = DEADLINE * 4;
    world.daemon.settings.daemon.drain_timeout = long;
    world.daemon.start_again();
    is_offline(&world).await;
    let client = world.client().await;
    let mut calls = JoinSet::new();
    for _ in 0..10 {
        let client = client.clone();
        calls.spawn(async move { when_connected(&client, "1", long).await });
    }
    waiting(&client, 10).await;
    world.daemon.stop().await;
    while let Some(answer) = calls.join_next().await {
        let refused = refusal(answer.unwrap());
        assert_eq!(refused.code, Code::Unavailable, "{refused:?}");
        assert_eq!(refused.fate, Some(Fate::Refused), "{refused:?}");
        assert!(refused.message.contains("stopping"), "{refused:?}");
    }
}

#[tokio::test]
async fn a_connection_that_is_cut_in_place_of_the_answer_leaves_it_unknown_and_sent_once() {
    let (mut world, mut gate) = parted().await;
    gate.open();
    world.daemon.start_again();
    world.link(FAR, LinkState::Online).await;
    let client = world.client().await;
    let mut ear = world.ear(&Listen::to(menu())).await;
    // A connection is kept from this one on.
    now(&client).await.unwrap();
    gate.cut_answers(true);
    for _ in 0..5 {
        let error = now(&client).await.unwrap_err();
        assert_eq!(error.fate(), Fate::Unknown, "{error}");
        assert_eq!(refusal(Answer::Err(error)).code, Code::Unknown);
        let error = when_connected(&client, "1", DEADLINE).await.unwrap_err();
        assert_eq!(error.fate(), Fate::Unknown, "{error}");
    }
    gate.cut_answers(false);
    now(&client).await.unwrap();
    last_word(&client).await;
    assert_eq!(heard(&mut ear).await.len(), 12);
    assert_eq!(gate.broadcasts(), 12);
}

#[tokio::test]
async fn an_outage_after_a_connection_is_an_outage_too() {
    let (mut world, mut gate) = parted().await;
    gate.open();
    world.daemon.start_again();
    world.link(FAR, LinkState::Online).await;
    let client = world.client().await;
    now(&client).await.unwrap();
    gate.close().await;
    is_offline(&world).await;
    let error = now(&client).await.unwrap_err();
    assert_eq!(error.fate(), Fate::Refused, "{error}");
    let (answer, ()) = tokio::join!(when_connected(&client, "2", DEADLINE), async {
        gate.open();
    });
    answer.unwrap();
    assert_eq!(gate.broadcasts(), 2);
}
