//! The stream of `Listen`: encoded frames, many to a chunk, straight from the channel's log to
//! HTTP/2.
//!
//! tonic's generated code is bypassed: it would encode every event for every stream and send each
//! one separately. The log's lock is taken once for up to 256 events, and HTTP/2 polls for more
//! only when the client's window is open: a client that does not read costs one chunk, and then
//! falls off the log's tail.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use http_body::{Body, Frame};
use tonic::Status;

use super::frame::{self, EventEncoder, MIN_ACCOUNTED};
use super::open::OpenedListener;
use super::permission::StreamPermission;
use super::server::Call;
use crate::router::{Delivery, Event, EventSink, FrameSpan, Listener, Record};
use expd_domain::payload::MAX_BYTES;

/// Small frames are gathered into chunks of about this size, to write many events at once.
const CHUNK_BYTES: usize = 32 * 1024;

/// Frames from this size on are shared with other streams instead of being copied into a chunk.
const SHARED_BYTES: usize = 8 * 1024;

type Waiting = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The body of a `Listen` response.
pub struct ListenBody {
    /// None once the final status has been sent.
    listener: Option<Listener>,
    encoder: EventEncoder,
    permission: StreamPermission,
    buffer: ReadBuffer,
    chunks: VecDeque<Bytes>,
    /// None in the instruction benchmark.
    call: Option<Arc<Call>>,
    /// Bytes accounted for the chunks of the last read.
    accounted: usize,
    /// Pending condition: room in the socket's buffer or the user's memory, or the encoded other
    /// form of large payloads.
    waiting: Option<Waiting>,
}

impl ListenBody {
    /// The stream of a listener's events for a call.
    pub fn new(opened: OpenedListener, call: Option<Arc<Call>>) -> Self {
        Self {
            call,
            accounted: 0,
            waiting: None,
            listener: Some(opened.listener),
            buffer: ReadBuffer {
                join: opened.encoder.is_ready(),
                items: Vec::new(),
            },
            encoder: opened.encoder,
            permission: opened.permission,
            chunks: VecDeque::new(),
        }
    }

    /// Ready unless the stream waits for a condition or the client stopped reading. Releases the
    /// memory of chunks that the library has written.
    #[inline]
    fn poll_unblocked(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.waiting.is_some() {
            ready!(self.poll_waiting(context));
        }
        if let Some(call) = &self.call {
            if call.connection().is_congested() {
                ready!(self.poll_uncongested(context));
            }
            if self.accounted > 0 && self.chunks.is_empty() {
                self.release();
            }
        }
        Poll::Ready(())
    }

    #[cold]
    fn poll_waiting(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if let Some(waiting) = &mut self.waiting {
            ready!(waiting.as_mut().poll(context));
            self.waiting = None;
        }
        Poll::Ready(())
    }

    #[cold]
    fn poll_uncongested(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(call) = &self.call else {
            return Poll::Ready(());
        };
        self.waiting = Some(Box::pin(call.connection().uncongested()));
        self.poll_waiting(context)
    }

    #[inline(never)]
    fn release(&mut self) {
        if let Some(call) = &self.call {
            call.release(self.accounted);
        }
        self.accounted = 0;
    }

    /// Accounts the chunks to their user until the library has written them; the stream waits where
    /// the user's memory is exhausted.
    #[inline]
    fn account_chunks(&mut self) {
        let bytes = self.chunks.iter().map(Bytes::len).sum();
        if bytes >= MIN_ACCOUNTED
            && let Some(call) = self.call.clone()
        {
            self.account(call, bytes);
        }
    }

    #[inline(never)]
    fn account(&mut self, call: Arc<Call>, bytes: usize) {
        self.accounted = bytes;
        if !call.try_reserve(bytes) {
            let memory = call.connection().memory().clone();
            self.waiting = Some(Box::pin(async move {
                memory.when_freed(|| call.try_reserve(bytes)).await;
            }));
        }
    }

    /// Waits before a read until the user's memory has room for the largest event: once the log has
    /// moved on, only this stream holds what it has read.
    #[inline]
    fn poll_room(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(call) = &self.call else {
            return Poll::Ready(());
        };
        if call.connection().memory().has_room(MAX_BYTES) {
            return Poll::Ready(());
        }
        self.poll_no_room(context)
    }

    #[cold]
    fn poll_no_room(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if let Some(call) = &self.call {
            let memory = call.connection().memory().clone();
            self.waiting = Some(Box::pin(async move { memory.room_for(MAX_BYTES).await }));
        }
        self.poll_waiting(context)
    }

