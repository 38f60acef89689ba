//! Local sockets: binding one ([`bind()`]), and accepting connections from it, each with its peer's
//! identity ([`Accepted`], [`Caller`](crate::access::Caller)).
//!
//! Promises: of several daemons that want one path, exactly one gets it, and never by replacing a
//! live one; no client can connect before the socket has its mode and group; the file is removed
//! with the socket, and only if it is still that socket's.

mod accepted;
mod bind;
mod error;
mod folder;
mod goaway;
mod location;
mod lock;
mod peer_stream;
mod probe;
mod unix_reads;
mod writer;

pub use accepted::{Accepted, Listener, allow_open_files};
pub use bind::{BoundSocket, SocketGuard, bind};
pub use error::IpcError;
pub use expd_client::SocketPath;
pub use location::{default_path, runtime_directory};
pub use peer_stream::PeerStream;
