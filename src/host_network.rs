//! Changes of this host's network, as the kernel reports them (rtnetlink): links, addresses,
//! routes.
//!
//! The socket only listens, which takes no privileges; only the type of each message is read. On a
//! host without such a socket (a sandbox without `AF_NETLINK`), dead connections are detected by
//! their silence, and pauses last their full time.

use std::io;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use tokio::net::UnixDatagram;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// Multicast groups of rtnetlink (RTMGRP_*): links, IPv4 addresses and routes, IPv6 addresses and
/// routes.
const GROUPS: u32 = 0x1 | 0x10 | 0x40 | 0x100 | 0x400;

/// Types of messages (`RTM_NEW*`) about something new: a link that changed (came up, went down), an
/// address, a route.
const NEW: [u16; 3] = [16, 20, 24];

/// Types of messages (`RTM_DEL*`) about something that is gone.
const GONE: [u16; 3] = [17, 21, 25];

/// Size of a message's header (`struct nlmsghdr`).
const HEAD: usize = 16;

/// Buffer for one read; longer messages are truncated, and their headers come first.
const BUFFER: usize = 32 << 10;

/// Debounce: one change comes as a link, address and route message.
const QUIET: Duration = Duration::from_millis(100);

/// Longest time until a change is reported.
const LATEST: Duration = Duration::from_secs(1);

/// Pause after the socket failed.
const RETRY: Duration = Duration::from_secs(10);

/// Numbers of changes so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Changes {
    /// Of any kind.
    all: u64,
    /// Changes after which more hosts may be reachable.
    new: u64,
}

/// Changes of the host's network. Clones see the same.
#[derive(Clone, Debug)]
pub struct HostNetwork(watch::Receiver<Changes>);

/// Reads the kernel's messages; [`HostNetworkTask::run`] is its task.
#[derive(Debug)]
pub struct HostNetworkTask {
    changes: watch::Sender<Changes>,
}

/// Creates the task, and the handle that sees its changes.
#[must_use]
pub fn watch_host_network() -> (HostNetwork, HostNetworkTask) {
    let changes = watch::Sender::new(Changes::default());
    (
        HostNetwork(changes.subscribe()),
        HostNetworkTask { changes },
    )
}

impl Default for HostNetwork {
    /// A network that never changes.
    fn default() -> Self {
        Self(watch::channel(Changes::default()).1)
    }
}

impl HostNetwork {
    /// Number of changes so far after which more hosts may be reachable.
    #[must_use]
    pub fn news(&self) -> u64 {
        self.0.borrow().new
    }

    /// Waits until [`HostNetwork::news`] is above `seen`.
    pub async fn news_since(&mut self, seen: u64) {
        if self.0.wait_for(|changes| changes.new > seen).await.is_err() {
            // The task has ended.
            std::future::pending::<()>().await;
        }
    }

    /// Waits for the next change of any kind.
    pub async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl HostNetworkTask {
    /// Reports a link that came up, in tests.
    #[cfg(test)]
    pub fn report_news(&self) {
        self.changes.send_modify(|changes| {
            changes.all += 1;
            changes.new += 1;
        });
    }

    /// Watches until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        stop.run_until_cancelled(self.watch()).await;
    }

    async fn watch(self) {
        let mut is_reported = false;
        loop {
            let ended = match open() {
                Ok(socket) => self.read(&socket).await,
                Err(error) => error,
            };
            if !is_reported {
                is_reported = true;
                log::info!(
                    "cannot watch the host's network ({ended}): reconnects are not sped up; allow \
                     AF_NETLINK in RestrictAddressFamilies="
                );
            }
            sleep(RETRY).await;
        }
    }

    /// Reads messages for as long as the socket works.
    async fn read(&self, socket: &UnixDatagram) -> io::Error {
        loop {
            let mut seen = match receive(socket).await {
                Ok(seen) => seen,
                Err(error) => return error,
            };
            // Messages that follow closely belong to the same change.
            let rest = async {
                while let Ok(Ok(more)) = timeout(QUIET, receive(socket)).await {
                    seen.any |= more.any;
                    seen.new |= more.new;
                }
            };
            timeout(LATEST, rest).await.ok();
            if seen.any {
                self.changes.send_modify(|changes| {
                    changes.all += 1;
                    changes.new += u64::from(seen.new);
                });
            }
        }
    }
}

