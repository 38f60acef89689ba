//! Answers to calls that run into their deadline, seen by a client without a timer of its own.

use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use expd_proto as proto;
use tokio::net::UnixStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tonic::Code;

use expd_test_support::DEADLINE;
use expd_test_support::world::World;

#[tokio::test]
async fn a_call_that_runs_into_its_deadline_is_told_so() {
    let world = World::new().await;
    let mut ear = world
        .ear(&expd_client::Listen::to(expd_test_support::world::menu()))
        .await;
    let request = proto::BroadcastRequest {
        channel: Some(proto::Channel {
            name: "menu".to_owned(),
            ..Default::default()
        }),
        name: "slow".to_owned(),
        timeout: Some(Duration::from_secs(5).try_into().unwrap()),
        ..Default::default()
    };
    for _ in 0..4 {
        let begun = Instant::now();
        let (code, words) = call(&world, "/expd.v1.Network/Broadcast", &request, "500m").await;
        let took = begun.elapsed();
        assert_eq!(code, Code::DeadlineExceeded, "{words}");
        assert!(words.contains("500ms"), "{words}");
        assert!(took > Duration::from_millis(450), "{took:?}");
        // It may well have been carried out, and was.
        assert_eq!(ear.broadcast().await.name, "slow");
    }
}

/// Makes one call by hand, with this `grpc-timeout`, and returns its status.
async fn call(
    world: &World,
    path: &str,
    message: &impl prost::Message,
    grpc_timeout: &str,
) -> (Code, String) {
    let socket = UnixStream::connect(world.socket()).await.unwrap();
    let (client, connection) = h2::client::handshake(socket).await.unwrap();
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let mut client = client.ready().await.unwrap();
    let request = http::Request::post(format!("http://localhost{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("grpc-timeout", grpc_timeout)
        .body(())
        .unwrap();
    let (answer, mut body) = client.send_request(request, false).unwrap();
    let message = message.encode_to_vec();
    let mut frame = BytesMut::new();
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.len()).unwrap());
    frame.put_slice(&message);
    body.send_data(Bytes::from(frame), true).unwrap();
    let answer = timeout(DEADLINE, answer).await.unwrap().unwrap();
    let status = answer.headers();
    let field = |name: &str| status[name].to_str().unwrap().to_owned();
    (
        Code::from_bytes(field("grpc-status").as_bytes()),
        field("grpc-message"),
    )
}
