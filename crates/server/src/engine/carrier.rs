//! Carrier of a socket's packets: polls or a WebSocket, and the upgrade from one to the other.

use std::time::Duration;

use tokio::time::Instant;

use super::entry::WaitingPoll;
use super::packet::{Packet, QueuedPacket};
use super::socket_event::Closed;
use super::websocket::WebSocket;

/// Time for a client to upgrade to a WebSocket that it probes.
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);

/// Packet that ends a poll.
const NOOP: &str = "6";

pub(super) enum Carrier {
    Polling(Polling),
    WebSocket(WebSocket),
}

#[derive(Default)]
pub(super) struct Polling {
    /// The pending poll; `None` between two polls.
    poll: Option<WaitingPoll>,
    /// The WebSocket that the client probes.
    probe: Option<UpgradeProbe>,
    /// Engine.IO packets that wait for the next poll.
    control: Vec<Packet>,
    /// Packets that arrived just after an Engine.IO packet had answered the poll: those of one
    /// write.
    held: Vec<QueuedPacket>,
}

struct UpgradeProbe {
    websocket: WebSocket,
    until: Instant,
    /// The client has probed it, and polls no more.
    tried: bool,
}

/// The carrier or its client is gone.
pub(super) struct Gone;

/// State of a new poll.
pub(super) enum PollState {
    /// It waits for packets.
    Empty,
    /// Retained packets have answered it.
    Answered,
}

impl Carrier {
    /// True while the carrier accepts packets.
    pub(super) fn is_writable(&self) -> bool {
        match self {
            Self::WebSocket(websocket) => websocket.is_drained(),
            Self::Polling(polling) => polling.has_poll(),
        }
    }

    /// The WebSocket to be read and written: in use or being probed.
    pub(super) fn websocket(&mut self) -> Option<&mut WebSocket> {
        match self {
            Self::WebSocket(websocket) => Some(websocket),
            Self::Polling(polling) => polling.probe.as_mut().map(|probe| &mut probe.websocket),
        }
    }

    /// Sends an Engine.IO packet as soon as there is a carrier.
    pub(super) fn send_control(&mut self, packet: Packet) {
        match self {
            Self::WebSocket(websocket) => websocket.queue(packet),
            Self::Polling(polling) => polling.control.push(packet),
        }
    }

    /// Number of Engine.IO packets that wait for a poll.
    pub(super) fn waiting_control(&self) -> usize {
        match self {
            Self::WebSocket(_) => 0,
            Self::Polling(polling) => polling.control.len(),
        }
    }

    /// Starts as a WebSocket, and sends the retained Engine.IO packets over it.
    pub(super) fn become_websocket(&mut self, mut websocket: WebSocket) {
        if let Self::Polling(polling) = self {
            for packet in std::mem::take(&mut polling.control) {
                websocket.queue(packet);
            }
        }
        *self = Self::WebSocket(websocket);
    }
}

impl Polling {
    /// Takes the packet that answers a handshake.
    pub(super) fn take_handshake(&mut self) -> Option<Packet> {
        (!self.control.is_empty()).then(|| self.control.remove(0))
    }

    /// Takes the Engine.IO packets that wait for a poll or a WebSocket.
    fn take_control(&mut self) -> Vec<Packet> {
        std::mem::take(&mut self.control)
    }

    /// Lets a poll wait, or answers it with the packets that were retained for it.
    ///
    /// # Errors
    /// Another poll is pending, which is an error of the client unless it gave up the first; or the
    /// client has left.
    pub(super) fn wait(&mut self, poll: WaitingPoll) -> Result<PollState, Closed> {
        if self.poll.as_ref().is_some_and(|poll| !poll.is_closed()) {
            return Err(Closed::Malformed);
        }
        self.poll = Some(poll);
        if self.held.is_empty() || self.is_upgrading() {
            return Ok(PollState::Empty);
        }
        let held = std::mem::take(&mut self.held);
        self.answer(held).map_err(|Gone| Closed::Left)?;
        Ok(PollState::Answered)
    }

    /// Answers the pending poll, with Engine.IO packets first.
    pub(super) fn answer(&mut self, packets: Vec<QueuedPacket>) -> Result<(), Gone> {
        let poll = self.poll.take().ok_or(Gone)?;
        let mut all: Vec<QueuedPacket> = self.take_control().into_iter().map(Into::into).collect();
        all.extend(packets);
        poll.send(all).map_err(|_| Gone)
    }

    /// Retains packets for the next poll, since none is pending.
    pub(super) fn hold(&mut self, packets: Vec<QueuedPacket>) {
        self.held.extend(packets);
    }

    /// True while a poll is pending.
    pub(super) fn has_poll(&self) -> bool {
        self.poll.is_some() && !self.is_upgrading()
    }

    /// Answers a pending poll if there are Engine.IO packets, or the client upgrades.
    pub(super) fn answer_control(&mut self) -> Result<(), Gone> {
        if self.poll.is_none() || self.control.is_empty() && !self.is_upgrading() {
            return Ok(());
        }
        let noop = self.control.is_empty().then(|| Packet::from(NOOP).into());
        self.answer(noop.into_iter().collect())
    }

    /// Takes a WebSocket that the client probes.
    pub(super) fn try_websocket(&mut self, websocket: WebSocket) {
        self.probe = Some(UpgradeProbe {
            websocket,
            until: Instant::now() + PROBE_TIMEOUT,
            tried: false,
        });
    }

    /// Answers the client's first packet on the WebSocket that it probes.
    pub(super) fn answer_probe(&mut self, pong: Packet) {
        if let Some(probe) = &mut self.probe {
            probe.tried = true;
            probe.websocket.queue(pong);
        }
    }

    pub(super) fn drop_probe(&mut self) {
        self.probe = None;
    }

    /// End of the time for the upgrade.
    pub(super) fn probe_deadline(&self) -> Option<Instant> {
        Some(self.probe.as_ref()?.until)
    }

    /// The WebSocket that the client upgrades to, with the waiting Engine.IO packets queued;
    /// retained packets are followed by this fence.
    pub(super) fn upgrade(&mut self, fence: u64) -> Option<WebSocket> {
        let mut websocket = self.probe.take()?.websocket;
        if let Some(poll) = self.poll.take() {
            // The client may have closed that request already.
            poll.send(vec![Packet::from(NOOP).into()]).ok();
        }
        for packet in self.take_control() {
            websocket.queue(packet);
        }
        if !self.held.is_empty() {
            for packet in std::mem::take(&mut self.held) {
                websocket.queue(packet);
            }
            websocket.queue_fence(fence);
        }
        Some(websocket)
    }

    fn is_upgrading(&self) -> bool {
        self.probe.as_ref().is_some_and(|probe| probe.tried)
    }
}

/// Answers a poll that arrives after the session has upgraded to a WebSocket.
pub(super) fn end_poll(poll: WaitingPoll) {
    // A client polls once more during the upgrade; it may have given up.
    poll.send(vec![Packet::from(NOOP).into()]).ok();
}
