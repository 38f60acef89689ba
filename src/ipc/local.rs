//! One accepted connection of a Unix socket, which the kernel watches for no more than is waited for.
//!
//! A Unix socket tells whoever watches it for room each time that its peer has read something. tokio's own stream watches for that always, and
//! so every delivery that an app takes wakes the daemon a second time, for nothing and within the app's own read. This stream watches for room
//! from the first write that finds none until some in a row have found it again. At 500 broadcasts a second to ten apps a delivery costs a
//! seventh less for that.

use std::io::{self, IoSlice, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker, ready};

use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::task::coop;

/// How much is read at once at the least: nearly all that apps send. What it is read into is cleared before, all of it, and is the connection's
/// from then on.
const LEAST_READ: usize = 1 << 10;

/// The same at the most, for an app that sends much.
const MOST_READ: usize = 32 << 10;

/// So many writes in a row must find room before it is not watched for any more: at full speed one in a few finds none, and
/// each change costs two system calls.
const CALM: u32 = 64;

/// A connected Unix socket.
#[derive(Debug)]
pub(super) struct LocalStream {
    /// None from when the system has refused to watch it; nothing can be read or written then.
    watched: Option<AsyncFd<UnixStream>>,
    /// Writes that have yet to find room before it is not watched for any more; 0 while it is not.
    until_calm: u32,
    /// How much the next read takes.
    next_read: usize,
    /// Who waits for something to read; woken also when what is watched for changes, since the change forgets it.
    reading: Option<Waker>,
}

impl LocalStream {
    /// Takes over a stream. Call it within the runtime.
    ///
    /// # Errors
    /// When the system refuses to watch it.
    pub fn new(stream: tokio::net::UnixStream) -> io::Result<Self> {
        let watched = watch(stream.into_std()?, Interest::READABLE)?;
        Ok(Self {
            watched: Some(watched),
            until_calm: 0,
            next_read: LEAST_READ,
            reading: None,
        })
    }

    /// Writes what there is room for at once.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.watched()?.get_ref().write(bytes)
    }

    fn watched(&self) -> io::Result<&AsyncFd<UnixStream>> {
        self.watched
            .as_ref()
            .ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    fn watch_for(&mut self, interest: Interest) -> io::Result<()> {
        if let Some(watched) = self.watched.take() {
            self.watched = Some(watch(watched.into_inner(), interest)?);
        }
        if let Some(reading) = self.reading.take() {
            reading.wake();
        }
        Ok(())
    }

    fn poll_write_by(
        &mut self,
        cx: &mut Context<'_>,
        write: impl Fn(&UnixStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            if self.until_calm == 0 {
                // As every wait for a socket does: a task that never finds one blocked shall let others have their turn.
                ready!(pin!(coop::consume_budget()).poll(cx));
                match write(self.watched()?.get_ref()) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        self.watch_for(Interest::READABLE | Interest::WRITABLE)?;
                        self.until_calm = CALM;
                    }
                    done => return Poll::Ready(done),
                }
            }
            let mut room = ready!(self.watched()?.poll_write_ready(cx))?;
            if let Ok(done) = room.try_io(|watched| write(watched.get_ref())) {
                self.until_calm -= 1;
                if self.until_calm == 0 {
                    self.watch_for(Interest::READABLE)?;
                }
                return Poll::Ready(done);
            }
            self.until_calm = CALM;
        }
    }
}

#[allow(
    deprecated,
    reason = "what takes its place is unsafe, for descriptors that are closed while they are watched; a stream closes its own when it goes"
)]
fn watch(stream: UnixStream, interest: Interest) -> io::Result<AsyncFd<UnixStream>> {
    AsyncFd::with_interest(stream, interest)
}

impl AsyncRead for LocalStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let Poll::Ready(some) = self.watched()?.poll_read_ready(cx) else {
                let waits = |waker: &Waker| waker.will_wake(cx.waker());
                if !self.reading.as_ref().is_some_and(waits) {
                    self.reading = Some(cx.waker().clone());
                }
                return Poll::Pending;
            };
            let mut some = some?;
            let bytes = buffer.initialize_unfilled_to(buffer.remaining().min(self.next_read));
            match some.try_io(|watched| watched.get_ref().read(bytes)) {
                Ok(read) => {
                    let read = read?;
                    let full = read == bytes.len();
                    if !full && read > 0 {
                        // That was all, and what comes later is told anew.
                        some.clear_ready();
                    }
                    self.next_read = if full {
                        MOST_READ.min(2 * self.next_read)
                    } else {
                        LEAST_READ
                    };
                    buffer.advance(read);
                    return Poll::Ready(Ok(()));
                }
                Err(_nothing_there) => {}
            }
        }
    }
}

