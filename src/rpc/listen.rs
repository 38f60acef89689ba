//! `Network.Listen`.

use axum::extract::State;
use tonic::Status;

use super::access::caller_of;
use super::context::ServiceContext;
use super::error::clamped;
use super::message::read;
use super::open::open;
use super::stream::ListenBody;
use super::unary::{self, call_of};
use expd_proto as proto;

/// Answers the call with a stream of events.
pub(super) async fn answer(
    State(context): State<ServiceContext>,
    request: http::Request<axum::body::Body>,
) -> http::Response<axum::body::Body> {
    match open_stream(&context, request).await {
        Ok(body) => unary::grpc(axum::body::Body::new(body)),
        Err(status) => clamped(status).into_http(),
    }
}

async fn open_stream(
    context: &ServiceContext,
    request: http::Request<axum::body::Body>,
) -> Result<ListenBody, Status> {
    let caller = caller_of(request.extensions());
    let call = call_of(request.extensions())?;
    let (head, body) = request.into_parts();
    let request = read::<proto::ListenRequest>(&head.headers, body, &call, 0).await?;
    let opened = open(context, request, &caller, &call).await?;
    call.mark_stream()?;
    Ok(ListenBody::new(opened, Some(call)))
}
