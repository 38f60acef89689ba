//! The owner's end of a live socket.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use super::carrier::{Carrier, PollState, Polling, end_poll};
use super::entry::{Inbound, SessionEntry, SocketTerms};
use super::packet::{ClientPacket, Packet, QueuedPacket};
use super::socket_event::{Closed, SocketEvent};
use super::timing::Timing;
use super::websocket::{Received, WebSocket};
use crate::byte_budget::Reservation;
use expd_domain::Generation;

/// Time for a client to read what is written to its WebSocket.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// Maximum number of Engine.IO packets that wait for a poll: mainly pongs.
const MAX_CONTROL: usize = 64;

/// Message that refuses another namespace.
const NO_NAMESPACE: &str = "Invalid namespace";

/// A live socket. Dropping it ends its transport, without a Socket.IO disconnect.
pub struct EngineSocket {
    generation: Generation,
    terms: Arc<SocketTerms>,
    inbound: mpsc::Receiver<Inbound>,
    carrier: Carrier,
    /// Events of one message or body that the owner has not taken yet.
    events: VecDeque<SocketEvent>,
    /// Memory of the body that these events arrived in.
    body: Option<Reservation<String>>,
    connected: bool,
    timing: Timing,
    /// The latest fence. In polling, the next poll confirms it.
    fence: u64,
    /// The fence of polling that the next poll confirms.
    unconfirmed: Option<u64>,
    entry: SessionEntry,
}

impl EngineSocket {
    pub(super) fn new(
        generation: Generation,
        terms: Arc<SocketTerms>,
        inbound: mpsc::Receiver<Inbound>,
        handshake: Packet,
        entry: SessionEntry,
    ) -> Self {
        let mut socket = Self {
            generation,
            timing: Timing::new(terms.heartbeat, generation),
            terms,
            inbound,
            carrier: Carrier::Polling(Polling::default()),
            events: VecDeque::new(),
            body: None,
            connected: false,
            fence: 0,
            unconfirmed: None,
            entry,
        };
        socket.carrier.send_control(handshake);
        if generation == Generation::V3 {
            // The server opens the namespace by itself.
            socket.connect();
        }
        socket
    }

    /// Engine.IO generation that the client speaks: 3 or 4.
    #[must_use]
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// True over a WebSocket.
    #[must_use]
    pub fn is_websocket(&self) -> bool {
        matches!(self.carrier, Carrier::WebSocket(_))
    }

