//! Tasks of live sockets: admission, subscriptions, delivery, expiry.
//!
//! The token is the query parameter `token`. An invalid one is refused by Socket.IO's
//! `connect_error` with a message, and the transport is closed a moment later. A socket ends with
//! its token, as a disconnect by the server.
//!
//! A client sends `subscribe` with a list of channel IDs; see `subscriptions`. Its messages wait in
//! an outbox that the registry fills, and are sent as fast as the client reads them.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::error::ApiError;
use super::login::Login;
use super::outbox::{Next, Order, Outbox};
use super::state::HubState;
use super::subscriptions;
use expd_server::engine::{Closed, EngineSocket, QueuedPacket, SocketEvent, disconnect_packet};
use expd_server::socket_memory::SocketUse;

/// Time for a client to leave after it was refused, or told to disconnect.
const GRACE: Duration = Duration::from_secs(1);

/// Timeout of closing a client's transport.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(300);

/// Limits of one batch for a transport.
const MAX_BATCH: usize = 64;
const MAX_BATCH_BYTES: usize = 1024 * 1024;

/// Task of a live socket.
pub(super) struct SocketTask {
    hub: Arc<HubState>,
    client: Client,
}

enum Client {
    Admitted(Box<Admitted>),
    Refused(ApiError),
}

/// Socket of a login, registered until it is dropped.
struct Admitted {
    hub: Arc<HubState>,
    login: Login,
    outbox: Outbox,
}

/// Reason for the end of a socket.
enum End {
    Closed(Closed),
    Expired,
    /// Disconnected, after everything that was sent to it before.
    Leaving,
    /// Cut, since it does not read.
    Cut,
    Stopping,
}

/// Message of a refusal in `connect_error`.
pub(super) fn refusal(error: &ApiError) -> String {
    format!("{}: {}", error.code, error.message)
}

impl SocketTask {
    /// Registers a socket of a login, whose deliveries are charged to `memory`, or prepares its
    /// refusal.
    pub(super) fn new(
        hub: &Arc<HubState>,
        login: Result<Login, ApiError>,
        memory: Option<Arc<SocketUse>>,
    ) -> Self {
        let client = match login {
            Ok(login) => {
                let owner = login.owner();
                let memory = memory.unwrap_or_else(|| hub.socket_memory.open(&owner));
                let outbox = hub.sockets.insert(login.identity.clone(), &owner, memory);
                Client::Admitted(Box::new(Admitted {
                    hub: hub.clone(),
                    login,
                    outbox,
                }))
            }
            Err(error) => Client::Refused(error),
        };
        Self {
            hub: hub.clone(),
            client,
        }
    }

    /// Serves the socket to its end.
    pub(super) async fn run(self, socket: EngineSocket) {
        match self.client {
            Client::Admitted(admitted) => admitted.run(socket).await,
            Client::Refused(error) => refuse(&self.hub, socket, &error).await,
        }
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.hub.sockets.remove(self.outbox.id);
    }
}

impl Admitted {
    async fn run(mut self, mut socket: EngineSocket) {
        let end = self.serve(&mut socket).await;
        // No further messages are delivered to it.
        self.hub.sockets.remove(self.outbox.id);
        let login = &self.login;
        match end {
            End::Closed(closed) => log::debug!("a socket of {login} has ended: {closed}"),
            End::Cut => {}
            End::Stopping => {
                let left = self.outbox.take(MAX_BATCH, usize::MAX);
                if !left.is_empty() && socket.is_writable() && socket.send(left).is_err() {
                    return;
                }
                socket.close(CLOSE_TIMEOUT).await;
            }
            End::Expired => {
                log::debug!("the token of {login} has expired; closing its socket");
                self.leave(socket).await;
            }
            End::Leaving => self.leave(socket).await,
        }
    }

