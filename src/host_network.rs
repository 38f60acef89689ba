//! Changes of this host's network, as the kernel tells them (rtnetlink): links, addresses, routes.
//!
//! Nothing is asked of the kernel, so a socket without any right is enough; and of what it tells,
//! no more is read than the kind of each message. A host whose system gives no such socket (a
//! sandbox without `AF_NETLINK`) works without: its connections are found dead by their silence,
//! and its pauses run their time.

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

/// Kinds of messages (RTM_*) that tell of something new: a link that changed (came up, went down),
/// an address, a route.
const NEW: [u16; 3] = [16, 20, 24];

/// Kinds that tell of something that is gone.
const GONE: [u16; 3] = [17, 21, 25];

/// Size of a message's head (`struct nlmsghdr`).
const HEAD: usize = 16;

/// Room for the messages of one read; longer ones are cut, and their heads come first.
const BUFFER: usize = 32 << 10;

/// A change is told once the kernel has told nothing for this long: an interface that comes up is
/// a link, addresses and routes in a row.
const QUIET: Duration = Duration::from_millis(100);

/// A change is told after this long at the latest.
const LATEST: Duration = Duration::from_secs(1);

/// Pause after the socket failed.
const RETRY: Duration = Duration::from_secs(10);

/// Numbers of changes so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Changes {
    /// Of any kind.
    all: u64,
    /// Those after which more may be reached than before.
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

/// Prepares the task, and what it tells.
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
    /// Number of changes so far after which more may be reached than before.
    #[must_use]
    pub fn news(&self) -> u64 {
        self.0.borrow().new
    }

    /// Waits until [`HostNetwork::news`] is above `seen`.
    pub async fn news_since(&mut self, seen: u64) {
        if self.0.wait_for(|changes| changes.new > seen).await.is_err() {
            // Nobody watches any more.
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
    /// Tells of a link that came up, in tests.
    #[cfg(test)]
    pub fn tell_news(&self) {
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
        let mut told = false;
        loop {
            let ended = match open() {
                Ok(socket) => self.read(&socket).await,
                Err(error) => error,
            };
            if !told {
                told = true;
                log::info!(
                    "changes of this host's network are not seen ({ended}); pauses run their time, and \
                     dead connections are found by their silence (RestrictAddressFamilies= needs AF_NETLINK)"
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
            // What follows closely belongs to it.
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

/// Kinds of messages in one read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Seen {
    any: bool,
    new: bool,
}

/// Opens a socket for the groups. It is used through the type of datagrams on Unix sockets, whose
/// reading is the same system call: the runtime has no type for any descriptor that safe code may
/// make.
fn open() -> io::Result<UnixDatagram> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    // The protocol 0 is NETLINK_ROUTE.
    let socket = rustix::net::socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, None)?;
    rustix::net::bind(&socket, &SocketAddrNetlink::new(0, GROUPS))?;
    UnixDatagram::from_std(socket.into())
}

/// Waits for messages, and tells their kinds.
async fn receive(socket: &UnixDatagram) -> io::Result<Seen> {
    let mut buffer = vec![0_u8; BUFFER];
    match socket.recv(&mut buffer).await {
        Ok(length) => Ok(kinds(buffer.get(..length).unwrap_or(&buffer))),
        // The kernel had more to tell than the socket holds: anything may have changed.
        Err(error) if error.raw_os_error() == Some(Errno::NOBUFS.raw_os_error()) => Ok(Seen {
            any: true,
            new: true,
        }),
        Err(error) => Err(error),
    }
}

/// The kinds of the messages in what was read.
fn kinds(mut messages: &[u8]) -> Seen {
    let mut seen = Seen::default();
    while let Some(head) = messages.first_chunk::<HEAD>() {
        let [a, b, c, d, low, high, ..] = *head;
        let kind = u16::from_ne_bytes([low, high]);
        seen.new |= NEW.contains(&kind);
        seen.any |= NEW.contains(&kind) || GONE.contains(&kind);
        let length = usize::try_from(u32::from_ne_bytes([a, b, c, d])).unwrap_or(usize::MAX);
        // Messages begin at multiples of four bytes; one that is shorter than its head is none.
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
            // So that the next one is not taken for a part of it; if it is, the counts are the same.
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