    /// Encodes the other form of large payloads on a blocking thread, before chunks are made.
    #[cold]
    fn poll_other_form(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let large = self.large_payloads();
        if large.is_empty() {
            return Poll::Ready(());
        }
        self.waiting = Some(Box::pin(frame::make_values(large)));
        self.poll_waiting(context)
    }

    /// Ends the stream with a status.
    #[cold]
    fn end(&mut self, status: &Status) -> Frame<Bytes> {
        self.listener = None;
        Frame::trailers(trailers(status))
    }

    /// The large payloads in the buffer whose other form is not encoded yet.
    fn large_payloads(&self) -> Vec<Arc<Record>> {
        let events = self.buffer.items.iter();
        events
            .filter_map(|item| match item {
                ReadItem::Event(Delivery {
                    event: Event::Broadcast(record),
                    ..
                }) if self.encoder.is_large_work(record) => Some(record.clone()),
                _ => None,
            })
            .collect()
    }

    /// Turns the buffer into chunks.
    #[inline]
    fn gather(&mut self) {
        // A single event, the usual case on a quiet channel, is a chunk already.
        if self.buffer.items.len() == 1
            && let Some(only) = self.buffer.items.pop()
        {
            self.chunks.push_back(only.bytes(&self.encoder));
        } else {
            self.gather_many();
        }
    }

    #[inline(never)]
    fn gather_many(&mut self) {
        let read = self.buffer.items.drain(..);
        let frames: Vec<Bytes> = read.map(|item| item.bytes(&self.encoder)).collect();
        let mut rest = frames.as_slice();
        while let Some(first) = rest.first() {
            let mut length = 0;
            let run = rest
                .iter()
                .take_while(|frame| {
                    length += frame.len();
                    frame.len() < SHARED_BYTES && length <= CHUNK_BYTES
                })
                .count();
            let (chunk, left) = rest.split_at(run.max(1));
            rest = left;
            self.chunks.push_back(match chunk {
                // Adjacent frames of the log need no copy.
                [_] => first.clone(),
                several => several.concat().into(),
            });
        }
    }
}

/// Events that were read and are not in a chunk yet.
struct ReadBuffer {
    /// Adjacent frames of the log are sent as one span.
    join: bool,
    items: Vec<ReadItem>,
}

enum ReadItem {
    Span(FrameSpan),
    Event(Delivery),
}

impl ReadItem {
    #[inline]
    fn bytes(self, encoder: &EventEncoder) -> Bytes {
        match self {
            Self::Span(span) => span.bytes(),
            Self::Event(delivery) => encoder.frame(&delivery),
        }
    }
}

impl EventSink for ReadBuffer {
    fn broadcast(&mut self, record: &Arc<Record>) {
        if !self.join {
            self.items.push(ReadItem::Event(Delivery {
                sequence: record.sequence,
                event: Event::Broadcast(record.clone()),
            }));
            return;
        }
        if let Some(ReadItem::Span(span)) = self.items.last_mut()
            && span.extend(record)
        {
            return;
        }
        self.items.push(ReadItem::Span(FrameSpan::of(record)));
    }

    fn other(&mut self, sequence: u64, event: Event) {
        self.items
            .push(ReadItem::Event(Delivery { sequence, event }));
    }
}

impl Body for ListenBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = &mut *self;
        ready!(this.poll_unblocked(context));
        loop {
            if let Some(chunk) = this.chunks.pop_front() {
                return Poll::Ready(Some(Ok(Frame::data(chunk))));
            }
            if !this.buffer.items.is_empty() {
                this.gather();
                this.account_chunks();
                ready!(this.poll_unblocked(context));
                continue;
            }
            ready!(this.poll_room(context));
            let Some(listener) = &mut this.listener else {
                return Poll::Ready(None);
            };
            match this.permission.check() {
                Ok(None) => {}
                Ok(Some(events)) => listener.set_events(events),
                Err(status) => return Poll::Ready(Some(Ok(this.end(&status)))),
            }
            match listener.poll_read(context, &mut this.buffer) {
                // A quiet stream also ends as soon as a reload revokes its permission.
                Poll::Pending => match this.permission.poll_changed(context) {
                    Poll::Ready(()) => {}
                    Poll::Pending => return Poll::Pending,
                },
                // The log stores this form already.
                Poll::Ready(Ok(())) if this.encoder.is_ready() => {}
                Poll::Ready(Ok(())) => ready!(this.poll_other_form(context)),
                Poll::Ready(Err(why)) => return Poll::Ready(Some(Ok(this.end(&why.into())))),
            }
        }
    }
}

/// The trailers that end a stream with a status.
pub(super) fn trailers(status: &Status) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    if status.add_header(&mut trailers).is_err() {
        trailers.insert("grpc-status", HeaderValue::from_static("13"));
    }
    trailers
}
