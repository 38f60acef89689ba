//! One open Engine.IO connection of expd's own client, in either generation and over either
//! transport: a task that reads, pings and sends, and the [`Socket`] that owns it.
//!
//! The task ends with the connection, on request, or when its socket is dropped. It passes events
//! on through a queue of [`EVENT_QUEUE`]. While that is full it stops reading, but keeps pinging
//! where the client pings.

use std::fmt;
use std::future::pending;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::heartbeat::{Beat, Heartbeat};
use super::packet::{Handshake, Message, Packet, subscribe};
use super::transport::{Address, ConnectionLost, Received, ToSend, Transport};
use super::{EVENT_QUEUE, Socket, SocketError, SocketEvent, event};
use expd_domain::{ChannelId, Generation};

/// Timeout of a graceful close.
pub(super) const CLOSE_LIMIT: Duration = Duration::from_secs(2);

/// Maximum length of a ping's text that is echoed.
const MAX_PING: usize = 128;

/// Name of the broadcast with a paired device's credentials.
const CREDENTIALS: &str = "credentials";

/// Differences between the generations once a transport is open.
pub(super) trait Dialect: fmt::Debug + Send + Sync {
    fn generation(&self) -> Generation;

    /// The heartbeat, in which one side pings.
    fn heartbeat(&self, handshake: &Handshake, now: Instant) -> Heartbeat;

    /// The client's first packet, if it sends one.
    fn opening_packet(&self) -> Option<&'static str>;

    /// Classifies a message that arrives while the root namespace is being opened.
    fn namespace_step(&self, message: &Message<'_>) -> NamespaceStep;
}

/// Step towards an open root namespace.
pub(super) enum NamespaceStep {
    /// It is open.
    Joined,
    /// The server refused the token, with this message.
    Refused(String),
    /// The message does not belong to this generation.
    Wrong(&'static str),
    /// More messages are needed.
    Wait,
}

/// Opens the root namespace on a transport, and hands the connection to a task. Without a
/// `handshake`, the server's first packet must be one.
pub(super) async fn open(
    address: &Address<'_>,
    mut transport: Transport,
    handshake: Option<Handshake>,
    dialect: &'static dyn Dialect,
) -> Result<Box<dyn Socket>, SocketError> {
    let heartbeat = match open_namespace(address, &mut transport, handshake, dialect).await {
        Ok(heartbeat) => heartbeat,
        Err(error) => {
            // Spares the server an unused session. If it does not accept the close, its ping
            // timeout ends the session.
            timeout(CLOSE_LIMIT, transport.close()).await.ok();
            return Err(error);
        }
    };
    let (events, received) = mpsc::channel(EVENT_QUEUE);
    // The socket sends one command at a time and waits for its completion.
    let (commands, received_commands) = mpsc::channel(1);
    let session = EngineSession {
        transport,
        heartbeat,
        events,
        commands: received_commands,
        held: None,
    };
    let mut task = JoinSet::new();
    task.spawn(session.run());
    Ok(Box::new(EngineSocket {
        generation: dialect.generation(),
        events: received,
        commands,
        task,
        closed: false,
    }))
}

async fn open_namespace(
    address: &Address<'_>,
    transport: &mut Transport,
    handshake: Option<Handshake>,
    dialect: &dyn Dialect,
) -> Result<Heartbeat, SocketError> {
    let failed = |lost: ConnectionLost| address.failed(lost.0);
    let mut heartbeat = None;
    let mut announced = handshake;
    loop {
        if let Some(handshake) = announced.take() {
            heartbeat = Some(dialect.heartbeat(&handshake, Instant::now()));
            if let Some(opening_packet) = dialect.opening_packet() {
                transport.send(packet(opening_packet)).map_err(failed)?;
            }
        }
        let due = heartbeat.as_ref().map(Heartbeat::due);
        let beat = async {
            match due {
                Some(due) => sleep_until(due).await,
                None => pending().await,
            }
        };
        let incoming = tokio::select! {
            incoming = transport.receive(true) => incoming.map_err(failed)?,
            () = beat => {
                match heartbeat.as_mut().map(|heartbeat| heartbeat.beat(Instant::now())) {
                    Some(Beat::Ping) => transport.send(packet("2")).map_err(failed)?,
                    Some(Beat::Dead(reason)) => return Err(address.failed(reason)),
                    Some(Beat::Wait) | None => {}
                }
                continue;
            }
        };
        if let Some(heartbeat) = &mut heartbeat {
            heartbeat.on_received(Instant::now());
        }
        let Received::Text(text) = incoming else {
            continue;
        };
        match Packet::parse(text.as_str()) {
            Ok(Packet::Open(handshake)) if heartbeat.is_none() => announced = Some(handshake),
            Ok(Packet::Message(message)) => match dialect.namespace_step(&message) {
                NamespaceStep::Joined => {
                    return heartbeat.ok_or_else(|| {
                        address.failed(
                        "the server opened the namespace without a handshake; is this an EXP network's address?",
                    )
                    });
                }
                NamespaceStep::Refused(message) => return Err(address.refused(message)),
                NamespaceStep::Wrong(reason) => return Err(address.failed(reason)),
                NamespaceStep::Wait => {}
            },
            Ok(Packet::Ping(text)) => answer(transport, text).map_err(failed)?,
            Ok(Packet::Close) => {
                return Err(address.failed("the server closed the connection during the handshake"));
            }
            Ok(Packet::Open(_) | Packet::Pong | Packet::Noop) => {}
            Err(malformed) => {
                return Err(address.failed(format!(
                    "the server sent {malformed}; is this an EXP network's address?"
                )));
            }
        }
    }
}

fn packet(text: &str) -> ToSend {
    ToSend {
        text: text.to_owned(),
        sent: None,
    }
}

fn answer(transport: &mut Transport, ping: &str) -> Result<(), ConnectionLost> {
    let text = if ping.len() <= MAX_PING { ping } else { "" };
    transport.send(packet(&format!("3{text}")))
}

/// An open connection of expd's own client.
struct EngineSocket {
    generation: Generation,
    events: mpsc::Receiver<SocketEvent>,
    commands: mpsc::Sender<SocketCommand>,
    /// Holds the session's task alone, which is aborted when this is dropped.
    task: JoinSet<()>,
    closed: bool,
}

enum SocketCommand {
    Send(ToSend),
    Close,
}

impl Socket for EngineSocket {
    fn generation(&self) -> Generation {
        self.generation
    }

