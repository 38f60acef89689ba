//! expd keeps one authenticated connection per EXP identity and shares it with every process on the host.
//!
//! The rooms, in the way of a message:
//!
//! - [`exp`]: the domain: channels, broadcasts, identities, payloads. No I/O; knows nobody.
//! - [`config`]: settings, read and checked as a whole before anything is bound.
//! - [`hub`]: an EXP-compatible network in one process: the embedded default, and what the tests run against.
//! - [`upstream`]: one identity's way to the cloud: session, HTTP calls, live socket.
//! - [`proto`]: the gRPC contract, generated from `proto/`.
#![forbid(unsafe_code)]

pub mod config;
pub mod exp;
pub mod hub;
pub mod proto;
pub mod router;
pub mod upstream;
