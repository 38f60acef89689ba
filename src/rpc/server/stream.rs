//! A connection's bytes, read at its user's rate.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::yield_now;
use tokio_util::task::AbortOnDropHandle;

use super::connection::Connection;
use super::meter::Meter;
use crate::ipc::PeerStream;

type Uncongested = Pin<Box<dyn Future<Output = ()> + Send>>;

/// An accepted connection whose input is metered.
pub(super) struct MeteredStream {
    inner: PeerStream,
    connection: Arc<Connection>,
    meter: Meter,
    /// Bytes that were read and not passed on yet, from the frame at which the bucket was empty.
    /// They are of one read at most.
    held: Vec<u8>,
    /// Resolves when the socket's buffer has room, where reading waits for that.
    uncongested: Option<Uncongested>,
    /// The user's turn, where reading waits for it.
    turn: Option<AbortOnDropHandle<()>>,
    first_frame: Option<tokio::sync::oneshot::Sender<()>>,
}

impl MeteredStream {
    /// Meters a connection; `first_frame` fires when the client's first frame has arrived.
    pub(super) fn new(
        inner: PeerStream,
        connection: Arc<Connection>,
        first_frame: tokio::sync::oneshot::Sender<()>,
    ) -> Self {
        Self {
            inner,
            connection,
            meter: Meter::new(),
            held: Vec::new(),
            uncongested: None,
            turn: None,
            first_frame: Some(first_frame),
        }
    }

    /// Ready when the connection may be read.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(uncongested) = &mut self.uncongested {
            ready!(uncongested.as_mut().poll(cx));
            self.uncongested = None;
        }
        if self.connection.is_congested() {
            // A client that stops reading is not read either: each call would only add to its
            // unsent answers.
            let uncongested = self
                .uncongested
                .insert(Box::pin(self.connection.uncongested()));
            ready!(uncongested.as_mut().poll(cx));
            self.uncongested = None;
        }
        let rate_limit = &self.connection.admission.user.rate_limit;
        let has_passed_slice = self.meter.has_passed_slice();
        if self.turn.is_none() && (has_passed_slice || !rate_limit.is_free()) {
            let rate_limit = rate_limit.clone();
            // Runs in its own task: a turn held by a connection that cannot write would block the
            // user's other connections, and the answers to this slice, which wake the connection,
            // must not begin the next one.
            let turn = self.connection.tasks.spawn(async move {
                if has_passed_slice {
                    // Lets other ready tasks run, and the runtime poll the sockets again.
                    yield_now().await;
                }
                rate_limit.turn().await;
            });
            self.turn = Some(AbortOnDropHandle::new(turn));
            self.meter.begin_slice();
        }
        if let Some(turn) = &mut self.turn {
            // Fails only when the runtime stops.
            ready!(Pin::new(turn).poll(cx)).ok();
            self.turn = None;
        }
        Poll::Ready(())
    }

    /// Charges the received bytes and returns how many may be passed on.
    fn count(&mut self, received: &[u8]) -> usize {
        let calls = self.connection.calls();
        let mut bucket = self.connection.admission.user.rate_limit.bucket();
        let taken = self.meter.count(received, calls, &mut bucket);
        drop(bucket);
        if self.meter.has_begun()
            && let Some(first_frame) = self.first_frame.take()
        {
            // The receiver is gone where the connection is ending.
            first_frame.send(()).ok();
        }
        taken
    }
}

