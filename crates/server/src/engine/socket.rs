//! The owner's end of a live socket.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Duration;

use serde_json::value::RawValue;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::carrier::{Carrier, Received, WebSocket};
use super::entry::{Heartbeat, Inbound, SessionEntry};
use super::packet::{ClientPacket, Packet};
use crate::engine_query::Generation;

/// Time that a client has to take what is written to its WebSocket.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// An event of a live socket.
#[derive(Debug)]
pub enum SocketEvent {
    /// An event of the client: its name, and its first argument's text.
    Event(String, Option<Box<RawValue>>),
    /// The client has received everything that was written before this mark.
    Received(u64),
    /// The transport takes packets again.
    Writable,
    /// The socket has ended.
    Closed(Closed),
}

/// Reason for the end of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Closed {
    /// The client closed it, or its transport broke.
    #[error("the client has left")]
    Left,
    /// The client does not show a sign of life.
    #[error("the client shows no sign of life")]
    Silent,
    /// The client does not read what it is sent.
    #[error("the client does not read what it is sent")]
    Slow,
    /// The client broke the protocol.
    #[error("the client broke the protocol")]
    Malformed,
}

/// A live socket. Its transport ends when it is dropped, without a Socket.IO disconnect.
pub struct EngineSocket {
    generation: Generation,
    heartbeat: Heartbeat,
    inbound: mpsc::Receiver<Inbound>,
    carrier: Carrier,
    /// Packets of the protocol that a poll has yet to take; one for each packet of the client at
    /// most, since a client that does not poll ends with its heartbeat.
    control: Vec<Packet>,
    /// Events of one body that their owner has not taken yet.
    events: VecDeque<SocketEvent>,
    heard: Instant,
    next_ping: Instant,
    /// The mark that was asked for last. In polling, the next poll answers it.
    mark: u64,
    /// The mark of polling that the next poll confirms.
    unconfirmed: Option<u64>,
    entry: SessionEntry,
}

