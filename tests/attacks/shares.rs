//! Shares: whatever one user takes, others and root get in.

use expd::rpc::server::STRANGER_CONNECTIONS;
use expd_proto as proto;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::time::timeout;
use tonic::Code;

use crate::attacked_daemon::{ALONE, APP, AttackedDaemon, OTHER_APP, STRANGER, identity};
use expd_test_support::http2::{PREFACE, frame, is_root, own_uid, send_with_descriptor};
use expd_test_support::{DEADLINE, eventually, in_time, until};

/// Checks that the daemon keeps a connection, which it then answers a PING on. The error is what
/// the daemon said where it closed the connection.
async fn is_kept(stream: &mut UnixStream) -> Result<(), String> {
    let ping_frame = |flags| frame(6, flags, 0, &[7; 8]);
    let hello = [PREFACE, &frame(4, 0, 0, &[]), &ping_frame(0)].concat();
    // Refused before it says a word, where it is.
    stream.write_all(&hello).await.ok();
    let (mut said, pong) = (Vec::new(), ping_frame(1));
    loop {
        match in_time("an answer", stream.read_buf(&mut said)).await {
            Ok(1..) if said.windows(pong.len()).any(|part| part == pong) => return Ok(()),
            Ok(1..) => {}
            Ok(0) | Err(_) => return Err(String::from_utf8_lossy(&said).into_owned()),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_connections_of_one_user_lock_nobody_out() {
    if !is_root() {
        return;
    }
    let _alone = ALONE.lock().await;
    let attacked = AttackedDaemon::start("[daemon.limits]\nmax_connections = 64").await;
    let mut open = Vec::new();
    for _ in 0..64 {
        open.push(attacked.connect(APP).await);
    }
    let (mut kept, mut reasons) = (0, Vec::new());
    for stream in &mut open {
        match is_kept(stream).await {
            Ok(()) => kept += 1,
            Err(said) => reasons.push(said),
        }
    }
    // Its share is half, and the test's own watcher is another user.
    assert_eq!(kept, 32);
    let reason = &reasons[0];
    assert!(
        reason.contains("32 of the 32 that one user may have are in use by uid 60001"),
        "{reason}"
    );
    assert!(reason.contains("daemon.limits.max_connections"), "{reason}");
    identity(attacked.api(OTHER_APP).await).await.unwrap();
    attacked.root_gets_in().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_take_nothing_from_the_users_of_the_rules() {
    if !is_root() {
        return;
    }
    let _alone = ALONE.lock().await;
    let attacked = AttackedDaemon::start("").await;
    let mut open = Vec::new();
    // Several strangers together have no more than twice what one may have.
    for n in 0..200 {
        open.push(attacked.connect(STRANGER - n % 7).await);
    }
    let mut kept = 0;
    for stream in &mut open {
        kept += usize::from(is_kept(stream).await.is_ok());
    }
    assert!(kept <= 2 * STRANGER_CONNECTIONS, "{kept} are kept");
    identity(attacked.api(APP).await).await.unwrap();
    attacked.root_gets_in().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn broadcasts_that_take_an_hour_leave_calls_for_others() {
    if !is_root() {
        return;
    }
    let _alone = ALONE.lock().await;
    let attacked = AttackedDaemon::start("[daemon.limits]\nmax_calls = 32").await;
    let hour = proto::BroadcastRequest {
        channel: Some(proto::Channel {
            name: "menu".to_owned(),
            ..Default::default()
        }),
        name: "n".to_owned(),
        timeout: Some(prost_types::Duration {
            seconds: 3600,
            nanos: 0,
        }),
        ..Default::default()
    };
    let network = attacked.network(APP).await;
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..32 {
        let (mut network, hour) = (network.clone(), hour.clone());
        calls.spawn(async move { network.broadcast(hour).await.map(drop) });
    }
    // Half of them are refused at once.
    for _ in 0..16 {
        let ended = timeout(DEADLINE, calls.join_next()).await.unwrap().unwrap();
        let refused = ended.unwrap().unwrap_err();
        assert_eq!(refused.code(), Code::ResourceExhausted, "{refused:?}");
        assert!(
            refused.message().contains("daemon.limits.max_calls"),
            "{refused:?}"
        );
    }
    let mut quick = hour.clone();
    quick.timeout = None;
    let mut other = attacked.network(OTHER_APP).await;
    timeout(DEADLINE, other.broadcast(quick.clone()))
        .await
        .unwrap()
        .unwrap();
    // Those who leave make room.
    calls.shutdown().await;
    eventually("there is room for a call", async || {
        let sent = network.clone().broadcast(quick.clone()).await;
        sent.map_err(|status| format!("{status:?}"))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_users_listeners_and_channels_leave_some_for_others() {
    if !is_root() {
        return;
    }
    let _alone = ALONE.lock().await;
    let limits = "[daemon.limits]\nmax_listeners = 100\nmax_channels = 60";
    let attacked = AttackedDaemon::start(limits).await;
    let listen = |name: String| proto::ListenRequest {
        channel: Some(proto::Channel {
            name,
            ..Default::default()
        }),
        ..Default::default()
    };
    let mut app = attacked.network(APP).await;
    let mut refusals = Vec::new();
    for n in 0..60 {
        if let Err(refused) = app.open_listener(listen(format!("channel {n}"))).await {
            refusals.push(refused);
        }
    }
    assert_eq!(refusals.len(), 30, "{refusals:?}");
    assert!(
        refusals[0].message().contains("max_channels"),
        "{refusals:?}"
    );
    for _ in 0..30 {
        if let Err(refused) = app.open_listener(listen("channel 0".to_owned())).await {
            refusals.push(refused);
        }
    }
    assert_eq!(refusals.len(), 40, "{refusals:?}");
    let last = refusals.last().unwrap();
    assert!(last.message().contains("max_listeners"), "{last:?}");
    let mut other = attacked.network(OTHER_APP).await;
    other
        .open_listener(listen("its own".to_owned()))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_pass_their_own_descriptor_end_with_their_program() {
    let _alone = ALONE.lock().await;
    let attacked = AttackedDaemon::start("").await;
    let files = format!("/proc/{}/fd", attacked.daemon.child.id());
    let open = || std::fs::read_dir(&files).unwrap().count();
    let before = open();
    for _ in 0..100 {
        let stream = attacked.connect(own_uid()).await;
        // A connection that the daemon has closed takes no more.
        send_with_descriptor(&stream, &[PREFACE, &frame(4, 0, 0, &[])].concat()).ok();
        for _ in 0..5 {
            send_with_descriptor(&stream, &frame(6, 0, 0, &[7; 8])).ok();
        }
    }
    until("their ends", || open() <= before + 10).await;
    attacked.root_gets_in().await;
}
