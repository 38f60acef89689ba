//! Receive throughput of the wire: a WebSocket server on another thread sends as fast as it can,
//! one thread reads.
//!
//! `cargo bench -p expd-bench --bench wire`. Prints broadcasts per second and the reading thread's
//! CPU time; asserts nothing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a measurement, run by hand"
)]

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use expd::config::{ProtocolChoice, SocketLibrary, TransportChoice};
use expd_domain::Secret;
use expd_wire::PathRecord;
use expd_wire::socket::{Endpoint, SocketEvent, open};
use futures_util::SinkExt as _;
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::Message;

const BROADCASTS: usize = 2_000_000;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

fn main() {
    let (port_in, port_out) = std::sync::mpsc::channel();
    let server = std::thread::spawn(move || runtime().block_on(serve(port_in)));
    let endpoint = Endpoint {
        path: PathRecord::default(),
        url: format!("http://127.0.0.1:{}", port_out.recv().unwrap()),
        token: Secret::new("t"),
        proxy: None,
        ca_file: None,
        library: SocketLibrary::Own,
        timeout: Duration::from_secs(10),
        max_message: usize::MAX,
    };
    runtime().block_on(read(&endpoint));
    drop(server);
}

/// Speaks just enough of generation 3 to pass for a server, and then sends.
async fn serve(port: std::sync::mpsc::Sender<u16>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    port.send(listener.local_addr().unwrap().port()).unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
    let opening = r#"0{"sid":"s","pingInterval":25000,"pingTimeout":60000}"#;
    socket.send(Message::text(opening)).await.unwrap();
    socket.send(Message::text("40")).await.unwrap();
    let head = r#"42["broadcast",{"id":"5f0c2f9e6f","name":"tick","channel":"WyJzY2FsYSIsIm1lbnUiLDAsMF0=","payload":{"text":""#;
    let broadcast = Message::text(format!("{head}{}\"}}}}]", "x".repeat(200 - head.len() - 4)));
    println!("{} bytes a packet", broadcast.len());
    for _ in 0..BROADCASTS {
        socket.feed(broadcast.clone()).await.unwrap();
    }
    socket.close(None).await.unwrap();
}

async fn read(endpoint: &Endpoint) {
    let mut socket = open(
        endpoint,
        TransportChoice::Websocket,
        ProtocolChoice::V3,
        &mut None,
    )
    .await
    .unwrap();
    let started = Instant::now();
    let busy = processor_time();
    let mut events = Vec::new();
    let mut count = 0;
    'reading: loop {
        events.clear();
        socket.next_events(&mut events).await;
        for event in &events {
            match event {
                SocketEvent::Broadcast(_) => count += 1,
                SocketEvent::Closed(_) => break 'reading,
                other => panic!("{other:?}"),
            }
        }
    }
    let rate = |time: Duration| f64::from(count) / time.as_secs_f64();
    println!(
        "{count} broadcasts: {:.0} a second; {:.0} a second of processor time",
        rate(started.elapsed()),
        rate(processor_time().saturating_sub(busy))
    );
}

/// CPU time of this thread so far; the kernel counts it in nanoseconds.
fn processor_time() -> Duration {
    let statistics = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    let nanoseconds = statistics.split(' ').next().unwrap().parse().unwrap();
    Duration::from_nanos(nanoseconds)
}
