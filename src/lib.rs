//! expd keeps one authenticated connection per EXP identity and shares it with every process on the host.
//!
//! The rooms, in the way of a message:
//!
//! - [`upstream`]: one identity's way to the cloud: the session that holds the token, HTTP calls, the live socket and its link.
//! - [`router`]: the actor that owns channels, their logs and their listeners, for all instances.
//! - [`bridge`]: one identity behind one handle: what every front door calls.
//! - [`rpc`]: the gRPC front door: thin services, and the stream that shares ready frames.
//! - [`access`]: who may do what: the rules, the caller's facts, and the decision that every door asks for.
//! - [`ipc`]: local sockets: bound, guarded, accepted from.
//! - [`expd_client`]: the typed local client: programs on this host, `expd` among them, speak to the daemon through it.
//! - [`cli`]: the command line, one file a subcommand.
//!
//! Around them:
//!
//! - [`daemon`]: puts it together: starts, reloads, drains and stops in order.
//! - [`expd_domain`]: the domain: channels, broadcasts, identities, payloads. No I/O; knows nobody.
//! - [`expd_hub`]: an EXP-compatible network in one process: the embedded default, and what the tests run against.
//! - [`config`]: settings, read and checked as a whole before anything is bound.
//! - [`shares`]: what all users have together, and how much of it one may have.
//! - [`coredump`]: that the process's memory stays its own.
//! - [`exposure`]: files that others can read or change.
//! - [`systemd`], [`logging`], [`metrics`]: the service manager's side, log records, figures.
//! - [`expd_proto`]: the gRPC contract, generated from `proto/`.
#![forbid(unsafe_code)]

pub mod access;
pub mod bridge;
pub mod cli;
pub mod config;
pub mod coredump;
pub mod daemon;
pub mod exposure;
pub mod ipc;
pub mod logging;
pub mod metrics;
pub mod router;
pub mod rpc;
pub mod shares;
pub mod systemd;
pub mod upstream;
