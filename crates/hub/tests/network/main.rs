//! The embedded network, started in process on a free port and used over HTTP, WebSocket, and long
//! polling by hand in both generations, where each byte is visible.
//! `tests/behaviour/library_client.rs` uses a library's client.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod running_hub;

mod auth;
mod content;
mod content_reading;
mod messages;
mod pairing;
mod resources;
mod sockets;