impl AsyncRead for MeteredStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.connection.charge_work();
        ready!(this.poll_ready(cx));
        if !this.held.is_empty() {
            let mut held = std::mem::take(&mut this.held);
            let fits = held.len().min(buffer.remaining());
            let taken = this.count(held.get(..fits).unwrap_or_default());
            buffer.put_slice(held.get(..taken).unwrap_or_default());
            held.drain(..taken);
            this.held = held;
            this.connection.start_work();
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.inner).poll_read(cx, buffer);
        if read.is_pending() {
            this.meter.begin_slice();
        }
        ready!(read)?;
        let received = buffer.filled().get(before..).unwrap_or_default();
        if received.is_empty() {
            return Poll::Ready(Ok(()));
        }
        // At least one byte is passed on: an empty read would mean the end of the stream.
        let taken = this.count(received);
        this.held = received.get(taken..).unwrap_or_default().to_vec();
        buffer.set_filled(before + taken);
        this.connection.start_work();
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for MeteredStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.inner).poll_write(cx, bytes);
        this.connection.update_congestion(this.inner.is_congested());
        written
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.inner).poll_flush(cx);
        this.connection.update_congestion(this.inner.is_congested());
        if flushed.is_ready() {
            this.connection.release_written();
        }
        flushed
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Mutex, mpsc};

    use expd_test_support::DEADLINE;
    use expd_test_support::http2::{PREFACE, frame, head};
    use futures_util::FutureExt as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::UnixStream;
    use tokio::sync::{Semaphore, oneshot, watch};
    use tokio_util::sync::CancellationToken;

    use super::super::Server;
    use super::super::meter::CALLS_AT_ONCE;
    use super::super::users::Users;
    use super::*;
    use crate::access::AccessPolicy;
    use crate::config::Limits;
    use crate::shares::{Holder, LimitHits};

    /// A connection of an app, from one end of a socket.
    fn connection(ours: UnixStream) -> (PeerStream, Arc<Connection>) {
        let permit = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        let inner = PeerStream::unix(ours, permit).unwrap();
        let users = Users::new(&Limits::default(), &LimitHits::default());
        let admission = users.admit(Holder::User(60_001).into(), false).unwrap();
        let connection = Connection::new(inner.caller(), admission);
        (inner, Arc::new(connection))
    }

    /// The reader of a connection, and its other end.
    fn pair() -> (MeteredStream, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (inner, connection) = connection(ours);
        let (first_frame, _) = oneshot::channel();
        (MeteredStream::new(inner, connection, first_frame), theirs)
    }

    fn calls(numbers: std::ops::Range<u32>) -> Vec<u8> {
        let call = |n: u32| {
            let stream = 2 * n + 1;
            let headers = frame(1, 4, stream, &head("/expd.v1.Network/Broadcast"));
            [headers, frame(0, 1, stream, &[0; 5])].concat()
        };
        numbers.flat_map(call).collect()
    }

    #[tokio::test]
    async fn a_wave_of_calls_is_read_in_slices_between_which_others_run() {
        let (mut stream, mut client) = pair();
        let at_once = u32::try_from(CALLS_AT_ONCE).unwrap();
        let sent = [PREFACE, &frame(4, 0, 0, &[]), &calls(0..5 * at_once)].concat();
        client.write_all(&sent).await.unwrap();
        let one_call = calls(0..1).len();
        let mut bytes = vec![0; sent.len()];
        let (mut all, mut slices) = (0, 0);
        let mut others = tokio::task::JoinSet::new();
        let begun = PREFACE.len() + frame(4, 0, 0, &[]).len();
        while all < sent.len() {
            let before = all;
            all += stream.read(&mut bytes).await.unwrap();
            // Reads until it would block.
            while let Some(read) = stream.read(&mut bytes).now_or_never() {
                all += read.unwrap();
            }
            slices += 1;
            let most = begun + CALLS_AT_ONCE * one_call;
            assert!(all - before <= most, "{} bytes at once", all - before);
            let has_run = Arc::new(AtomicBool::new(false));
            let ran = has_run.clone();
            others.spawn(async move { ran.store(true, Ordering::Relaxed) });
            if all < sent.len() {
                let read = stream.read(&mut bytes[..1]).await.unwrap();
                assert!(has_run.load(Ordering::Relaxed), "the next slice came first");
                all += read;
            }
        }
        assert_eq!(slices, 5);
    }

    #[tokio::test]
    async fn calls_one_after_the_other_wait_for_nothing() {
        let (mut stream, mut client) = pair();
        client.write_all(PREFACE).await.unwrap();
        let mut bytes = vec![0; 1024];
        stream
            .read_exact(&mut bytes[..PREFACE.len()])
            .await
            .unwrap();
        for n in 0..3 * u32::try_from(CALLS_AT_ONCE).unwrap() {
            // Nothing is there: the slice ends.
            assert!(stream.read(&mut bytes).now_or_never().is_none());
            let call = calls(n..n + 1);
            client.write_all(&call).await.unwrap();
            assert_eq!(stream.read(&mut bytes).await.unwrap(), call.len());
            assert!(stream.turn.is_none());
        }
    }

    #[test]
    fn another_apps_call_waits_for_less_than_two_slices_of_a_wave() {
        const WAVE: u32 = 200;
        let (calls, order) = mpsc::channel();
        let (go, gate) = mpsc::channel();
        let gate = Arc::new(Mutex::new(Some(gate)));
        let handler = move |request: http::Request<axum::body::Body>| {
            calls.send(request.uri().path().to_owned()).unwrap();
            if let Some(gate) = gate.lock().unwrap().take() {
                // Blocks the only worker until the other app has called.
                gate.recv().unwrap();
            }
            std::future::ready(())
        };
        let server = Server {
            router: axum::Router::new().fallback(handler),
            settings: watch::channel(Arc::default()).1,
            limit_hits: LimitHits::default(),
            access: watch::channel(Arc::new(AccessPolicy::new(&[]))).1,
            gone: Arc::new(|_| ()),
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let connect = || {
            let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
            ours.set_nonblocking(true).unwrap();
            theirs.set_read_timeout(Some(DEADLINE)).unwrap();
            let _inside = runtime.enter();
            let (stream, connection) = connection(UnixStream::from_std(ours).unwrap());
            runtime.spawn(server.connect(stream, connection, CancellationToken::new()));
            theirs
        };
        let call = |path: &str, n: u32| frame(1, 5, 2 * n + 1, &head(path));
        let begin = [PREFACE, &frame(4, 0, 0, &[])].concat();
        let mut honest = connect();
        honest.write_all(&begin).unwrap();
        // The server's settings: it is connected.
        honest.read_exact(&mut [0; 9]).unwrap();
        let mut busy = connect();
        let wave = (0..WAVE).flat_map(|n| call("/wave", n));
        busy.write_all(&begin.into_iter().chain(wave).collect::<Vec<_>>())
            .unwrap();
        assert_eq!(order.recv_timeout(DEADLINE).unwrap(), "/wave");
        honest.write_all(&call("/honest", 0)).unwrap();
        go.send(()).unwrap();
        let all = (0..WAVE).map(|_| order.recv_timeout(DEADLINE).unwrap());
        let before = 1 + all.take_while(|path| path == "/wave").count();
        assert!(before < 2 * CALLS_AT_ONCE, "{before} calls came first");
    }
}
