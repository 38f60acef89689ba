//! Connections that try to stall the daemon: floods of calls, of control frames and of resets.

use std::time::Duration;

use bytes::Bytes;
use expd_proto as proto;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::attacked_daemon::{ALONE, APP, AttackedDaemon, OTHER_APP, identity};
use expd_test_support::DEADLINE;
use expd_test_support::http2::{PREFACE, connect_as, frame, framed, head, http2, is_root, own_uid};

/// Duration of each flood.
const FLOOD: Duration = Duration::from_secs(4);

/// Listens on streams that stay open, and then sends `flood` over and over, while another app is
/// served.
async fn flood(open_calls: u32, flood: impl Fn(u32) -> Vec<u8>) {
    let _alone = ALONE.lock().await;
    let attacked = AttackedDaemon::start("").await;
    let mut hears = attacked.network(OTHER_APP).await;
    let channel = proto::Channel {
        name: "menu".to_owned(),
        ..Default::default()
    };
    let listen = proto::ListenRequest {
        channel: Some(channel.clone()),
        ..Default::default()
    };
    let mut events = hears.listen(listen.clone()).await.unwrap().into_inner();
    let mut next = async || {
        timeout(DEADLINE, events.message())
            .await
            .unwrap()
            .unwrap()
            .unwrap()
    };
    while !matches!(
        next().await.event,
        Some(proto::listen_event::Event::Subscription(now))
            if now.state() == proto::subscription::State::Confirmed
    ) {}

    let watch = attacked.watch().await;
    let stream = attacked.connect(APP).await;
    let (mut reader, mut writer) = stream.into_split();
    let mut reads = JoinSet::new();
    reads.spawn(async move {
        let mut bytes = vec![0; 64 << 10];
        while reader.read(&mut bytes).await.is_ok_and(|read| read > 0) {}
    });
    let mut begin = PREFACE.to_vec();
    begin.extend(frame(4, 0, 0, &[]));
    for n in 0..open_calls {
        let stream = 2 * n + 1;
        begin.extend(frame(1, 4, stream, &head("/expd.v1.Network/Listen")));
        begin.extend(frame(0, 1, stream, &framed(&listen)));
    }
    // A client that asks for too much is not served to the end.
    writer.write_all(&begin).await.ok();
    let end = Instant::now() + FLOOD;
    let mut next_stream = 2 * open_calls + 1;
    while Instant::now() < end {
        let mut bytes = Vec::new();
        while bytes.len() < 20_000 {
            bytes.extend(flood(next_stream));
            next_stream += 2;
        }
        // It may be closed for that, or read later.
        let sent = timeout(end - Instant::now(), writer.write_all(&bytes)).await;
        if !matches!(sent, Ok(Ok(()))) {
            break;
        }
    }
    let mut root = attacked.network(0).await;
    let start = Instant::now();
    let broadcast = proto::BroadcastRequest {
        channel: Some(channel),
        name: "n".to_owned(),
        ..Default::default()
    };
    root.broadcast(broadcast).await.unwrap();
    assert!(matches!(
        next().await.event,
        Some(proto::listen_event::Event::Broadcast(_))
    ));
    eprintln!("a delivery after the flood took {:?}", start.elapsed());
    watch.ends_well().await;
    drop(writer);
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_that_go_up_and_down_stall_nobody() {
    if is_root() {
        flood(1000, |n| {
            let window: u32 = if n % 4 == 1 { 1 } else { 65_535 };
            let mut payload = vec![0, 4];
            payload.extend(window.to_be_bytes());
            frame(4, 0, 0, &payload)
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn goodbyes_without_end_stall_nobody() {
    if is_root() {
        flood(1000, |_| frame(7, 0, 0, &[0; 8])).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_of_unknown_methods_stall_nobody() {
    if is_root() {
        flood(0, |stream| {
            frame(1, 5, stream, &head("/no.such.Service/Method"))
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_are_cancelled_at_once_stall_nobody() {
    if is_root() {
        flood(0, |stream| {
            let mut bytes = frame(1, 4, stream, &head("/expd.v1.Network/Listen"));
            bytes.extend(frame(3, 0, stream, &8_u32.to_be_bytes()));
            bytes
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pings_and_empty_data_stall_nobody() {
    if is_root() {
        flood(1000, |_| {
            let mut bytes = frame(6, 0, 0, &[7; 8]);
            bytes.extend(frame(8, 0, 0, &1_u32.to_be_bytes()));
            bytes
        })
        .await;
    }
}

/// A call whose answer is to come.
struct Called(h2::client::ResponseFuture);

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_cancelled_calls_do_not_end_the_other_streams_of_a_program() {
    let (_daemon, home) = crate::attacked_daemon::started("").await;
    let stream = connect_as(&home.socket(), own_uid()).await;
    let mut builder = h2::client::Builder::new();
    // It counts what the thousand calls leave unread.
    builder.data_frame_budget(usize::MAX);
    // And the answers that arrive for calls it has reset, which depend on the machine's pace.
    builder.max_local_error_reset_streams(None);
    let mut client = http2(stream, &builder).await.unwrap();
    let listen = proto::ListenRequest {
        channel: Some(proto::Channel {
            name: "menu".to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let mut open = async || {
        let (response, mut stream) = client.post("/expd.v1.Network/Listen").await;
        stream.send_data(framed(&listen), true).unwrap();
        Called(response)
    };
    let honest = open().await;
    let mut events = timeout(DEADLINE, honest.0)
        .await
        .unwrap()
        .unwrap()
        .into_body();
    for _ in 0..3 {
        let mut calls = Vec::new();
        for _ in 0..1000 {
            calls.push(open().await);
        }
        // Dropped, they are reset.
        drop(calls);
    }
    let after = timeout(DEADLINE, open().await.0).await.unwrap().unwrap();
    assert_eq!(after.status(), 200);
    let first: Option<Result<Bytes, h2::Error>> = timeout(DEADLINE, events.data()).await.unwrap();
    first.expect("the stream has ended").unwrap();
    assert!(!events.is_end_stream());
}

#[tokio::test(flavor = "multi_thread")]
async fn more_calls_than_one_connection_may_have_stall_nobody() {
    if is_root() {
        flood(16_000, |stream| {
            frame(1, 4, stream, &head("/expd.v1.Network/Listen"))
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_asks_too_much_is_slowed_down_and_not_cut_off() {
    if !is_root() {
        return;
    }
    let _alone = ALONE.lock().await;
    let attacked = AttackedDaemon::start("").await;
    let watch = attacked.watch().await;
    let mut calls = JoinSet::new();
    // As many at once as the user's memory holds on the slowest machine: 40 KiB each.
    for _ in 0..8 {
        let api = attacked.api(APP).await;
        for _ in 0..190 {
            let api = api.clone();
            calls.spawn(async move {
                for _ in 0..2 {
                    let call = timeout(DEADLINE, identity(api.clone())).await;
                    call.expect("a call is never answered").unwrap();
                }
            });
        }
    }
    while let Some(caller) = calls.join_next().await {
        caller.unwrap();
    }
    watch.ends_well().await;
}
