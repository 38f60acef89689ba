//! gRPC streams of a local socket. They count frames and inspect as few as possible, so that the
//! measurement is of the sender.

use std::path::PathBuf;

use bytes::{BufMut as _, BytesMut};
use expd_proto as proto;
use expd_proto::listen_event::Event;
use http_body::Body as _;
use hyper_util::rt::TokioIo;
use prost::Message as _;
use tokio::net::UnixStream;
use tonic::transport::Endpoint as GrpcEndpoint;
use tower::{Service as _, ServiceExt as _, service_fn};

use crate::account::Account;
use crate::load::{self, SHORTEST};

/// A connection of a program.
pub async fn connect(path: PathBuf) -> tonic::transport::Channel {
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

/// One stream. Its frames are only counted, since decoding each would cost more than sending it.
pub async fn listen(mut channel: tonic::transport::Channel, mut account: Account) -> Account {
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

/// Splits input into gRPC frames, in pieces of any size.
#[derive(Default)]
struct Walker {
    prefix: [u8; 5],
    /// Number of bytes of the prefix that have arrived.
    begun: usize,
    length: usize,
    /// Number of bytes of the message that are missing.
    left: usize,
    /// The message's beginning, if it is to be inspected.
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
            Some(Event::Gap(_)) => account.gap(),
            Some(Event::Broadcast(_)) => account.end(),
            Some(Event::Subscription(_)) | None => {}
        }
    }
}
