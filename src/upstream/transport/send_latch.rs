//! Decides a race: a request is either sent or cancelled, never both.
//!
//! A server carries out a request with a body only once it has the whole body, and the HTTP library
//! takes the body when it writes it to a connection, not earlier. A caller that gives up calls
//! [`SendLatch::try_cancel`]: either the body is kept back for good, or it has been sent. There is
//! nothing in between.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio_util::sync::CancellationToken;

const PENDING: u8 = 0;
const SENT: u8 = 1;
const CANCELLED: u8 = 2;

/// Latch of one request. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct SendLatch(Arc<State>);

#[derive(Debug, Default)]
struct State {
    /// Set once, by the first of the two sides.
    state: AtomicU8,
    /// Cancelled (fired) when the state becomes [`SENT`].
    sent: CancellationToken,
}

impl SendLatch {
    /// Waits until the request is sent; that may be never.
    pub async fn sent(&self) {
        self.0.sent.cancelled().await;
    }

    /// Cancels the request. False if it has been sent already.
    pub fn try_cancel(&self) -> bool {
        self.settle(CANCELLED)
    }

    /// Marks the request as sent. False if it was cancelled.
    fn try_send(&self) -> bool {
        let sends = self.settle(SENT);
        if sends {
            self.0.sent.cancel();
        }
        sends
    }

    fn settle(&self, to: u8) -> bool {
        let settled =
            self.0
                .state
                .compare_exchange(PENDING, to, Ordering::AcqRel, Ordering::Acquire);
        settled.is_ok() || settled == Err(to)
    }
}

/// A request's body that takes the latch when it is sent.
pub(super) struct LatchedBody {
    bytes: Option<Bytes>,
    latch: SendLatch,
}

impl LatchedBody {
    /// `bytes` must not be empty: a request without a body is carried out without asking for one.
    pub(super) fn new(bytes: Bytes, latch: SendLatch) -> Self {
        Self {
            bytes: Some(bytes),
            latch,
        }
    }
}

/// The body was asked for after the request had been cancelled.
#[derive(Debug, thiserror::Error)]
#[error("the request was cancelled")]
pub(super) struct Cancelled;

impl http_body::Body for LatchedBody {
    type Data = Bytes;
    type Error = Cancelled;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cancelled>>> {
        let Some(bytes) = self.bytes.take() else {
            return Poll::Ready(None);
        };
        Poll::Ready(Some(if self.latch.try_send() {
            Ok(Frame::data(bytes))
        } else {
            Err(Cancelled)
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use futures_util::FutureExt as _;
    use http_body::Body as _;

    use super::*;

    fn poll(body: &mut LatchedBody) -> bool {
        let polled = Pin::new(body).poll_frame(&mut Context::from_waker(std::task::Waker::noop()));
        matches!(polled, Poll::Ready(Some(Ok(_))))
    }

    #[test]
    fn what_has_left_cannot_be_called_off_and_the_other_way_round() {
        let latch = SendLatch::default();
        let mut body = LatchedBody::new(Bytes::from_static(b"x"), latch.clone());
        assert_eq!(body.size_hint().exact(), Some(1));
        assert!(latch.sent().now_or_never().is_none());
        assert!(poll(&mut body) && body.is_end_stream());
        assert!(latch.sent().now_or_never().is_some());
        assert!(!latch.try_cancel());

        let latch = SendLatch::default();
        let mut body = LatchedBody::new(Bytes::from_static(b"x"), latch.clone());
        assert!(latch.try_cancel() && latch.try_cancel());
        assert!(!poll(&mut body));
        assert!(latch.sent().now_or_never().is_none());
    }

    #[test]
    fn of_two_who_come_at_once_one_is_right() {
        for _ in 0..500 {
            let latch = SendLatch::default();
            let mut body = LatchedBody::new(Bytes::from_static(b"x"), latch.clone());
            let start = Barrier::new(2);
            let (sent, called_off) = std::thread::scope(|scope| {
                let other = scope.spawn(|| {
                    start.wait();
                    latch.try_cancel()
                });
                start.wait();
                (poll(&mut body), other.join().unwrap())
            });
            assert_ne!(sent, called_off);
        }
    }
}
