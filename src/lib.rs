//! expd keeps one authenticated connection per EXP identity and shares it with every process on the host.
//!
//! The rooms, in the way of a message:
//!
//! - [`exp`]: the domain: channels, broadcasts, identities, payloads. No I/O; knows nobody.
//! - [`config`]: settings, read and checked as a whole before anything is bound.
//! - [`hub`]: an EXP-compatible network in one process: the embedded default, and what the tests run against.
//! - [`upstream`]: one identity's way to the cloud: session, HTTP calls, live socket.
//! - [`ipc`]: local sockets: bound, guarded, accepted from, with the peer's identity.
//! - [`logging`]: log records, to the journal or to standard error.
//! - [`systemd`]: what is said to the service manager, and what it passes on.
//! - [`client`]: the typed local client: what programs on this host, `expd` among them, speak to the daemon with.
//! - [`cli`]: the command line, one file a subcommand.
//! - [`proto`]: the gRPC contract, generated from `proto/`.
#![forbid(unsafe_code)]

pub mod bridge;
pub mod cli;
pub mod client;
pub mod config;
pub mod daemon;
pub mod exp;
pub mod hub;
pub mod ipc;
pub mod logging;
pub mod metrics;
pub mod proto;
pub mod router;
pub mod rpc;
pub mod systemd;
pub mod upstream;