impl AsyncWrite for LocalStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_by(cx, |mut stream| stream.write(bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_by(cx, |mut stream| stream.write_vectored(slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.watched()?.get_ref().shutdown(Shutdown::Write))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::fd::AsRawFd as _;
    use std::time::Duration;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::UnixStream;
    use tokio::time::timeout;

    use super::*;

    const DEADLINE: Duration = Duration::from_secs(5);

    async fn soon<F: Future>(future: F) -> F::Output {
        timeout(DEADLINE, future)
            .await
            .expect("it should not take this long")
    }

    fn pair() -> (LocalStream, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (LocalStream::new(ours).unwrap(), theirs)
    }

    /// Whether the kernel is to tell of room: what the process's epoll instances say of the descriptor.
    fn is_watched_for_room(stream: &LocalStream) -> bool {
        const EPOLLOUT: u32 = 4;
        let ours = stream.watched().unwrap().as_raw_fd();
        let mut found = false;
        for entry in fs::read_dir("/proc/self/fdinfo").unwrap() {
            // Other tests close theirs meanwhile.
            let told = fs::read_to_string(entry.unwrap().path()).unwrap_or_default();
            for line in told.lines() {
                let words: Vec<&str> = line.split_whitespace().collect();
                if let ["tfd:", descriptor, "events:", events, ..] = words.as_slice()
                    && *descriptor == ours.to_string()
                {
                    found = true;
                    if u32::from_str_radix(events, 16).unwrap() & EPOLLOUT != 0 {
                        return true;
                    }
                }
            }
        }
        assert!(found, "no epoll instance watches it");
        false
    }

    /// Writes until there is no room, and returns how much that took.
    async fn fill(stream: &mut LocalStream) -> usize {
        let mut written = 0;
        let block = [7; 4096];
        while let Ok(some) = timeout(Duration::from_millis(50), stream.write(&block)).await {
            written += some.unwrap();
        }
        written
    }

    #[tokio::test]
    async fn room_is_watched_for_only_while_there_is_none() {
        let (mut stream, mut peer) = pair();
        let mut bytes = vec![0; 1 << 20];
        for _ in 0..2 * CALM {
            stream.write_all(b"delivered").await.unwrap();
            soon(peer.read(&mut bytes)).await.unwrap();
            assert!(!is_watched_for_room(&stream));
        }
        let written = fill(&mut stream).await;
        assert!(is_watched_for_room(&stream));
        let mut bytes = vec![0; written];
        soon(peer.read_exact(&mut bytes)).await.unwrap();
        for _ in 0..CALM {
            soon(stream.write_all(b"delivered")).await.unwrap();
        }
        assert!(!is_watched_for_room(&stream));
    }

    #[tokio::test]
    async fn all_arrives_in_order_at_a_reader_that_is_slower() {
        let (mut stream, mut peer) = pair();
        let bytes: Vec<u8> = (0..4_000_000_u32)
            .map(|n| n.to_le_bytes()[(n % 4) as usize])
            .collect();
        let read = async {
            let (mut all, mut some) = (Vec::new(), vec![0; 1000]);
            loop {
                let count = peer.read(&mut some).await.unwrap();
                if count == 0 {
                    return all;
                }
                all.extend_from_slice(&some[..count]);
                tokio::task::yield_now().await;
            }
        };
        let write = async {
            for (number, part) in bytes.chunks(70_000).enumerate() {
                if number % 2 == 0 {
                    stream.write_all(part).await.unwrap();
                } else {
                    let (head, tail) = part.split_at(part.len() / 2);
                    let slices = [IoSlice::new(head), IoSlice::new(tail)];
                    let written = stream.write_vectored(&slices).await.unwrap();
                    stream.write_all(&part[written..]).await.unwrap();
                }
            }
            stream.shutdown().await.unwrap();
        };
        let (read, ()) = soon(async { tokio::join!(read, write) }).await;
        assert!(read == bytes, "{} of {} bytes", read.len(), bytes.len());
    }

    #[tokio::test]
    async fn whoever_waits_to_read_is_woken_though_the_watching_changes_meanwhile() {
        let (stream, mut peer) = pair();
        let (mut reader, mut writer) = tokio::io::split(stream);
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(async move {
            let mut bytes = vec![0; MOST_READ * 2];
            let mut total = 0;
            loop {
                match reader.read(&mut bytes).await.unwrap() {
                    0 => return total,
                    some => total += some,
                }
            }
        });
        tokio::task::yield_now().await;
        let block = vec![1; 1 << 20];
        let (written, ()) = tokio::join!(writer.write_all(&block), async {
            // The writer waits for room by now.
            tokio::task::yield_now().await;
            peer.write_all(&vec![2; 100_000]).await.unwrap();
            let mut bytes = vec![0; 1 << 20];
            soon(peer.read_exact(&mut bytes)).await.unwrap();
        });
        written.unwrap();
        peer.write_all(b"more").await.unwrap();
        drop(peer);
        let total = soon(tasks.join_next()).await.unwrap().unwrap();
        assert_eq!(total, 100_004);
    }
}
