//! `Api.Fetch`: content of any size, from the network's answer to HTTP/2 without a copy.
//!
//! HTTP/2 polls for bytes only while the client's window is open, and the network's answer is read
//! only after all earlier bytes were handed over. A client that stops reading stalls only its own
//! answer, and its call ends at the progress timeout like any other.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::extract::State;
use bytes::{BufMut as _, Bytes, BytesMut};
use futures_util::stream::{self, BoxStream};
use http_body::{Body, Frame};
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint};
use tokio::sync::watch;
use tonic::Status;

use super::access::caller_of;
use super::bounds::checked;
use super::context::ServiceContext;
use super::error::{self, clamped};
use super::frame::frame;
use super::message::read;
use super::network::on_behalf;
use super::server::{Call, next_slice};
use super::stream::trailers;
use super::unary::{self, call_of};
use crate::access::{AccessPolicy, Action, Caller, Verb};
use crate::bridge::{Bridge, UserContent};
use expd_domain::ApiPath;
use expd_proto as proto;

/// Number of the field `data` of `FetchChunk`.
const DATA_FIELD: u32 = 2;

/// Maximum length of a data frame's header: gRPC's prefix, the field's key, its length.
const MAX_PREFIX: usize = 5 + 1 + 10;

/// Answers the call with a stream of content.
pub(super) async fn answer(
    State(context): State<ServiceContext>,
    request: http::Request<axum::body::Body>,
) -> http::Response<axum::body::Body> {
    match open(context, request).await {
        Ok(body) => unary::grpc(axum::body::Body::new(body)),
        Err(status) => clamped(status).into_http(),
    }
}

async fn open(
    context: ServiceContext,
    request: http::Request<axum::body::Body>,
) -> Result<FetchBody, Status> {
    let caller = caller_of(request.extensions());
    let call = call_of(request.extensions())?;
    let (head, body) = request.into_parts();
    let request = read::<proto::FetchRequest>(&head.headers, body, &call, 0).await?;
    let request = checked(request)?;
    let bridge = context.bridge(&caller, Verb::Request, &request.instance);
    let bridge = bridge.await?;
    let path = ApiPath::parse(&request.path).map_err(error::invalid)?;
    // Subscribed before the check, so that a reload between the two is noticed.
    let mut policies = context.access.clone();
    policies.mark_unchanged();
    call.note_target(&bridge.name, None);
    let action = Action::Request("GET", &path);
    context.allow(&caller, &bridge, &action).await?;
    let query = request.query.into_iter().collect();
    let fetch = bridge.fetch(on_behalf(&call), &path, &query, request.offset);
    let fetched = fetch.await?;
    let about = fetched.head();
    let first = frame(&proto::FetchChunk {
        form: Some(proto::fetch_chunk::Form::Head(proto::FetchHead {
            content_type: about.content_type.clone(),
            size: about.size,
            offset: request.offset,
            etag: about.etag.clone(),
        })),
    });
    let fetching = Fetching {
        context,
        policies,
        caller,
        bridge,
        path,
        content: fetched,
        call: call.clone(),
    };
    Ok(FetchBody {
        call,
        content: Box::pin(stream::try_unfold(fetching, Fetching::next)),
        prefix: first,
        rest: Bytes::new(),
        ending: None,
        is_over: false,
    })
}

/// Content being transferred, and the permission to read it.
struct Fetching {
    context: ServiceContext,
    policies: watch::Receiver<Arc<AccessPolicy>>,
    caller: Caller,
    bridge: Arc<Bridge>,
    path: ApiPath,
    content: UserContent,
    call: Arc<Call>,
}

impl Fetching {
    async fn next(mut self) -> Result<Option<(Bytes, Self)>, Status> {
        let next = tokio::select! {
            next = self.content.next(&*self.call) => next,
            () = self.context.stop.cancelled() => return Err(error::stopping(
                "the daemon is stopping; fetch the rest by its offset when it is back",
            )),
        };
        // An error means that the daemon stops.
        if self.policies.has_changed().unwrap_or(false) {
            self.policies.mark_unchanged();
            let action = Action::Request("GET", &self.path);
            let allowed = self.context.allow(&self.caller, &self.bridge, &action);
            allowed.await?;
        }
        Ok(next?.map(|bytes| (bytes, self)))
    }
}

/// The body of a `Fetch` response.
struct FetchBody {
    call: Arc<Call>,
    content: BoxStream<'static, Result<Bytes, Status>>,
    /// The head's frame, or the header of the next data frame.
    prefix: Bytes,
    /// Bytes of the current frame that HTTP/2 has yet to take.
    rest: Bytes,
    /// Set once the content has ended.
    ending: Option<Ending>,
    is_over: bool,
}

/// The final status of a stream.
struct Ending {
    status: Status,
    /// Resolves when all bytes are written: the library cannot reset a call whose bytes it holds.
    written: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl FetchBody {
    fn begin(&mut self, bytes: Bytes) {
        self.prefix = prefix(bytes.len());
        self.rest = self.call.chunk(bytes);
    }

    fn end(&mut self, status: Status) {
        // Closes the network's answer now instead of when the client has read the rest.
        self.content = Box::pin(stream::empty());
        let written = Box::pin(self.call.released());
        self.ending = Some(Ending { status, written });
    }
}

impl Body for FetchBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = &mut *self;
        if this.is_over {
            return Poll::Ready(None);
        }
        loop {
            if !this.prefix.is_empty() {
                this.call.restart_timer();
                let prefix = std::mem::take(&mut this.prefix);
                return Poll::Ready(Some(Ok(Frame::data(prefix))));
            }
            if !this.rest.is_empty() {
                this.call.restart_timer();
                let slice = next_slice(&mut this.rest);
                return Poll::Ready(Some(Ok(Frame::data(slice))));
            }
            if let Some(ending) = &mut this.ending {
                ready!(ending.written.as_mut().poll(cx));
                this.is_over = true;
                let trailers = trailers(&ending.status);
                return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
            }
            match this.content.as_mut().poll_next(cx) {
                Poll::Pending => {
                    // The client waits for the network, whose own time limits apply.
                    this.call.stop_timer();
                    return Poll::Pending;
                }
                Poll::Ready(Some(Ok(bytes))) => this.begin(bytes),
                Poll::Ready(Some(Err(status))) => this.end(clamped(status)),
                Poll::Ready(None) => this.end(Status::ok("")),
            }
        }
    }
}

/// The header of a frame with `length` bytes of data.
fn prefix(length: usize) -> Bytes {
    let length = length as u64;
    let message = 1 + encoded_len_varint(length) as u64 + length;
    let mut prefix = BytesMut::with_capacity(MAX_PREFIX);
    prefix.put_u8(0);
    // The network's answers arrive in far smaller pieces than 4 GiB.
    prefix.put_u32(u32::try_from(message).unwrap_or(u32::MAX));
    encode_key(DATA_FIELD, WireType::LengthDelimited, &mut prefix);
    encode_varint(length, &mut prefix);
    prefix.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_of_a_frame_is_the_one_that_the_contract_makes() {
        for length in [1, 127, 128, 16_383, 16_384, 417_792] {
            let data = Bytes::from(vec![7; length]);
            let made = frame(&proto::FetchChunk {
                form: Some(proto::fetch_chunk::Form::Data(data.clone())),
            });
            let expected = [prefix(length), data].concat();
            assert!(made == expected, "{length}");
        }
    }
}
