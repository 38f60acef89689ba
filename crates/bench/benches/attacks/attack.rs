//! The attacks.

use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use expd_proto as proto;
use expd_proto::network_client::NetworkClient;
use expd_test_support::http2::{PREFACE, frame, framed, head, post, try_connect_as};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use expd_bench::daemon::{ATTACKER, STRANGER, channel};

type Running = Pin<Box<dyn Future<Output = ()>>>;

pub struct Attack {
    pub name: &'static str,
    pub run: fn(PathBuf, CancellationToken) -> Running,
}

macro_rules! attacks {
    ($($name:literal => $run:expr;)*) => {
        [$(Attack {
            name: $name,
            run: |socket, _stop| Box::pin($run(socket)),
        }),*]
    };
}

pub const ATTACKS: [Attack; 15] = attacks! {
    "none" => |_| std::future::pending();
    "initial windows up and down" => |socket| frames(socket, 1000, |n| {
        let window: u32 = if n % 4 == 1 { 1 } else { 65_535 };
        let mut payload = vec![0, 4];
        payload.extend(window.to_be_bytes());
        frame(4, 0, 0, &payload)
    });
    "goodbyes" => |socket| frames(socket, 1000, |_| frame(7, 0, 0, &[0; 8]));
    "calls of an unknown method" => |socket| {
        frames(socket, 0, |stream| frame(1, 5, stream, &head("/no.such.Service/Method")))
    };
    "calls cancelled at once" => |socket| frames(socket, 0, |stream| {
        let mut bytes = frame(1, 4, stream, &head("/expd.v1.Network/Listen"));
        bytes.extend(frame(3, 0, stream, &8_u32.to_be_bytes()));
        bytes
    });
    "pings and windows" => |socket| frames(socket, 1000, |_| {
        let mut bytes = frame(6, 0, 0, &[7; 8]);
        bytes.extend(frame(8, 0, 0, &1_u32.to_be_bytes()));
        bytes
    });
    "connections without a word" => silent;
    "connections that come and go" => come_and_go;
    "half-sent broadcasts of 15 MB" => |socket| messages(socket, ATTACKER, text(15_000_000), true);
    "broadcasts of 15 MB" => |socket| messages(socket, ATTACKER, text(15_000_000), false);
    "lists of 7,000,000 values" => |socket| messages(socket, ATTACKER, values(7_000_000), false);
    "a stranger's broadcasts of 15 MB" => |socket| messages(socket, STRANGER, text(15_000_000), false);
    "small broadcasts, beyond the rate" => beyond_the_rate;
    "listeners, as many as there may be" => listeners;
    "answers that nobody reads" => unread;
};

