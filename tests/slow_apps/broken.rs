//! Apps that come and go by the thousand, die in mid-call, half close, never read, or send garbage:
//! nothing of them stays, by the daemon's own counters.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use expd_domain::{Channel, Payload};
use expd_proto as proto;
use futures_util::StreamExt as _;
use prost::Message as _;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::UnixStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::ALONE;
use crate::process::{Counts, Process};
use expd_test_support::network::{Network, Outcome};
use expd_test_support::transcript::{Transcript, numbers, to};
use expd_test_support::{DEADLINE, eventually};

const CHANNELS: usize = 20;

/// Time for which a channel without listeners lingers.
const LOG_AGE: Duration = Duration::from_secs(5);

/// Apps that never read, and what they are sent: 20 MB on each stream.
const DEAF: usize = 20;
const LARGE: usize = 100_000;
const SENDS: usize = 200;

/// Memory growth that the daemon, unoptimized, may show while nobody reads: one channel's log and a
/// little for each stream.
const DEAF_KIB: usize = 40 * 1024;

/// Memory growth that may be left in the end: the allocator keeps some of what was freed.
const KEPT_KIB: usize = 40 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn broken_apps_leave_nothing_behind() {
    let _alone = ALONE.lock().await;
    let mut network = Network::start(Duration::from_secs(3600)).await;
    let daemon = Process::start(&network, LOG_AGE).await;
    let ear = Transcript::open(&daemon.app().await, &to("witness")).await;
    ear.until_confirmed().await;
    let before = daemon
        .until("one listener", DEADLINE, |counts| {
            (counts.channels, counts.listeners) == (1, 1)
        })
        .await;

    open_and_close(&daemon).await;
    back_to(&daemon, &before, "opens and closes").await;
    garbage(&daemon).await;
    back_to(&daemon, &before, "garbage").await;
    // The daemon closes these, too, though their apps do not.
    let half_closed = half_close(&daemon).await;
    back_to(&daemon, &before, "half-closed sockets").await;
    drop(half_closed);
    die_in_mid_call(&daemon, &network).await;
    back_to(&daemon, &before, "apps that died").await;
    never_read(&daemon, &network, &before).await;
    back_to(&daemon, &before, "apps that never read").await;

    let after = daemon
        .until("one channel", LOG_AGE + DEADLINE, |counts| {
            counts.channels == 1
        })
        .await;
    eprintln!("{before:?} before, {after:?} after");
    assert!(
        after.memory < before.memory + KEPT_KIB,
        "{before:?} before, {after:?} after"
    );
    let sender = network.sender();
    let sent = sender.send(&Channel::new("witness"), "n", 7).await;
    assert_eq!(sent, Outcome::Sent);
    ear.until("the broadcast", DEADLINE, |heard| {
        numbers(heard).last() == Some(&7)
    })
    .await;
    network.stop().await;
}

/// Listeners, tasks and descriptors are as many as before; the channels linger.
async fn back_to(daemon: &Process, before: &Counts, after: &str) {
    let what = format!("as before ({before:?}), after {after}");
    daemon
        .until(&what, DEADLINE, |now| {
            now.listeners == before.listeners
                && now.tasks <= before.tasks
                && now.descriptors <= before.descriptors
        })
        .await;
}

/// Quick opens and closes, by eight apps; `EXPD_OPENS` says how many.
async fn open_and_close(daemon: &Process) {
    let opens = std::env::var("EXPD_OPENS").map_or(2_000, |opens| opens.parse().unwrap());
    let start = Instant::now();
    let mut apps = JoinSet::new();
    for app in 0..8 {
        let client = daemon.app().await;
        apps.spawn(async move {
            for n in 0..opens / 8 {
                let listen = to(&format!("channel {}", (n + app) % CHANNELS));
                let mut stream = client.listen(&listen).await.unwrap();
                // Every other one goes without having heard a word.
                if n % 2 == 0 {
                    stream.next().await.unwrap().unwrap();
                }
            }
        });
    }
    while let Some(app) = apps.join_next().await {
        app.unwrap();
    }
    eprintln!(
        "{opens} opens and closes in {:.1} s",
        start.elapsed().as_secs_f64()
    );
}

/// Connections with and without a word, and words without a meaning, also after a proper beginning.
async fn garbage(daemon: &Process) {
    let noise = |length| -> Vec<u8> { std::iter::repeat_with(rand::random).take(length).collect() };
    for n in 0..500 {
        let mut stream = UnixStream::connect(&daemon.socket).await.unwrap();
        if n % 2 == 0 {
            // The daemon may have closed it already.
            stream.write_all(&noise(200)).await.ok();
        }
    }
    for _ in 0..25 {
        let mut stream = greeted(daemon).await;
        let mut words = noise(2000);
        // Longer than a frame may be. One in a thousand would be a frame of which the daemon awaits
        // the rest.
        words[0] |= 0x80;
        stream.write_all(&words).await.ok();
        let mut answer = Vec::new();
        // Told off and closed.
        timeout(DEADLINE, stream.read_to_end(&mut answer))
            .await
            .unwrap()
            .ok();
    }
}