    async fn serve(&mut self, socket: &mut EngineSocket) -> End {
        let hub = self.hub.clone();
        // Created once for the whole loop: every socket waits for the same end of the hub.
        let mut stopping = pin!(hub.stopping.cancelled());
        let mut expiry = pin!(sleep(hub.tokens.left(self.login.life)));
        loop {
            let writable = socket.is_writable();
            let event = tokio::select! {
                biased;
                () = &mut stopping => return End::Stopping,
                () = &mut expiry => return End::Expired,
                next = self.outbox.next(writable) => match next {
                    Next::End(Order::Cut) => return End::Cut,
                    Next::End(Order::Stay | Order::Disconnect) => return End::Leaving,
                    Next::Packet(first) => match self.send(socket, first) {
                        Ok(()) => continue,
                        Err(closed) => return End::Closed(closed),
                    },
                },
                event = socket.next() => event,
            };
            match event {
                SocketEvent::Closed(closed) => return End::Closed(closed),
                SocketEvent::Connected => {
                    hub.counters.sockets_opened.increment();
                    log::debug!("a socket of {} is open", self.login);
                }
                SocketEvent::Reopened => {
                    hub.sockets.unsubscribe(self.outbox.id);
                    // Messages for its earlier subscriptions do not belong into the reopened
                    // namespace.
                    drop(self.outbox.take(usize::MAX, usize::MAX));
                }
                SocketEvent::Event(name, argument) if name == "subscribe" => {
                    let id = self.outbox.id;
                    subscriptions::subscribe(&hub, &self.login, id, argument.as_deref());
                }
                // The network has no other event.
                SocketEvent::Event(..)
                | SocketEvent::Refused
                | SocketEvent::Received(_)
                | SocketEvent::Writable => {}
            }
        }
    }

    /// Hands packets over to the transport.
    fn send(&mut self, socket: &mut EngineSocket, first: QueuedPacket) -> Result<(), Closed> {
        let bytes = MAX_BATCH_BYTES.saturating_sub(first.packet.len());
        let mut packets = vec![first];
        packets.extend(self.outbox.take(MAX_BATCH, bytes));
        socket.send(packets)
    }

    /// Sends the remaining packets, tells the client to disconnect, and gives it time to leave.
    async fn leave(mut self, mut socket: EngineSocket) {
        let deadline = Instant::now() + GRACE;
        let stopping = self.hub.stopping.clone();
        let mut told = false;
        loop {
            let writable = socket.is_writable() && !told;
            let event = tokio::select! {
                biased;
                () = sleep_until(deadline) => break,
                () = stopping.cancelled() => break,
                event = socket.next() => event,
                first = self.outbox.remaining(), if writable => {
                    let sent = if let Some(first) = first {
                        self.send(&mut socket, first)
                    } else {
                        told = true;
                        socket.send(vec![disconnect_packet().into()])
                    };
                    if sent.is_err() {
                        return;
                    }
                    continue;
                }
            };
            match event {
                SocketEvent::Closed(_) => return,
                // The next poll confirms the disconnect.
                SocketEvent::Received(_) if told => break,
                _ => {}
            }
        }
        socket.close(CLOSE_TIMEOUT).await;
    }
}

/// Closes a socket a moment after its client was refused.
async fn refuse(hub: &HubState, mut socket: EngineSocket, error: &ApiError) {
    let stopping = hub.stopping.clone();
    let refused = async {
        loop {
            match socket.next().await {
                SocketEvent::Refused => return true,
                SocketEvent::Closed(_) => return false,
                _ => {}
            }
        }
    };
    tokio::select! {
        refused = refused => if !refused {
            return;
        },
        () = stopping.cancelled() => return,
    }
    hub.counters.sockets_refused.increment();
    log::info!(code = error.code; "refused a socket of an anonymous client: {error}");
    let left = async { while !matches!(socket.next().await, SocketEvent::Closed(_)) {} };
    tokio::select! {
        () = left => {}
        () = sleep(GRACE) => socket.close(CLOSE_TIMEOUT).await,
        () = stopping.cancelled() => {}
    }
}
