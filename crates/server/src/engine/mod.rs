//! Engine.IO 3 and 4 with Socket.IO's default namespace, for servers that must know what a client
//! has received.
//!
//! A handshake creates an [`EngineSocket`], which its owner drives from one task: it reads the
//! client's events, writes packets while the transport accepts them, and sends fences, whose
//! confirmation proves that the client has received everything before (a WebSocket ping's pong, or
//! the next poll). Requests of long polling and upgrades reach it through [`EngineSessions`].
//!
//! The files, from the top: [`requests`] answers HTTP; [`sessions`] finds the socket of a request;
//! [`socket`] is the owner's end, [`socket_event`] its events, and [`timing`] its timeouts;
//! [`carrier`] is its transport; [`entry`] is what sockets and sessions share; [`websocket`] writes
//! and reads frames, over a [`frame_writer`]; [`packet`] reads and writes packets.

mod carrier;
mod entry;
mod frame_writer;
mod packet;
mod requests;
mod sessions;
mod socket;
mod socket_event;
mod timing;
mod websocket;

pub use entry::{Heartbeat, SocketTerms};
pub use packet::{Packet, QueuedPacket, disconnect_packet, event};
pub use requests::Opening;
pub use sessions::EngineSessions;
pub use socket::EngineSocket;
pub use socket_event::{Closed, SocketEvent};