impl EngineSocket {
    pub(super) fn new(
        generation: Generation,
        heartbeat: Heartbeat,
        inbound: mpsc::Receiver<Inbound>,
        control: Vec<Packet>,
        entry: SessionEntry,
    ) -> Self {
        let now = Instant::now();
        Self {
            generation,
            heartbeat,
            inbound,
            carrier: Carrier::Polling {
                poll: None,
                probe: None,
            },
            control,
            events: VecDeque::new(),
            heard: now,
            next_ping: now + heartbeat.interval,
            mark: 0,
            unconfirmed: None,
            entry,
        }
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

    /// True while the transport takes packets.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        match &self.carrier {
            Carrier::WebSocket(_) => true,
            Carrier::Polling { poll, probe } => poll.is_some() && probe.is_none(),
        }
    }

    /// True where the client has received everything that was ever written: its next poll waits.
    #[must_use]
    pub fn is_caught_up(&self) -> bool {
        self.unconfirmed.is_none() && self.is_writable() && !self.is_websocket()
    }

    /// Waits for the next event. Dropping the future loses nothing.
    pub async fn next(&mut self) -> SocketEvent {
        loop {
            if let Some(event) = self.events.pop_front() {
                return event;
            }
            self.answer_poll();
            let deadline = self.heard + self.heartbeat.interval + self.heartbeat.timeout;
            let next_ping = self.next_ping;
            let server_pings = self.generation == Generation::V4;
            let Self {
                carrier, inbound, ..
            } = self;
            let websocket = match carrier {
                Carrier::WebSocket(websocket) => Some(websocket),
                Carrier::Polling { probe, .. } => probe.as_mut(),
            };
            tokio::select! {
                biased;
                input = inbound.recv() => match input {
                    Some(input) => self.on_input(input),
                    None => return SocketEvent::Closed(Closed::Left),
                },
                received = drive(websocket) => self.on_received(received),
                () = sleep_until(next_ping), if server_pings => {
                    self.next_ping = Instant::now() + self.heartbeat.interval;
                    self.send_control("2".into());
                }
                () = sleep_until(deadline) => return SocketEvent::Closed(Closed::Silent),
            }
        }
    }

    /// Writes packets, while the transport [takes](Self::is_writable) some. With a WebSocket, waits
    /// until the kernel has them.
    ///
    /// # Errors
    /// The client has left, or does not read.
    pub async fn write(&mut self, packets: Vec<Packet>) -> Result<(), Closed> {
        match &mut self.carrier {
            Carrier::WebSocket(websocket) => {
                for packet in packets {
                    websocket.queue(packet);
                }
                let written = poll_fn(|context| websocket.poll_written(context));
                let until = Instant::now() + WRITE_TIMEOUT;
                match timeout_at(until, written).await {
                    Ok(Ok(())) => Ok(()),
                    Ok(Err(())) => Err(Closed::Left),
                    Err(_) => Err(Closed::Slow),
                }
            }
            Carrier::Polling { poll, .. } => {
                let Some(poll) = poll.take() else {
                    return Err(Closed::Left);
                };
                let mut all = std::mem::take(&mut self.control);
                all.extend(packets);
                self.mark += 1;
                self.unconfirmed = Some(self.mark);
                poll.send(all).map_err(|_| Closed::Left)
            }
        }
    }

    /// Asks for a mark: [`SocketEvent::Received`] with its number comes once the client has
    /// received everything that was written before. In polling, what was written last has its mark
    /// already.
    pub fn mark(&mut self) -> u64 {
        if let Carrier::WebSocket(websocket) = &mut self.carrier {
            self.mark += 1;
            websocket.queue_mark(self.mark);
        }
        self.mark
    }

    fn on_input(&mut self, input: Inbound) {
        self.heard = Instant::now();
        match input {
            Inbound::Packets(packets) => {
                for packet in packets {
                    self.on_packet(packet, false);
                }
            }
            Inbound::Poll(new) => {
                if let Some(mark) = self.unconfirmed.take() {
                    self.events.push_back(SocketEvent::Received(mark));
                }
                match &mut self.carrier {
                    // A client polls once more while it changes to its WebSocket.
                    Carrier::WebSocket(_) => drop(new.send(vec!["6".into()])),
                    Carrier::Polling { poll, .. } if poll.is_some() => {
                        self.events
                            .push_back(SocketEvent::Closed(Closed::Malformed));
                    }
                    Carrier::Polling { poll, .. } => {
                        *poll = Some(new);
                        self.events.push_back(SocketEvent::Writable);
                    }
                }
            }
            Inbound::WebSocket(new) => match &mut self.carrier {
                Carrier::Polling { probe, .. } => *probe = Some(new),
                Carrier::WebSocket(_) => {}
            },
        }
    }

    fn on_received(&mut self, received: Received) {
        let probing = !self.is_websocket();
        match received {
            Received::Text(text) => {
                self.heard = Instant::now();
                match ClientPacket::parse(&text) {
                    Some(packet) => self.on_packet(packet, probing),
                    None => self
                        .events
                        .push_back(SocketEvent::Closed(Closed::Malformed)),
                }
            }
            Received::Mark(mark) => {
                self.heard = Instant::now();
                self.events.push_back(SocketEvent::Received(mark));
            }
            Received::End => match &mut self.carrier {
                Carrier::Polling { probe, .. } => *probe = None,
                Carrier::WebSocket(_) => self.events.push_back(SocketEvent::Closed(Closed::Left)),
            },
        }
    }

    fn on_packet(&mut self, packet: ClientPacket, on_probe: bool) {
        match packet {
            ClientPacket::Ping(text) => {
                let pong = Packet::from(format!("3{text}"));
                match &mut self.carrier {
                    Carrier::Polling {
                        probe: Some(probe), ..
                    } if on_probe => probe.queue(pong),
                    _ => self.send_control(pong),
                }
            }
            ClientPacket::Upgrade if on_probe => self.upgrade(),
            ClientPacket::Event(name, argument) => {
                self.events.push_back(SocketEvent::Event(name, argument));
            }
            ClientPacket::Connect => match self.generation {
                // The sockets of generation 3 are connected from the beginning.
                Generation::V3 => {}
                Generation::V4 => {
                    let sid = &self.entry.sid;
                    self.send_control(format!("40{{\"sid\":\"{sid}\"}}").into());
                }
            },
            ClientPacket::ConnectElsewhere(namespace) => {
                let refusal = match self.generation {
                    Generation::V3 => "\"Invalid namespace\"",
                    Generation::V4 => "{\"message\":\"Invalid namespace\"}",
                };
                self.send_control(format!("44{namespace},{refusal}").into());
            }
            ClientPacket::Close | ClientPacket::Disconnect => {
                self.events.push_back(SocketEvent::Closed(Closed::Left));
            }
            ClientPacket::Pong | ClientPacket::Other | ClientPacket::Upgrade => {}
        }
    }

    /// Goes on over the WebSocket that the client tried.
    fn upgrade(&mut self) {
        let Carrier::Polling { poll, probe } = &mut self.carrier else {
            return;
        };
        let Some(mut websocket) = probe.take() else {
            return;
        };
        if let Some(poll) = poll.take() {
            // The client may be gone from there already.
            poll.send(vec!["6".into()]).ok();
        }
        if let Some(mark) = self.unconfirmed.take() {
            // The client pauses its polls, and has taken the last one, before it upgrades.
            self.events.push_back(SocketEvent::Received(mark));
        }
        for packet in std::mem::take(&mut self.control) {
            websocket.queue(packet);
        }
        self.carrier = Carrier::WebSocket(websocket);
        self.events.push_back(SocketEvent::Writable);
    }

    fn send_control(&mut self, packet: Packet) {
        match &mut self.carrier {
            Carrier::WebSocket(websocket) => websocket.queue(packet),
            Carrier::Polling { .. } => self.control.push(packet),
        }
    }

    /// Answers a waiting poll where the protocol has something to say, or the client upgrades.
    fn answer_poll(&mut self) {
        let Carrier::Polling { poll, probe } = &mut self.carrier else {
            return;
        };
        if poll.is_none() || self.control.is_empty() && probe.is_none() {
            return;
        }
        let mut packets = std::mem::take(&mut self.control);
        if packets.is_empty() {
            packets.push("6".into());
        }
        if let Some(poll) = poll.take()
            && poll.send(packets).is_err()
        {
            self.events.push_back(SocketEvent::Closed(Closed::Left));
        }
    }

    /// Starts as a WebSocket instead of polling: what it has to say first goes there.
    pub(super) fn begin_as_websocket(&mut self, mut websocket: WebSocket) {
        for packet in std::mem::take(&mut self.control) {
            websocket.queue(packet);
        }
        self.carrier = Carrier::WebSocket(websocket);
    }

    /// The packets that a handshake of long polling is answered with.
    pub(super) fn take_control(&mut self) -> Vec<Packet> {
        std::mem::take(&mut self.control)
    }
}

/// Writes what is queued, and waits for a message.
async fn drive(websocket: Option<&mut WebSocket>) -> Received {
    let Some(websocket) = websocket else {
        return std::future::pending().await;
    };
    poll_fn(|context: &mut Context<'_>| {
        let received = websocket.poll_received(context);
        // After reading, which may have queued the library's own pong.
        if let Poll::Ready(Err(())) = websocket.poll_written(context) {
            return Poll::Ready(Received::End);
        }
        received
    })
    .await
}
