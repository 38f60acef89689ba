//! Connections to a Unix socket from any user, as gRPC channels and as HTTP/2 frame by frame.

use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::AsFd as _;
use std::path::Path;

use bytes::Bytes;
use h2::client::SendRequest;
use hyper_util::rt::TokioIo;
use rustix::fs::Uid;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use tokio::net::UnixStream;
use tokio::task::JoinSet;
use tonic::transport::{Channel, Endpoint};

/// The first bytes of every client.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The user that this process runs as.
pub fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// True where this process may connect as other users; says so where it may not.
pub fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("SKIPPED: only root can connect as other users");
    }
    root
}

/// Sends bytes with the descriptor of the connection itself, which then stays open for as long as
/// nobody reads them.
pub fn send_with_descriptor(stream: &UnixStream, bytes: &[u8]) -> std::io::Result<()> {
    let descriptors = [stream.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    assert!(ancillary.push(SendAncillaryMessage::ScmRights(&descriptors)));
    let bytes = [IoSlice::new(bytes)];
    sendmsg(stream, &bytes, &mut ancillary, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// A connection from a user, where there is one to be had. The kernel notes the user of the thread
/// that connects.
pub async fn try_connect_as(socket: &Path, uid: u32) -> std::io::Result<UnixStream> {
    let socket = socket.to_owned();
    let connected = std::thread::spawn(move || -> std::io::Result<_> {
        let uid = Uid::from_raw(uid);
        if uid != rustix::process::geteuid() {
            rustix::thread::set_thread_res_uid(None, uid, None)?;
        }
        let stream = std::os::unix::net::UnixStream::connect(socket)?;
        stream.set_nonblocking(true)?;
        Ok(stream)
    });
    let joined = tokio::task::spawn_blocking(|| connected.join().unwrap());
    UnixStream::from_std(joined.await.unwrap()?)
}

/// A connection from a user.
pub async fn connect_as(socket: &Path, uid: u32) -> UnixStream {
    try_connect_as(socket, uid).await.unwrap()
}

/// A gRPC channel on one connection, which is not made anew.
pub async fn channel_on(stream: UnixStream) -> Result<Channel, tonic::transport::Error> {
    let mut stream = Some(stream);
    let connector = tower::service_fn(move |_| {
        let stream = stream.take().map(TokioIo::new);
        async move { stream.ok_or_else(|| std::io::Error::other("the connection has ended")) }
    });
    Endpoint::from_static("http://localhost")
        .connect_with_connector(connector)
        .await
}

/// A gRPC channel on one connection of a user.
pub async fn channel_as(socket: &Path, uid: u32) -> Channel {
    channel_on(connect_as(socket, uid).await).await.unwrap()
}

/// A gRPC channel on one connection of this process's user.
pub async fn channel(socket: &Path) -> Channel {
    channel_on(UnixStream::connect(socket).await.unwrap())
        .await
        .unwrap()
}

/// A connection of HTTP/2; it closes with this.
pub struct Http2 {
    pub requests: SendRequest<Bytes>,
    _connection: JoinSet<Result<(), h2::Error>>,
}

impl Http2 {
    /// Sends the head of a request, once the other side takes one more.
    pub async fn post(
        &mut self,
        path: &str,
    ) -> (h2::client::ResponseFuture, h2::SendStream<Bytes>) {
        self.requests = self.requests.clone().ready().await.unwrap();
        self.requests.send_request(post(path), false).unwrap()
    }
}

/// HTTP/2 on a stream.
pub async fn http2(stream: UnixStream, builder: &h2::client::Builder) -> Result<Http2, h2::Error> {
    let (requests, connection) = builder.handshake(stream).await?;
    let mut task = JoinSet::new();
    task.spawn(connection);
    Ok(Http2 {
        requests,
        _connection: task,
    })
}

/// The head of a call.
pub fn post(path: &str) -> http::Request<()> {
    http::Request::post(format!("http://localhost{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())
        .unwrap()
}

/// A message with gRPC's length prefix.
pub fn framed(message: &impl prost::Message) -> Bytes {
    let mut bytes = vec![0];
    bytes.extend(u32::try_from(message.encoded_len()).unwrap().to_be_bytes());
    message.encode(&mut bytes).unwrap();
    bytes.into()
}

/// A frame, by the number of its type.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// The header block of a call, in literals that need no table.
pub fn head(path: &str) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "localhost"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ] {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).unwrap());
            block.extend(text.as_bytes());
        }
    }
    block
}
