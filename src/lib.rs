//! The daemon: keeps one authenticated connection per EXP identity and shares it with every process
//! on the host.
//!
//! The rooms, in the order in which a message passes them:
//!
//! - [`upstream`]: one identity's path to the cloud: HTTP transport, session, API calls, live link.
//! - [`router`]: the actor that owns channels, their logs and their listeners, for all instances.
//! - [`bridge`]: one identity behind one handle, which every server calls.
//! - [`rpc`]: the gRPC server: thin services, and the streams that share encoded frames.
//! - [`web`]: the door for web pages, which speaks the protocol of EXP's SDKs.
//! - [`access`]: access control: the rules, the caller's facts, and the decision.
//! - [`ipc`]: local sockets: bound, guarded, accepted from.
//! - [`cli`]: the command line, one file a command, on top of [`expd_client`].
//!
//! Around them:
//!
//! - [`daemon`]: puts the rooms together: starts, reloads, drains and stops.
//! - [`config`]: the settings, read and checked as a whole before anything is bound.
//! - [`moment`]: points in time that stay right when the wall clock is set.
//! - [`pages`]: the open pages, as status and metrics show them.
//! - [`shares`]: resources that all users share, and the part that one of them may take.
//! - [`host_network`]: changes of the host's links, addresses and routes.
//! - [`coredump`], [`exposure`]: protection of the process's memory and of its files.
//! - [`systemd`], [`logging`], [`metrics`]: the service manager, the log, and the counters.
//! - [`journal`]: the events of the log that operators filter on.
//!
//! Crates of their own: [`expd_domain`] (channels, events, payloads, identities; no I/O),
//! [`expd_wire`] (the live socket), [`expd_hub`] (an EXP-compatible network), [`expd_server`] (the
//! serving half of EXP's protocol), [`expd_proto`] (the gRPC contract), [`expd_client`] and
//! [`expd_authority`].
#![forbid(unsafe_code)]

pub mod access;
mod bridge;
pub mod cli;
pub mod config;
mod coredump;
pub mod daemon;
mod exposure;
mod host_network;
pub mod ipc;
pub mod journal;
mod logging;
pub mod metrics;
mod moment;
mod pages;
pub mod router;
pub mod rpc;
mod shares;
mod standard_error;
mod systemd;
pub mod upstream;
mod web;
