//! The body of a unary answer: its frame in slices as the client's window opens, then its status.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use http_body::{Body, Frame, SizeHint};

use super::call::Call;

/// An answer up to this size is handed to HTTP/2 at once, together with its status.
const SLICE: usize = 16 << 10;

/// Splits off the next slice of bytes that are being sent.
pub(in crate::rpc) fn next_slice(rest: &mut Bytes) -> Bytes {
    let slice = rest.split_to(rest.len().min(SLICE));
    if rest.is_empty() {
        // An empty slice would keep the bytes alive.
        *rest = Bytes::new();
    }
    slice
}

/// An answer being sent.
pub(in crate::rpc) struct AnswerBody {
    call: Arc<Call>,
    rest: Bytes,
    /// Resolves when the last slice is written: the library cannot reset a call whose bytes it
    /// holds.
    written: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    is_over: bool,
}

impl AnswerBody {
    /// The answer of a call, from a frame whose bytes are accounted already.
    pub(in crate::rpc) fn new(call: Arc<Call>, frame: Bytes) -> Self {
        call.restart_timer();
        let is_large = frame.len() > SLICE;
        Self {
            written: is_large.then(|| Box::pin(call.released()) as _),
            rest: call.chunk(frame),
            call,
            is_over: false,
        }
    }
}

impl Body for AnswerBody {
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
        this.call.restart_timer();
        if !this.rest.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(next_slice(&mut this.rest)))));
        }
        if let Some(written) = &mut this.written {
            ready!(written.as_mut().poll(cx));
        }
        this.is_over = true;
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static("0"));
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }

    fn size_hint(&self) -> SizeHint {
        // Never exact: the status follows even an empty body.
        SizeHint::default()
    }
}