    fn subscribe(&mut self, channels: Vec<ChannelId>) -> BoxFuture<'_, Result<(), SocketError>> {
        Box::pin(async move {
            for text in subscribe(&channels) {
                let (sent, left) = oneshot::channel();
                let command = SocketCommand::Send(ToSend {
                    text,
                    sent: Some(sent),
                });
                let broke = || SocketError::Send("the connection is closed".to_owned());
                self.commands.send(command).await.map_err(|_| broke())?;
                left.await.map_err(|_| broke())?;
            }
            Ok(())
        })
    }

    fn next_events<'a>(&'a mut self, events: &'a mut Vec<SocketEvent>) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            if self.closed {
                return pending().await;
            }
            if self.events.recv_many(events, EVENT_QUEUE).await == 0 {
                events.push(SocketEvent::Closed("the socket's task ended".to_owned()));
            }
            self.closed = matches!(events.last(), Some(SocketEvent::Closed(_)));
        })
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, ()> {
        let mut socket = self;
        Box::pin(async move {
            socket.events.close();
            let ended = async {
                // An error means that the task has ended already.
                socket.commands.send(SocketCommand::Close).await.ok();
                while socket.task.join_next().await.is_some() {}
            };
            // After the timeout, dropping the socket aborts the task.
            timeout(CLOSE_LIMIT, ended).await.ok();
        })
    }
}

/// The task's side of an [`EngineSocket`].
struct EngineSession {
    transport: Transport,
    heartbeat: Heartbeat,
    events: mpsc::Sender<SocketEvent>,
    commands: mpsc::Receiver<SocketCommand>,
    /// An event that did not fit into the queue. Reading stops while there is one.
    held: Option<SocketEvent>,
}

/// Reason for the end of a session.
enum End {
    /// This side asked to close it.
    Asked,
    /// The server closed it.
    Server(&'static str),
    /// The connection broke.
    Lost(String),
}

impl From<ConnectionLost> for End {
    fn from(ConnectionLost(reason): ConnectionLost) -> Self {
        Self::Lost(reason)
    }
}

impl EngineSession {
    async fn run(mut self) {
        let Err(end) = self.drive().await;
        let reason = match end {
            End::Asked => None,
            End::Server(reason) => Some(reason.to_owned()),
            End::Lost(ref reason) => Some(reason.clone()),
        };
        if let Some(event) = self.held.take() {
            // An error means that the receiver is gone.
            self.events.send(event).await.ok();
        }
        if let Some(reason) = reason {
            self.events.send(SocketEvent::Closed(reason)).await.ok();
        }
        if !matches!(end, End::Lost(_)) {
            timeout(CLOSE_LIMIT, self.transport.close()).await.ok();
        }
    }

