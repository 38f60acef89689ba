//! Rights before bytes: whoever may nothing is refused on the headers, and what others send is
//! counted before it comes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use expd_proto as proto;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tonic::Code;

use crate::attacked_daemon::{ALONE, APP, AttackedDaemon, STRANGER, refusal, started};
use expd_test_support::http2::{channel_as, connect_as, framed, http2, is_root, own_uid, post};
use expd_test_support::{DEADLINE, eventually, in_time};

const MB: usize = 1_000_000;

/// Room for what an allocator keeps and a test's own traffic makes.
const SLACK: usize = 12 * MB;

/// A broadcast of so many bytes of text.
fn large(bytes: usize) -> proto::BroadcastRequest {
    proto::BroadcastRequest {
        channel: Some(proto::Channel {
            name: "menu".to_owned(),
            ..Default::default()
        }),
        name: "n".to_owned(),
        payload: Some(proto::Payload {
            form: Some(proto::payload::Form::Json(format!(
                "\"{}\"",
                "x".repeat(bytes)
            ))),
        }),
        ..Default::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_is_refused_before_its_message_comes() {
    if !is_root() {
        return;
    }
    let attacked = AttackedDaemon::start("").await;
    let mut client = attacked.http2(STRANGER, &h2::client::Builder::new()).await;
    for path in [
        "/expd.v1.Network/Broadcast",
        "/expd.v1.Network/Listen",
        "/expd.v1.Api/Request",
        "/expd.v1.Daemon/GetStatus",
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        "/no.such.Service/Method",
    ] {
        let (response, _never_sent) = client.post(path).await;
        let (code, message) = refusal(response).await;
        assert_eq!(code, Code::PermissionDenied, "{path}: {message}");
        assert!(
            message.contains("uid 65534") && message.len() < 1024,
            "{message}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn half_sent_messages_of_a_user_hold_no_more_than_its_share() {
    if !is_root() {
        return;
    }
    let _alone = ALONE.lock().await;
    let attacked = AttackedDaemon::start("").await;
    let before = attacked.memory();
    let watch = attacked.watch().await;
    let message = framed(&large(15 * MB));
    let mut sends = JoinSet::new();
    let (first, enough) = (Arc::new(Notify::new()), CancellationToken::new());
    let progress = Arc::new(AtomicUsize::new(0));
    let mut behind = Vec::new();
    for _ in 0..20 {
        let mut client = attacked.http2(APP, &h2::client::Builder::new()).await;
        let part = message.slice(..14 * MB);
        let (first, enough, progress) = (first.clone(), enough.clone(), progress.clone());
        let (response, mut stream) = client.post("/expd.v1.Network/Broadcast").await;
        behind.push(client.requests.clone());
        sends.spawn(async move {
            let sending = send(&mut stream, part, &progress);
            let sent = enough.run_until_cancelled(sending).await;
            first.notify_one();
            (sent.is_some(), client, response, stream)
        });
    }
    in_time("one is taken in", first.notified()).await;
    // Those that find no room are never asked for it, however long they wait: a call behind each of
    // them is answered, again and again, and none of them sends any more.
    let mut still = 0;
    eventually("nobody sends any more", async || {
        let before = progress.load(Ordering::SeqCst);
        for requests in &behind {
            answered(requests.clone()).await;
        }
        let after = progress.load(Ordering::SeqCst);
        still = if after == before { still + 1 } else { 0 };
        (still == 5)
            .then_some(())
            .ok_or_else(|| format!("{before} bytes are sent, then {after}"))
    })
    .await;
    enough.cancel();
    let held = sends.join_all().await;
    let arrived = held.iter().filter(|(arrived, ..)| *arrived).count();
    let grown = attacked.memory().saturating_sub(before);
    eprintln!("{arrived} of 20 arrived, {} MB more", grown / MB);
    assert!(
        (1..=3).contains(&arrived),
        "{arrived} of 20 messages were taken in"
    );
    assert!(grown < 64 * MB + SLACK, "{} MB more", grown / MB);
    attacked.root_gets_in().await;
    watch.ends_well().await;
}

/// Sends all of it, as there is room for it.
async fn send(stream: &mut h2::SendStream<Bytes>, mut bytes: Bytes, progress: &AtomicUsize) {
    while !bytes.is_empty() {
        stream.reserve_capacity(bytes.len());
        let room = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await;
        let part = bytes.split_to(room.unwrap().unwrap().min(bytes.len()));
        progress.fetch_add(part.len(), Ordering::SeqCst);
        stream.send_data(part, false).unwrap();
    }
}

/// A call of few bytes, which is answered one way or the other.
async fn answered(requests: h2::client::SendRequest<Bytes>) {
    let mut requests = requests.ready().await.unwrap();
    let head = post("/expd.v1.Api/GetIdentity");
    let (response, mut stream) = requests.send_request(head, false).unwrap();
    let message = framed(&proto::GetIdentityRequest::default());
    stream.send_data(message, true).unwrap();
    // A refusal is an answer, too.
    in_time("an answer", response).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_of_requests_are_counted_as_well() {
    if !is_root() {
        return;
    }
    let _alone = ALONE.lock().await;
    let attacked = AttackedDaemon::start("").await;
    for (uid, most) in [(STRANGER, 8 * MB), (APP, 64 * MB)] {
        let before = attacked.memory();
        let mut builder = h2::client::Builder::new();
        builder.initial_max_send_streams(16_384);
        let (mut open, mut clients) = (Vec::new(), Vec::new());
        for _ in 0..10 {
            // What its calls hold already may leave no room for another connection.
            let Ok(mut client) = attacked.try_http2(uid, &builder).await else {
                break;
            };
            for n in 0..2000 {
                let mut head = post("/expd.v1.Network/Broadcast");
                let value = format!("{n}{}", "v".repeat(6000)).parse().unwrap();
                head.headers_mut().insert("x-filling", value);
                // It may be refused by then, or the server takes no more streams: the attack goes
                // on with the next connection, and what is asserted is what all of them hold.
                let ready = client.requests.clone().ready();
                if !matches!(timeout(Duration::from_millis(200), ready).await, Ok(Ok(_))) {
                    break;
                }
                let Ok(sent) = client.requests.send_request(head, false) else {
                    break;
                };
                open.push(sent);
            }
            clients.push(client);
        }
        let grown = attacked.memory().saturating_sub(before);
        eprintln!("{} heads open, {} MB more", open.len(), grown / MB);
        assert!(grown < most + SLACK, "{} MB more for uid {uid}", grown / MB);
        attacked.root_gets_in().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn structured_payloads_are_bounded_before_they_are_decoded() {
    if !is_root() {
        return;
    }
    let _alone = ALONE.lock().await;
    let attacked = AttackedDaemon::start("").await;
    let watch = attacked.watch().await;
    let before = attacked.memory();
    let list = |values: usize| prost_types::Value {
        kind: Some(prost_types::value::Kind::ListValue(
            prost_types::ListValue {
                values: vec![prost_types::Value::default(); values],
            },
        )),
    };
    for values in [110_000, 7_000_000] {
        let mut request = large(1);
        request.payload = Some(proto::Payload {
            form: Some(proto::payload::Form::Value(list(values))),
        });
        let message = framed(&request);
        drop(request);
        for _ in 0..4 {
            let mut client = attacked.http2(APP, &h2::client::Builder::new()).await;
            let (response, mut stream) = client.post("/expd.v1.Network/Broadcast").await;
            send(&mut stream, message.clone(), &AtomicUsize::default()).await;
            stream.send_data(Bytes::new(), true).unwrap();
            let (code, said) = refusal(response).await;
            assert_eq!(code, Code::ResourceExhausted, "{said}");
            assert!(said.contains("payload.json"), "{said}");
        }
    }
    let grown = attacked.memory().saturating_sub(before);
    assert!(grown < 64 * MB + SLACK, "{} MB more", grown / MB);
    watch.ends_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_answer_stays_text_where_values_would_be_too_many() {
    let (_daemon, home) = crate::attacked_daemon::started("").await;
    let socket = home.socket();
    let uid = own_uid();
    let channel = channel_as(&socket, uid).await;
    let mut network = proto::network_client::NetworkClient::new(channel.clone())
        .max_decoding_message_size(64 << 20);
    let listen = proto::ListenRequest {
        channel: large(1).channel,
        payload_form: proto::PayloadForm::Value.into(),
        ..Default::default()
    };
    let mut events = network.listen(listen).await.unwrap().into_inner();
    let mut next = async || {
        timeout(DEADLINE, events.message())
            .await
            .unwrap()
            .unwrap()
            .unwrap()
    };
    loop {
        let event = next().await.event;
        if let Some(proto::listen_event::Event::Subscription(now)) = event
            && now.state() == proto::subscription::State::Confirmed
        {
            break;
        }
    }
    let list = format!("[{}1]", "1,".repeat(7_900_000));
    let few = format!("[{}\"{}\"]", "1,".repeat(100), "x".repeat(500_000));
    for (text, is_text) in [(list, true), (few, false)] {
        let mut request = large(1);
        request.payload = Some(proto::Payload {
            form: Some(proto::payload::Form::Json(text)),
        });
        network.broadcast(request).await.unwrap();
        let Some(proto::listen_event::Event::Broadcast(broadcast)) = next().await.event else {
            panic!("no broadcast came");
        };
        let form = broadcast.payload.unwrap().form.unwrap();
        let came_as_text = matches!(form, proto::payload::Form::Json(_));
        assert_eq!(came_as_text, is_text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_without_a_word_is_closed_in_time() {
    let (_daemon, home) = crate::attacked_daemon::started("").await;
    let uid = own_uid();
    let start = Instant::now();
    let mut silent = connect_as(&home.socket(), uid).await;
    let mut half = connect_as(&home.socket(), uid).await;
    half.write_all(b"PRI * HTTP/2.0\r\n").await.unwrap();
    for stream in [&mut silent, &mut half] {
        let mut rest = Vec::new();
        timeout(DEADLINE, stream.read_to_end(&mut rest))
            .await
            .expect("the connection stays open")
            .ok();
    }
    assert!(
        start.elapsed() > Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test]
async fn a_request_that_is_not_one_plain_message_is_refused_and_nothing_is_done() {
    let (_daemon, home) = started("").await;
    let path = "/expd.v1.Network/ClearContext";
    let message = framed(&proto::ClearContextRequest {
        context: "nobody's".to_owned(),
    });
    let changed = |at: usize, byte: u8| {
        let mut bytes = message.to_vec();
        bytes[at] = byte;
        bytes
    };
    let length = u8::try_from(message.len() - 5).unwrap();
    for (bytes, code, reason) in [
        (Vec::new(), Code::Internal, "is empty"),
        (message[..4].to_vec(), Code::Internal, "Unexpected EOF"),
        (changed(4, length + 1), Code::Internal, "Unexpected EOF"),
        (
            changed(4, length - 1),
            Code::Unimplemented,
            "more than one message",
        ),
        (
            [&message[..], &message].concat(),
            Code::Unimplemented,
            "more than one message",
        ),
        (changed(0, 1), Code::Internal, "compressed-flag"),
        (changed(0, 2), Code::Internal, "invalid compression flag"),
        (changed(1, 1), Code::ResourceExhausted, "takes at most"),
        (changed(5, 0xff), Code::InvalidArgument, "not this method's"),
    ] {
        let stream = connect_as(&home.socket(), own_uid()).await;
        let mut client = http2(stream, &h2::client::Builder::new()).await.unwrap();
        let (response, mut body) = client.post(path).await;
        let shown = bytes.clone();
        body.send_data(bytes.into(), true).unwrap();
        let (found, message) = refusal(response).await;
        assert_eq!(found, code, "{shown:?}: {message}");
        assert!(message.contains(reason), "{shown:?}: {message}");
    }
    // In pieces of one byte it is the same message.
    let stream = connect_as(&home.socket(), own_uid()).await;
    let mut client = http2(stream, &h2::client::Builder::new()).await.unwrap();
    let (response, mut body) = client.post(path).await;
    for byte in &message {
        body.send_data(Bytes::copy_from_slice(&[*byte]), false)
            .unwrap();
    }
    body.send_data(Bytes::new(), true).unwrap();
    let answer = timeout(DEADLINE, response).await.unwrap().unwrap();
    let mut body = answer.into_body();
    let data = timeout(DEADLINE, body.data())
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert_eq!(
        &data[..],
        [0, 0, 0, 0, 0],
        "nobody's listeners were cancelled"
    );
}

#[tokio::test]
async fn a_compressed_request_is_refused_with_the_encoding_that_is_taken() {
    let (_daemon, home) = started("").await;
    let stream = connect_as(&home.socket(), own_uid()).await;
    let mut client = http2(stream, &h2::client::Builder::new()).await.unwrap();
    client.requests = client.requests.clone().ready().await.unwrap();
    let mut head = post("/expd.v1.Network/ClearContext");
    let gzip = http::HeaderValue::from_static("gzip");
    head.headers_mut().insert("grpc-encoding", gzip);
    let (response, mut body) = client.requests.send_request(head, false).unwrap();
    body.send_data(Bytes::from_static(&[1, 0, 0, 0, 1, 0]), true)
        .unwrap();
    let answer = timeout(DEADLINE, response).await.unwrap().unwrap();
    let status = tonic::Status::from_header_map(answer.headers()).unwrap();
    assert_eq!(status.code(), Code::Unimplemented);
    assert_eq!(answer.headers()["grpc-accept-encoding"], "identity");
}
