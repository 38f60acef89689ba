//! The moment at which a request leaves: before it, the request is certainly not carried out; after it, nobody can tell.
//!
//! A request with a body is carried out only where the server has the whole body, and the HTTP library takes the body when it
//! writes it to a connection, not before. So whoever wants to give up asks [`Departure::call_off`]: either the body stays here for
//! good, or it has left already. There is nothing in between.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio_util::sync::CancellationToken;

const HERE: u8 = 0;
const LEFT: u8 = 1;
const CALLED_OFF: u8 = 2;

/// Whether one request has left. Clones are about the same request.
#[derive(Clone, Debug, Default)]
pub struct Departure(Arc<State>);

#[derive(Debug, Default)]
struct State {
    /// Set once, by whoever comes first.
    state: AtomicU8,
    /// Told when it is [`LEFT`].
    left: CancellationToken,
}

impl Departure {
    /// Waits until the request leaves, which may be never.
    pub async fn left(&self) {
        self.0.left.cancelled().await;
    }

    /// Keeps the request here for good. False where it has left already.
    pub fn call_off(&self) -> bool {
        self.settle(CALLED_OFF)
    }

    /// The request leaves now. False where it was called off.
    fn leave(&self) -> bool {
        let leaves = self.settle(LEFT);
        if leaves {
            self.0.left.cancel();
        }
        leaves
    }

    fn settle(&self, to: u8) -> bool {
        let settled = self
            .0
            .state
            .compare_exchange(HERE, to, Ordering::AcqRel, Ordering::Acquire);
        settled.is_ok() || settled == Err(to)
    }
}

/// A request's body, which notes its departure.
pub(super) struct DepartingBody {
    bytes: Option<Bytes>,
    departure: Departure,
}

impl DepartingBody {
    /// `bytes` are not empty: what has no body is carried out without one.
    pub(super) fn new(bytes: Bytes, departure: Departure) -> Self {
        Self {
            bytes: Some(bytes),
            departure,
        }
    }
}

/// The body was asked for after it had been called off.
#[derive(Debug, thiserror::Error)]
#[error("the request was called off")]
pub(super) struct CalledOff;

impl http_body::Body for DepartingBody {
    type Data = Bytes;
    type Error = CalledOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CalledOff>>> {
        let Some(bytes) = self.bytes.take() else {
            return Poll::Ready(None);
        };
        Poll::Ready(Some(if self.departure.leave() {
            Ok(Frame::data(bytes))
        } else {
            Err(CalledOff)
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

    fn poll(body: &mut DepartingBody) -> bool {
        let polled = Pin::new(body).poll_frame(&mut Context::from_waker(std::task::Waker::noop()));
        matches!(polled, Poll::Ready(Some(Ok(_))))
    }

    #[test]
    fn what_has_left_cannot_be_called_off_and_the_other_way_round() {
        let departure = Departure::default();
        let mut body = DepartingBody::new(Bytes::from_static(b"x"), departure.clone());
        assert_eq!(body.size_hint().exact(), Some(1));
        assert!(departure.left().now_or_never().is_none());
        assert!(poll(&mut body) && body.is_end_stream());
        assert!(departure.left().now_or_never().is_some());
        assert!(!departure.call_off());

        let departure = Departure::default();
        let mut body = DepartingBody::new(Bytes::from_static(b"x"), departure.clone());
        assert!(departure.call_off() && departure.call_off());
        assert!(!poll(&mut body));
        assert!(departure.left().now_or_never().is_none());
    }

    #[test]
    fn of_two_who_come_at_once_one_is_right() {
        for _ in 0..500 {
            let departure = Departure::default();
            let mut body = DepartingBody::new(Bytes::from_static(b"x"), departure.clone());
            let start = Barrier::new(2);
            let (left, called_off) = std::thread::scope(|scope| {
                let other = scope.spawn(|| {
                    start.wait();
                    departure.call_off()
                });
                start.wait();
                (poll(&mut body), other.join().unwrap())
            });
            assert_ne!(left, called_off);
        }
    }
}
