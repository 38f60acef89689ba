//! From bytes in the kernel to the events that the link reads: WebSocket, packet, event.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::Duration;

use expd::config::{ProtocolChoice, SocketLibrary, TransportChoice};
use expd_domain::Secret;
use expd_wire::PathRecord;
use expd_wire::socket::{Endpoint, Socket, SocketEvent, open};
use tokio::runtime::Builder;
use tokio_tungstenite::tungstenite::{self, Message, WebSocket};

use super::callgrind::counted;
use super::world::TEXT;

/// Few enough to fit into the kernel's buffer of a socket: all of them are there before the first
/// is read, so that the reads are of the same size in each run.
pub const BROADCASTS: u32 = 250;

pub fn generation_3() {
    decode(ProtocolChoice::V3);
}

pub fn generation_4() {
    decode(ProtocolChoice::V4);
}

fn decode(protocol: ProtocolChoice) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let (opened, send_now) = mpsc::channel();
    let (sent, all_sent) = mpsc::channel();
    let server = std::thread::spawn(move || {
        let mut socket = welcome(listener.accept().unwrap().0, protocol);
        send_now.recv().unwrap();
        for _ in 0..BROADCASTS {
            socket.write(broadcast()).unwrap();
        }
        socket.flush().unwrap();
        // Dropped by the reader after reading: until then the connection stays open, and this
        // thread is idle.
        sent.send(()).unwrap();
        send_now.recv().unwrap_err();
    });

    let endpoint = Endpoint {
        path: PathRecord::default(),
        url: format!("http://127.0.0.1:{port}"),
        token: Secret::new("t"),
        proxy: None,
        ca_file: None,
        library: SocketLibrary::Own,
        timeout: Duration::from_secs(60),
        max_message: usize::MAX,
    };
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let transport = TransportChoice::Websocket;
    let mut socket = runtime
        .block_on(open(&endpoint, transport, protocol, &mut None))
        .unwrap();
    opened.send(()).unwrap();
    all_sent.recv().unwrap();
    counted(&mut || runtime.block_on(read(&mut *socket)));
    drop(opened);
    server.join().unwrap();
}

/// The server's side of the handshake.
fn welcome(stream: TcpStream, protocol: ProtocolChoice) -> WebSocket<TcpStream> {
    let mut socket = tungstenite::accept(stream).unwrap();
    let opening = r#"0{"sid":"s","upgrades":[],"pingInterval":250000,"pingTimeout":600000}"#;
    socket.send(Message::text(opening)).unwrap();
    if protocol == ProtocolChoice::V4 {
        assert_eq!(socket.read().unwrap(), Message::text("40"));
        socket.send(Message::text(r#"40{"sid":"t"}"#)).unwrap();
    } else {
        socket.send(Message::text("40")).unwrap();
    }
    socket
}

fn broadcast() -> Message {
    let head = r#"42["broadcast",{"id":"5f0c2f9e6f","name":"tick","channel":"WyJzY2FsYSIsIm1lbnUiLDAsMF0=","payload":{"text":""#;
    Message::text(format!("{head}{}\"}}}}]", "x".repeat(TEXT)))
}

async fn read(socket: &mut dyn Socket) {
    let mut events = Vec::new();
    let mut count = 0;
    while count < BROADCASTS {
        events.clear();
        socket.next_events(&mut events).await;
        for event in &events {
            assert!(matches!(event, SocketEvent::Broadcast(_)), "{event:?}");
            count += 1;
        }
    }
}
