//! The part of one user, as `daemon.limits.user` sets it, and who is told of it.

use expd_proto as proto;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::attacked_daemon::{ALONE, APP, AttackedDaemon, OTHER_APP};
use expd_test_support::eventually;
use expd_test_support::http2::is_root;

fn menu() -> proto::Channel {
    proto::Channel {
        name: "menu".to_owned(),
        ..Default::default()
    }
}

fn broadcast() -> proto::BroadcastRequest {
    proto::BroadcastRequest {
        channel: Some(menu()),
        name: "n".to_owned(),
        timeout: Some(prost_types::Duration::default()),
        ..Default::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_at_its_rate_is_refused_by_name_and_the_others_are_not() {
    if !is_root() {
        return;
    }
    let _alone = ALONE.lock().await;
    let limits = "[daemon.limits.user]\nbroadcasts_per_second = 1\nbroadcast_burst = 5";
    let mut attacked = AttackedDaemon::start(limits).await;
    let mut app = attacked.network(APP).await;
    let mut refusals = Vec::new();
    for _ in 0..20 {
        if let Err(refused) = app.broadcast(broadcast()).await {
            refusals.push(refused);
        }
    }
    // A busy machine may let some seconds pass meanwhile.
    assert!((5..=15).contains(&refusals.len()), "{refusals:?}");
    let refused = &refusals[0];
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused:?}");
    for part in [
        "nothing was sent",
        "uid 60001 may send 1 broadcasts a second",
        "daemon.limits.user.broadcasts_per_second",
    ] {
        assert!(refused.message().contains(part), "{part}: {refused:?}");
    }
    let retry = refused.get_details_retry_info().unwrap();
    assert!(
        retry
            .retry_delay
            .is_some_and(|wait| wait.as_millis() <= 1000),
        "{retry:?}"
    );
    // Neither another user nor root pays for it.
    for uid in [OTHER_APP, 0] {
        let mut other = attacked.network(uid).await;
        for _ in 0..5 {
            other.broadcast(broadcast()).await.unwrap();
        }
    }
    let said = attacked.daemon.said("refused a call of");
    assert!(said.contains("uid 60001 may send"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_parts_that_are_set_hold() {
    if !is_root() {
        return;
    }
    let _alone = ALONE.lock().await;
    let limits = "[daemon.limits.user]\nmax_streams = 2\nmax_listeners = 4\nmax_channels = 1";
    let attacked = AttackedDaemon::start(limits).await;
    let listen = |name: &str| proto::ListenRequest {
        channel: Some(proto::Channel {
            name: name.to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let mut app = attacked.network(APP).await;
    let mut streams = Vec::new();
    for _ in 0..2 {
        streams.push(app.listen(listen("menu")).await.unwrap());
    }
    let mut refused = async |name: &str, pull: bool| {
        let answered = if pull {
            app.open_listener(listen(name)).await.map(drop)
        } else {
            app.listen(listen(name)).await.map(drop)
        };
        let refused = answered.unwrap_err();
        assert_eq!(refused.code(), Code::ResourceExhausted, "{refused:?}");
        refused.message().to_owned()
    };
    let said = refused("menu", false).await;
    assert!(
        said.contains("of the 2 that one user may have") && said.contains("max_streams"),
        "{said}"
    );
    let said = refused("another", true).await;
    assert!(
        said.contains("of the 1 that one user may have") && said.contains("max_channels"),
        "{said}"
    );
    let mut other = attacked.network(OTHER_APP).await;
    other.listen(listen("its own")).await.unwrap();
    // A stream that ends makes room for another.
    streams.pop();
    let app = attacked.network(APP).await;
    eventually("there is room for a stream", async || {
        let opened = app.clone().listen(listen("menu")).await;
        opened.map(drop).map_err(|status| format!("{status:?}"))
    })
    .await;
}
