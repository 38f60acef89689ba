//! Carrier of a socket's packets: polls, or a WebSocket; and the change from one to the other.

use std::time::Duration;

use tokio::time::Instant;

use super::entry::WaitingPoll;
use super::packet::{Outgoing, Packet};
use super::socket_event::Closed;
use super::websocket::WebSocket;

/// Time that a client has to go over to a WebSocket that it tries.
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);

/// Packet that tells a poll to end.
const NOOP: &str = "6";

pub(super) enum Carrier {
    Polling(Polling),
    WebSocket(WebSocket),
}

#[derive(Default)]
pub(super) struct Polling {
    /// The poll that waits; none between two.
    poll: Option<WaitingPoll>,
    /// The WebSocket that the client is trying.
    probe: Option<Probe>,
    /// Packets of the protocol that a poll has yet to take.
    control: Vec<Packet>,
    /// Packets that came when the protocol had just answered the poll: what one write has.
    held: Vec<Outgoing>,
}

struct Probe {
    websocket: WebSocket,
    until: Instant,
    /// The client has tried it, and polls no more.
    tried: bool,
}

/// The carrier, or its client, is gone.
pub(super) struct Gone;

/// State of a poll that has come.
pub(super) enum Waiting {
    /// It waits for packets.
    Empty,
    /// Packets that were kept have answered it.
    Answered,
}

impl Carrier {
    /// True while it takes packets.
    pub(super) fn is_writable(&self) -> bool {
        match self {
            Self::WebSocket(websocket) => websocket.is_drained(),
            Self::Polling(polling) => polling.has_poll(),
        }
    }

    /// The WebSocket to be read and written, in use or being tried.
    pub(super) fn websocket(&mut self) -> Option<&mut WebSocket> {
        match self {
            Self::WebSocket(websocket) => Some(websocket),
            Self::Polling(polling) => polling.probe.as_mut().map(|probe| &mut probe.websocket),
        }
    }

    /// Sends a packet of the protocol as soon as there is a way.
    pub(super) fn send_control(&mut self, packet: Packet) {
        match self {
            Self::WebSocket(websocket) => websocket.queue(packet),
            Self::Polling(polling) => polling.control.push(packet),
        }
    }

    /// Packets of the protocol that wait for a poll.
    pub(super) fn waiting_control(&self) -> usize {
        match self {
            Self::WebSocket(_) => 0,
            Self::Polling(polling) => polling.control.len(),
        }
    }

    /// Starts as a WebSocket; what was to be said goes there.
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
    /// The packet that a handshake is answered with.
    pub(super) fn take_handshake(&mut self) -> Option<Packet> {
        (!self.control.is_empty()).then(|| self.control.remove(0))
    }

    /// Packets of the protocol that wait for a poll or a WebSocket.
    fn take_control(&mut self) -> Vec<Packet> {
        std::mem::take(&mut self.control)
    }

    /// Lets a poll wait, or answers it with the packets that were kept for it.
    ///
    /// # Errors
    /// One waits already, which is an error of the client unless it gave up the first; or it has
    /// left.
    pub(super) fn wait(&mut self, poll: WaitingPoll) -> Result<Waiting, Closed> {
        if self.poll.as_ref().is_some_and(|poll| !poll.is_closed()) {
            return Err(Closed::Malformed);
        }
        self.poll = Some(poll);
        if self.held.is_empty() || self.is_upgrading() {
            return Ok(Waiting::Empty);
        }
        let held = std::mem::take(&mut self.held);
        self.answer(held).map_err(|Gone| Closed::Left)?;
        Ok(Waiting::Answered)
    }

    /// Answers the poll that waits, after what the protocol has to say.
    pub(super) fn answer(&mut self, packets: Vec<Outgoing>) -> Result<(), Gone> {
        let poll = self.poll.take().ok_or(Gone)?;
        let mut all: Vec<Outgoing> = self.take_control().into_iter().map(Into::into).collect();
        all.extend(packets);
        poll.send(all).map_err(|_| Gone)
    }

    /// Keeps packets for the next poll, since none waits.
    pub(super) fn hold(&mut self, packets: Vec<Outgoing>) {
        self.held.extend(packets);
    }

    /// True while a poll waits for packets.
    pub(super) fn has_poll(&self) -> bool {
        self.poll.is_some() && !self.is_upgrading()
    }

    /// Answers a poll that waits where the protocol has something to say, or the client upgrades.
    pub(super) fn answer_control(&mut self) -> Result<(), Gone> {
        if self.poll.is_none() || self.control.is_empty() && !self.is_upgrading() {
            return Ok(());
        }
        let noop = self.control.is_empty().then(|| Packet::from(NOOP).into());
        self.answer(noop.into_iter().collect())
    }

    /// Takes a WebSocket that the client tries.
    pub(super) fn try_websocket(&mut self, websocket: WebSocket) {
        self.probe = Some(Probe {
            websocket,
            until: Instant::now() + PROBE_TIMEOUT,
            tried: false,
        });
    }

    /// Answers the client's first packet on the WebSocket that it tries.
    pub(super) fn answer_probe(&mut self, pong: Packet) {
        if let Some(probe) = &mut self.probe {
            probe.tried = true;
            probe.websocket.queue(pong);
        }
    }

    pub(super) fn drop_probe(&mut self) {
        self.probe = None;
    }

    /// End of the time for the WebSocket that the client tries.
    pub(super) fn probe_deadline(&self) -> Option<Instant> {
        Some(self.probe.as_ref()?.until)
    }

    /// The WebSocket that the client goes over to, with what was to be said; packets that were kept
    /// are followed by this mark.
    pub(super) fn upgrade(&mut self, mark: u64) -> Option<WebSocket> {
        let mut websocket = self.probe.take()?.websocket;
        if let Some(poll) = self.poll.take() {
            // The client may be gone from there already.
            poll.send(vec![Packet::from(NOOP).into()]).ok();
        }
        for packet in self.take_control() {
            websocket.queue(packet);
        }
        if !self.held.is_empty() {
            for packet in std::mem::take(&mut self.held) {
                websocket.queue(packet);
            }
            websocket.queue_mark(mark);
        }
        Some(websocket)
    }

    fn is_upgrading(&self) -> bool {
        self.probe.as_ref().is_some_and(|probe| probe.tried)
    }
}

/// Answer to a poll that comes when the session goes on over a WebSocket already.
pub(super) fn end_poll(poll: WaitingPoll) {
    // A client polls once more while it changes; it may have given up.
    poll.send(vec![Packet::from(NOOP).into()]).ok();
}
