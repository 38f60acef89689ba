//! The gRPC server: thin services that decode, check access, call the bridge and encode.
//!
//! [`service`] makes the HTTP/2 service that answers every method: `Network`, `Api`, `Daemon`,
//! reflection (v1 and v1alpha) and health. `Listen` has a handler of its own (`listen.rs`), so that
//! a broadcast is encoded once for all streams, and so have `RunInstance` (`run.rs`), whose stream
//! owns the instance, and `Fetch` (`content.rs`), so that content passes without a copy.

mod access;
mod api;
#[doc(hidden)]
pub mod bench;
mod bounds;
mod content;
mod context;
mod convert;
mod credentials;
mod daemon;
mod deadline;
mod error;
mod explain;
pub mod frame;
mod gate;
mod health;
mod instance;
mod listen;
mod measure;
mod message;
mod network;
mod offload;
mod open;
mod page;
mod permission;
mod pull;
mod reflection;
mod reloading;
mod routes;
mod run;
pub mod server;
mod standby;
mod stream;
mod structured;
mod unary;
mod watching;

pub(crate) use context::ServiceContext;
pub(crate) use measure::daemon_counters;
pub(crate) use pull::PullListeners;
pub(crate) use reloading::{ReloadAnswer, ReloadCall, ReloadCalls, ReloadHandle, reloads};
pub(crate) use routes::service;
pub(crate) use standby::standby;
