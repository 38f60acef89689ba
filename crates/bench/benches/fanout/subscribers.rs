//! Those who listen, in a process of their own: gRPC streams of a local socket, or sockets of the
//! network itself (`direct.rs`).
//!
//! They count frames and look into as few as they can, so that what is measured is the sender.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use bytes::{BufMut as _, BytesMut};
use expd_proto as proto;
use expd_proto::listen_event::Event;
use http_body::Body as _;
use hyper_util::rt::TokioIo;
use prost::Message as _;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tonic::transport::Endpoint as GrpcEndpoint;
use tower::{Service as _, ServiceExt as _, service_fn};

use super::direct;
use super::load::{self, Load, SHORTEST};
use super::run::Door;

/// At full speed every so many messages are looked into.
const SAMPLE: u64 = 64;

/// Connections over which streams are spread at the most, unless `CONNECTIONS` says otherwise: a
/// host has apps by the dozen, not by the thousand.
const CONNECTIONS: usize = 100;

fn connections() -> usize {
    let said = std::env::var("CONNECTIONS");
    said.map_or(CONNECTIONS, |said| {
        let said: NonZeroUsize = said.parse().expect("CONNECTIONS is a number above 0");
        said.get()
    })
}

/// Result of the subscribers.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Got {
    /// Messages, over all streams.
    pub deliveries: u64,
    /// Gaps told.
    pub gaps: u64,
    /// From the first message to the last one.
    pub seconds: f64,
    /// Latencies in nanoseconds: half of all, 99 of 100, the largest.
    pub p50: u64,
    /// See `p50`.
    pub p99: u64,
    /// See `p50`.
    pub max: u64,
}

/// State that all streams share.
struct Shared {
    load: Load,
    /// Streams that have passed each mark, a mark being a quarter of the window.
    marks: Vec<AtomicU64>,
    credit: mpsc::Sender<u64>,
    ready: mpsc::Sender<()>,
}

/// One stream's own account.
pub struct Account {
    shared: Arc<Shared>,
    count: u64,
    gaps: u64,
    first: Option<Instant>,
    last: Option<Instant>,
    latencies: Vec<u64>,
    /// True once the run's last message is there, or can no longer come.
    pub ended: bool,
}

impl Account {
    fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            count: 0,
            gaps: 0,
            first: None,
            last: None,
            latencies: Vec::new(),
            ended: false,
        }
    }

    /// Returns true if the next message is to be inspected: all of a paced load, one in `SAMPLE` at
    /// full speed.
    pub fn wants_to_look(&self) -> bool {
        self.shared.load.rate.is_some() || self.count.is_multiple_of(SAMPLE)
    }

    /// The network has confirmed the subscription.
    pub fn confirmed(&self) {
        // As many fit as there are streams.
        self.shared.ready.try_send(()).ok();
    }

    /// A message is there.
    pub fn take(&mut self, made_at: Option<u64>) {
        if self.count == 0 {
            self.first = Some(Instant::now());
        }
        self.count += 1;
        if let Some(made_at) = made_at {
            self.latencies.push(load::now().saturating_sub(made_at));
        }
        let load = &self.shared.load;
        if load.rate.is_some() {
            return;
        }
        let step = load.window() / 4;
        if self.count.is_multiple_of(step) {
            let marks = &self.shared.marks;
            let mark = &marks[usize::try_from(self.count / step).unwrap() % marks.len()];
            if mark.fetch_add(1, Ordering::Relaxed) + 1 == load.streams as u64 {
                mark.store(0, Ordering::Relaxed);
                // The queue has room for all marks there are.
                self.shared.credit.try_send(self.count).ok();
            }
        }
    }

    /// The run's last message is there.
    pub fn end(&mut self) {
        self.last = Some(Instant::now());
        self.ended = true;
    }
}

/// Listens until the run ends, and tells what came.
pub async fn run(folder: &Path, load: Load, door: Door, credit_socket: &str) {
    let (credit, mut credits) = mpsc::channel::<u64>(1024);
    let (ready, mut readies) = mpsc::channel(load.streams);
    let shared = Arc::new(Shared {
        load,
        marks: (0..16).map(|_| AtomicU64::new(0)).collect(),
        credit,
        ready,
    });
    let mut streams = JoinSet::new();
    let connections = load.streams.min(connections());
    for connection in 0..connections {
        let share =
            load.streams / connections + usize::from(connection < load.streams % connections);
        let accounts = (0..share).map(|_| Account::new(shared.clone()));
        match door {
            Door::Daemon => {
                let channel = connect(folder.join("socket")).await;
                for account in accounts {
                    streams.spawn(grpc(channel.clone(), account));
                }
            }
            Door::Network(port) => {
                for account in accounts {
                    streams.spawn(direct::own(port, account));
                }
            }
            #[cfg(feature = "rust-socketio")]
            Door::NetworkByLibrary(port) => {
                for account in accounts {
                    streams.spawn(direct::library(port, account));
                }
            }
        }
    }
    for _ in 0..load.streams {
        readies.recv().await.unwrap();
    }
    let mut telling = UnixStream::connect(folder.join(credit_socket))
        .await
        .unwrap();
    println!("ready");
    let mut accounts = Vec::new();
    while !streams.is_empty() {
        tokio::select! {
            account = streams.join_next() => accounts.extend(account.map(Result::unwrap)),
            Some(taken) = credits.recv() => telling.write_all(&taken.to_le_bytes()).await.unwrap(),
        }
    }
    println!("{}", serde_json::to_string(&sum(&accounts)).unwrap());
}

