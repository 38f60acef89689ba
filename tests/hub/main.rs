//! The embedded network, started in process on a free port and used by real clients: HTTP (reqwest), Socket.IO of the
//! present generation (`rust_socketio`), and long polling by hand in both generations, where each byte can be seen.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod world;

mod auth;
mod messages;
mod pairing;
#[cfg(feature = "rust-socketio")]
mod real_client;
mod resources;
mod sockets;
