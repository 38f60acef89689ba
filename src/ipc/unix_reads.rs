//! Reads of a Unix socket that leave nothing behind.
//!
//! The runtime takes a short read for an emptied socket and waits until the kernel announces more.
//! A read ends as well behind a message with file descriptors, though, and what follows it has been
//! announced already. It would never be read: nor would the end of a connection whose own
//! descriptor is among those, so it would be held for ever. Descriptors are dropped unseen.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rustix::io::{Errno, ioctl_fionread};
use rustix::net::{RecvFlags, recv};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::UnixStream;

/// A Unix socket.
#[derive(Debug)]
pub(super) struct UnixReads {
    pub stream: UnixStream,
    /// The last read had no room for all there was.
    has_rest: bool,
}

impl UnixReads {
    pub fn new(stream: UnixStream) -> Self {
        let has_rest = false;
        Self { stream, has_rest }
    }

    /// Reads what the socket holds, as far as there is room.
    fn read_rest(&mut self, buffer: &mut ReadBuf<'_>) -> io::Result<()> {
        self.has_rest = false;
        while ioctl_fionread(&self.stream)? > 0 {
            if buffer.remaining() == 0 {
                self.has_rest = true;
                break;
            }
            let room = buffer.initialize_unfilled();
            match recv(&self.stream, room, RecvFlags::DONTWAIT) {
                Ok((_, 0)) | Err(Errno::AGAIN) => break,
                Ok((_, read)) => buffer.advance(read),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

impl AsyncRead for UnixReads {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buffer.filled().len();
        if this.has_rest {
            this.read_rest(buffer)?;
            if buffer.filled().len() > before {
                return Poll::Ready(Ok(()));
            }
        }
        ready!(Pin::new(&mut this.stream).poll_read(cx, buffer))?;
        // A full buffer lets the runtime read on, and nothing read is the end.
        if buffer.remaining() > 0 && buffer.filled().len() > before {
            this.read_rest(buffer)?;
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use std::io::IoSlice;
    use std::mem::MaybeUninit;
    use std::os::fd::AsFd as _;
    use std::time::Duration;

    use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
    use tokio::io::AsyncReadExt as _;
    use tokio::time::timeout;

    use super::*;

    /// Sends bytes with the descriptor of the sender itself.
    fn send_with_descriptor(sender: &UnixStream, bytes: &[u8]) {
        let descriptors = [sender.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        assert!(ancillary.push(SendAncillaryMessage::ScmRights(&descriptors)));
        let bytes = [IoSlice::new(bytes)];
        sendmsg(sender, &bytes, &mut ancillary, SendFlags::empty()).unwrap();
    }

    #[tokio::test]
    async fn what_comes_with_descriptors_is_read_to_the_end_of_the_connection() {
        for room in [1, 3, 7, 8192] {
            let (ours, theirs) = UnixStream::pair().unwrap();
            let mut reads = UnixReads::new(ours);
            let mut expected: Vec<u8> = Vec::new();
            for piece in [&b"one "[..], b"two ", b"three ", b"four"] {
                send_with_descriptor(&theirs, piece);
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
            let ended = timeout(Duration::from_secs(5), reading).await;
            ended.expect("the end never comes");
            assert_eq!(all, expected, "{room}");
        }
    }
}
