//! The promises of expd, tested through its public interfaces: real Socket.IO and HTTP to the
//! embedded network, real gRPC on a Unix socket to the daemon. One file a capability;
//! `expd_test_support::world` has the network, the daemon, and the ways to stop and restart both.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod broadcasts;
mod channel_ids;
mod channel_rules;
mod content;
mod credentials;
mod deadlines;
mod gate;
mod instances;
mod introspection;
#[cfg(feature = "rust-socketio")]
mod library_client;
mod pairing;
mod payloads;
mod resubscribe;
mod round_trip;
mod run_instance;
mod sharing;
#[cfg(feature = "rust-socketio")]
mod socket_library;
mod status;
mod stopping;
