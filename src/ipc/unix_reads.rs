//! Reads of a Unix socket that leave no data behind.
//!
//! The runtime's own read takes a short read for an empty socket, and waits for the next event of
//! the kernel. But a read also ends after a message with file descriptors, and the kernel has
//! announced the data behind it already: that data would never be read. Nor would the end of a
//! connection that passed its own descriptor, which would stay open forever. Here only `EAGAIN`
//! means an empty socket. Received descriptors are dropped unseen.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rustix::net::{RecvFlags, recv};
use tokio::io::{AsyncRead, Interest, ReadBuf};
use tokio::net::UnixStream;

/// A Unix socket.
#[derive(Debug)]
pub(super) struct UnixReads(pub UnixStream);

impl AsyncRead for UnixReads {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self(stream) = self.get_mut();
        loop {
            ready!(stream.poll_read_ready(cx))?;
            let room = buffer.initialize_unfilled();
            let read = stream.try_io(Interest::READABLE, || {
                Ok(recv(&*stream, room, RecvFlags::DONTWAIT)?.1)
            });
            match read {
                Ok(read) => {
                    buffer.advance(read);
                    return Poll::Ready(Ok(()));
                }
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use expd_test_support::http2::send_with_descriptor;
    use expd_test_support::in_time;
    use tokio::io::AsyncReadExt as _;

    use super::*;

    #[tokio::test]
    async fn what_comes_with_descriptors_is_read_to_the_end_of_the_connection() {
        for room in [1, 3, 7, 8192] {
            let (ours, theirs) = UnixStream::pair().unwrap();
            let mut reads = UnixReads(ours);
            let mut expected: Vec<u8> = Vec::new();
            for piece in [&b"one "[..], b"two ", b"three ", b"four"] {
                send_with_descriptor(&theirs, piece).unwrap();
                expected.extend(piece);
            }
            drop(theirs);
            let mut all: Vec<u8> = Vec::new();
            let reading = async {
                let mut piece = vec![0; room];
                loop {
                    match reads.read(&mut piece).await.unwrap() {
                        0 => break,
                        read => all.extend(&piece[..read]),
                    }
                }
            };
            in_time("the end", reading).await;
            assert_eq!(all, expected, "{room}");
        }
    }
}