/// Types of messages in one read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Seen {
    any: bool,
    new: bool,
}

/// Opens a socket for the groups. It is used as a `UnixDatagram`, whose reads are the same system
/// call: the runtime has no safe type for other descriptors.
fn open() -> io::Result<UnixDatagram> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    // The protocol 0 is NETLINK_ROUTE.
    let socket = rustix::net::socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, None)?;
    rustix::net::bind(&socket, &SocketAddrNetlink::new(0, GROUPS))?;
    UnixDatagram::from_std(socket.into())
}

/// Waits for messages, and returns their types.
async fn receive(socket: &UnixDatagram) -> io::Result<Seen> {
    let mut buffer = vec![0_u8; BUFFER];
    match socket.recv(&mut buffer).await {
        Ok(length) => Ok(kinds(buffer.get(..length).unwrap_or(&buffer))),
        // The socket's buffer has overflowed: anything may have changed.
        Err(error) if error.raw_os_error() == Some(Errno::NOBUFS.raw_os_error()) => Ok(Seen {
            any: true,
            new: true,
        }),
        Err(error) => Err(error),
    }
}

/// Types of the messages of one read.
fn kinds(mut messages: &[u8]) -> Seen {
    let mut seen = Seen::default();
    while let Some(head) = messages.first_chunk::<HEAD>() {
        let [a, b, c, d, low, high, ..] = *head;
        let kind = u16::from_ne_bytes([low, high]);
        seen.new |= NEW.contains(&kind);
        seen.any |= NEW.contains(&kind) || GONE.contains(&kind);
        let length = usize::try_from(u32::from_ne_bytes([a, b, c, d])).unwrap_or(usize::MAX);
        // Messages are aligned to four bytes; a length below that of the header is invalid.
        let next = length.max(HEAD).saturating_add(3) & !3;
        messages = messages.get(next..).unwrap_or_default();
    }
    seen
}

#[cfg(test)]
mod tests {
    use expd_test_support::in_time;
    use tokio::task::JoinSet;

    use super::*;

    fn message(kind: u16, body: usize) -> Vec<u8> {
        let length = u32::try_from(HEAD + body).unwrap();
        let mut message = length.to_ne_bytes().to_vec();
        message.extend(kind.to_ne_bytes());
        message.resize((HEAD + body).next_multiple_of(4), 0);
        message
    }

    #[test]
    fn kinds_are_told_apart_over_all_messages() {
        let nothing = Seen::default();
        assert_eq!(kinds(&[]), nothing);
        assert_eq!(kinds(&message(3, 0)), nothing);
        let gone = [message(3, 5), message(21, 40)].concat();
        let only_gone = Seen {
            any: true,
            new: false,
        };
        assert_eq!(kinds(&gone), only_gone);
        let both = [gone, message(20, 7), message(3, 0)].concat();
        assert_eq!(
            kinds(&both),
            Seen {
                any: true,
                new: true
            }
        );
    }

    #[test]
    fn cut_and_nonsensical_messages_end() {
        for length in 0..HEAD {
            kinds(&message(16, 0)[..length]);
        }
        let mut endless = message(16, 0);
        endless[..4].fill(0);
        assert!(kinds(&endless.repeat(3)).new);
        endless[..4].fill(0xff);
        assert!(kinds(&endless.repeat(3)).new);
    }

    #[tokio::test]
    async fn a_message_that_is_no_change_is_not_told() {
        let (mut network, task) = watch_host_network();
        let (kernel, socket) = UnixDatagram::pair().unwrap();
        let telling = async {
            kernel.send(&message(3, 8)).await.unwrap();
            // Separates it from the next one; if it does not, the counts are the same.
            sleep(2 * QUIET).await;
            for (kind, all, new) in [(21, 1, 0), (20, 2, 1)] {
                kernel.send(&message(kind, 8)).await.unwrap();
                in_time("a change", network.changed()).await;
                assert_eq!(*network.0.borrow(), Changes { all, new });
            }
        };
        tokio::select! {
            () = telling => {}
            error = task.read(&socket) => panic!("{error}"),
        }
    }

    #[tokio::test]
    async fn watching_ends_at_the_token() {
        let (network, task) = watch_host_network();
        assert_eq!(network.news(), 0);
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(task.run(stop.clone()));
        stop.cancel();
        in_time("the end", tasks.join_all()).await;
    }
}
