//! Counts every call: from its headers to its last byte, with the status that it ends with.

use std::pin::Pin;
use std::sync::LazyLock;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use axum::extract::State;
use axum::middleware::Next;
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Frame, SizeHint};
use prost::Message as _;
use prost_types::FileDescriptorSet;

use super::context::ServiceContext;
use crate::access::refusal_labels;
use crate::metrics::{Calls, DaemonCounters, Labelled, OpenCall};

/// Header or trailer with the status of a call.
const STATUS: &str = "grpc-status";

/// Counters of calls by method, and of refusals by the access rules.
pub fn daemon_counters() -> DaemonCounters {
    DaemonCounters::new(Calls::new(methods()), Labelled::new(refusal_labels()))
}

/// The paths of all methods, with true for streams.
static METHODS: LazyLock<Vec<(String, bool)>> = LazyLock::new(read_methods);

fn methods() -> impl Iterator<Item = (&'static str, bool)> {
    let methods = METHODS.iter();
    methods.map(|(path, is_stream)| (path.as_str(), *is_stream))
}

fn read_methods() -> Vec<(String, bool)> {
    // The descriptors are built in; without them, every call would count as `other`.
    let set = FileDescriptorSet::decode(expd_proto::DESCRIPTORS).unwrap_or_default();
    let mut methods = Vec::new();
    for file in set.file {
        let package = file.package.clone().unwrap_or_default();
        for service in file.service {
            for method in &service.method {
                let (service, name) = (service.name(), method.name());
                let path = format!("/{package}.{service}/{name}");
                methods.push((path, method.server_streaming()));
            }
        }
    }
    methods
}

/// Middleware that counts a call.
pub(super) async fn measure(
    State(context): State<ServiceContext>,
    request: Request<Body>,
    next: Next,
) -> Response<Body> {
    let call = context.counters.calls.begin(request.uri().path());
    let response = next.run(request).await;
    if response.headers().contains_key(STATUS) {
        // A refusal: the head is the whole answer.
        call.end(status(response.headers()));
        return response;
    }
    response.map(|body| {
        Body::new(MeasuredBody {
            body,
            call: Some(call),
        })
    })
}

/// The number of the status in a head or in trailers.
fn status(headers: &HeaderMap) -> Option<usize> {
    headers.get(STATUS)?.to_str().ok()?.parse().ok()
}

/// The body of an answer. If it is dropped before its trailers, the call was cancelled.
struct MeasuredBody {
    body: Body,
    call: Option<OpenCall>,
}

impl http_body::Body for MeasuredBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        let ends = match &frame {
            Some(Ok(frame)) => frame.trailers_ref().map(status),
            Some(Err(_)) => None,
            None => Some(None),
        };
        if let Some(status) = ends
            && let Some(call) = self.call.take()
        {
            call.end(status);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_is_counted_under_its_name() {
        let methods: Vec<_> = methods().collect();
        assert!(methods.contains(&("/expd.v1.Network/Broadcast", false)));
        assert!(methods.contains(&("/expd.v1.Network/Listen", true)));
        assert!(methods.contains(&("/grpc.health.v1.Health/Check", false)));
        // The paths become labels of metrics, which must stay few.
        assert!(methods.len() < 100, "{methods:?}");
    }
}
