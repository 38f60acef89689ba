//! The whole daemon, and a client that writes HTTP/2 by hand: whatever it calls the server, its
//! calls are served.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use expd::config::{self, Source};
use expd::daemon::{self, DaemonError, Listeners, ServeParts};
use expd::ipc::{self, Listener, SocketPath};
use expd_hub::Hub;
use expd_proto as proto;
use expd_test_support::DEADLINE;
use prost::Message;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Values of `:authority`: those that clients send on `unix:PATH` (grpcurl 1.8 and older Go,
/// grpcio, others), and further ones, some of which h2 accepts and some of which it refuses.
const AUTHORITIES: [Option<&[u8]>; 12] = [
    Some(b"/run/expd/expd.sock"),
    Some(b"run%2Fexpd%2Fexpd.sock"),
    Some(b"%2Frun%2Fexpd%2Fexpd.sock"),
    Some(b""),
    Some(b"unix:///run/expd/expd.sock"),
    Some(b"\0abstract"),
    Some(b"a:b:c"),
    Some(b"\xff\xfe"),
    Some(b"localhost"),
    Some(b"127.0.0.1:50051"),
    Some(b"[::1]:1"),
    None,
];

struct Daemon {
    folder: TempDir,
    stop: CancellationToken,
    serving: JoinSet<Result<(), DaemonError>>,
}

impl Daemon {
    async fn start() -> Self {
        let loaded = config::load(&Source::default()).unwrap();
        let mut settings = loaded.for_serving(true).unwrap().settings;
        let mut anywhere = settings.hub.clone();
        anywhere.listen.set_port(0);
        let hub = Hub::bind(&anywhere).await.unwrap();
        config::follow(&mut settings, hub.local_addr());
        let folder = tempfile::tempdir().unwrap();
        let place = SocketPath::named(folder.path().join("expd.sock"));
        let mut listeners = Listeners::default();
        listeners.add(Listener::unix(ipc::bind(&place, 0o600, None).unwrap()).unwrap());
        let stop = CancellationToken::new();
        let shutdown = stop.clone();
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let parts = ServeParts {
                hub: Some(hub),
                ..ServeParts::new(&settings, listeners, shutdown)
            };
            daemon::serve(parts, |_| {}).await
        });
        Self {
            folder,
            stop,
            serving,
        }
    }

    async fn connect(&self) -> Connection {
        let path = self.folder.path().join("expd.sock");
        let mut stream = UnixStream::connect(path).await.unwrap();
        // The preface and empty SETTINGS.
        let opening = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
        stream.write_all(opening).await.unwrap();
        Connection { stream, next: 1 }
    }

    async fn stop(mut self) {
        self.stop.cancel();
        let ended = timeout(DEADLINE, self.serving.join_next()).await.unwrap();
        ended.unwrap().unwrap().unwrap();
    }
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

#[derive(Debug)]
struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

struct Connection {
    stream: UnixStream,
    next: u32,
}

impl Connection {
    async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let mut frame = length[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        self.stream.write_all(&frame).await.unwrap();
    }

    async fn frame(&mut self) -> Frame {
        let read = async {
            let mut head = [0; 9];
            self.stream.read_exact(&mut head).await.unwrap();
            let [l0, l1, l2, kind, flags, s0, s1, s2, s3] = head;
            let mut payload = vec![0; u32::from_be_bytes([0, l0, l1, l2]) as usize];
            self.stream.read_exact(&mut payload).await.unwrap();
            Frame {
                kind,
                flags,
                stream: u32::from_be_bytes([s0, s1, s2, s3]),
                payload,
            }
        };
        timeout(DEADLINE, read)
            .await
            .expect("the daemon says nothing")
    }

