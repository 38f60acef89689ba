//! The wire towards EXP: Engine.IO and Socket.IO clients of the generations 3 and 4 over WebSocket and long polling.
//!
//! [`socket`] is the live socket. The rest is what it and HTTP calls share: dialling ([`tcp`], [`dns`], [`tunnel`]), TLS
//! ([`trust`], [`tls`]), and telling what went wrong ([`diagnosis`]). It knows the domain alone.
#![forbid(unsafe_code)]

mod choice;
pub mod diagnosis;
pub mod dns;
pub mod encoding;
mod proxy_challenge;
pub mod server_time;
pub mod socket;
mod tcp;
mod tls;
pub mod trust;
mod tunnel;

pub use choice::{ProtocolChoice, SocketLibrary, TransportChoice};
