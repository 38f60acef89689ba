//! Answers that nobody reads are bounded, and end.

use std::time::Duration;

use expd_proto as proto;
use tokio::time::{Instant, sleep, timeout};

use crate::world::{ALONE, APP, World};
use expd_test_support::DEADLINE;
use expd_test_support::http2::{framed, is_root};

const MB: usize = 1_000_000;

#[tokio::test(flavor = "multi_thread")]
async fn large_answers_behind_a_closed_window_hold_no_more_than_a_share_and_end() {
    if !is_root() {
        return;
    }
    let _alone = ALONE.lock().await;
    let world = World::start("").await;
    // A resource of 900 KB, which each answer brings.
    let mut api = world.api(APP).await;
    let request = |method: &str, body: Option<String>| proto::ApiRequest {
        method: method.to_owned(),
        path: "/api/data/group/key".to_owned(),
        body: body.map(|text| proto::Payload {
            form: Some(proto::payload::Form::Json(text)),
        }),
        ..Default::default()
    };
    let large = format!("\"{}\"", "x".repeat(900_000));
    let stored = api
        .request(request("PUT", Some(large)))
        .await
        .unwrap()
        .into_inner();
    assert!(stored.status < 300, "{stored:?}");

    let before = world.memory();
    let watch = world.watch().await;
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size(0);
    let mut client = world.http2(APP, &builder).await;
    let message = framed(&request("GET", None));
    let mut answers = Vec::new();
    for _ in 0..300 {
        let (response, mut stream) = client.post("/expd.v1.Api/Request").await;
        stream.send_data(message.clone(), true).unwrap();
        answers.push(response);
    }
    let mut bodies = Vec::new();
    let mut refused = 0;
    for answer in answers {
        let answer = timeout(DEADLINE, answer).await.unwrap().unwrap();
        match tonic::Status::from_header_map(answer.headers()) {
            Some(status) => {
                assert_eq!(status.code(), tonic::Code::ResourceExhausted, "{status:?}");
                refused += 1;
            }
            None => bodies.push(answer.into_body()),
        }
    }
    let grown = world.memory().saturating_sub(before);
    eprintln!(
        "{} answers wait, {refused} refused, {} MB more",
        bodies.len(),
        grown / MB
    );
    assert!(refused > 0);
    assert!(grown < 80 * MB, "{} MB more", grown / MB);
    world.root_gets_in().await;

    // Those that nobody reads end by themselves.
    for mut body in bodies {
        let ended = timeout(Duration::from_secs(60), body.data()).await;
        let ended = ended.expect("an answer waits for ever").unwrap();
        assert!(ended.is_err_and(|error| error.is_reset()), "no reset came");
    }
    let deadline = Instant::now() + DEADLINE;
    while world.memory() > before + 30 * MB {
        assert!(
            Instant::now() < deadline,
            "{} MB are kept",
            world.memory() / MB
        );
        sleep(Duration::from_millis(200)).await;
    }
    watch.ends_well().await;
}