fn sum(accounts: &[Account]) -> Got {
    let mut got = Got::default();
    let mut latencies = Vec::new();
    for account in accounts {
        got.deliveries += account.count;
        got.gaps += account.gaps;
        latencies.extend_from_slice(&account.latencies);
    }
    let first = accounts.iter().filter_map(|a| a.first).min();
    let last = accounts.iter().filter_map(|a| a.last).max();
    if let (Some(first), Some(last)) = (first, last) {
        got.seconds = last.duration_since(first).as_secs_f64();
    }
    latencies.sort_unstable();
    if let Some(most) = latencies.last() {
        got.max = *most;
        got.p50 = latencies[latencies.len() / 2];
        got.p99 = latencies[latencies.len() * 99 / 100];
    }
    got
}

/// Listens on so many channels, the one of all loads among them, and tells whenever all are
/// confirmed and whenever none is.
pub async fn listeners(folder: &Path, count: usize) {
    let (told, mut tellings) = mpsc::channel(count * 4);
    let mut streams = JoinSet::new();
    let connections = connections();
    for connection in 0..count.min(connections) {
        let channel = connect(folder.join("socket")).await;
        for number in (connection..count).step_by(connections) {
            let name = match number {
                0 => "menu".to_owned(),
                _ => format!("channel {number}"),
            };
            streams.spawn(states(channel.clone(), name, told.clone()));
        }
    }
    let mut confirmed = 0;
    while let Some(is_confirmed) = tellings.recv().await {
        if is_confirmed {
            confirmed += 1;
        } else {
            confirmed -= 1;
        }
        if confirmed == count {
            println!("confirmed");
        } else if confirmed == 0 {
            println!("pending");
        }
    }
}

/// Tells of each change of a channel's subscription.
async fn states(channel: tonic::transport::Channel, name: String, told: mpsc::Sender<bool>) {
    let request = proto::ListenRequest {
        channel: Some(proto::Channel {
            name,
            ..proto::Channel::default()
        }),
        ..proto::ListenRequest::default()
    };
    let mut client = proto::network_client::NetworkClient::new(channel);
    let mut events = client.listen(request).await.unwrap().into_inner();
    let mut was = false;
    while let Some(event) = events.message().await.unwrap() {
        if let Some(proto::listen_event::Event::Subscription(subscription)) = event.event {
            let is = subscription.state() == proto::subscription::State::Confirmed;
            if is != was {
                told.send(is).await.unwrap();
            }
            was = is;
        }
    }
}

async fn connect(path: PathBuf) -> tonic::transport::Channel {
    GrpcEndpoint::from_static("http://localhost")
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(4 << 20)
        .connect_with_connector(service_fn(move |_| {
            let path = path.clone();
            async move { UnixStream::connect(path).await.map(TokioIo::new) }
        }))
        .await
        .unwrap()
}

/// One stream; its frames are walked over as they come, since decoding each would cost more than
/// sending it.
async fn grpc(mut channel: tonic::transport::Channel, mut account: Account) -> Account {
    let request = proto::ListenRequest {
        channel: Some(proto::Channel {
            name: "menu".to_owned(),
            ..proto::Channel::default()
        }),
        ..proto::ListenRequest::default()
    };
    let mut framed = BytesMut::new();
    framed.put_u8(0);
    framed.put_u32(u32::try_from(request.encoded_len()).unwrap());
    request.encode(&mut framed).unwrap();
    let request = http::Request::post("http://localhost/expd.v1.Network/Listen")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(tonic::body::Body::new(axum::body::Body::from(
            framed.freeze(),
        )))
        .unwrap();
    let response = channel.ready().await.unwrap().call(request).await.unwrap();
    let mut body = response.into_body();
    let mut walker = Walker::default();
    while !account.ended {
        let frame =
            std::future::poll_fn(|context| std::pin::Pin::new(&mut body).poll_frame(context)).await;
        let Some(Ok(frame)) = frame else { break };
        let Ok(data) = frame.into_data() else { break };
        walker.walk(&data, &mut account);
    }
    account
}

/// Goes over gRPC frames, whatever pieces they come in.
#[derive(Default)]
struct Walker {
    prefix: [u8; 5],
    /// Bytes of the prefix that are there.
    begun: usize,
    length: usize,
    /// Bytes of the message that have yet to come.
    left: usize,
    /// The message's beginning, where it is to be looked into.
    kept: Vec<u8>,
    look: bool,
}

impl Walker {
    fn walk(&mut self, data: &[u8], account: &mut Account) {
        let mut rest = data;
        while !rest.is_empty() {
            if self.begun < 5 {
                let some = rest.len().min(5 - self.begun);
                self.prefix[self.begun..self.begun + some].copy_from_slice(&rest[..some]);
                self.begun += some;
                rest = &rest[some..];
                if self.begun < 5 {
                    return;
                }
                let [_, length @ ..] = self.prefix;
                self.length = u32::from_be_bytes(length) as usize;
                self.left = self.length;
                self.look = self.length < SHORTEST || account.wants_to_look();
                self.kept.clear();
            }
            let some = rest.len().min(self.left);
            if self.look && self.kept.len() < 256 {
                self.kept.extend_from_slice(&rest[..some.min(256)]);
            }
            self.left -= some;
            rest = &rest[some..];
            if self.left == 0 {
                self.begun = 0;
                self.message(account);
            }
        }
    }

    fn message(&self, account: &mut Account) {
        if self.length >= SHORTEST {
            account.take(self.look.then(|| load::made_at(&self.kept)).flatten());
            return;
        }
        match proto::ListenEvent::decode(&self.kept[..]).unwrap().event {
            Some(Event::Subscription(subscription))
                if subscription.state() == proto::subscription::State::Confirmed =>
            {
                account.confirmed();
            }
            Some(Event::Gap(_)) => account.gaps += 1,
            Some(Event::Broadcast(_)) => account.end(),
            Some(Event::Subscription(_)) | None => {}
        }
    }
}
