//! Parts that the tests and benchmarks of all crates share; never published.
//!
//! - [`wait`]: the one deadline, and waiting for a condition.
//! - [`ports`]: addresses that are taken again.
//! - [`lines`]: the lines of a child process, each with the deadline.
//! - [`process`]: the program `expd` as a process.
//! - `network` (feature `hub`): the network in the test's own process.
//! - `daemon`, `world`, `transcript`, `traffic`, `judge` (feature `daemon`): the daemon in the
//!   test's own process, and what its listeners heard, held against what was sent.
//! - `soak` (feature `daemon`): the same for what programs of other languages print.
//! - `certificates`, `front`, `cloud` (feature `tls`): TLS, proxies and scripted servers.
//! - `socket_server` (feature `sockets`): a Socket.IO server on a test's script.
//! - `http2` (feature `http2`): connections of other users, and raw HTTP/2.
//!
//! A crate's tests enable what they need, so that they build without the daemon.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::print_stderr,
    clippy::new_without_default,
    clippy::return_self_not_must_use,
    reason = "tests fail by panicking, and are described where they are written"
)]

#[cfg(feature = "tls")]
pub mod certificates;
#[cfg(feature = "tls")]
pub mod cloud;
#[cfg(feature = "daemon")]
pub mod daemon;
#[cfg(feature = "tls")]
pub mod front;
#[cfg(feature = "http2")]
pub mod http2;
#[cfg(feature = "daemon")]
pub mod judge;
pub mod lines;
#[cfg(feature = "hub")]
pub mod network;
pub mod ports;
pub mod process;
#[cfg(feature = "daemon")]
pub mod soak;
#[cfg(feature = "sockets")]
pub mod socket_server;
#[cfg(feature = "daemon")]
pub mod traffic;
#[cfg(feature = "daemon")]
pub mod transcript;
pub mod wait;
#[cfg(feature = "daemon")]
pub mod world;

pub use wait::{DEADLINE, eventually, eventually_blocking, eventually_within, in_time, until};