fn listen(name: String) -> proto::ListenRequest {
    proto::ListenRequest {
        channel: Some(proto::Channel {
            name,
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn broadcast(form: proto::payload::Form) -> proto::BroadcastRequest {
    proto::BroadcastRequest {
        channel: listen("the attacker's".to_owned()).channel,
        name: "n".to_owned(),
        payload: Some(proto::Payload { form: Some(form) }),
        ..Default::default()
    }
}

fn text(bytes: usize) -> proto::payload::Form {
    proto::payload::Form::Json(format!("\"{}\"", "x".repeat(bytes)))
}

fn values(count: usize) -> proto::payload::Form {
    let values = vec![prost_types::Value::default(); count];
    proto::payload::Form::Value(prost_types::Value {
        kind: Some(prost_types::value::Kind::ListValue(
            prost_types::ListValue { values },
        )),
    })
}

/// Sends frames repeatedly, on connections with this many open streams, and reconnects whenever one
/// is closed.
async fn frames(socket: PathBuf, streams: u32, flood: fn(u32) -> Vec<u8>) {
    loop {
        let Ok(stream) = try_connect_as(&socket, ATTACKER).await else {
            continue;
        };
        let (mut reader, mut writer) = stream.into_split();
        let mut reads = JoinSet::new();
        reads.spawn(async move {
            let mut bytes = vec![0; 64 << 10];
            while reader.read(&mut bytes).await.is_ok_and(|read| read > 0) {}
        });
        let mut bytes = PREFACE.to_vec();
        bytes.extend(frame(4, 0, 0, &[]));
        let request = framed(&listen("the attacker's".to_owned()));
        for n in 0..streams {
            bytes.extend(frame(1, 4, 2 * n + 1, &head("/expd.v1.Network/Listen")));
            bytes.extend(frame(0, 1, 2 * n + 1, &request));
        }
        let mut next = 2 * streams + 1;
        while writer.write_all(&bytes).await.is_ok() && next < 1 << 30 {
            bytes.clear();
            while bytes.len() < 20_000 {
                bytes.extend(flood(next));
                next += 2;
            }
        }
    }
}

async fn silent(socket: PathBuf) {
    let mut open = Vec::new();
    loop {
        open.extend(try_connect_as(&socket, ATTACKER).await);
        if open.len() > 3000 {
            open.clear();
        }
    }
}

async fn come_and_go(socket: PathBuf) {
    let mut tasks = JoinSet::new();
    for _ in 0..16 {
        let socket = socket.clone();
        tasks.spawn(async move {
            loop {
                if let Ok(mut stream) = try_connect_as(&socket, ATTACKER).await {
                    // The daemon may have closed it by then.
                    stream.write_all(PREFACE).await.ok();
                }
            }
        });
    }
    tasks.join_next().await;
}

/// Sends one message on each of many connections, repeatedly; with `half`, the last part is
/// withheld.
async fn messages(socket: PathBuf, uid: u32, form: proto::payload::Form, half: bool) {
    let mut message = framed(&broadcast(form));
    if half {
        message.truncate(message.len() - 1_000_000);
    }
    let mut tasks = JoinSet::new();
    for _ in 0..20 {
        let (socket, message) = (socket.clone(), message.clone());
        tasks.spawn(async move {
            loop {
                // Until the daemon refuses it, or has held it for long.
                timeout(
                    Duration::from_secs(3),
                    send(&socket, uid, message.clone(), half),
                )
                .await
                .ok();
            }
        });
    }
    tasks.join_next().await;
}

async fn send(socket: &std::path::Path, uid: u32, mut message: Bytes, half: bool) -> Option<()> {
    let stream = try_connect_as(socket, uid).await.ok()?;
    let (requests, connection) = h2::client::handshake(stream).await.ok()?;
    let mut task = JoinSet::new();
    task.spawn(connection);
    let mut requests = requests.ready().await.ok()?;
    let call = post("/expd.v1.Network/Broadcast");
    let (response, mut stream) = requests.send_request(call, false).ok()?;
    while !message.is_empty() {
        stream.reserve_capacity(message.len());
        let room = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await;
        let room = room?.ok()?.min(message.len());
        stream.send_data(message.split_to(room), false).ok()?;
    }
    if half {
        std::future::pending::<()>().await;
    }
    stream.send_data(Bytes::new(), true).ok()?;
    response.await.ok()?;
    Some(())
}

/// An app at its limit: broadcasts without a pause, most of which the rate limit refuses.
async fn beyond_the_rate(socket: PathBuf) {
    let mut tasks = JoinSet::new();
    for _ in 0..8 {
        let socket = socket.clone();
        tasks.spawn(async move {
            loop {
                let Some(channel) = channel(&socket, ATTACKER).await else {
                    continue;
                };
                let mut network = NetworkClient::new(channel);
                let request = broadcast(text(100));
                // Until the connection is gone.
                while network.broadcast(request.clone()).await.is_ok_or_refused() {}
            }
        });
    }
    tasks.join_next().await;
}

/// Outcome of a call that the daemon answered.
trait Answered {
    fn is_ok_or_refused(&self) -> bool;
}

impl<T> Answered for Result<T, tonic::Status> {
    fn is_ok_or_refused(&self) -> bool {
        match self {
            Ok(_) => true,
            Err(status) => status.code() == tonic::Code::ResourceExhausted,
        }
    }
}

async fn listeners(socket: PathBuf) {
    let mut n = 0_u64;
    loop {
        let Some(channel) = channel(&socket, ATTACKER).await else {
            continue;
        };
        let mut network = NetworkClient::new(channel);
        for _ in 0..10_000 {
            n += 1;
            let asked = network.open_listener(listen(format!("channel {n}"))).await;
            if asked.is_err_and(|status| status.code() == tonic::Code::Unknown) {
                break;
            }
        }
    }
}

/// Requests large responses behind a window of zero.
async fn unread(socket: PathBuf) {
    let mut requests = Vec::new();
    loop {
        let mut builder = h2::client::Builder::new();
        builder.initial_window_size(0);
        let Ok(stream) = try_connect_as(&socket, ATTACKER).await else {
            continue;
        };
        let Ok((mut sender, connection)) = builder.handshake::<_, Bytes>(stream).await else {
            continue;
        };
        let mut task = JoinSet::new();
        task.spawn(connection);
        let put = |body: Option<proto::payload::Form>, method: &str| proto::ApiRequest {
            method: method.to_owned(),
            path: "/api/data/attack/key".to_owned(),
            body: body.map(|form| proto::Payload { form: Some(form) }),
            ..Default::default()
        };
        let store = framed(&put(Some(text(900_000)), "PUT"));
        let get = framed(&put(None, "GET"));
        for message in std::iter::once(store).chain(std::iter::repeat_n(get, 300)) {
            let Ok(ready) = sender.ready().await else {
                break;
            };
            sender = ready;
            let call = post("/expd.v1.Api/Request");
            let Ok((response, mut stream)) = sender.send_request(call, false) else {
                break;
            };
            stream.send_data(message, true).ok();
            requests.push(response);
        }
        // Held open.
        tokio::time::sleep(Duration::from_secs(5)).await;
        requests.clear();
    }
}
