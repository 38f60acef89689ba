//! The embedded network, started in process on a free port and used by real clients: HTTP (reqwest), Socket.IO of the
//! present generation (`rust_socketio`), and long polling by hand in both generations, where each byte can be seen.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "hub/world.rs"]
mod world;

#[path = "hub/auth.rs"]
mod auth;
#[path = "hub/messages.rs"]
mod messages;
#[path = "hub/pairing.rs"]
mod pairing;
#[cfg(feature = "rust-socketio")]
#[path = "hub/real_client.rs"]
mod real_client;
#[path = "hub/resources.rs"]
mod resources;
#[path = "hub/sockets.rs"]
mod sockets;