/// A connection that has said the first words of HTTP/2.
async fn greeted(daemon: &Process) -> UnixStream {
    let mut stream = UnixStream::connect(&daemon.socket).await.unwrap();
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    stream.write_all(preface).await.unwrap();
    stream.write_all(&settings).await.unwrap();
    stream
}

async fn half_close(daemon: &Process) -> Vec<UnixStream> {
    let mut open = Vec::new();
    for n in 0..50 {
        let mut stream = match n % 2 {
            0 => greeted(daemon).await,
            _ => UnixStream::connect(&daemon.socket).await.unwrap(),
        };
        stream.shutdown().await.unwrap();
        open.push(stream);
    }
    open
}

/// Programs that are killed while they listen or wait for an answer, and connections that break in
/// a call.
async fn die_in_mid_call(daemon: &Process, network: &Network) {
    let mut programs = Vec::new();
    for _ in 0..10 {
        programs.push(daemon.program(&["listen", "witness", "--json"]));
        programs.push(daemon.program(&["broadcast", "witness", "n", "--timeout", "60s"]));
    }
    let mut calls = JoinSet::new();
    for _ in 0..50 {
        let client = daemon.app().await;
        calls.spawn(async move {
            let wait = Some(Duration::from_secs(60));
            let channel = Channel::new("witness");
            client
                .broadcast("", &channel, "n", &Payload::null(), wait)
                .await
        });
    }
    daemon
        .until("ten more listeners", DEADLINE, |counts| {
            counts.listeners == 11
        })
        .await;
    let broadcasts = (programs.len() / 2 + calls.len()) as u64;
    eventually("the calls are under way", async || {
        let pending = network.counters().await.pending_broadcasts;
        (pending == broadcasts)
            .then_some(())
            .ok_or_else(|| format!("{pending} of {broadcasts}"))
    })
    .await;
    for program in &mut programs {
        program.kill().await.unwrap();
    }
    calls.shutdown().await;
}

/// Apps that let the daemon send as much as it likes, and take nothing off their sockets.
async fn never_read(daemon: &Process, network: &Network, before: &Counts) {
    let mut deaf = JoinSet::new();
    for _ in 0..DEAF {
        listen_deafly(daemon, &mut deaf).await;
    }
    daemon
        .until("twenty more listeners", DEADLINE, |counts| {
            counts.listeners == 1 + DEAF
        })
        .await;
    let sender = network.sender();
    let flood = Channel::new("flood");
    let payload = format!("{:?}", "x".repeat(LARGE));
    for _ in 0..SENDS {
        let sent = sender.send_json(&flood, "n", &payload);
        assert_eq!(sent.await, Outcome::Sent);
    }
    let now = daemon.counts().await;
    eprintln!("{DEAF} apps that never read, {SENDS} broadcasts of {LARGE} bytes: {now:?}");
    assert!(now.memory < before.memory + DEAF_KIB, "{before:?}, {now:?}");
    assert_eq!(now.listeners, 1 + DEAF);
    deaf.shutdown().await;
}

async fn listen_deafly(daemon: &Process, apps: &mut JoinSet<()>) {
    let deaf = Arc::new(AtomicBool::new(false));
    let socket = Deafened {
        socket: UnixStream::connect(&daemon.socket).await.unwrap(),
        deaf: deaf.clone(),
    };
    let (client, connection) = h2::client::Builder::new()
        .initial_window_size(1 << 30)
        .initial_connection_window_size(1 << 30)
        .handshake::<_, Bytes>(socket)
        .await
        .unwrap();
    apps.spawn(async move {
        // It ends when it is dropped.
        connection.await.ok();
    });
    let request = http::Request::post("http://localhost/expd.v1.Network/Listen")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())
        .unwrap();
    let mut client = client.ready().await.unwrap();
    let (response, mut body) = client.send_request(request, false).unwrap();
    let message = proto::ListenRequest {
        channel: Some(proto::Channel {
            name: "flood".to_owned(),
            ..proto::Channel::default()
        }),
        ..proto::ListenRequest::default()
    }
    .encode_to_vec();
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    let frame = [&[0][..], &length, &message].concat();
    body.send_data(frame.into(), true).unwrap();
    let response = response.await.unwrap();
    deaf.store(true, Ordering::SeqCst);
    apps.spawn(async move {
        let _kept = (response, client);
        std::future::pending::<()>().await;
    });
}

/// A socket that takes nothing in any more once it is deaf.
struct Deafened {
    socket: UnixStream,
    deaf: Arc<AtomicBool>,
}

impl AsyncRead for Deafened {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.deaf.load(Ordering::SeqCst) {
            return Poll::Pending;
        }
        Pin::new(&mut self.socket).poll_read(context, buffer)
    }
}

impl AsyncWrite for Deafened {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}
