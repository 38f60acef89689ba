//! Calls of one message and one answer: the message is read within its user's budget, decoded, handed to its handler, and the
//! answer encoded.
//!
//! tonic's generated code would read and decode whatever comes before it asks anybody, on the thread that delivers. Here the
//! message's declared length is counted before its bytes come, structured values are bounded before they are decoded, and whatever
//! is large is worked on elsewhere.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::routing::{MethodRouter, post};
use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use http::{HeaderValue, Request, Response};
use http_body_util::BodyExt as _;
use prost::Message;
use tokio::time::timeout;
use tonic::Status;

use super::error::clamped;
use super::frame::{PREFIX, frame};
use super::offload::{AT_ONCE, off_thread};
use super::pull::Leaving;
use super::server::{AnswerBody, Call};
use super::structured;
use expd_proto as proto;

/// How long a message may take to arrive.
pub(super) const ARRIVAL: Duration = Duration::from_secs(30);

/// A message of a request.
pub(super) trait RequestMessage: Message + Default + 'static {
    /// The field that holds a payload; all others together are small.
    const PAYLOAD: Option<u32>;
}

macro_rules! request_messages {
    ($($message:ident: $payload:expr),* $(,)?) => {
        $(impl RequestMessage for proto::$message {
            const PAYLOAD: Option<u32> = $payload;
        })*
    };
}

request_messages! {
    BroadcastRequest: Some(4),
    RespondRequest: Some(4),
    ListenRequest: None,
    NextEventRequest: None,
    CancelListenerRequest: None,
    ClearContextRequest: None,
    ApiRequest: Some(5),
    GetIdentityRequest: None,
    GetStatusRequest: None,
}

/// The route of a unary method, whose payload has at most so many bytes.
pub(super) fn route<S, Q, A, F>(
    service: S,
    max_payload: usize,
    handler: fn(S, tonic::Request<Q>) -> F,
) -> MethodRouter
where
    S: Clone + Send + Sync + 'static,
    Q: RequestMessage,
    A: Message + 'static,
    F: Future<Output = Result<tonic::Response<A>, Status>> + Send + 'static,
{
    let answer = move |State(service): State<S>, request: Request<Body>| async move {
        match answer(service, max_payload, handler, request).await {
            Ok(response) => response,
            Err(status) => clamped(status).into_http(),
        }
    };
    post(answer).with_state(service)
}

async fn answer<S, Q, A, F>(
    service: S,
    max_payload: usize,
    handler: fn(S, tonic::Request<Q>) -> F,
    request: Request<Body>,
) -> Result<Response<Body>, Status>
where
    Q: RequestMessage,
    A: Message + 'static,
    F: Future<Output = Result<tonic::Response<A>, Status>>,
{
    let (parts, body) = request.into_parts();
    let call = call_of(&parts.extensions)?;
    let message = read::<Q>(body, &call, max_payload).await?;
    let metadata = tonic::metadata::MetadataMap::from_headers(parts.headers);
    let request = tonic::Request::from_parts(metadata, parts.extensions, message);
    let (_, message, extensions) = handler(service, request).await?.into_parts();
    let length = message.encoded_len();
    call.hold(length).await?;
    let frame = off_thread(length, move || frame(&message)).await?;
    call.settle(frame.len());
    if let Some(leaving) = extensions.get::<Leaving>() {
        leaving.leaves();
    }
    Ok(grpc(Body::new(AnswerBody::new(call, frame))))
}

/// A response of gRPC.
pub(super) fn grpc(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert(
        http::header::CONTENT_TYPE,
        HeaderValue::from_static("application/grpc"),
    );
    response
}

/// The call that a request is of.
pub(super) fn call_of(extensions: &http::Extensions) -> Result<Arc<Call>, Status> {
    let call = extensions.get::<Arc<Call>>().cloned();
    call.ok_or_else(|| Status::internal("the request came on no connection of this server"))
}

/// Reads and decodes the one message of a request.
pub(super) async fn read<Q: RequestMessage>(
    body: Body,
    call: &Call,
    max_payload: usize,
) -> Result<Q, Status> {
    let most = structured::LARGEST_REST + Q::PAYLOAD.map_or(0, |_| max_payload);
    let bytes = timeout(ARRIVAL, collect(body, call, most)).await;
    let bytes = bytes.map_err(|_| {
        Status::deadline_exceeded(format!(
            "the request's message did not arrive within {} s, and nothing was done",
            ARRIVAL.as_secs()
        ))
    })??;
    off_thread(bytes.len(), move || {
        structured::check(&bytes, Q::PAYLOAD)?;
        Q::decode(bytes).map_err(|error| {
            Status::invalid_argument(format!("the message is none of this method: {error}"))
        })
    })
    .await?
}

/// The bytes of the one message, counted for its call before they come.
async fn collect(mut body: Body, call: &Call, most: usize) -> Result<Bytes, Status> {
    let mut head = BytesMut::with_capacity(PREFIX);
    let mut message = None::<(BytesMut, usize)>;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            Status::cancelled(format!(
                "the request broke off, and nothing was done: {error}"
            ))
        })?;
        let Ok(mut data) = frame.into_data() else {
            continue;
        };
        while data.has_remaining() {
            if let Some((bytes, length)) = &mut message {
                if data.len() > *length - bytes.len() {
                    return Err(Status::invalid_argument(
                        "the request holds more than one message; send one",
                    ));
                }
                bytes.put(&mut data);
                continue;
            }
            head.put_u8(data.get_u8());
            if let [flag, a, b, c, d] = *head {
                let length =
                    usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
                check_head(flag, length, most)?;
                // Once as it comes, and once decoded.
                let twice = if length > AT_ONCE { 2 * length } else { length };
                call.hold(twice).await?;
                message = Some((BytesMut::with_capacity(length), length));
            }
        }
    }
    let Some((bytes, length)) = message else {
        return Err(Status::invalid_argument(
            "the request is empty; send one message",
        ));
    };
    if bytes.len() < length {
        return Err(Status::invalid_argument(format!(
            "the request ends after {} of its message's {length} bytes",
            bytes.len()
        )));
    }
    call.has_read();
    Ok(bytes.freeze())
}

fn check_head(flag: u8, length: usize, most: usize) -> Result<(), Status> {
    if flag != 0 {
        return Err(Status::unimplemented(
            "the request is compressed, which is not supported; send it plain",
        ));
    }
    if length > most {
        return Err(Status::resource_exhausted(format!(
            "the request has {length} bytes; this method takes at most {most} (daemon.limits.max_payload and {} around it)",
            structured::LARGEST_REST
        )));
    }
    Ok(())
}