    /// Sends a call with its one message; returns its stream.
    async fn call(&mut self, path: &str, authority: Option<&[u8]>, message: &impl Message) -> u32 {
        let mut fields: Vec<(&str, &[u8])> = vec![
            (":method", b"POST"),
            (":scheme", b"http"),
            (":path", path.as_bytes()),
        ];
        fields.extend(authority.map(|authority| (":authority", authority)));
        fields.extend([
            ("te", &b"trailers"[..]),
            ("content-type", b"application/grpc"),
        ]);
        let mut block = Vec::new();
        for (name, value) in fields {
            // Into the table with it, as clients do.
            block.extend([0x40, u8::try_from(name.len()).unwrap()]);
            block.extend(name.as_bytes());
            block.push(u8::try_from(value.len()).unwrap());
            block.extend(value);
        }
        let stream = self.next;
        self.next += 2;
        self.send(HEADERS, END_HEADERS, stream, &block).await;
        let message = message.encode_to_vec();
        let mut data = vec![0];
        data.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
        data.extend(message);
        self.send(DATA, END_STREAM, stream, &data).await;
        stream
    }

    /// The next frame of a call; the daemon must not end it otherwise.
    async fn answer(&mut self, stream: u32) -> Frame {
        loop {
            let frame = self.frame().await;
            assert!(!matches!(frame.kind, RST_STREAM | GOAWAY), "{frame:?}");
            if frame.stream == stream {
                return frame;
            }
        }
    }

    /// The first message that is answered.
    async fn message<M: Message + Default>(&mut self, stream: u32) -> M {
        loop {
            let frame = self.answer(stream).await;
            if frame.kind == DATA && !frame.payload.is_empty() {
                return M::decode(&frame.payload[5..]).unwrap();
            }
            assert_ne!(
                frame.flags & END_STREAM,
                END_STREAM,
                "no message: {frame:?}"
            );
        }
    }

    async fn unary(&mut self, authority: Option<&[u8]>) {
        let path = "/expd.v1.Daemon/GetStatus";
        let stream = self
            .call(path, authority, &proto::GetStatusRequest::default())
            .await;
        let status: proto::Status = self.message(stream).await;
        assert_eq!(status.version, env!("CARGO_PKG_VERSION"));
        let trailers = self.answer(stream).await;
        assert_eq!(trailers.kind, HEADERS);
        assert_eq!(trailers.flags & END_STREAM, END_STREAM);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_and_streams_are_served_whatever_the_authority() {
    let daemon = Daemon::start().await;
    for authority in AUTHORITIES {
        println!("{:?}", authority.map(String::from_utf8_lossy));
        let mut connection = daemon.connect().await;
        connection.unary(authority).await;
        let listen = proto::ListenRequest {
            channel: Some(proto::Channel {
                name: "menu".to_owned(),
                ..Default::default()
            }),
            ..Default::default()
        };
        let path = "/expd.v1.Network/Listen";
        let stream = connection.call(path, authority, &listen).await;
        let event: proto::ListenEvent = connection.message(stream).await;
        assert!(
            matches!(
                event.event,
                Some(proto::listen_event::Event::Subscription(_))
            ),
            "{event:?}"
        );
        // Cancelled, as a client does; the connection goes on.
        connection
            .send(RST_STREAM, 0, stream, &8_u32.to_be_bytes())
            .await;
        connection.unary(authority).await;
    }
    daemon.stop().await;
}

/// The rewriting rests on the protocol's defaults for these; whoever announces others must teach
/// it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_announces_no_other_table_or_frame_size() {
    const HEADER_TABLE_SIZE: u16 = 1;
    const MAX_FRAME_SIZE: u16 = 5;
    let daemon = Daemon::start().await;
    let mut connection = daemon.connect().await;
    let settings = connection.frame().await;
    assert_eq!((settings.kind, settings.flags), (SETTINGS, 0));
    for setting in settings.payload.chunks(6) {
        let value = u32::from_be_bytes(setting[2..].try_into().unwrap());
        match u16::from_be_bytes(setting[..2].try_into().unwrap()) {
            HEADER_TABLE_SIZE => assert_eq!(value, 4096),
            MAX_FRAME_SIZE => assert_eq!(value, 16_384),
            _ => {}
        }
    }
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_breaks_the_rules_after_that_is_sent_away() {
    let daemon = Daemon::start().await;
    for (kind, payload) in [(HEADERS, &[0xff, 0][..]), (9, &[]), (HEADERS, &[0x40])] {
        let mut connection = daemon.connect().await;
        connection.unary(Some(b"/run/expd/expd.sock")).await;
        connection.send(kind, END_HEADERS, 3, payload).await;
        while connection.frame().await.kind != GOAWAY {}
    }
    daemon.stop().await;
}
