//! Tests with h2 itself: requests that it refuses, and accepts once they are rewritten.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use expd_test_support::in_time;
use h2::server::SendResponse;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, DuplexStream, ReadBuf, duplex};
use tokio::task::JoinSet;

use super::super::frame::{END_HEADERS, END_STREAM, HEADERS};
use super::super::rewriter::Rewriter;
use super::super::{Inspection, Reader};
use super::client::{Encoder, frame, opening};
use super::{BAD, call};

/// A connection as [`crate::ipc::PeerStream`] makes it.
struct Served {
    stream: DuplexStream,
    reader: Reader,
}

impl AsyncRead for Served {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        this.reader.poll_read(&mut this.stream, cx, buffer)
    }
}

impl AsyncWrite for Served {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

type Call = (Request<h2::RecvStream>, SendResponse<Bytes>);

/// The first request that h2 reads, or the reason why there is none.
async fn first_call(sent: &[u8], reader: Reader) -> Result<Call, String> {
    // Large enough for everything that h2 sends at once.
    let (mut client, stream) = duplex(1 << 16);
    client.write_all(sent).await.unwrap();
    let serve = async {
        let mut server = h2::server::handshake(Served { stream, reader })
            .await
            .map_err(|error| error.to_string())?;
        match server.accept().await {
            Some(Ok(call)) => Ok(call),
            Some(Err(error)) => Err(error.to_string()),
            None => Err("the connection ended".to_owned()),
        }
    };
    // h2 never returns a request that it resets, but the one after it.
    in_time("a call, or the reason why there is none", serve).await
}

fn sent(authority: &str) -> Vec<u8> {
    let mut encoder = Encoder::new();
    let mut sent = opening();
    let block = encoder.block(&call(authority));
    sent.extend(frame(HEADERS, END_HEADERS | END_STREAM, 1, &block));
    let marker = encoder.block(&[
        (":method", "GET"),
        (":scheme", "http"),
        (":path", "/second"),
    ]);
    sent.extend(frame(HEADERS, END_HEADERS | END_STREAM, 3, &marker));
    sent
}

#[tokio::test]
async fn h2_refuses_the_bad_authorities_and_takes_them_written_anew() {
    for authority in BAD {
        let alone = first_call(&sent(authority), Reader { inspection: None }).await;
        let refused = alone.map_or(true, |(request, _)| request.uri().path() == "/second");
        assert!(refused, "h2 takes {authority:?} now");
        let (request, _) = first_call(&sent(authority), Reader::default())
            .await
            .unwrap();
        assert_eq!(
            request.uri(),
            "http://localhost/expd.v1.Network/Listen",
            "{authority}"
        );
    }
}

#[tokio::test]
async fn what_cannot_be_rewritten_is_refused_by_h2_with_goaway() {
    let mut good = opening();
    good.extend(frame(
        HEADERS,
        END_HEADERS,
        1,
        &Encoder::new().block(&call("/x")),
    ));
    for (then, reason) in [
        (
            frame(HEADERS, END_HEADERS, 3, &[0xff, 0]),
            "unspecific protocol error",
        ),
        (
            frame(HEADERS, END_HEADERS, 3, &vec![0; 16_385]),
            "frame with invalid size",
        ),
    ] {
        let (mut client, stream) = duplex(1 << 20);
        client
            .write_all(&[&good[..], &then].concat())
            .await
            .unwrap();
        let reader = Reader::default();
        let mut server = h2::server::handshake(Served { stream, reader })
            .await
            .unwrap();
        let error = loop {
            if let Err(error) = server.accept().await.unwrap() {
                break error;
            }
        };
        assert!(error.to_string().contains(reason), "{error}");
    }
}

fn random_headers(random: &mut StdRng) -> HeaderMap {
    const VISIBLE: &[u8] = b" !#$%&'*+-./0123456789:;<=>?@ABCXYZ[]^_`abcxyz{|}~\xfc\xff";
    let mut headers = HeaderMap::new();
    for _ in 0..random.random_range(0..12) {
        let number = random.random_range(0..40);
        let name = HeaderName::try_from(format!("name-{number}")).unwrap();
        let most = *[1, 10, 100, 1000].choose(random).unwrap();
        let length = random.random_range(0..most);
        let octets: Vec<u8> = (0..length)
            .map(|_| *VISIBLE.choose(random).unwrap())
            .collect();
        let mut value = HeaderValue::from_bytes(&octets).unwrap();
        value.set_sensitive(random.random_bool(0.1));
        headers.append(name, value);
    }
    headers
}

fn sorted(headers: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    let line =
        |(name, value): (&HeaderName, &HeaderValue)| (name.to_string(), value.as_bytes().to_vec());
    let mut lines: Vec<_> = headers.iter().map(line).collect();
    lines.sort();
    lines
}

/// h2 at both ends: a foreign encoder and decoder, with Huffman code and a table that overflows.
#[tokio::test]
async fn between_a_client_and_a_server_of_h2_nothing_is_lost() {
    const CALLS: u32 = 40;
    let mut random = StdRng::seed_from_u64(7);
    let calls: Vec<_> = (0..CALLS)
        .map(|_| (random_headers(&mut random), random_headers(&mut random)))
        .collect();
    let (client, stream) = duplex(4096);
    let rewriter = Rewriter::rewriting();
    let inspection = Some(Box::new(Inspection {
        rewriter,
        ..Inspection::default()
    }));
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let reader = Reader { inspection };
        let mut server = h2::server::handshake(Served { stream, reader })
            .await
            .unwrap();
        let mut bodies = JoinSet::new();
        while let Some(call) = server.accept().await {
            let (mut request, mut respond) = call.unwrap();
            bodies.spawn(async move {
                let mut body = Vec::new();
                while let Some(data) = request.body_mut().data().await {
                    let data = data.unwrap();
                    request
                        .body_mut()
                        .flow_control()
                        .release_capacity(data.len())
                        .unwrap();
                    body.extend(data);
                }
                let trailers = request
                    .body_mut()
                    .trailers()
                    .await
                    .unwrap()
                    .unwrap_or_default();
                let mut response = Response::new(());
                *response.headers_mut() = request.headers().clone();
                let mut send = respond.send_response(response, false).unwrap();
                send.send_data(body.into(), false).unwrap();
                send.send_trailers(trailers).unwrap();
            });
        }
    });
    let (mut client, connection) = h2::client::handshake(client).await.unwrap();
    tasks.spawn(async move { connection.await.unwrap() });
    let exchange = async {
        for (headers, trailers) in calls {
            let mut request = Request::post("http://somewhere:1/path").body(()).unwrap();
            *request.headers_mut() = headers.clone();
            client = client.ready().await.unwrap();
            let (response, mut send) = client.send_request(request, false).unwrap();
            send.send_data(Bytes::from_static(b"some data"), false)
                .unwrap();
            send.send_trailers(trailers.clone()).unwrap();
            let mut response = response.await.unwrap();
            assert_eq!(sorted(response.headers()), sorted(&headers));
            assert_eq!(
                response.body_mut().data().await.unwrap().unwrap(),
                "some data"
            );
            let back = response
                .body_mut()
                .trailers()
                .await
                .unwrap()
                .unwrap_or_default();
            assert_eq!(sorted(&back), sorted(&trailers));
        }
    };
    in_time("the exchange", exchange).await;
}
