//! Engine.IO and Socket.IO clients for EXP: generations 3 and 4, over WebSocket and long polling.
//!
//! [`socket`] is the live socket. The rest is shared with HTTP calls: dialling ([`tcp`], [`dns`],
//! [`tunnel`]), TLS ([`trust`], [`tls`]), and the diagnosis of failures ([`diagnosis`]). Of the
//! workspace, the crate depends on the domain alone.
#![forbid(unsafe_code)]

mod choice;
pub mod diagnosis;
pub mod dns;
mod encoding;
mod error;
mod path;
mod proxy_challenge;
pub mod server_time;
pub mod socket;
mod tcp;
mod tls;
pub mod trust;
mod tunnel;

pub use choice::{ProtocolChoice, SocketLibrary, TransportChoice};
pub use error::ConnectError;
pub use path::{Path, PathRecord};