    /// True while the transport accepts packets, and the client has not left the namespace.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        !self.timing.has_left() && self.carrier.is_writable()
    }

    /// Waits for the next event. Cancel-safe.
    pub async fn next(&mut self) -> SocketEvent {
        loop {
            self.answer_poll();
            if let Some(event) = self.events.pop_front() {
                return event;
            }
            self.body = None;
            let websocket = self.carrier.websocket();
            tokio::select! {
                biased;
                input = self.inbound.recv() => match input {
                    Some(input) => self.on_input(input),
                    None => return SocketEvent::Closed(Closed::Left),
                },
                received = receive(websocket) => self.on_received(received),
                () = self.timing.due() => self.on_timer(),
            }
        }
    }

    /// Hands packets to the transport while it is [writable](Self::is_writable), without waiting:
    /// [`SocketEvent::Writable`] follows once it accepts more. If an Engine.IO packet has answered
    /// the poll in the meantime, the packets wait for the next poll.
    ///
    /// # Errors
    /// The client has left.
    pub fn send(&mut self, packets: Vec<QueuedPacket>) -> Result<(), Closed> {
        self.hand_over(packets.into_iter())
    }

    fn hand_over(&mut self, packets: impl Iterator<Item = QueuedPacket>) -> Result<(), Closed> {
        match &mut self.carrier {
            Carrier::WebSocket(websocket) => {
                for packet in packets {
                    websocket.queue(packet);
                }
                Ok(())
            }
            Carrier::Polling(polling) => {
                let packets = packets.collect();
                self.fence += 1;
                if !polling.has_poll() {
                    polling.hold(packets);
                    return Ok(());
                }
                self.unconfirmed = Some(self.fence);
                polling.answer(packets).map_err(|_| Closed::Left)
            }
        }
    }

    /// As [`Self::send`]; on a WebSocket, waits until the kernel has the packets.
    ///
    /// # Errors
    /// The client has left, or does not read.
    pub async fn write(&mut self, packets: Vec<Packet>) -> Result<(), Closed> {
        self.hand_over(packets.into_iter().map(Into::into))?;
        let Carrier::WebSocket(websocket) = &mut self.carrier else {
            return Ok(());
        };
        let written = poll_fn(|context| websocket.poll_sent(context));
        match timeout(WRITE_TIMEOUT, written).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(())) => Err(Closed::Left),
            Err(_) => Err(Closed::Slow),
        }
    }

    /// Closes the transport gracefully, within the time.
    pub async fn close(mut self, within: Duration) {
        match &mut self.carrier {
            Carrier::WebSocket(websocket) => {
                websocket.queue_close();
                let written = poll_fn(|context| websocket.poll_sent(context));
                // The socket ends even if its client reads nothing.
                timeout(within, written).await.ok();
            }
            Carrier::Polling(polling) => {
                // Between two polls nobody waits: the next poll finds no session.
                polling.answer(vec![Packet::from("1").into()]).ok();
            }
        }
    }

    /// Sends a fence: [`SocketEvent::Received`] with its number follows once the client has
    /// received everything that was written before. In polling, the last write has its fence
    /// already.
    pub fn fence(&mut self) -> u64 {
        if let Carrier::WebSocket(websocket) = &mut self.carrier {
            self.fence += 1;
            websocket.queue_fence(self.fence);
        }
        self.fence
    }

    /// Starts as a WebSocket instead of polling.
    pub(super) fn begin_as_websocket(&mut self, websocket: WebSocket) {
        self.carrier.become_websocket(websocket);
    }

    /// Takes the packet that answers a long-polling handshake. Later packets wait for the next poll
    /// or the WebSocket: the Python SDK's client ignores what arrives with the handshake.
    pub(super) fn take_handshake(&mut self) -> Option<QueuedPacket> {
        match &mut self.carrier {
            Carrier::Polling(polling) => polling.take_handshake().map(Into::into),
            Carrier::WebSocket(_) => None,
        }
    }

    /// Opens the default namespace, or refuses it.
    fn connect(&mut self) {
        let packet = match (&self.terms.refusal, self.generation) {
            (Some(refusal), Generation::V3) => format!("44{}", json!(refusal)),
            (Some(refusal), Generation::V4) => format!("44{}", json!({"message": refusal})),
            (None, Generation::V3) => "40".to_owned(),
            (None, Generation::V4) => format!("40{}", json!({"sid": self.entry.sid})),
        };
        self.carrier.send_control(packet.into());
        let is_reopened = self.timing.stay();
        let is_first = !std::mem::replace(&mut self.connected, true);
        let event = match (&self.terms.refusal, is_first, is_reopened) {
            (Some(_), true, _) => SocketEvent::Refused,
            (None, true, _) => SocketEvent::Connected,
            (None, false, true) => SocketEvent::Reopened,
            (_, false, _) => return,
        };
        self.events.push_back(event);
    }

    /// Reports a fence as confirmed. A client that has left the namespace reads packets and
    /// discards them.
    fn received(&mut self, fence: u64) {
        if !self.timing.has_left() {
            self.events.push_back(SocketEvent::Received(fence));
        }
    }

    fn deadline(&self) -> Instant {
        let deadline = self.timing.deadline(self.connected);
        match &self.carrier {
            Carrier::Polling(polling) => polling
                .probe_deadline()
                .map_or(deadline, |until| deadline.min(until)),
            Carrier::WebSocket(_) => deadline,
        }
    }

    /// Handles due timeouts and pings, and sets the timer to the next one.
    fn on_timer(&mut self) {
        let now = Instant::now();
        if self.timing.take_ping(now) {
            self.carrier.send_control("2".into());
        }
        if let Carrier::Polling(polling) = &mut self.carrier
            && polling.probe_deadline().is_some_and(|until| until <= now)
        {
            polling.drop_probe();
        }
        if self.deadline() <= now {
            self.end(match (self.timing.has_left(), self.connected) {
                (true, _) => Closed::Left,
                (false, true) => Closed::Silent,
                (false, false) => Closed::NotConnected,
            });
        }
        let next = self.deadline();
        self.timing.sleep_until(next);
    }

    fn end(&mut self, closed: Closed) {
        self.events.push_back(SocketEvent::Closed(closed));
    }

    fn on_input(&mut self, input: Inbound) {
        self.timing.heard();
        match input {
            Inbound::Packets(packets, reservation) => {
                self.body = reservation;
                for packet in packets {
                    self.on_packet(packet, false);
                }
            }
            Inbound::Poll(poll) => {
                if let Some(fence) = self.unconfirmed.take() {
                    self.received(fence);
                }
                match &mut self.carrier {
                    Carrier::WebSocket(_) => end_poll(poll),
                    Carrier::Polling(polling) => match polling.wait(poll) {
                        Ok(PollState::Empty) => self.events.push_back(SocketEvent::Writable),
                        Ok(PollState::Answered) => self.unconfirmed = Some(self.fence),
                        Err(closed) => self.end(closed),
                    },
                }
            }
            Inbound::WebSocket(websocket) => {
                if let Carrier::Polling(polling) = &mut self.carrier {
                    polling.try_websocket(websocket);
                    self.on_timer();
                }
            }
        }
    }

    fn on_received(&mut self, received: Received) {
        let probing = !self.is_websocket();
        match received {
            Received::Text(text) => {
                self.timing.heard();
                match ClientPacket::parse(&text) {
                    Some(packet) => self.on_packet(packet, probing),
                    None => self.end(Closed::Malformed),
                }
            }
            Received::Fence(fence) => {
                self.timing.heard();
                self.received(fence);
            }
            Received::Drained => self.events.push_back(SocketEvent::Writable),
            Received::End => match &mut self.carrier {
                Carrier::Polling(polling) => polling.drop_probe(),
                Carrier::WebSocket(_) => self.end(Closed::Left),
            },
        }
    }

    fn on_packet(&mut self, packet: ClientPacket, on_probe: bool) {
        match packet {
            ClientPacket::Ping(text) => {
                let pong = Packet::from(format!("3{text}"));
                match &mut self.carrier {
                    Carrier::Polling(polling) if on_probe => polling.answer_probe(pong),
                    carrier => carrier.send_control(pong),
                }
            }
            ClientPacket::Upgrade if on_probe => self.upgrade(),
            // The client sent an event before its namespace was open.
            ClientPacket::Event(..) if !self.connected => self.end(Closed::Malformed),
            ClientPacket::Event(name, argument) if !self.timing.has_left() => {
                self.events.push_back(SocketEvent::Event(name, argument));
            }
            // In generation 3, clients open the namespace only after having left it.
            ClientPacket::Connect
                if self.generation == Generation::V4 || self.timing.has_left() =>
            {
                self.connect();
            }
            ClientPacket::ConnectElsewhere(namespace) => {
                let refusal = match self.generation {
                    Generation::V3 => json!(NO_NAMESPACE),
                    Generation::V4 => json!({"message": NO_NAMESPACE}),
                };
                let refusal = format!("44{namespace},{refusal}");
                self.carrier.send_control(refusal.into());
            }
            ClientPacket::Close => self.end(Closed::Left),
            // The client closes the transport next, and treats it as an error if it is closed
            // already.
            ClientPacket::Disconnect => {
                self.timing.leave();
                self.on_timer();
            }
            ClientPacket::Connect
            | ClientPacket::Event(..)
            | ClientPacket::Pong
            | ClientPacket::Other
            | ClientPacket::Upgrade => {}
        }
        if self.carrier.waiting_control() > MAX_CONTROL {
            self.end(Closed::Slow);
        }
    }

    /// Completes the upgrade to the WebSocket that the client probed.
    fn upgrade(&mut self) {
        let Carrier::Polling(polling) = &mut self.carrier else {
            return;
        };
        let Some(websocket) = polling.upgrade(self.fence) else {
            return;
        };
        if let Some(fence) = self.unconfirmed.take() {
            // Before it upgrades, the client pauses its polls and has read the last one.
            self.received(fence);
        }
        self.carrier = Carrier::WebSocket(websocket);
        self.entry.upgraded.store(true, Ordering::Relaxed);
        self.events.push_back(SocketEvent::Writable);
    }

    /// Answers a pending poll if there are Engine.IO packets.
    fn answer_poll(&mut self) {
        if let Carrier::Polling(polling) = &mut self.carrier
            && polling.answer_control().is_err()
        {
            self.end(Closed::Left);
        }
    }
}

/// Writes the queue, and waits for input from the WebSocket.
async fn receive(websocket: Option<&mut WebSocket>) -> Received {
    match websocket {
        Some(websocket) => poll_fn(|context| websocket.poll_next(context)).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
