//! Calls of one message and one answer: the message is read within its user's budget, handed to its
//! handler, and the answer encoded.
//!
//! tonic's generated code would read and decode messages before any check, on the thread that
//! delivers events, and would hold answers outside any memory budget.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::routing::{MethodRouter, post};
use http::{HeaderValue, Request, Response};
use prost::Message;
use tonic::Status;

use super::context::ServiceContext;
use super::error::{self, clamped};
use super::frame::frame;
use super::message::{RequestMessage, read};
use super::offload::off_thread;
use super::pull::HandOut;
use super::server::{AnswerBody, Call};

/// Routes a unary method whose payload is limited by the settings.
pub(super) fn route<S, Q, A, F>(
    service: S,
    context: ServiceContext,
    handler: fn(S, tonic::Request<Q>) -> F,
) -> MethodRouter
where
    S: Clone + Send + Sync + 'static,
    Q: RequestMessage,
    A: Message + 'static,
    F: Future<Output = Result<tonic::Response<A>, Status>> + Send + 'static,
{
    let answer = move |State(service): State<S>, request: Request<Body>| async move {
        let max_payload = context.max_payload();
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
    let message = read::<Q>(&parts.headers, body, &call, max_payload).await?;
    let metadata = tonic::metadata::MetadataMap::from_headers(parts.headers);
    let request = tonic::Request::from_parts(metadata, parts.extensions, message);
    let (_, message, extensions) = handler(service, request).await?.into_parts();
    let length = message.encoded_len();
    call.reserve(length).await?;
    let frame = off_thread(length, move || frame(&message)).await?;
    call.settle(frame.len());
    if let Some(hand_out) = extensions.get::<HandOut>() {
        hand_out.complete();
    }
    Ok(grpc(Body::new(AnswerBody::new(call, frame))))
}

/// A gRPC response with this body.
pub(super) fn grpc(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert(
        http::header::CONTENT_TYPE,
        HeaderValue::from_static("application/grpc"),
    );
    response
}

/// The call of a request.
pub(super) fn call_of(extensions: &http::Extensions) -> Result<Arc<Call>, Status> {
    let call = extensions.get::<Arc<Call>>().cloned();
    call.ok_or_else(|| error::internal("the request came on no connection of this server"))
}
