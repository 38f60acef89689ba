//! Messages that wait for one live socket, within limits, and the order to its task to end.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use expd_server::engine::{Packet, QueuedPacket};
use expd_server::socket_memory::{Full, SocketUse};

/// Maximum number of bytes that wait for a socket: three payloads of maximum size.
const MAX_OUTSTANDING_BYTES: u64 = 48 * 1024 * 1024;

/// Limits of packets that wait for a socket, and for one of a device that waits to be paired. With
/// the limit in bytes they define a slow reader.
const MAX_OUTSTANDING_PACKETS: usize = 4096;
const MAX_PACKETS_OF_WAITING: usize = 64;

/// Order to the task of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Stay,
    /// Disconnect, after everything that was sent before.
    Disconnect,
    /// End at once.
    Cut,
}

/// The registry's end.
pub(super) struct OutboxSender {
    pub memory: Arc<SocketUse>,
    packets: mpsc::Sender<QueuedPacket>,
    orders: watch::Sender<Order>,
}

/// The socket task's end. Closed once the socket is removed from the registry.
pub(super) struct Outbox {
    /// Number of the socket.
    pub id: u64,
    packets: mpsc::Receiver<QueuedPacket>,
    orders: watch::Receiver<Order>,
}

/// Next action of a socket's task.
pub(super) enum Next {
    Packet(QueuedPacket),
    End(Order),
}

/// Opens the outbox of a socket; `waits` is set for a device that waits to be paired.
pub(super) fn open(id: u64, memory: Arc<SocketUse>, waits: bool) -> (OutboxSender, Outbox) {
    let most = if waits {
        MAX_PACKETS_OF_WAITING
    } else {
        MAX_OUTSTANDING_PACKETS
    };
    let (sender, packets) = mpsc::channel(most);
    let (orders, told) = watch::channel(Order::Stay);
    let sender = OutboxSender {
        memory,
        packets: sender,
        orders,
    };
    let outbox = Outbox {
        id,
        packets,
        orders: told,
    };
    (sender, outbox)
}

impl Outbox {
    /// Waits for an order to end, or for the next packet if the transport is writable.
    pub(super) async fn next(&mut self, writable: bool) -> Next {
        tokio::select! {
            biased;
            order = self.orders.wait_for(|order| *order != Order::Stay) => {
                // Removal without an order means disconnect.
                Next::End(order.map_or(Order::Disconnect, |order| *order))
            }
            Some(packet) = self.packets.recv(), if writable => Next::Packet(packet),
        }
    }

    /// Waits for the next packet of a socket that was removed; `None` after the last one.
    pub(super) async fn remaining(&mut self) -> Option<QueuedPacket> {
        self.packets.recv().await
    }

    /// Takes waiting packets: at most `most`, and until they exceed this many bytes.
    pub(super) fn take(&mut self, most: usize, bytes: usize) -> Vec<QueuedPacket> {
        let mut taken = Vec::new();
        let mut size = 0;
        while taken.len() < most
            && size < bytes
            && let Ok(next) = self.packets.try_recv()
        {
            size += next.packet.len();
            taken.push(next);
        }
        taken
    }
}

/// Result of queueing a packet.
pub(super) enum Delivery {
    Sent,
    Slow,
    Gone,
    NoRoom(Full),
    /// The socket was evicted to make room for another one.
    Evicted,
}

/// A socket that does not read, and is to be cut.
#[derive(Debug)]
pub(super) struct SlowSocket;

impl OutboxSender {
    pub(super) fn order(&self, order: Order) {
        self.orders.send_replace(order);
    }

    pub(super) fn deliver(&self, packet: &Packet) -> Delivery {
        let size = packet.len() as u64;
        let outstanding = self.memory.outstanding();
        if outstanding > 0 && outstanding + size > MAX_OUTSTANDING_BYTES {
            return Delivery::Slow;
        }
        if self.memory.is_closed() {
            return Delivery::Evicted;
        }
        if let Err(full) = self.memory.room_for(size) {
            return Delivery::NoRoom(full);
        }
        let queued = QueuedPacket {
            packet: packet.clone(),
            charge: Some(self.memory.charge(size)),
        };
        match self.packets.try_send(queued) {
            Ok(()) => Delivery::Sent,
            Err(mpsc::error::TrySendError::Full(_)) => Delivery::Slow,
            Err(mpsc::error::TrySendError::Closed(_)) => Delivery::Gone,
        }
    }

    /// Sends a packet to this socket alone.
    pub(super) fn send(&self, packet: &Packet) -> Result<(), SlowSocket> {
        match self.deliver(packet) {
            Delivery::Slow | Delivery::NoRoom(_) => Err(SlowSocket),
            // A client that has left needs nothing.
            Delivery::Sent | Delivery::Gone | Delivery::Evicted => Ok(()),
        }
    }
}