    async fn drive(&mut self) -> Result<std::convert::Infallible, End> {
        let timer = sleep_until(self.heartbeat.due());
        tokio::pin!(timer);
        let events = self.events.clone();
        loop {
            let stalled = self.held.is_some();
            tokio::select! {
                biased;
                command = self.commands.recv() => match command {
                    Some(SocketCommand::Send(packet)) => self.transport.send(packet)?,
                    Some(SocketCommand::Close) | None => {
                        self.transport.send(packet("41"))?;
                        return Err(End::Asked);
                    }
                },
                () = &mut timer => {
                    self.beat()?;
                    timer.as_mut().reset(self.heartbeat.due());
                }
                room = events.reserve(), if stalled => {
                    let room = room.map_err(|_| End::Asked)?;
                    if let Some(event) = self.held.take() {
                        room.send(event);
                    }
                    self.heartbeat.on_received(Instant::now());
                }
                incoming = self.transport.receive(!stalled) => {
                    self.heartbeat.on_received(Instant::now());
                    if let Some(event) = self.read(incoming?)? {
                        self.hand_over(event)?;
                    }
                }
            }
        }
    }

    fn beat(&mut self) -> Result<(), End> {
        let now = Instant::now();
        match self.heartbeat.beat(now) {
            Beat::Wait => {}
            Beat::Ping => self.transport.send(packet("2"))?,
            // Reading was paused, so responses may be waiting.
            Beat::Dead(_) if self.held.is_some() => self.heartbeat.on_received(now),
            Beat::Dead(reason) => return Err(End::Lost(reason)),
        }
        Ok(())
    }

    fn hand_over(&mut self, event: SocketEvent) -> Result<(), End> {
        match self.events.try_send(event) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(event)) => {
                self.held = Some(event);
                Ok(())
            }
            Err(TrySendError::Closed(_)) => Err(End::Asked),
        }
    }

    /// Handles a packet, and returns its event for the link.
    fn read(&mut self, incoming: Received) -> Result<Option<SocketEvent>, End> {
        let text = match incoming {
            Received::Text(text) => text,
            Received::Binary(length) => {
                return Ok(unexpected(format!("a binary message of {length} bytes")));
            }
        };
        let packet = Packet::parse(text.as_str());
        let event = match &packet {
            Ok(Packet::Message(Message::Event(array))) => Some(event::read(array)),
            _ => None,
        };
        if log::log_enabled!(log::Level::Trace) {
            trace(text.as_str(), event.as_ref());
        }
        if event.is_some() {
            return Ok(event);
        }
        Ok(match packet {
            Ok(Packet::Ping(text)) => {
                answer(&mut self.transport, text)?;
                None
            }
            Ok(
                Packet::Pong
                | Packet::Noop
                | Packet::Message(Message::Connect(_) | Message::Event(_)),
            ) => None,
            Ok(Packet::Close) => return Err(End::Server("the server closed the connection")),
            Ok(Packet::Message(Message::Disconnect)) => {
                return Err(End::Server("the server disconnected this client"));
            }
            Ok(Packet::Message(Message::Refused(json))) => Some(event::refused(json)),
            Ok(Packet::Message(Message::Other(what))) => unexpected(what),
            Ok(Packet::Open(_)) => unexpected("a second handshake"),
            Err(malformed) => unexpected(malformed.to_string()),
        })
    }
}

/// Logs received packets, except those that may hold secrets: a device's credentials, and messages
/// that are not understood.
fn trace(text: &str, event: Option<&SocketEvent>) {
    match event {
        Some(SocketEvent::Broadcast(broadcast)) if broadcast.name == CREDENTIALS => {
            log::trace!("received {} bytes of credentials, not shown", text.len());
        }
        Some(SocketEvent::Broadcast(_) | SocketEvent::Subscribed(_)) => {
            log::trace!("received {text}");
        }
        _ => {
            // Types of the packet and of its message.
            let kind: String = text.chars().take(2).collect();
            log::trace!("received a packet {kind} of {} bytes", text.len());
        }
    }
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "reads as an arm of the match it stands in"
)]
fn unexpected(what: impl Into<String>) -> Option<SocketEvent> {
    Some(SocketEvent::Unexpected(what.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_whose_task_died_is_closed_and_says_so() {
        let (dying, events) = mpsc::channel(EVENT_QUEUE);
        let (commands, received_commands) = mpsc::channel(1);
        let mut task = JoinSet::new();
        task.spawn(async move {
            let _held = (&dying, &received_commands);
            panic!("a defect");
        });
        let mut socket: Box<dyn Socket> = Box::new(EngineSocket {
            generation: Generation::V4,
            events,
            commands,
            task,
            closed: false,
        });
        let mut heard = Vec::new();
        let hearing = socket.next_events(&mut heard);
        timeout(Duration::from_secs(5), hearing).await.unwrap();
        assert!(
            matches!(heard.as_slice(), [SocketEvent::Closed(_)]),
            "{heard:?}"
        );
        let channel = ChannelId::from_wire("c");
        assert!(socket.subscribe(vec![channel]).await.is_err());
        timeout(Duration::from_secs(5), socket.close())
            .await
            .unwrap();
    }
}
